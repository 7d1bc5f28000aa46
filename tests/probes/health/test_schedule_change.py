"""When routes are checked once somebody has changed them."""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.board import RouteState
from probes.health.difference import difference
from probes.health.schedule import START_RATE, Schedule
from probes.health.terms import Due, Health, Kind
from probes.health.trunk import LEAST_CALL_INTERVAL, LEAST_INTERVAL, LEAST_REGISTRATION_INTERVAL, Route, Rules, Trunk
from probes.registration.plan import RegistrationProbe
from tests.probes.health.board_values import PLACE, PROBE, SCRIPT, rules, trunk

WELL = RouteState("a", Health.HEALTHY, 0.0, 0, None)
NOW = 1000.0
A, B = Due("t", "a", Kind.OPTIONS), Due("t", "b", Kind.OPTIONS)
CALL_A, REGISTRATION_A = Due("t", "a", Kind.CALL), Due("t", "a", Kind.REGISTRATION)
USUAL = Rules()
ELSEWHERE = Destination.parse("192.0.2.2")
OTHER_CALL = CallScript(Destination.parse("sip:200@192.0.2.1"))
OTHER_PROBE = RegistrationProbe(Destination.parse("sip:200@192.0.2.1"))
LEAST = {
    Kind.OPTIONS: LEAST_INTERVAL,
    Kind.CALL: LEAST_CALL_INTERVAL,
    Kind.REGISTRATION: LEAST_REGISTRATION_INTERVAL,
}


def begun(given: Trunk) -> Schedule:
    """A schedule whose checks are each made at once, without chance."""
    return Schedule([given], NOW, lambda: 0.0)


def change(schedule: Schedule, before: Trunk, after: Trunk, now: float) -> None:
    schedule.change([after], difference([before], [after]), now)


def finished(schedule: Schedule, now: float) -> tuple[Due, ...]:
    """What is due now, and over at once."""
    found = schedule.handle_timeout(now)
    for due in found:
        schedule.done(due, WELL, now)
    return found


def until(schedule: Schedule, end: float) -> set[Due]:
    """What is due up to then, each over at once."""
    found = set[Due]()
    while (due := schedule.next_timeout()) is not None and due <= end:
        found |= set(finished(schedule, due))
    return found


def moved(given: Trunk) -> Trunk:
    """The same with its first route elsewhere."""
    return replace(given, routes=(replace(given.routes[0], destination=ELSEWHERE), *given.routes[1:]))


def test_what_is_not_changed_keeps_its_time() -> None:
    before = trunk("a", USUAL, calls=False)
    schedule = begun(before)
    assert finished(schedule, NOW) == (A,)
    change(schedule, before, trunk("b a", USUAL, calls=False), NOW + 30)
    assert finished(schedule, NOW + 30) == (B,)
    assert finished(schedule, NOW + 59.9) == ()
    assert finished(schedule, NOW + 60) == (A,)
    assert finished(schedule, NOW + 90) == (B,)


def test_a_route_that_leads_elsewhere_is_checked_at_once() -> None:
    before = trunk("a", USUAL, calls=False)
    schedule = begun(before)
    finished(schedule, NOW)
    change(schedule, before, moved(before), NOW + 30)
    assert finished(schedule, NOW + 30) == (A,)
    assert schedule.next_timeout() == NOW + 90  # and once


def test_a_check_under_way_of_what_is_no_more_is_forgotten() -> None:
    before = trunk("a b", USUAL, calls=False)
    schedule = begun(before)
    assert schedule.handle_timeout(NOW) == (A,)
    change(schedule, before, trunk("b", USUAL, calls=False), NOW + 1)
    schedule.dropped(A, NOW + 2)
    assert [schedule.handle_timeout(NOW + at) for at in (2, 100)] == [(B,), ()]


def test_a_test_call_waits_for_the_one_that_is_still_hung_up() -> None:
    before = trunk("a", replace(USUAL, call_interval=60.0))
    schedule = begun(before)
    assert CALL_A in schedule.handle_timeout(NOW)
    change(schedule, before, moved(before), NOW + 1)
    assert until(schedule, NOW + 70) == {A, REGISTRATION_A}
    schedule.dropped(CALL_A, NOW + 71)
    assert schedule.handle_timeout(NOW + 71) == (CALL_A,)


