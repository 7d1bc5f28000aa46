"""Draws docs/health.md from the tables in probes/health/machine.py. Run it as `python docs/draw_health.py`.

A test compares the file with what this makes, so the two cannot drift apart.
"""

from collections.abc import Iterator
from pathlib import Path

from probes.health.failover import ORDER
from probes.health.machine import CALL_RECOVERIES, IGNORED, JOINT, TABLE, Input
from probes.health.observe import MAX_WAIT
from probes.health.schedule import CALL_START_RATE, REGISTRATION_START_RATE, START_RATE
from probes.health.terms import Health
from probes.health.trunk import Rules
from probes.health.uptime import GAP_INTERVALS

PAGE = Path(__file__).with_name("health.md")
RULES = Rules()
"""The usual ones, which the page tells."""
MEANINGS = {
    Health.UNCHECKED: "No check has said anything yet: the watch has just begun, or this host has no network.",
    Health.UNKNOWN: (
        "It is silent, and always was. Many drop OPTIONS, so it may be well; a test call or a registration would tell. "
        "It counts neither as up nor as down."
    ),
    Health.HEALTHY: (
        "It answers as it should, by whatever status; or it drops OPTIONS, and a test call or a registration succeeds."
    ),
    Health.DEGRADED: (
        "It answers, and something is wrong: it is slow, or its certificate ends soon. Or checks failed of late, and "
        "not often enough to say that it is down. It counts as up unless that brings it down."
    ),
    Health.UNREACHABLE: "It is down: so many checks in a row failed as the rules say. Calls take another route.",
}
INTRODUCTION = """\
# How a watched route is

What `sipprobe watch` and `probes.Watch` say of a route, drawn from the tables in `probes/health/machine.py` by
`docs/draw_health.py`.
"""
CHECKS = f"""\
## What a check says

| verdict | what came back |
| --- | --- |
| good | It answers as it should. Any status will do, 403, 404 and 405 included: somebody is alive there. |
| poor | It answers, and something is wrong. |
| silent | Nothing came back, and nobody said why. |
| bad | Refused, unreachable, TLS failed, no SIP, a status that counts as a refusal, or a test that failed (below). |
| own | The check could not be made, by a fault of this host. It says nothing about the route. |

What that comes to depends on what came before:

- Bad is a **miss**. So is silence, but only of a route that has answered before, by whatever status: one that drops
  OPTIONS from the beginning is not down for that. That it has answered is remembered over a restart.
- `misses` misses in a row ({RULES.misses} as a rule) bring a route down, `recoveries` answers in a row
  ({RULES.recoveries}) bring it up again. While it is in doubt, OPTIONS are sent each `retry` seconds ({RULES.retry:g})
  in place of each `interval` ({RULES.interval:g}).
- A route that never answered, and was refused for a time, is UNKNOWN again once it has been silent for `recoveries`
  checks: its server was restarted, say.
- OPTIONS and test calls are counted apart, by the same table: `call_misses` failed calls in a row ({RULES.call_misses})
  bring a route down whatever OPTIONS say, and {CALL_RECOVERIES} that succeeds brings it up. Calls are placed at their
  own interval, in doubt as well, since they ring somewhere and somebody pays for them.
- Tests of a registration are counted apart in the same way, by `registration_misses` ({RULES.registration_misses}) and
  at their own interval. With `expect_contact` the registrar is asked whether anybody is registered, and nothing is
  changed: nobody is a failure. Without it, whether the user may register: a contact is registered for a moment and
  removed again, but not where somebody is registered already, unless `beside` says so.
- A route that is down since OPTIONS get no answer, and over which a test call or a registration succeeds, has begun to
  drop OPTIONS: from then on their silence says nothing.
"""
FAILOVER = """\
## Which route calls take

The first route of the trunk, until it is UNREACHABLE. Then the best of the others: {order},
and the first in the trunk's order among those that are alike. A route in doubt may have failed with the first, so that
one which is HEALTHY goes before it. When all are UNREACHABLE, none is taken, and the first that comes up is.

With `fails_back`, calls return to a better route as soon as that is HEALTHY. A better route that is UNKNOWN takes over
from none: whether it works is known only when somebody calls over it, so give it a test call, or switch by hand.
Without `fails_back`, calls stay where they are until that route is down.

A route that is chosen by hand is kept until it is UNREACHABLE, whatever comes up in the meantime; after that the rules
hold again. Choosing the first route gives the trunk back to the rules at once. What is UNREACHABLE cannot be chosen.
All of that is remembered over a restart.

A route that says by 503 that it takes no calls at the moment goes down by that as by a failure, after `misses` of them,
and calls leave it (RFC 3261 §21.5.4), as they leave it in SBCs and in proxies that send OPTIONS. Where a server answers
OPTIONS so and takes calls all the same, `refusals` without 503 has it count as DEGRADED, and calls stay.

Where such a 503 asks to be left alone (Retry-After, §20.33), no OPTIONS are sent before that, for {wait:g} seconds and
{gaps:g} intervals at most. That holds for the address that asked for it: another place of the route that answers, by
whatever status, or is silent is asked in its rhythm, and what the first one said counts until its time is over. While
the whole route is left alone, the check counts as one miss more for each `retry` seconds of that, since the checks that
are left out would have been refused too: a route that asks for {once:g} seconds or more is left by calls at once, as a
rule. The detail of the check tells how long the route is not asked again, which holds over a restart as well. Test
calls and tests of a registration keep their own interval.

## When the trunks are changed

When a route is taken out, calls leave it, and what is open of its alerts is told as over; a new one begins UNCHECKED.
Routes are known by their names. One that leads elsewhere under the same name is another one, and begins UNCHECKED,
since somebody else answers there. One with other settings of TLS is the same: what is known of it holds, and it is
checked at once. So is one with another test call or registration, of which only what these have found counts no longer.
Other rules count from the next check on. All else goes on: health, counts, the route chosen by hand, connections, and
the rhythm of checks. Over a restart the name is all that is compared.
"""
TIME = f"""\
## When it is checked, and which time counts

After the start no more than {START_RATE:g} routes are asked in a second, {REGISTRATION_START_RATE:g} registrations are
tested, and {CALL_START_RATE:g} route is called. Then each is checked in its own rhythm, which neither the time that
checks take nor a host that slept shifts against the others; what was missed is not made up for. Of each trunk one test
call is placed at a time. Over a restart no call is placed, and no registration tested, before its interval is over.

Availability is the time in which a route was HEALTHY or DEGRADED, by the time in which it was that or UNREACHABLE. A
route that went down counts as down from the first of the failed checks on that brought it down, although it was still
DEGRADED then, and until it is up again; where it answered before it was down, it was up. While its first checks fail,
and it is not decided whether it is down, it counts as UNKNOWN. The time in which it was UNKNOWN is told apart, and so
is that in which nobody watched: where no check could be made for {GAP_INTERVALS:g} intervals and a timeout. A trunk is
as the best of its routes: up while any of them is, down while each is known to be. A route that nobody watched while
others were is left out: it was added later, say.
"""


