"""When routes are checked."""

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.health.board import Board, RouteState, TrunkState
from probes.health.schedule import (
    CALL_START_RATE,
    REGISTRATION_START_RATE,
    STALL,
    START_RATE,
    Schedule,
    made_ago,
    waits_left,
)
from probes.health.terms import Check, Due, Health, Kind, Verdict
from probes.health.trunk import Rules
from probes.health.uptime import longest_gap
from tests.probes.health.board_values import checks, told, trunk

WELL = RouteState("a", Health.HEALTHY, 0.0, 0, None)
DOUBT = replace(WELL, health=Health.DEGRADED, misses=1, in_doubt=True)
OPTIONS = Due("t", "a", Kind.OPTIONS)
NOW = 1000.0
USUAL = Rules()


def middle() -> float:
    return 0.5


def alone(rules: Rules = USUAL) -> Schedule:
    """One route without calls, due at once."""
    return Schedule([trunk("a", rules, calls=False)], NOW, lambda: 0.0)


def run(schedule: Schedule, until: float, takes: float = 0.0, state: RouteState = WELL) -> list[tuple[float, Due]]:
    """What is due when, where each check takes so long."""
    found: list[tuple[float, Due]] = []
    ends: list[tuple[float, Due]] = []
    while True:
        waits = [time for time in (schedule.next_timeout(), min(times(ends), default=None)) if time is not None]
        now = max([NOW, *times(found[-1:]), min(waits)])
        if now >= until:
            return found
        for end in [end for end in ends if end[0] <= now]:
            ends.remove(end)
            schedule.done(end[1], state, now)
        for due in schedule.handle_timeout(now):
            found.append((now, due))
            ends.append((now + takes, due))


def times(found: Iterable[tuple[float, Due]]) -> list[float]:
    return [time for time, _ in found]


def test_a_route_is_checked_at_its_interval_however_long_it_takes() -> None:
    assert times(run(alone(), NOW + 200, takes=3.9)) == [NOW, NOW + 60, NOW + 120, NOW + 180]


def test_a_route_in_doubt_is_checked_sooner() -> None:
    assert times(run(alone(), NOW + 35, takes=3.9, state=DOUBT)) == [NOW, NOW + 10, NOW + 20, NOW + 30]


def test_it_goes_on_from_when_it_was_due_and_not_from_when_somebody_asked() -> None:
    schedule = alone()
    assert schedule.handle_timeout(NOW + 1.5) == (OPTIONS,)
    schedule.done(OPTIONS, WELL, NOW + 2.0)
    assert schedule.next_timeout() == NOW + 60


@pytest.mark.parametrize(
    ("state", "wait", "due"),
    [
        (DOUBT, 0.0, [0, 10, 20]),
        (DOUBT, 5.0, [0, 10, 20]),
        (DOUBT, 25.0, [0, 27, 54]),
        (WELL, 30.0, [0, 60, 120]),
        (WELL, 90.0, [0, 92, 184]),
    ],
)
def test_who_asks_to_be_left_alone_is_not_asked_before(state: RouteState, wait: float, due: list[int]) -> None:
    """From its answer on, which came after two seconds; a usual interval that is longer holds."""
    busy = replace(state, options=Check("t", "a", Kind.OPTIONS, 0.0, Verdict.BAD, "maintenance", wait=wait))
    assert times(run(alone(), NOW + 200, takes=2.0, state=busy))[:3] == [NOW + each for each in due]


@pytest.mark.parametrize("takes", [0.0, 2.0, 12.0])
def test_who_asks_to_be_left_alone_leaves_no_gap_in_which_nobody_watched(takes: float) -> None:
    """However long DNS and a second place took before that."""
    busy = replace(WELL, options=Check("t", "a", Kind.OPTIONS, 0.0, Verdict.BAD, "maintenance", wait=180.0))
    first, second = times(run(alone(), NOW + 200, takes, state=busy))
    assert 180 <= second - first <= longest_gap(USUAL)


def test_who_asked_before_a_restart_to_be_left_alone_still_is() -> None:
    def begun(seconds: float) -> float | None:
        left = {("t", "a"): seconds}
        return Schedule([trunk("a", calls=False)], NOW, lambda: 0.0, left_alone=left).next_timeout()

    assert begun(20.0) == NOW + 20
    assert begun(86400.0) == NOW + 180  # the rules have a shorter interval now


@pytest.mark.parametrize(("later", "left"), [(0.0, 30.0), (20.0, 10.0), (30.0, None), (-5000.0, 30.0)])
def test_what_is_left_of_a_wait_is_told_by_the_clock_however_that_was_set(later: float, left: float | None) -> None:
    asked = Check("t", "a", Kind.OPTIONS, NOW, Verdict.BAD, "maintenance", wait=30.0)
    states = [TrunkState("t", "a", (replace(WELL, options=asked), replace(WELL, route="b")))]
    assert waits_left(states, NOW + later) == ({("t", "a"): left} if left else {})


