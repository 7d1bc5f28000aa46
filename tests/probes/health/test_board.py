"""All trunks as they are: what each check changes, what is switched by hand, and what a restart leaves as it was."""

import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.health.board import LATE, Board, RouteState, TrunkState
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Rules, WatchError
from tests.probes.health.board_values import RULES, checks, healths, rules, stories, switches, told, trunk

H = Health
NOW = 1000.0


def test_before_the_first_check() -> None:
    unchecked = [RouteState(name, H.UNCHECKED, None, 0, None) for name in "ab"]
    assert Board([trunk("a b")]).states() == (TrunkState("t", "a", tuple(unchecked)),)


def test_a_check_comes_before_what_follows_from_it() -> None:
    board = Board([trunk()])
    given = checks("b. a. a- a- a-")
    happenings = told(board, given)
    assert [type(one) for one in happenings] == [
        *(Check, Change),
        *(Check, Change),
        *(Check, Change),
        Check,
        *(Check, Change, Switch),
    ]
    assert happenings[-2:] == [
        Change("t", "a", 4.0, H.DEGRADED, H.UNREACHABLE, 2.0, given[-1]),
        Switch("t", 4.0, "a", "b", SwitchCause.FAILOVER),
    ]
    state = board.state("t", "a")
    assert state == RouteState("a", H.UNREACHABLE, 4.0, 3, given[-1], options=given[-1])
    assert board.states()[0].active == "b"


def test_the_first_change_begins_with_itself() -> None:
    (check,) = checks("a.", 7.0)
    assert Board([trunk()]).take(check)[1] == Change("t", "a", 7.0, H.UNCHECKED, H.HEALTHY, 7.0, check)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a. b. a- a- a-", ["a>b failover"]),
        ("b. a- a- a- a. a.", ["a>b failover", "b>a failback"]),
        ("b? c. a- a- a-", ["a>c failover"]),
        ("b? c. a- a- a- b.", ["a>c failover", "c>b failback"]),
        ("a- a- a- b- b- b- c- c- c-", ["a>b failover", "b>c failover", "c> failover"]),
        ("A- A- B- B- C- C- C. B.", ["a>b failover", "b>c failover", "c> failover", ">c failback", "c>b failback"]),
        ("a. a- a- a.", []),
        ("a? a? a? b. c.", []),
    ],
)
def test_failover(text: str, expected: list[str]) -> None:
    assert switches(told(Board([trunk()]), checks(text))) == expected


def test_without_failback() -> None:
    board = Board([trunk(rules=replace(RULES, fails_back=False))])
    happenings = told(board, checks("b. a- a- a- a. a. b- b- b- a- a- a-"))
    assert switches(happenings) == ["a>b failover", "b>a failover", "a>c failover"]


def test_a_route_that_is_chosen_by_hand_stays_until_it_is_down() -> None:
    board = Board([trunk()])
    told(board, checks("a. b. c."))
    assert board.switch("t", "c", 5.0) == (Switch("t", 5.0, "a", "c", SwitchCause.BY_HAND),)
    assert board.states()[0].held
    assert switches(told(board, checks("a- a. b.", 6.0))) == []
    assert switches(told(board, checks("c- c- c-", 10.0))) == ["c>a failover"]
    assert not board.states()[0].held
    assert switches(told(board, checks("c. c. a- a- a- a. a.", 20.0))) == ["a>b failover", "b>a failback"]


def test_the_first_route_chosen_by_hand_is_the_rules_own_choice() -> None:
    board = Board([trunk()])
    board.switch("t", "b", 1.0)
    assert switches(board.switch("t", "a", 2.0)) == ["b>a by hand"]
    assert not board.states()[0].held


def test_the_present_route_can_be_held() -> None:
    board = Board([trunk()])
    told(board, checks("b. a- a- a-"))
    assert switches(board.switch("t", "b", 5.0)) == ["b>b by hand"]
    assert board.switch("t", "b", 6.0) == ()
    assert switches(told(board, checks("a. a.", 7.0))) == []


def test_a_switch_to_what_is_taken_changes_nothing() -> None:
    assert Board([trunk()]).switch("t", "a", 1.0) == ()


