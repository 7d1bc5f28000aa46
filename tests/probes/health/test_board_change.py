"""Trunks that are changed while they are on the board: what still holds, what begins anew, and what is told of it."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.board import Board
from probes.health.difference import Difference, difference
from probes.health.terms import CHANGED, Change, Check, Due, Happening, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Route, Rules, Trunk, WatchError
from probes.registration.plan import RegistrationProbe
from sipcore.transports.base import TlsConfig
from tests.probes.health.board_values import RULES, SCRIPT, checks, healths, rules, switches, told, trunk

H = Health
ELSEWHERE = Destination.parse("192.0.2.2")
OTHER_CALL = CallScript(Destination.parse("sip:200@192.0.2.1"))
OTHER_PROBE = RegistrationProbe(Destination.parse("sip:200@192.0.2.1"))
LATER = 100.0


def changed(given: Trunk, name: str = "a", **what: object) -> Trunk:
    """The trunk with another route of this name."""
    made = (replace(route, **what) if route.name == name else route for route in given.routes)  # type: ignore[arg-type]
    return replace(given, routes=tuple(made))


def board_after(text: str, routes: str = "a b") -> tuple[Board, Trunk]:
    """A board that has taken these checks."""
    given = trunk(routes)
    board = Board([given])
    told(board, checks(text))
    return board, given


def test_what_is_not_changed_goes_on_untouched() -> None:
    board, given = board_after("a. b. A. a- a-")
    before = board.states()
    assert board.change([given], LATER) == ()
    assert board.states() == before
    assert switches(told(board, checks("a-", 10.0))) == ["a>b failover"]


def test_a_route_that_leads_elsewhere_is_unchecked() -> None:
    """Whoever answers there is somebody else: one good check is enough, and silence says nothing yet."""
    board, given = board_after("a. b. a- a- a-")
    change, *_ = board.change([changed(given, destination=ELSEWHERE)], LATER)
    check = Check("t", "a", Kind.OPTIONS, LATER, Verdict.OWN, CHANGED, "it leads to sip:192.0.2.2 now")
    assert change == Change("t", "a", LATER, H.UNREACHABLE, H.UNCHECKED, 4.0, check)
    state = board.state("t", "a")
    assert (state.health, state.since, state.misses, state.check, state.options) == (H.UNCHECKED, None, 0, None, None)
    assert switches(told(board, checks("a.", 200.0))) == ["b>a failback"]
    assert board.state("t", "a").since == 200.0


@pytest.mark.parametrize(("text", "what"), [("A- A-", "call"), ("@a- @a-", "registration")])
def test_what_another_test_has_found_counts_no_longer(text: str, what: str) -> None:
    board, given = board_after(f"a. b. {text}", "a b")
    assert board.state("t", "a").health is H.UNREACHABLE
    other: dict[str, object] = {"call": OTHER_CALL} if what == "call" else {"registration": OTHER_PROBE}
    change, switch = board.change([changed(given, "a", **other)], LATER)
    assert isinstance(change, Change)
    assert isinstance(switch, Switch)
    assert (change.after, switch.after) == (H.HEALTHY, "a")
    state = board.state("t", "a")
    assert [check.kind for check in state.checks] == [Kind.OPTIONS]


def test_nothing_is_known_of_a_route_but_by_a_registration_that_is_not_tested_any_more() -> None:
    board, given = board_after("@a.", "a")
    (change,) = board.change([changed(given, registration=None)], LATER)
    assert isinstance(change, Change)
    assert (change.after, change.check.detail) == (
        H.UNCHECKED,
        "nothing is known of it but by a test that is no longer made",
    )


def test_silence_of_where_a_route_leads_now_is_no_failure() -> None:
    board, given = board_after("a. a. a.")
    board.change([changed(given, destination=ELSEWHERE)], LATER)
    assert healths(told(board, checks("a? a? a? a? a?", 200.0))) == [H.UNKNOWN]


def test_it_is_no_failure_after_a_restart_either() -> None:
    board, given = board_after("")
    moved = changed(given, destination=ELSEWHERE)
    known = [*told(board, checks("a. a. a- a- a-")), *board.change([moved], LATER)]
    again = Board([moved])
    assert again.restore(known, 200.0) == ()
    assert again.states() == board.states()
    assert healths(told(again, checks("a? a? a? a?", 300.0))) == [H.UNKNOWN]


def test_other_settings_of_tls_change_nothing_that_is_known() -> None:
    board, given = board_after("a. b. a- a- a-")
    before = board.states()
    assert board.change([changed(given, tls=TlsConfig(verify=False))], LATER) == ()
    assert board.states() == before


def test_what_another_test_call_showed_counts_no_longer() -> None:
    board, given = board_after("b. a. A- A-")
    options = board.state("t", "a").options
    assert options is not None
    assert board.change([changed(given, call=OTHER_CALL)], LATER) == (
        Change("t", "a", LATER, H.UNREACHABLE, H.HEALTHY, 3.0, options),
        Switch("t", LATER, "b", "a", SwitchCause.FAILBACK),
    )
    assert healths(told(board, checks("A-", 200.0))) == [H.DEGRADED]  # the first of them


def test_without_the_call_by_which_alone_a_route_was_known_it_is_unchecked() -> None:
    board, given = board_after("A.", "a")
    change, *none = board.change([changed(given, call=None)], LATER)
    assert isinstance(change, Change)
    assert (change.before, change.after, change.check.reason, none) == (H.HEALTHY, H.UNCHECKED, CHANGED, [])
    assert board.state("t", "a").since is None


def test_calls_leave_a_route_that_is_no_more() -> None:
    board, _ = board_after("c. b.", "a b c")
    assert board.change([trunk("c b")], LATER) == (Switch("t", LATER, "a", "c", SwitchCause.FAILOVER),)
    with pytest.raises(WatchError, match="trunk t has no route a"):
        board.state("t", "a")


def test_a_better_route_that_is_added_takes_over_once_it_is_well() -> None:
    board, _ = board_after("a. b.")
    assert board.change([trunk("d a b")], LATER) == ()
    assert switches(told(board, checks("d.", 200.0))) == ["a>d failback"]


def test_another_order_counts_at_once() -> None:
    board, _ = board_after("a. b.")
    assert switches(board.change([trunk("b a")], LATER)) == ["a>b failback"]


def test_where_none_was_left_a_new_route_is_taken() -> None:
    board, _ = board_after("a- a- a-", "a")
    assert switches(board.change([trunk("a b")], LATER)) == [">b failback"]


def test_a_route_chosen_by_hand_is_kept_as_long_as_there_is_one_of_its_name() -> None:
    board, given = board_after("a. b. c.", "a b c")
    board.switch("t", "b", 5.0)
    assert board.change([trunk("a b c d")], LATER) == ()
    assert board.states()[0].held
    assert board.change([trunk("b a c")], LATER) == ()
    assert not board.states()[0].held  # the first is the rules' own choice
    board.change([given], LATER)
    board.switch("t", "b", 110.0)
    assert switches(board.change([trunk("a c")], 120.0)) == ["b>a failover"]
    assert not board.states()[0].held


def test_other_rules_hold_from_the_next_check_on() -> None:
    board, given = board_after("a. b. a- a-")
    assert board.change([replace(given, rules=replace(RULES, misses=1))], LATER) == ()
    assert board.state("t", "a").health is H.DEGRADED
    assert switches(told(board, checks("a-", 200.0))) == ["a>b failover"]


def test_a_trunk_that_comes_back_begins_unchecked() -> None:
    board, given = board_after("a- a- a-", "a")
    board.change([], LATER)
    assert board.states() == ()
    board.change([given], LATER)
    assert board.states() == Board([given]).states()


def test_two_trunks_of_one_name_change_nothing() -> None:
    board, given = board_after("a. b.")
    before = board.states()
    with pytest.raises(WatchError, match="two trunks are named t: give each a name of its own"):
        board.change([trunk("c"), given], LATER)
    assert board.states() == before


def test_the_title_follows() -> None:
    board, given = board_after("a.")
    board.change([replace(given, title="Acme")], LATER)
    assert board.states()[0].title == "Acme"


# What is different.


def test_what_is_different() -> None:
    same, gone, new = trunk("a", name="same"), trunk("a", name="gone"), trunk("a", name="new", calls=False)
    old = trunk("a b c d", name="t")
    made = changed(changed(old, "b", destination=ELSEWHERE), "c", call=OTHER_CALL)
    made = changed(made, "a", registration=OTHER_PROBE)
    made = replace(made, routes=(*made.routes[:3], Route("e", ELSEWHERE)))
    found = difference([same, gone, old], [new, made, same])
    assert (found.added, found.changed, found.removed) == (("new",), ("t",), ("gone",))
    anew = {*(Due("t", "b", kind) for kind in Kind), Due("t", "c", Kind.CALL), Due("t", "a", Kind.REGISTRATION)}
    no_more = {Due(name, route, kind) for name, route in (("gone", "a"), ("t", "d")) for kind in Kind}
    assert found.outdated == anew | no_more
    assert set(found.begun) == anew | {Due("new", "a", Kind.OPTIONS), Due("t", "e", Kind.OPTIONS)}


def test_settings_of_tls_count_where_there_is_tls() -> None:
    udp = Trunk("t", (Route("a", Destination.parse("udp://192.0.2.1")),))
    tls = Trunk("t", (Route("a", Destination.parse("tls://192.0.2.1")),))
    insecure = TlsConfig(verify=False)
    assert difference([udp], [changed(udp, tls=insecure)]) == Difference(changed=("t",))
    assert difference([tls], [changed(tls, tls=insecure)]).begun == (Due("t", "a", Kind.OPTIONS),)


def test_other_rules_and_another_order_need_no_check() -> None:
    old = trunk("a b")
    new = replace(trunk("b a"), rules=Rules(interval=7.0, retry=7.0), title="Acme")
    assert difference([old], [new]) == Difference(changed=("t",))


# Any sequence of checks and changes.

route_terms = st.tuples(st.sampled_from("abcd"), st.sampled_from([trunk().routes[0].destination, ELSEWHERE]))
trunks = st.lists(route_terms, min_size=1, max_size=4, unique_by=lambda one: one[0])
words = st.tuples(st.sampled_from("abcdABCD"), st.sampled_from([*"...---??~"])).map("".join)
steps = st.lists(st.one_of(words, words, words, trunks, rules), max_size=60)


def lived(board: Board, first: Trunk, story: Iterable[object]) -> tuple[list[Happening], Trunk]:
    """What a board tells of checks and changes, one a second; a name that was taken out does not come back, since a
    history knows it still. Calls have been switched before, or a history would not know which route they took. Last,
    the trunk as it is in the end.
    """
    happenings = told(board, checks("b. a- a- a- a. a. a. a."))
    current, gone = first, set[str]()
    for number, step in enumerate(story, len(happenings)):
        names = {route.name for route in current.routes}
        if isinstance(step, str):
            if step[0].lower() in names:
                happenings += told(board, checks(step, float(number)))
            continue
        if isinstance(step, Rules):
            current = replace(current, rules=step)
        else:
            assert isinstance(step, list)
            routes = tuple(Route(name, where, call=SCRIPT) for name, where in step if name not in gone)
            current = replace(current, routes=routes or current.routes)
            gone |= names - {route.name for route in current.routes}
        happenings += board.change([current], float(number))
    return happenings, current


@given(steps)
def test_whatever_is_changed_a_restart_knows_the_same(story: list[object]) -> None:
    """A board that was changed is as a new one with the last trunks that knows the same history, other counts aside,
    since those before other rules were counted by the old ones."""
    first = trunk("a b")
    board = Board([first])
    happenings, last = lived(board, first, story)
    again = Board([last])
    assert again.restore(happenings, 1000.0) == ()
    for old, new in zip(board.states(), again.states(), strict=True):
        assert (new.active, new.held) == (old.active, old.held)
        for was, now in zip(old.routes, new.routes, strict=True):
            assert (now.route, now.health, now.since) == (was.route, was.health, was.since)
            assert (now.check, now.call, now.options) == (was.check, was.call, was.options)


@given(steps)
def test_whatever_is_changed_what_is_told_makes_sense(story: list[object]) -> None:
    """Each change and switch goes on from what was told before it; calls take a route that is there, and up if any
    is."""
    first = trunk("a b")
    board = Board([first])
    happenings, last = lived(board, first, story)
    health: dict[str, Health] = {}
    active: str | None = "a"
    for one in happenings:
        if isinstance(one, Change):
            assert one.before is health.get(one.route, H.UNCHECKED) is not one.after
            assert one.since <= one.at
            health[one.route] = one.after
        elif isinstance(one, Switch):
            assert one.before == active != one.after
            active = one.after
    (state,) = board.states()
    assert [route.route for route in state.routes] == [route.name for route in last.routes]
    assert {route.route: route.health for route in state.routes} == {
        route.name: health.get(route.name, H.UNCHECKED) for route in last.routes
    }
    up = [route.route for route in state.routes if route.health is not H.UNREACHABLE]
    assert state.active == active
    assert (active in up) if up else active is None


@given(steps, steps)
def test_whatever_was_changed_it_goes_on_as_after_a_restart(before: list[object], after: list[object]) -> None:
    """Where the rules stay, so that the counts are the same."""
    first = trunk("a b")
    board = Board([first])
    happenings, last = lived(board, first, [step for step in before if not isinstance(step, Rules)])
    again = Board([last])
    again.restore(happenings, 1000.0)
    assert again.states() == board.states()
    names = {route.name for route in last.routes}
    later = [step for step in after if isinstance(step, str) and step[0].lower() in names]
    assert told(again, checks(" ".join(later), 2000.0)) == told(board, checks(" ".join(later), 2000.0))