def test_nothing_is_due_before_its_time_nor_while_it_is_under_way() -> None:
    schedule = alone()
    assert schedule.handle_timeout(NOW - 0.1) == ()
    assert schedule.handle_timeout(NOW) == (OPTIONS,)
    assert schedule.next_timeout() is None
    assert schedule.handle_timeout(NOW + 500) == ()


def test_a_check_that_takes_longer_than_its_interval_skips_what_it_missed() -> None:
    schedule = alone(Rules(interval=10, retry=2))
    schedule.handle_timeout(NOW)
    schedule.done(OPTIONS, DOUBT, NOW + 4.0)
    assert schedule.next_timeout() == NOW + 6
    assert times(run(alone(Rules(interval=2, retry=2)), NOW + 10, takes=3.0)) == [NOW, NOW + 4, NOW + 8]


@given(st.floats(1, 100), st.floats(0, 1e4), st.floats(0, 1e9), st.floats(0.001, 500), st.booleans())
def test_the_next_check_is_not_in_the_past_and_no_more_than_an_interval_away(
    interval: float, retry: float, now: float, took: float, doubt: bool
) -> None:
    rules = Rules(interval=interval, retry=min(max(retry, 1.0), interval))
    schedule = Schedule([trunk("a", rules, calls=False)], now, lambda: 0.0)
    schedule.handle_timeout(now)
    schedule.done(OPTIONS, DOUBT if doubt else WELL, now + took)
    step = rules.retry if doubt else rules.interval
    found = schedule.next_timeout()
    assert found is not None
    assert now + took - 1e-6 < found <= now + took + step + 1e-6


def test_a_host_that_slept_makes_up_for_nothing() -> None:
    trunks = [trunk("a b c", calls=False, name=f"t{number}") for number in range(40)]
    schedule = Schedule(trunks, NOW, middle)
    run(schedule, NOW + 300)
    slept = NOW + 300 + 3600
    found = times(run_from(schedule, slept, slept + 120))
    assert max(Counter(int(time * 10) for time in found).values()) <= START_RATE / 10 + 1
    assert len(found) == 240


def run_from(schedule: Schedule, now: float, until: float) -> list[tuple[float, Due]]:
    """What is due from now on, at whatever time it was due before."""
    found = []
    while now < until:
        for due in schedule.handle_timeout(now):
            found.append((now, due))
            schedule.done(due, WELL, now)
        following = schedule.next_timeout()
        assert following is not None
        now = max(now, following)
    return found


def test_a_little_late_is_not_asleep() -> None:
    schedule = Schedule([trunk("a b", Rules(), calls=False)], NOW, lambda: 0.0)
    assert len(schedule.handle_timeout(NOW + STALL)) == 2
    for name in "ab":
        schedule.done(Due("t", name, Kind.OPTIONS), WELL, NOW + STALL)
    assert schedule.next_timeout() == NOW + 60


# The start.


def test_a_thousand_routes_are_not_asked_in_the_same_second() -> None:
    chance = random.Random(1)
    trunks = [trunk("a b", Rules(), name=f"t{number}", calls=False) for number in range(500)]
    found = run(Schedule(trunks, NOW, chance.random), NOW + 240)
    assert max(Counter(int(time) for time, _ in found).values()) <= START_RATE
    assert set(Counter(due for _, due in found).values()) == {4}


def test_more_routes_than_the_rate_allows_are_spread_over_their_interval() -> None:
    trunks = [trunk("a b", Rules(), name=f"t{number}", calls=False) for number in range(1500)]
    found = run(Schedule(trunks, NOW, middle), NOW + 60)
    assert len(found) == 3000
    assert max(Counter(int(time) for time, _ in found).values()) <= 51


def test_a_few_routes_are_known_at_once() -> None:
    found = run(Schedule([trunk("a b c", Rules(), calls=False)], NOW, lambda: 0.999), NOW + 1)
    assert [due.route for _, due in found] == ["a", "b", "c"]
    assert found[-1][0] < NOW + 0.2


def test_chance_tells_when() -> None:
    def first(chance: float) -> float | None:
        return Schedule([trunk("a", Rules(), calls=False)], NOW, lambda: chance).next_timeout()

    assert (first(0.0), first(0.5)) == (NOW, NOW + 0.5 / START_RATE)


def test_no_trunks_no_checks() -> None:
    schedule = Schedule([], NOW, middle)
    assert (schedule.next_timeout(), schedule.handle_timeout(NOW)) == (None, ())


# Test calls.


def calls(found: Iterable[tuple[float, Due]]) -> list[tuple[float, Due]]:
    return [(time, due) for time, due in found if due.kind is Kind.CALL]


def registrations(found: Iterable[tuple[float, Due]]) -> list[tuple[float, Due]]:
    return [(time, due) for time, due in found if due.kind is Kind.REGISTRATION]


def test_calls_have_their_own_interval_whatever_is_in_doubt() -> None:
    rules = Rules(interval=1000, retry=1, call_interval=600)
    found = calls(run(Schedule([trunk("a", rules)], NOW, lambda: 0.0), NOW + 1900, takes=30, state=DOUBT))
    assert times(found) == [NOW, NOW + 600, NOW + 1200, NOW + 1800]