@pytest.mark.parametrize(
    ("text", "route", "message"),
    [
        ("a- a- a- c- c- c-", "c", "route c of trunk t is down: take b"),
        ("a- a- a-", "a", "route a of trunk t is down: take one of b, c"),
        ("A- A- B- B- C- C-", "a", "route a of trunk t is down: all are, and the first that comes up is taken"),
        ("", "x", "trunk t has no route x: take one of a, b, c"),
    ],
)
def test_no_switch_to_what_cannot_be(text: str, route: str, message: str) -> None:
    board = Board([trunk()])
    told(board, checks(text))
    before = board.states()
    with pytest.raises(WatchError, match=f"^{message} "):
        board.switch("t", route, 9.0)
    assert board.states() == before


def test_names_that_there_are_not() -> None:
    board = Board([trunk(), trunk(name="u")])
    (unknown,) = checks("x.")
    for ask in (lambda: board.switch("v", "a", 1.0), lambda: board.state("v", "a")):
        with pytest.raises(WatchError, match="there is no trunk v: take one of t, u"):
            ask()
    with pytest.raises(WatchError, match="trunk t has no route x"):
        board.take(unknown)
    with pytest.raises(WatchError, match="there is no trunk v: no trunk is watched"):
        Board([]).state("v", "a")


def test_two_trunks_of_one_name() -> None:
    with pytest.raises(WatchError, match="two trunks are named t"):
        Board([trunk(), trunk()])


def test_trunks_do_not_touch_each_other() -> None:
    board = Board([trunk(), trunk(name="u")])
    told(board, checks("a- a- a-", name="u"))
    assert [state.active for state in board.states()] == ["a", "b"]
    assert board.states()[0] == Board([trunk()]).states()[0]


def test_the_last_check_of_each_kind_is_shown() -> None:
    board = Board([trunk()])
    call, options, registration, own = checks("A. a. @a- a!")
    told(board, [call, options, registration, own])
    state = board.state("t", "a")
    assert (state.check, state.call, state.registration) == (own, call, registration)
    assert state.checks == (own, call, registration)


# What is late, and clocks that are set.


def test_a_call_that_was_begun_before_the_last_change() -> None:
    board = Board([trunk()])
    told(board, checks("a. a-", 100.0))
    call = checks("A-", 50.0)[0]
    assert board.take(call) == (call,)  # DEGRADED already
    told(board, checks("a. a.", 110.0))
    (late,) = checks("A-", 60.0)
    assert board.take(late)[1] == Change("t", "a", 101.0, H.DEGRADED, H.UNREACHABLE, 101.0, late)
    assert board.state("t", "a").since == 101.0


def test_a_clock_that_was_set_back() -> None:
    board = Board([trunk()])
    told(board, checks("a.", 10 * LATE))
    (check,) = checks("a-", 5.0)
    assert board.take(check)[1] == Change("t", "a", 5.0, H.HEALTHY, H.DEGRADED, 5.0, check)
    assert board.state("t", "a").since == 5.0


# Restarts.


def restored(known: Iterable[Happening], routes: str = "a b c", by: Rules = RULES, calls: bool = True) -> Board:
    board = Board([trunk(routes, by, calls=calls)])
    assert board.restore(known, NOW) == ()
    return board


def as_stored(happening: Happening) -> Happening:
    """Another value with the same content, as out of a store."""
    return replace(happening)


def lived(board: Board, text: str, chance: random.Random) -> list[Happening]:
    """What checks come to while somebody switches by hand now and then."""
    happenings: list[Happening] = []
    for check in checks(text):
        happenings += board.take(check)
        if chance.random() < 0.2:
            with suppress(WatchError):  # it is down
                happenings += board.switch("t", chance.choice("abc"), check.at + 0.5)
    return happenings


@given(stories, stories, rules, st.randoms(use_true_random=False))
def test_a_restart_changes_nothing(before: str, after: str, by: Rules, chance: random.Random) -> None:
    board = Board([trunk(rules=by)])
    known = [as_stored(one) for one in lived(board, before, chance)]
    chance.shuffle(known)
    again = restored(known, by=by)
    assert again.states() == board.states()
    later = checks(after, 100.0)
    assert told(again, later) == told(board, later)
    assert again.states() == board.states()