def test_a_test_call_that_waits_for_its_turn_is_forgotten_with_its_route() -> None:
    before = trunk("a b", USUAL)
    schedule = begun(before)
    under_way = [*schedule.handle_timeout(NOW), *schedule.handle_timeout(NOW + 1)]
    assert CALL_A in under_way  # and the other waits for it
    change(schedule, before, trunk("a", USUAL), NOW + 2)
    schedule.done(CALL_A, WELL, NOW + 3)
    assert schedule.handle_timeout(NOW + 3) == ()
    assert until(schedule, NOW + 2 * USUAL.call_interval) == {CALL_A}


def test_another_test_call_is_not_placed_sooner_than_any_two_are() -> None:
    """Whoever changes a file each second calls nobody each second."""
    before = trunk("a", USUAL)
    schedule = begun(before)
    assert CALL_A in finished(schedule, NOW)
    other = replace(before, routes=(Route("a", PLACE, call=OTHER_CALL),))
    change(schedule, before, other, NOW + 10)
    assert CALL_A not in until(schedule, NOW + LEAST_CALL_INTERVAL - 1)
    assert CALL_A in until(schedule, NOW + LEAST_CALL_INTERVAL)


def test_another_registration_is_not_tested_sooner_than_any_two_are() -> None:
    before = trunk("a", USUAL)
    schedule = begun(before)
    assert REGISTRATION_A in finished(schedule, NOW)
    other = replace(before, routes=(replace(before.routes[0], registration=OTHER_PROBE),))
    change(schedule, before, other, NOW + 1)
    assert REGISTRATION_A not in until(schedule, NOW + LEAST_REGISTRATION_INTERVAL - 1)
    assert REGISTRATION_A in until(schedule, NOW + LEAST_REGISTRATION_INTERVAL)


def test_a_route_that_is_put_in_again_is_not_called_again_at_once() -> None:
    both, one = trunk("a b", USUAL), trunk("b", USUAL)
    schedule = begun(both)
    finished(schedule, NOW)
    change(schedule, both, one, NOW + 10)
    change(schedule, one, both, NOW + 11)
    assert CALL_A not in until(schedule, NOW + 59.9)
    assert CALL_A in until(schedule, NOW + 60)


def test_a_shorter_interval_counts_at_once_and_a_longer_one_from_the_next_check_on() -> None:
    usual, often = trunk("a", USUAL, calls=False), trunk("a", Rules(interval=10), calls=False)
    schedule = begun(usual)
    finished(schedule, NOW)
    change(schedule, usual, often, NOW + 5)
    assert finished(schedule, NOW + 5 + 10) == (A,)
    change(schedule, often, usual, NOW + 16)
    due = schedule.next_timeout()
    assert due is not None
    assert due <= NOW + 16 + 10
    finished(schedule, due)
    assert schedule.next_timeout() == due + 60


def test_a_shorter_interval_counts_from_the_last_check_on_whatever_was_changed_since() -> None:
    usual, often = trunk("a", USUAL, calls=False), trunk("a", Rules(interval=50), calls=False)
    titled = replace(usual, title="Acme")
    schedule = begun(usual)
    finished(schedule, NOW)
    change(schedule, usual, titled, NOW + 30)
    change(schedule, titled, often, NOW + 31)
    assert schedule.next_timeout() == NOW + 50