def test_one_call_of_a_trunk_at_a_time() -> None:
    trunks = [trunk("a b c", Rules(call_interval=60), name=name) for name in "tu"]
    found = calls(run(Schedule(trunks, NOW, middle), NOW + 2000, takes=45))
    for name in "tu":
        own = [time for time, due in found if due.trunk == name]
        assert all(later - earlier >= 45 for earlier, later in itertools.pairwise(own))
        # They take turns, though there is no time for as many as there should be.
        turns = Counter(due.route for _, due in found if due.trunk == name)
        assert set(turns) == set("abc")
        assert max(turns.values()) - min(turns.values()) <= 1
        assert sum(turns.values()) == 2000 // 45 + 1


def test_calls_of_different_trunks_do_not_wait_for_each_other() -> None:
    trunks = [trunk("a", Rules(), name=f"t{number}") for number in range(5)]
    found = calls(run(Schedule(trunks, NOW, lambda: 0.0), NOW + 60, takes=50))
    assert times(found) == [NOW + number / CALL_START_RATE for number in range(5)]


def test_options_do_not_wait_for_calls() -> None:
    schedule = Schedule([trunk("a", Rules())], NOW, lambda: 0.0)
    assert set(schedule.handle_timeout(NOW)) == {Due("t", "a", kind) for kind in Kind}


def test_registrations_are_tested_at_their_own_interval_also_in_doubt() -> None:
    found = run(Schedule([trunk("a", USUAL)], NOW, lambda: 0.0), NOW + 1500, takes=3.0, state=DOUBT)
    assert times(registrations(found)) == [NOW, NOW + 600, NOW + 1200]


def test_registrations_of_a_trunk_begin_apart_and_do_not_wait_for_each_other() -> None:
    found = run(Schedule([trunk("a b c", USUAL)], NOW, lambda: 0.0), NOW + 60, takes=50)
    assert times(registrations(found)) == [NOW + number / REGISTRATION_START_RATE for number in range(3)]


def test_a_restart_is_no_reason_for_a_registration() -> None:
    made = {Due("t", "a", Kind.REGISTRATION): 100.0}
    found = run(Schedule([trunk("a", USUAL)], NOW, lambda: 0.0, made), NOW + 1000)
    assert times(registrations(found)) == [NOW + 500]


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ({}, 0.0),
        ({("t", "a"): 600.0}, 3000.0),
        ({("t", "a"): 3600.0}, 0.0),
        ({("t", "a"): 1e9}, 0.0),
        ({("t", "a"): -5.0}, 3600.0),  # by a clock that was set back
        ({("u", "a"): 5.0}, 0.0),
    ],
)
def test_a_restart_is_no_reason_for_a_call(called: Mapping[tuple[str, str], float], expected: float) -> None:
    made = {Due(*names, Kind.CALL): seconds for names, seconds in called.items()}
    schedule = Schedule([trunk("a", Rules(interval=1e6))], NOW, lambda: 0.0, made)
    assert times(calls(run(schedule, NOW + 5000)))[0] == NOW + expected


def test_how_long_ago_calls_were() -> None:
    board = Board([trunk("a b"), trunk("a", name="u")])
    told(board, checks("A. a. b. @b.", 100.0))
    ago = {Due("t", "a", Kind.CALL): 50.0, Due("t", "b", Kind.REGISTRATION): 47.0}
    assert made_ago(board.states(), 150.0) == ago


states = st.sampled_from([WELL, DOUBT])


@given(
    st.lists(st.tuples(st.integers(1, 3), st.floats(1, 90), st.floats(60, 300)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_whatever_takes_how_long(described: list[tuple[int, float, float]], chance: random.Random) -> None:
    """No check twice at once, no two calls of a trunk at once, and none is forgotten."""
    trunks = [
        trunk("abc"[:count].replace("", " ").strip(), Rules(interval=each, retry=1, call_interval=between), name=str(n))
        for n, (count, each, between) in enumerate(described)
    ]
    schedule, now = Schedule(trunks, 0.0, chance.random), 0.0
    under_way: dict[Due, float] = {}
    seen: Counter[Due] = Counter()
    for _ in range(300):
        waits = [*under_way.values(), *([following] if (following := schedule.next_timeout()) is not None else [])]
        now = max(now, min(waits) + chance.choice([0.0, 0.0, 0.5, 400.0]))
        for due in [due for due, end in under_way.items() if end <= now]:
            del under_way[due]
            schedule.done(due, chance.choice([WELL, DOUBT]), now)
        for due in schedule.handle_timeout(now):
            assert due not in under_way
            under_way[due] = now + chance.choice([0.01, 3.0, 70.0])
            seen[due] += 1
        calling = Counter(due.trunk for due in under_way if due.kind is Kind.CALL)
        assert not calling or max(calling.values()) == 1
    assert {due.trunk for due in seen} == {one.name for one in trunks}
