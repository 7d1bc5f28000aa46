"""Alerts in words that somebody understands who was woken by them: what is wrong, since when, what calls do, what to
try.
"""

from datetime import datetime, tzinfo

from probes.health.alerts import AlertKind, Phase
from probes.health.incidents import FLAP_CALM
from probes.health.terms import Check, Health, SwitchCause
from probes.report.safe_text import printable
from probes.report.times import duration
from sipcore.value import value

TRY = {
    "name": "check the name in the trunk's configuration, and the DNS that this host asks",
    "refused": "check that the peer's SIP service runs, and that the port is the right one",
    "unreachable": "check the network and the firewalls on the way to it",
    "silent": "check the firewalls on the way, and whether the peer still knows the address that this host sends from",
    "tls": "look at the certificate and the protocol versions of the peer",
    "client-certificate": "show it the certificate that it asks for: certificate and key of the route",
    "not-sip": "something else answers at this port: check address, port and transport",
    "status": "ask the peer why it refuses, and whether it still knows the address that this host sends from",
    "maintenance": "it asks for patience itself: ask its operator for how long; where it takes calls all the same, "
    "refusals = [] has its 503 not count",
    "call": "place the call by hand and look at its messages",
    "registration": "register by hand and look at its messages",
    "nobody": "see at the phone or PBX why it no longer registers: its password, its network, its interval",
}
"""What to try, by the reason of a check."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@value
class Story:
    """What there is to say of an incident, or of a switch to another route. Times are in seconds since 1970."""

    kind: AlertKind
    phase: Phase
    now: float
    trunk: str
    route: str
    since: float
    until: float | None
    active: str | None
    """The route that calls take now."""
    others: tuple[tuple[str, Health, Check | None], ...]
    """All routes of the trunk, best first, how each is, and its last check."""
    check: Check | None = None
    """The one that showed what is told."""
    flapping: bool = False
    measure: str = ""
    """By which figures it is told: the failure rate, the round trip, when the certificate ends."""
    before: str | None = None
    """The route that calls took, of a switch."""
    cause: SwitchCause | None = None
    fails_back: bool = True
    held: bool = False
    """Whether the active route was chosen by hand, so that calls keep it until it is down."""
    zone: tzinfo | None = None


def headline(story: Story) -> str:
    """All of it in one line."""
    if story.phase is Phase.ONCE:
        told = _move(story)
    elif story.phase is Phase.ENDED:
        over = _UNPROVED if story.kind is AlertKind.ALL_DOWN and not _is_proved(story) else _OVER[story.kind]
        told = f"{over.format(**_words(story))} after {lasting((story.until or story.now) - story.since)}"
    else:
        told = _trouble(story)
    return printable(f"{story.trunk}: {told}")


def particulars(story: Story) -> tuple[str, ...]:
    """The rest, a line each."""
    check = story.check
    lines = [_subject(story), _times(story)]
    if story.kind is AlertKind.ALL_DOWN and story.phase is not Phase.ENDED:
        lines += [f"Route {name}: {_seen(last)}" for name, _, last in story.others if last is not None]
    elif check is not None:
        lines.append(f"Seen: {_seen(check)}")
    lines.append(_calls(story))
    if story.phase in (Phase.BEGUN, Phase.LASTS) and check is not None and check.reason in TRY:
        lines.append(f"Try: {TRY[check.reason]}")
    return tuple(printable(line) for line in lines if line)


def lasting(seconds: float) -> str:
    """How long something took, in the two units that matter."""
    if seconds < MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min"
    if seconds < 2 * DAY:
        minutes = seconds % HOUR // MINUTE
        return f"{seconds // HOUR:.0f} h" + (f" {minutes:.0f} min" if minutes else "")
    hours = seconds % DAY // HOUR
    return f"{seconds // DAY:.0f} days" + (f" {hours:.0f} h" if hours else "")


def clock(story: Story, at: float) -> str:
    """A time as the readers' clocks show it."""
    return datetime.fromtimestamp(at, story.zone).strftime("%Y-%m-%d %H:%M:%S %Z")