def test_shorter_intervals_of_many_are_spread_over_the_interval() -> None:
    """Or whoever shortens the interval of all of them asks all of them at once."""
    seldom, often = Rules(interval=1000), Rules(interval=100)
    names = [f"t{number}" for number in range(50)]
    before, after = ([trunk("a", given, calls=False, name=name) for name in names] for given in (seldom, often))
    schedule = Schedule(before, NOW, random.Random(1).random)
    until(schedule, NOW + 500)
    schedule.change(after, difference(before, after), NOW + 500)
    times = []
    while (due := schedule.next_timeout()) is not None and due < NOW + 600:
        times += [due] * len(finished(schedule, due))
    assert len(times) == len(names)
    assert min(times) < NOW + 520
    assert max(times) > NOW + 580
    assert max(Counter(int(time - NOW) // 10 for time in times).values()) < 15


def test_what_comes_sooner_now_comes_before_what_does_not() -> None:
    before = [trunk("a", USUAL, calls=False, name=name) for name in "tu"]
    schedule = Schedule(before, NOW, lambda: 0.0)
    assert until(schedule, NOW + 1) == {A, Due("u", "a", Kind.OPTIONS)}
    after = [before[0], replace(before[1], rules=Rules(interval=10))]
    schedule.change(after, difference(before, after), NOW + 5)
    assert until(schedule, NOW + 20) == {Due("u", "a", Kind.OPTIONS)}


def test_many_new_routes_are_checked_at_the_rate_of_the_start() -> None:
    schedule = Schedule([], NOW, random.Random(1).random)
    assert schedule.next_timeout() is None
    many = [trunk("a", USUAL, calls=False, name=f"t{number}") for number in range(200)]
    schedule.change(many, difference([], many), NOW)
    seconds: Counter[int] = Counter()
    while (due := schedule.next_timeout()) is not None and due < NOW + 60:
        seconds[int(due)] += len(finished(schedule, due))
    assert sum(seconds.values()) == 200
    assert max(seconds.values()) <= START_RATE + 1


routes = st.lists(
    st.builds(
        Route,
        name=st.sampled_from("abc"),
        destination=st.sampled_from([PLACE, ELSEWHERE]),
        call=st.sampled_from([None, SCRIPT, OTHER_CALL]),
        registration=st.sampled_from([None, PROBE, OTHER_PROBE]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda route: route.name,
)
trunks = st.lists(
    st.builds(Trunk, name=st.sampled_from("tu"), routes=routes.map(tuple), rules=rules),
    max_size=2,
    unique_by=lambda trunk: trunk.name,
)
Step = tuple[str, float, list[Trunk]]
steps = st.lists(
    st.tuples(st.sampled_from(["time", "end", "change"]), st.one_of(st.floats(0.0, 2.0), st.floats(0.0, 90.0)), trunks),
    max_size=40,
)


@given(steps, st.randoms(use_true_random=False))
def test_whatever_is_changed_each_check_comes_in_its_turn(story: list[Step], chance: random.Random) -> None:
    """None comes that is not there, each that is comes again, of each trunk one call at a time, and none of a route
    within the least interval: whoever changes a file all the time loads nobody."""
    schedule, current, now = Schedule([], NOW, chance.random), list[Trunk](), NOW
    under_way, dropped = list[Due](), list[Due]()
    began: dict[Due, float] = {}
    for what, seconds, after in story:
        now += seconds
        if what == "change":
            found = difference(current, after)
            dropped += [due for due in under_way if due in found.outdated]
            under_way = [due for due in under_way if due not in found.outdated]
            schedule.change(after, found, now)
            current = after
        elif what == "end" and (under_way or dropped):
            over = chance.choice([*under_way, *dropped])
            if over in under_way:
                under_way.remove(over)
                schedule.done(over, WELL, now)
            else:
                dropped.remove(over)
                schedule.dropped(over, now)
        for due in schedule.handle_timeout(now):
            assert due in _all(current)
            assert due not in under_way
            assert now >= began.get(due, 0.0) + LEAST[due.kind] - 1e-6
            began[due] = now
            if due.kind is Kind.CALL:
                assert due.trunk not in {one.trunk for one in [*under_way, *dropped] if one.kind is Kind.CALL}
            under_way.append(due)
    for due in dropped:
        schedule.dropped(due, now)
    for due in under_way:
        schedule.done(due, WELL, now)
    assert until(schedule, now + 2 * 3600) | set(under_way) == _all(current)


def _all(given: list[Trunk]) -> set[Due]:
    return {Due(trunk.name, route.name, kind) for trunk in given for route in trunk.routes for kind in route.kinds}
