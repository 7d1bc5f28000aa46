"""A watch in words: lines that can be searched, in columns, and no wider than the screen."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest

from probes.destination import Destination
from probes.health.alerts import AlertKind
from probes.health.board import RouteState, TrunkState
from probes.health.difference import Difference
from probes.health.terms import Check, Happening, Health, Switch, SwitchCause, Verdict
from probes.health.trunk import Trunk
from probes.registration.plan import RegistrationProbe
from probes.report.watch_text import (
    WatchText,
    begin_lines,
    difference_text,
    failure_line,
    known_lines,
    outcome,
    state_lines,
    tells_more,
    trouble_lines,
    works,
)
from tests.probes.report.watched import (
    ALERT,
    BEGIN,
    CARRIER,
    DAY,
    HAPPENINGS,
    NO_ANSWER,
    OFFICE,
    OFFICE_AT,
    RESET,
    STATES,
    TRUNKS,
    UNCHECKED,
    At,
)


def told(*happenings: Happening, width: int = 80, checks: bool = False) -> list[str]:
    text = WatchText(TRUNKS, width, UTC, checks=checks)
    return [line.plain for happening in happenings for line in text.lines(happening)]


def test_a_night_on_a_screen() -> None:
    assert told(*HAPPENINGS) == [
        "2026-01-01 UTC",
        "00:00:00  carrier primary  healthy      200 OK in 12.3 ms, tls 192.0.2.1:5061",
        "00:05:00  carrier primary  degraded     after 5 min healthy: tls 192.0.2.1:5061:",
        "          refused: nothing listens there (TCP reset); is the server running, and",
        "          is this its port?",
        "00:05:58  carrier primary  unreachable  after 58 s degraded: the same again",
        "00:05:58  carrier backup   takes calls  instead of primary, which is down",
        "00:06:40  office           unknown      udp 192.0.2.9:5060: no answer within",
        "          4 s; many drop OPTIONS: a test call tells more",
        "00:07:40  carrier          no route     backup is down, and no other is left",
        "2026-01-02 UTC",
        "00:01:00  carrier primary  healthy      after 23 h 55 min unreachable: 200 OK in",
        "          12.3 ms, tls 192.0.2.1:5061",
        "00:01:00  carrier primary  takes calls  it is the first that is up again",
        "00:01:30  carrier backup   takes calls  by hand, instead of primary",
        "00:01:39  carrier primary  takes calls  again, instead of backup",
    ]


def test_in_a_log_each_is_one_line() -> None:
    assert told(HAPPENINGS[3], width=10_000) == [
        "2026-01-01 UTC",
        f"00:05:58  carrier primary  unreachable  after 58 s degraded: tls 192.0.2.1:5061: {RESET}",
    ]


def test_checks_where_they_are_asked_for() -> None:
    call = At(450, route="backup").call(Verdict.BAD, "call", "486 Busy Here: try another number", 486)
    assert told(At(60).good(), At(70).slow(), At(80).silent(), call, checks=True) == [
        "2026-01-01 UTC",
        "00:01:00  carrier primary  good         200 OK in 12.3 ms, tls 192.0.2.1:5061",
        "00:01:10  carrier primary  poor         tls 192.0.2.1:5061: 200 OK; 812 ms after",
        "          the request, slow from 500 ms on",
        "00:01:20  carrier primary  silent       udp 192.0.2.9:5060: no answer within",
        "          4 s; many drop OPTIONS: a test call tells more",
        "00:07:30  carrier backup   bad          test call: tcp [2001:db8::7]:5070: 486",
        "          Busy Here: try another number",
    ]
    assert told(At(60).good()) == []


def test_calls_that_leave_a_route_which_was_taken_out_of_the_file() -> None:
    moved = Switch("carrier", BEGIN, "gone", "backup", SwitchCause.FAILOVER)
    assert (
        told(moved, width=100)[-1]
        == "00:00:00  carrier backup   takes calls  instead of gone, which is no longer watched"
    )


def test_a_title_is_told_in_place_of_the_name() -> None:
    """Of a trunk that another program has named by a key."""
    given = [replace(trunk, name=f"trk_{trunk.name}", title=trunk.name.title()) for trunk in TRUNKS]
    states = [replace(state, trunk=f"trk_{state.trunk}", title=state.trunk.title()) for state in STATES]
    lines = [*begin_lines(given), *known_lines(states, BEGIN), *state_lines(states, BEGIN), *trouble_lines(states)]
    shown = [*(line.plain for line in lines), failure_line(states)]
    text = WatchText(given, zone=UTC)
    for happening in HAPPENINGS:
        shown += [line.plain for line in text.lines(replace(happening, trunk=f"trk_{happening.trunk}"))]
    assert "trk_" not in "\n".join(shown)
    assert any(line.startswith("Carrier primary  OPTIONS to") for line in shown)


def test_what_is_different_is_told_in_a_line() -> None:
    many = tuple(f"t{number}" for number in range(10))
    assert difference_text(Difference()) == "nothing is different"
    assert difference_text(Difference(added=("a",), removed=("b", "c\x1b"))) == "added a; removed b, c\\x1b"
    assert difference_text(Difference(changed=many), ["alerts"]) == (
        "changed t0, t1, t2, t3, t4, t5, t6, t7 and 3 more"
    )


def test_routes_that_are_watched_from_now_on_have_their_names() -> None:
    text = WatchText([OFFICE], 80, UTC)
    assert [line.plain for line in text.change(TRUNKS, BEGIN, "trunks.toml: added carrier")] == [
        "2026-01-01 UTC",
        "00:00:00                   read again   trunks.toml: added carrier",
    ]
    assert text.lines(HAPPENINGS[4])[-1].plain.startswith("00:05:58  carrier backup   takes calls")


def test_the_day_and_its_zone_are_told_once() -> None:
    text = WatchText(TRUNKS, 80, timezone(timedelta(hours=2), "CEST"))
    assert text.lines(HAPPENINGS[1])[0].plain == "2026-01-01 CEST"
    assert [line.plain for line in text.lines(HAPPENINGS[4])] == [
        "02:05:58  carrier backup   takes calls  instead of primary, which is down"
    ]


def test_the_state_stands_out() -> None:
    lines = WatchText(TRUNKS, 80, UTC).lines(HAPPENINGS[3])
    assert [(span.style, lines[1].plain[span.start : span.end]) for span in lines[1].spans] == [
        ("bold red", "unreachable")
    ]


def test_alerts() -> None:
    lines = WatchText(TRUNKS, 80, UTC).alert(ALERT)
    assert [line.plain for line in lines] == [
        "2026-01-01 UTC",
        "00:00:09  carrier primary  alert        carrier, primary: 3 of 10 checks failed",
    ]
    assert [tells_more(replace(ALERT, kind=kind)) for kind in (AlertKind.DOWN, AlertKind.SLOW)] == [False, True]


def test_the_beginning() -> None:
    assert [line.plain for line in begin_lines(TRUNKS, 80)] == [
        "carrier primary  OPTIONS to sip:sbc1.carrier.example;transport=tls every 60 s",
        "carrier backup   OPTIONS to sip:sbc2.carrier.example:5070;transport=tcp every",
        "          60 s, a call to sip:echo@sbc2.carrier.example:5070;transport=tcp every",
        "          1 h",
        "office           OPTIONS to sip:pbx.example.com every 60 s",
    ]


def test_what_is_known_of_earlier() -> None:
    assert [line.plain for line in known_lines(STATES, BEGIN + 7500, 80, UTC)] == [
        "carrier primary  unreachable  since 2026-01-01 00:05:58 (1 h 59 min)",
        "carrier backup   healthy      since 2026-01-01 00:00:00 (2 h 5 min); takes calls",
        "office           unknown      since 2026-01-01 00:06:40 (1 h 58 min)",
    ]
    assert known_lines(UNCHECKED, BEGIN, 80, UTC) == []


def test_how_all_is() -> None:
    assert [line.plain for line in state_lines(STATES, BEGIN + 1000)] == [
        "                                   for  says        time  cert  place",
        "  carrier primary  unreachable  10 min  refused                 tls 192.0.2.1:5…",
        "▶ carrier backup   healthy      16 min  200      12.3 ms  43 d  tcp 192.0.2.2:5…",
        "  office           unknown      10 min  silent                  udp 192.0.2.9:5…",
    ]
    assert [line.plain for line in state_lines(STATES, BEGIN + 1000, 120, lasting=False)][1:] == [
        "  carrier primary  unreachable  refused                 tls 192.0.2.1:5061",
        "▶ carrier backup   healthy      200      12.3 ms  43 d  tcp 192.0.2.2:5070",
        "  office           unknown      silent                  udp 192.0.2.9:5060",
    ]


def test_a_trunk_that_was_never_looked_at() -> None:
    assert [line.plain for line in state_lines(UNCHECKED, BEGIN)] == ["", "office  unchecked"]


def test_what_is_not_healthy_where_there_is_no_room_for_all() -> None:
    def shown(*trunks: TrunkState, rows: int) -> list[str]:
        return [line.plain for line in state_lines(trunks, BEGIN + 1000, rows=rows)]

    assert shown(*STATES, rows=1) == [
        "                                   for  says     place",
        "  carrier primary  unreachable  10 min  refused  tls 192.0.2.1:5061",
        "  and 2 more",
    ]
    assert shown(*STATES, rows=2)[1:] == [
        "  carrier primary  unreachable  10 min  refused  tls 192.0.2.1:5061",
        "  office           unknown      10 min  silent   udp 192.0.2.9:5060",
        "  and 1 more, all healthy",
    ]
    well = replace(STATES[0], routes=(STATES[0].routes[1], replace(STATES[0].routes[1], route="third")))
    assert shown(well, rows=1) == ["  2 routes, all healthy"]
    assert len(shown(*STATES, rows=3)) == 4


def test_what_is_wrong() -> None:
    assert [line.plain for line in trouble_lines(STATES, 80)] == [
        "carrier primary  tls 192.0.2.1:5061: refused: nothing listens there (TCP reset);",
        "          is the server running, and is this its port?",
        "office           udp 192.0.2.9:5060: no answer within 4 s; many drop OPTIONS: a",
        "          test call tells more",
    ]
    assert [line.plain for line in trouble_lines(STATES)][1] == f"office           udp 192.0.2.9:5060: {NO_ANSWER}"


BUSY = At(1).call(Verdict.BAD, "call", "busy", 486)
CALLED = At(1).call(Verdict.GOOD, "answered", "answered", 200)
UNNAMED = At(1).call(Verdict.BAD, "name", "no address")


def with_checks(options: Check | None, call: Check | None, health: Health = Health.DEGRADED) -> RouteState:
    return replace(STATES[0].routes[1], health=health, check=call or options, options=options, call=call)


def test_a_test_call_that_fails_is_told_beside_what_options_say() -> None:
    trunk = TrunkState("carrier", "backup", (STATES[0].routes[0], with_checks(At(1).good(), BUSY)))
    assert [line.plain for line in state_lines([trunk], BEGIN + 1000, lasting=False)][2] == (
        "▶ carrier backup   failing      200, call 486  12.3 ms  tls 192.0.2.1:5061"
    )
    assert [line.plain for line in trouble_lines([trunk])][1:] == [
        "carrier backup   test call: tcp [2001:db8::7]:5070: busy"
    ]


def test_in_one_line_for_a_program() -> None:
    assert failure_line(STATES) == "office has no route that works (silent)"
    trunks = (TrunkState("carrier", None, (STATES[0].routes[0], with_checks(At(1).silent(), BUSY))), *UNCHECKED)
    assert failure_line(trunks) == (
        "carrier has no route that works (primary: refused, backup: silent, call 486); "
        "office has no route that works (unchecked)"
    )
    named = TrunkState("carrier", None, (with_checks(None, UNNAMED),))
    assert failure_line([named]) == "carrier has no route that works (call name)"
    assert failure_line(STATES[:1]) == ""


@pytest.mark.parametrize(
    ("health", "options", "call", "it_does"),
    [
        (Health.HEALTHY, None, None, True),
        (Health.HEALTHY, At(1).silent(), None, True),
        (Health.DEGRADED, At(1).slow(), None, True),
        (Health.DEGRADED, At(1).slow(), CALLED, True),
        (Health.DEGRADED, At(1).silent(), CALLED, True),
        (Health.DEGRADED, At(1).good(), BUSY, False),
        (Health.DEGRADED, At(1).refused(), CALLED, False),
        (Health.DEGRADED, At(1).refused(), None, False),
        (Health.UNREACHABLE, At(1).good(), CALLED, False),
        (Health.UNKNOWN, At(1).silent(), None, False),
        (Health.UNCHECKED, None, None, False),
    ],
)
def test_what_works(health: Health, options: Check | None, call: Check | None, it_does: bool) -> None:
    assert works(with_checks(options, call, health)) is it_does


def test_what_checks_found() -> None:
    assert outcome(At(0).good()) == "200 OK in 12.3 ms, tls 192.0.2.1:5061"
    assert outcome(At(0).good(None, "")) == "200 OK"
    assert outcome(At(0).refused()) == f"tls 192.0.2.1:5061: {RESET}"
    assert outcome(replace(At(0).refused(), place="", detail="")) == "refused"
    assert outcome(replace(At(0).refused(), detail="tls 192.0.2.1:5061: reset")) == "tls 192.0.2.1:5061: reset"
    answered = At(0).call(Verdict.GOOD, "answered", "answered, held for 2.0 s, hung up here", 200)
    assert outcome(answered) == "test call: answered, held for 2.0 s, hung up here, tcp [2001:db8::7]:5070"


def test_what_a_peer_wrote_drives_no_terminal_and_is_cut() -> None:
    check = replace(At(0).refused(), detail=f"\x1b[2J{'x' * 1000}")
    lines = told(check, checks=True)
    assert lines[1].startswith("00:00:00  carrier primary  bad")
    assert "\x1b" not in "".join(lines)
    assert len("".join(lines)) < 600


def test_names_that_are_longer_than_the_column() -> None:
    long = Trunk("a trunk with quite a long name of its own", OFFICE.routes)
    assert [line.plain[:46] for line in begin_lines((long, CARRIER), 10_000)] == [
        "a trunk with quite a long name of its own  OPT",
        "carrier primary                 OPTIONS to sip",
        "carrier backup                  OPTIONS to sip",
    ]


def test_a_name_that_leaves_no_room_for_a_text_breaks_no_word() -> None:
    trunk = "a carrier with a very long name, in several countries"
    watched = replace(TRUNKS[0], name=trunk)
    switch = replace(OFFICE_AT.switch("backup", "primary"), trunk=trunk, after="backup", before="primary")
    lines = [line.plain for line in WatchText([watched], 80, UTC).lines(switch)]
    assert lines[1].endswith(f"{trunk} backup  takes calls")
    assert lines[2].startswith(" " * 10)
    assert len(lines) == 3


def test_each_day_begins_with_its_date() -> None:
    text = WatchText(TRUNKS, 80, UTC)
    assert text.lines(At(DAY - 1).switch("primary", "backup"))[0].plain == "2026-01-01 UTC"
    assert text.lines(At(DAY).switch("backup", "primary"))[0].plain == "2026-01-02 UTC"


def test_a_trunk_with_one_route_has_none_to_choose() -> None:
    assert WatchText(TRUNKS, 80, UTC).lines(OFFICE_AT.switch(OFFICE_AT.route, None)) == []


# Registrations.

UNREGISTERED = At(450).registration(Verdict.BAD, "nobody", "nobody is registered, so that no call gets there", 200)
REGISTERED = At(450).registration(Verdict.GOOD, "answered", "1 contact is registered, as expected", 200)


def with_registration(check: Check, options: Check | None = None) -> TrunkState:
    health = Health.HEALTHY if check.verdict is Verdict.GOOD else Health.DEGRADED
    state = RouteState("primary", health, BEGIN, 1, check, options=options, registration=check)
    return TrunkState("carrier", "primary", (state,))


def test_a_registration_is_told_as_one() -> None:
    assert told(UNREGISTERED, checks=True)[1].startswith(
        "00:07:30  carrier primary  bad          registration: tls 192"
    )
    assert outcome(REGISTERED) == "registration: 1 contact is registered, as expected, tls 192.0.2.1:5061"


@pytest.mark.parametrize(
    ("state", "says", "working"),
    [
        (with_registration(UNREGISTERED, At(440).good()), "200, registration nobody", False),
        (with_registration(REGISTERED, At(440).good()), "200 ", True),
        (with_registration(REGISTERED), "registration 200", True),
        (with_registration(UNREGISTERED), "registration nobody", False),
        (with_registration(At(450).registration(Verdict.BAD, "registration", "403", 403)), "registration 403", False),
        (with_registration(At(450).registration(Verdict.BAD, "registration", "silent")), "registration ", False),
    ],
)
def test_a_registration_in_the_table(state: TrunkState, says: str, working: bool) -> None:
    _, line = state_lines([state], BEGIN + 500, 120)
    assert f"  {says}" in line.plain
    assert works(state.routes[0]) is working


def test_what_is_about_to_be_watched_has_its_registration() -> None:
    probe = RegistrationProbe(Destination.parse("sip:pbx7@pbx.example.com"), expects_contact=True)
    trunk = replace(OFFICE, routes=(replace(OFFICE.routes[0], registration=probe),))
    (line,) = begin_lines([trunk])
    assert line.plain.endswith(", whether sip:pbx7@pbx.example.com is registered every 10 min")