_BEGUN = {
    AlertKind.ALL_DOWN: "no route is left, calls fail",
    AlertKind.DOWN: "route {route} is down",
    AlertKind.DEGRADED: "route {route} has been degraded for {lasting}",
    AlertKind.CALL: "test calls over route {route} fail",
    AlertKind.REGISTRATION: "the registration by route {route} fails",
    AlertKind.FAILURE_RATE: "checks of route {route} fail, {measure}",
    AlertKind.SLOW: "route {route} is slow, {measure}",
    AlertKind.CERTIFICATE: "the certificate of route {route} {measure}",
}
_OVER = {
    AlertKind.ALL_DOWN: "calls work again{over_active}",
    AlertKind.DOWN: "route {route} is up again",
    AlertKind.DEGRADED: "route {route} is no longer degraded",
    AlertKind.CALL: "test calls over route {route} work again",
    AlertKind.REGISTRATION: "the registration by route {route} works again",
    AlertKind.FAILURE_RATE: "few checks of route {route} fail any more,",
    AlertKind.SLOW: "route {route} is quick again",
    AlertKind.CERTIFICATE: "the certificate of route {route} was renewed,",
}


_UNPROVED = "calls take route {active}, which has not answered yet,"
"""In place of that calls work again: the route was added or changed a moment ago."""


def _is_proved(story: Story) -> bool:
    """Whether the route that calls take was seen to answer, as one has by which calls work again."""
    return all(health is not Health.UNCHECKED for name, health, _ in story.others if name == story.active)


def _words(story: Story) -> dict[str, str]:
    return {
        "route": story.route,
        "active": story.active or "none",
        "over_active": f", over route {story.active or 'none'}," if len(story.others) > 1 else "",
        "measure": story.measure,
        "lasting": lasting(story.now - story.since),
    }


def _trouble(story: Story) -> str:
    told = _BEGUN[story.kind].format(**_words(story)).rstrip(", ")  # where there are no figures
    if story.flapping:
        told += ", and up again, time and again" if story.kind in _UP_AND_DOWN else ", time and again"
    elif story.phase is Phase.LASTS and story.kind not in (AlertKind.DEGRADED, AlertKind.CERTIFICATE):
        told = f"still so after {lasting(story.now - story.since)}: {told}"
    if story.kind is not AlertKind.CERTIFICATE and story.check is not None and story.kind not in _MEASURED:
        told += f" ({story.check.reason})"
    if story.kind is AlertKind.DOWN and story.active is not None and story.active != story.route:
        told += f"; calls take {story.active}"
    return told


_UP_AND_DOWN = (AlertKind.DOWN, AlertKind.ALL_DOWN)
_MEASURED = (AlertKind.FAILURE_RATE, AlertKind.SLOW)


def _move(story: Story) -> str:
    after = story.active or "none"
    if story.cause is SwitchCause.FAILOVER:
        is_watched = story.before in [name for name, _, _ in story.others]
        return f"calls take route {after} now, since {story.before} is {'down' if is_watched else 'no longer watched'}"
    if story.cause is SwitchCause.FAILBACK:
        return f"calls take route {after} again" + (f" in place of {story.before}" if story.before else "")
    return f"calls take route {after} now in place of {story.before}, by hand"


def _subject(story: Story) -> str:
    place = f" ({story.check.place})" if story.check is not None and story.check.place and story.route else ""
    return f"Trunk {story.trunk}" + (f", route {story.route}{place}" if story.route else "")


def _times(story: Story) -> str:
    if story.phase is Phase.ONCE:
        return f"At {clock(story, story.since)}"
    if story.until is not None:
        return f"From {clock(story, story.since)} to {clock(story, story.until)}"
    told = f"Since {clock(story, story.since)}, for {lasting(story.now - story.since)} now"
    if story.flapping:
        told += f"; told as over when it has stayed away for {lasting(FLAP_CALM)}"
    return told


def _seen(check: Check) -> str:
    """What a check found, for people."""
    is_said = check.detail.startswith(check.reason)
    told = check.detail if is_said else f"{check.reason}, {check.detail}" if check.detail else check.reason
    if check.rtt is not None:
        told += f", answered in {duration(check.rtt)}"
    return told


def _calls(story: Story) -> str:
    """What becomes of calls."""
    if story.active is None:
        return "Calls: they fail, since no route is left. The first that comes up again is taken."
    told = f"Calls: they take route {story.active}"
    is_best = not story.others or story.active == story.others[0][0]
    if is_best:
        return told
    if story.held:
        return (
            f"{told} in place of {story.others[0][0]}, by hand, and keep it until it is down or somebody switches them"
        )
    returns = "by themselves when it is well again" if story.fails_back else "when somebody switches them"
    return f"{told} in place of {story.others[0][0]}, and return {returns}"