def last_known(happenings: Iterable[Happening], tail: int) -> list[Happening]:
    """What the least of stores keeps: the last changes, switches and checks, and the last OPTIONS that was answered."""
    known: dict[object, list[Happening]] = {}
    for one in happenings:
        if isinstance(one, Check):
            known.setdefault((one.route, one.kind), []).append(one)
            if one.kind is Kind.OPTIONS and one.verdict in (Verdict.GOOD, Verdict.POOR):
                known[one.route, "answered"] = [one]
        else:
            known[type(one), one.route if isinstance(one, Change) else ""] = [one]
    return [one for found in known.values() for one in found[-tail:]]


@given(stories, rules, st.integers(1, 6), st.randoms(use_true_random=False))
def test_what_the_least_of_stores_keeps_is_enough_for_how_everything_is(
    text: str, by: Rules, tail: int, chance: random.Random
) -> None:
    board = Board([trunk(rules=by)])
    happenings = lived(board, text, chance)
    again = Board([trunk(rules=by)])
    again.restore(last_known(happenings, tail), NOW)
    for old, new in zip(board.states(), again.states(), strict=True):
        assert (new.active, new.held) == (old.active, old.held)
        for was, now in zip(old.routes, new.routes, strict=True):
            assert (now.health, now.since, now.check, now.call) == (was.health, was.since, was.check, was.call)


@given(stories, stories, rules, rules, st.booleans(), st.data())
def test_whatever_is_known_and_configured_a_watch_goes_on(
    before: str, after: str, old: Rules, new: Rules, calls: bool, data: st.DataObject
) -> None:
    """Of a history of which any part is missing, with other rules, and other routes in another order."""
    known = told(Board([trunk(rules=old)]), checks(before))
    part = [one for one in known if data.draw(st.booleans())]
    board = Board([trunk(data.draw(st.sampled_from(["c a", "d b", "a", "b c d a"])), new, calls=calls)])
    board.restore(part, NOW)
    again = Board([trunk("d c b a", old)])
    again.restore([*part, *told_of_known(board, checks(after, 2000.0))], 3000.0)
    require_sense(board)
    require_sense(again)


def told_of_known(board: Board, given: Iterable[Check]) -> list[Happening]:
    """What a board tells of those checks whose routes it has."""
    names = {route.route for trunk_state in board.states() for route in trunk_state.routes}
    return told(board, [check for check in given if check.route in names])


def require_sense(board: Board) -> None:
    (state,) = board.states()
    up = [route.route for route in state.routes if route.health is not H.UNREACHABLE]
    assert (state.active in up) if up else state.active is None


@given(stories, rules)
def test_calls_never_take_a_route_that_is_down_while_another_is_up(text: str, by: Rules) -> None:
    board = Board([trunk(rules=by)])
    active: str | None = "a"
    health = dict.fromkeys("abc", H.UNCHECKED)
    for check in checks(text):
        for one in board.take(check):
            if isinstance(one, Switch):
                assert one.before == active != one.after
                active = one.after
            elif isinstance(one, Change):
                assert one.before is health[one.route] is not one.after
                assert one.since <= one.at
                health[one.route] = one.after
        require_sense(board)
        (state,) = board.states()
        assert state.active == active
        assert {route.route: route.health for route in state.routes} == health


def test_what_is_remembered_goes_on() -> None:
    board = Board([trunk()])
    known = told(board, checks("a. b. a- a-"))
    again = restored(known)
    assert switches(told(again, checks("a-", 10.0))) == ["a>b failover"]


def test_that_it_has_answered_before_is_remembered() -> None:
    known = told(Board([trunk()]), checks("a. a. a. a?"))
    again = restored([one for one in known if isinstance(one, Change)])
    assert healths(told(again, checks("a? a?", 10.0))) == [H.UNREACHABLE]


def test_that_its_silence_was_a_failure_is_remembered() -> None:
    known = told(Board([trunk()]), checks("a. a. a. a?"))
    assert healths(told(restored(known[-1:]), checks("a? a?", 10.0))) == [H.UNREACHABLE]


def test_a_route_that_is_down_is_remembered_by_its_last_change_alone() -> None:
    known = told(Board([trunk()]), checks("a. a- a- a-"))
    again = restored(known[-2:])
    last = checks("a. a- a- a-")[-1]
    assert again.state("t", "a") == RouteState("a", H.UNREACHABLE, 3.0, 3, last, options=last)
    assert healths(told(again, checks("a. a.", 10.0))) == [H.HEALTHY]


def test_a_route_chosen_by_hand_is_still_held() -> None:
    board = Board([trunk()])
    known = [*told(board, checks("a. b. c.")), *board.switch("t", "b", 5.0)]
    again = restored(known)
    assert again.states()[0].held
    assert switches(told(again, checks("a- a.", 10.0))) == []