def page() -> str:
    """The whole page."""
    alike = (" or ".join(health.name for health in Health if health in healths) for healths in ORDER)
    waits = {"wait": MAX_WAIT, "gaps": GAP_INTERVALS, "once": (RULES.misses - 1) * RULES.retry}
    failover = FAILOVER.format(order=", then ".join(alike), **waits)
    sections = [INTRODUCTION, *meanings(), CHECKS, *diagram(), *cells(), *joint(), failover, TIME]
    return "\n".join(sections)


def meanings() -> Iterator[str]:
    """What each state means."""
    yield from ("| state | meaning |", "| --- | --- |")
    for health in Health:
        yield f"| {health.name} | {MEANINGS[health]} |"
    yield ""


def diagram() -> Iterator[str]:
    """An arrow from each state to another, with all that leads there."""
    arrows: dict[tuple[Health, Health], list[str]] = {}
    for (health, happening), (after, _) in TABLE.items():
        if health is not after:
            arrows.setdefault((health, after), []).append(happening.value)
    yield from ("## The table", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {Health.UNCHECKED.name}")
    for (health, after), happenings in arrows.items():
        yield f"    {health.name} --> {after.name} : {'<br/>'.join(happenings)}"
    yield from ("```", "")


def cells() -> Iterator[str]:
    """The table of inputs against states."""
    yield from (
        "All that may come stands against every state: the state that follows, *ignored* where it changes nothing, or",
        "a dash where it cannot come. Last stands what is counted.",
        "",
    )
    yield "| | " + " | ".join(health.name for health in Health) + " | |"
    yield "| --- |" + " --- |" * (len(Health) + 1)
    for happening in Input:
        after = " | ".join(cell(health, happening) for health in Health)
        yield f"| {happening.value} | {after} | {counted(happening)} |"
    yield ""


def counted(happening: Input) -> str:
    """What is counted for an input, in whatever state it comes."""
    steps = {step: None for (_, one), (_, steps) in TABLE.items() if one is happening for step in steps}
    return ", ".join(step.value for step in steps)


def cell(health: Health, happening: Input) -> str:
    """What an input leads to."""
    if (health, happening) in TABLE:
        return TABLE[health, happening][0].name
    return "*ignored*" if (health, happening) in IGNORED else "–"


def joint() -> Iterator[str]:
    """What OPTIONS, calls and registrations come to together."""
    calls = [health for health in Health if (health, health) in JOINT]
    yield from ("What OPTIONS (down) and test calls (across) come to together, and what comes of that with tests of a",)
    yield from ("registration (across):", "")
    yield "| | " + " | ".join("none" if call is Health.UNCHECKED else call.name for call in calls) + " |"
    yield "| --- |" + " --- |" * len(calls)
    for options in Health:
        yield f"| {options.name} | " + " | ".join(JOINT[options, call].name for call in calls) + " |"
    told = "A call, or a registration, that succeeded before OPTIONS brought the route down counts as none after that."
    yield from ("", told, "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