def test_nothing_left_is_remembered() -> None:
    known = told(Board([trunk("a")]), checks("a- a- a-"))
    again = restored(known, "a")
    assert again.states()[0].active is None
    assert switches(told(again, checks("a. a.", 10.0))) == [">a failback"]


def test_a_route_that_is_no_more_is_left() -> None:
    known = told(Board([trunk()]), checks("b. c. a- a- a-"))
    board = Board([trunk("a c")])
    assert board.restore(known, NOW) == (Switch("t", NOW, "b", "c", SwitchCause.FAILOVER),)
    assert [route.health for route in board.states()[0].routes] == [H.UNREACHABLE, H.HEALTHY]


def test_a_new_route_begins_unchecked_and_is_taken_when_it_is_better() -> None:
    known = told(Board([trunk("a b")]), checks("a. b. a- a- a- a. a."))
    board = restored(known, "d a b")
    assert board.states()[0].active == "a"
    assert switches(told(board, checks("d.", 10.0))) == ["a>d failback"]


def test_a_trunk_that_is_no_more_is_forgotten() -> None:
    known = told(Board([trunk(name="old")]), checks("a- a- a-", name="old"))
    assert restored(known).states() == Board([trunk()]).states()


def test_what_test_calls_showed_counts_no_longer_when_none_are_made() -> None:
    given = checks("a. A- A-")
    known = told(Board([trunk("a")]), given)
    board = Board([trunk("a", calls=False)])
    assert board.restore(known, NOW) == (
        Change("t", "a", NOW, H.UNREACHABLE, H.HEALTHY, 2.0, given[0]),
        Switch("t", NOW, None, "a", SwitchCause.FAILBACK),
    )
    assert board.state("t", "a").since == NOW


def test_what_a_registration_showed_is_remembered_and_counts_no_longer_when_it_is_not_tested() -> None:
    given = checks("a. @a- @a-")
    known = told(Board([trunk("a")]), given)
    state = restored(known, "a").state("t", "a")
    assert (state.health, state.checks) == (H.UNREACHABLE, (given[0], given[2]))
    board = Board([trunk("a", calls=False)])
    change, _ = board.restore(known, NOW)
    assert isinstance(change, Change)
    assert (change.before, change.after) == (H.UNREACHABLE, H.HEALTHY)
    assert board.state("t", "a").checks == (given[0],)


@pytest.mark.parametrize("text", ["A.", "@a."])
def test_nothing_is_left_of_a_route_of_which_only_calls_or_registrations_are_known(text: str) -> None:
    known = told(Board([trunk("a")]), checks(text))
    board = restored(known, "a", calls=False)
    assert (board.state("t", "a").health, board.state("t", "a").since) == (H.UNCHECKED, None)


def test_checks_without_their_changes_are_told_anew() -> None:
    given = checks("a.")
    board = Board([trunk("a")])
    assert board.restore(given, NOW) == (Change("t", "a", NOW, H.UNCHECKED, H.HEALTHY, NOW, given[0]),)


def test_of_changes_at_one_time_the_last_counts() -> None:
    board = Board([trunk("a", replace(RULES, call_misses=1))])
    known = told(board, [*checks("a. a-", 100.0), *checks("A-", 50.0)])
    assert [one.at for one in known if isinstance(one, Change)] == [100.0, 101.0, 101.0]
    state = restored(known, "a", replace(RULES, call_misses=1)).state("t", "a")
    assert (state.health, state.since) == (H.UNREACHABLE, 101.0)


def test_what_a_clock_told_that_was_ahead_is_left_out() -> None:
    known = told(Board([trunk()]), checks("a- a- a- a-", NOW + 2 * LATE))
    assert restored(known).states() == Board([trunk()]).states()
    a_little = told(Board([trunk()]), checks("a.", NOW + 1))
    assert restored(a_little).state("t", "a").health is H.HEALTHY


def test_other_rules_hold_from_the_next_check_on() -> None:
    known = told(Board([trunk(rules=replace(RULES, misses=9))]), checks("a. a- a- a- a-"))
    board = restored(known)
    assert board.state("t", "a").health is H.DEGRADED
    assert healths(told(board, checks("a-", 10.0))) == [H.UNREACHABLE]
