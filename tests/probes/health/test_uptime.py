"""How well trunks were over a window of time."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.health.board import Board
from probes.health.stretches import MAX_HELD, Course
from probes.health.terms import Change, Check, Happening, Kind, Verdict
from probes.health.trunk import Rules, WatchError
from probes.health.uptime import (
    MAX_INCIDENTS,
    TOP,
    Incident,
    Spent,
    TrunkUptime,
    longest_gap,
    trunk_uptime,
)
from tests.probes.health.board_values import RULES, checks, rules, stories, told, trunk

GAP = 3.0


class Kept:
    """A history in memory that answers as the store does."""

    def __init__(self, happenings: Iterable[Happening]) -> None:
        self._all = list(happenings)

    def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
        return iter([one for one in self._of(Check, trunk, route) if since <= one.at < until])

    def changes(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Change]:
        return iter([one for one in self._of(Change, trunk, route) if since <= one.at < until])

    def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[Change, ...]:
        return tuple(one for one in self._of(Change, trunk, route) if one.at < at)[-1:]

    def _of(self, kind, trunk: str, route: str):  # type: ignore[no-untyped-def]
        found = [one for one in self._all if isinstance(one, kind)]
        return [one for one in found if (one.trunk, one.route) == (trunk, route)]


def uptime(
    text: str, since: float = 0.0, until: float | None = None, by: Rules = RULES, routes: str = "a"
) -> TrunkUptime:
    """Checks a second apart, up to a second after the last."""
    given = checks(text)
    history = Kept(told(Board([trunk(routes, by)]), given))
    return trunk_uptime(history, "t", routes.split(), since, len(given) if until is None else until, GAP)


def test_the_time_that_a_route_was_in_each_health() -> None:
    (route,) = uptime("a? a? a. a. a. a- a- a- a- a- a. a.", until=20).routes
    assert route.spent == Spent(healthy=3, unreachable=6, unknown=2, unwatched=9)
    assert route.spent.availability == pytest.approx(100 * 3 / 9)


@pytest.mark.parametrize("text", ["", "a? a? a?", "a! a! a!"])
def test_what_is_not_known_is_neither_up_nor_down(text: str) -> None:
    found = uptime(text, until=10)
    assert found.spent.availability is None
    assert found.spent.up == found.spent.unreachable == 0


def test_time_that_nobody_watched_does_not_count() -> None:
    board = Board([trunk("a")])
    history = Kept([*told(board, checks("a. a. a.")), *told(board, checks("a. a. a.", 100.0))])
    found = trunk_uptime(history, "t", ["a"], 0.0, 103.0, GAP)
    assert found.spent == Spent(healthy=5, unwatched=98)
    assert found.spent.availability == 100


def test_a_trunk_is_up_while_any_of_its_routes_is() -> None:
    found = uptime("a. b. a- b. a- b. a- b. a- b. a. b. a. b.", routes="a b")
    assert found.spent == Spent(healthy=14)
    assert found.incidents == ()
    assert found.routes[0].spent.unreachable > 0
    assert (found.incident_count, found.routes[0].incident_count) == (0, 1)


def test_a_trunk_is_down_while_all_of_its_routes_are() -> None:
    found = uptime("A. B. A- B- A- B- A- B- A- B- A. B.", routes="a b")
    (incident,) = found.incidents
    # Calls over A fail from 2 on, over B from 3 on; A comes up at 10.
    assert incident == Incident("t", "", 3.0, 3.0, 10.0, 7.0, Kind.CALL, "refused", "", None)
    assert found.spent.unreachable == 7


def test_a_route_that_was_added_later_hides_nothing_that_was_before() -> None:
    given = [*checks("a. a- a- a- a- a. a."), *checks("b. b. b.", 6.5)]
    found = trunk_uptime(Kept(told(Board([trunk("a b")]), given)), "t", ["a", "b"], 0.0, 9.0, 1.0)
    assert found.incident_count == 1
    assert found.spent == Spent(healthy=3.5, unreachable=5, unwatched=0.5)


def test_an_incident_says_what_it_began_with() -> None:
    first = Check("t", "a", Kind.OPTIONS, 1.0, Verdict.BAD, "status", "403 Forbidden", status=403)
    board = Board([trunk("a")])
    given = [*checks("a."), first, *checks("a? a- a- a. a. a.", 2.0)]
    found = trunk_uptime(Kept(told(board, given)), "t", ["a"], 0.0, 8.0, GAP)
    route = Incident("t", "a", 1.0, 1.0, 6.0, 5.0, Kind.OPTIONS, "status", "403 Forbidden", 403)
    assert found.routes[0].incidents == (route,)
    assert found.incidents == (replace(route, route=""),)


def test_an_incident_that_goes_on_has_no_end() -> None:
    (incident,) = uptime("a. a- a- a- a-").incidents
    assert (incident.since, incident.down, incident.until, incident.seconds) == (1.0, 1.0, None, 4.0)


def test_an_incident_that_had_begun_before_the_window() -> None:
    (incident,) = uptime("a. a- a- a- a- a- a. a.", since=4.5).incidents
    # Which check was the first is no longer read: the one by which it went down tells why.
    assert (incident.since, incident.down, incident.until, incident.seconds) == (3.0, 4.5, 7.0, 2.5)


def test_an_incident_that_nobody_watched_for_a_time_is_one() -> None:
    board = Board([trunk("a")])
    history = Kept([*told(board, checks("a- a- a- a-")), *told(board, checks("a- a. a. a.", 100.0))])
    (incident,) = trunk_uptime(history, "t", ["a"], 0.0, 104.0, GAP).incidents
    assert (incident.down, incident.until, incident.seconds) == (0.0, 102.0, 5.0)


@pytest.mark.parametrize("text", ["a- a- a- a- a- a-", "a? a? a- a- a- a-", "a- a-", "a- a- a? a? a?"])
def test_a_route_that_never_answered_and_was_refused_was_never_up(text: str) -> None:
    found = uptime(text)
    assert found.spent.up == found.routes[0].spent.up == 0
    assert found.spent.availability in (None, 0)


def test_an_outage_over_midnight_counts_in_both_days() -> None:
    text = "a. a. a- a- a- a- a. a. a."
    whole, evening, morning = uptime(text), uptime(text, until=3.0), uptime(text, since=3.0)
    assert (evening.spent.unreachable, morning.spent.unreachable) == (1, 4)
    assert whole.spent.unreachable == 5
    assert [part.routes[0].checks for part in (evening, morning)] == [3, 6]


def test_a_trunk_is_down_from_the_first_failed_check_of_its_last_route_on() -> None:
    found = uptime("a. b. a- b. a- b- a- b- a- b- a- b- a- b. a- b. a-", routes="a b")
    assert found.spent == Spent(healthy=7, unreachable=10)
    (incident,) = found.incidents
    assert (incident.since, incident.down, incident.until) == (5, 5, 15)


def test_what_is_held_back_takes_bounded_memory() -> None:
    """A route is in doubt for years, and now and then nobody watches."""
    doubted = [*checks("a. A-"), *(check for n in range(1, 5000) for check in checks("a. a.", 100.0 * n))]
    board = Board([trunk("a", Rules(call_misses=2))])
    course = Course(0.0, math.inf, GAP, None)
    given = [one for one in told(board, doubted) if isinstance(one, Check | Change)]
    found = sum(sum(1 for _ in course.take(one)) for one in given)
    assert 9998 - MAX_HELD <= found <= 10_000 - MAX_HELD


def test_two_incidents() -> None:
    found = uptime("a- a- a- a. a. a. a- a- a- a- a. a.")
    assert [(one.since, one.down, one.until) for one in found.incidents] == [(0, 0, 4), (6, 6, 11)]


def test_so_many_incidents_are_told_and_all_are_counted() -> None:
    once = Rules(misses=1, recoveries=1)
    (route,) = uptime("a- a. " * (MAX_INCIDENTS + 5), by=once).routes
    assert (route.incident_count, len(route.incidents)) == (MAX_INCIDENTS + 5, MAX_INCIDENTS)
    assert route.incidents[-1].down == 2 * (MAX_INCIDENTS + 4)


def test_what_checks_found() -> None:
    given = [
        *(
            Check("t", "a", Kind.OPTIONS, float(n), Verdict.GOOD, "answered", status=200, rtt=0.01 * n)
            for n in range(1, 6)
        ),
        *(Check("t", "a", Kind.OPTIONS, 10.0 + n, Verdict.BAD, "status", status=403, rtt=0.5) for n in range(3)),
        Check("t", "a", Kind.OPTIONS, 13.0, Verdict.BAD, "status", status=503),
        Check("t", "a", Kind.OPTIONS, 14.0, Verdict.SILENT, "silent"),
        Check("t", "a", Kind.OPTIONS, 15.0, Verdict.OWN, "own"),
        Check("t", "a", Kind.OPTIONS, 16.0, Verdict.POOR, "slow", status=200),
    ]
    (route,) = trunk_uptime(Kept(given), "t", ["a"], 2.0, 16.5, GAP).routes
    assert route.checks == 4 + 5 + 1
    assert route.reasons == (("status", 4), ("silent", 1))
    assert route.statuses == ((403, 3), (503, 1))
    assert route.round_trips is not None
    assert (route.round_trips.count, route.round_trips.least, route.round_trips.most) == (7, 0.02, 0.5)


def test_the_most_frequent_reasons_are_told() -> None:
    given = [Check("t", "a", Kind.OPTIONS, n / 100, Verdict.BAD, f"r{n % (TOP + 2)}") for n in range(100)]
    (route,) = trunk_uptime(Kept(given), "t", ["a"], 0.0, 1.0, GAP).routes
    assert [reason for reason, _ in route.reasons] == [f"r{n}" for n in range(TOP)]


def test_how_many_calls_were_answered() -> None:
    statuses = [200, 200, 486, None, 200]
    verdicts = [Verdict.GOOD, Verdict.BAD, Verdict.BAD, Verdict.BAD, Verdict.OWN]
    given = [
        Check("t", "a", Kind.CALL, float(n), verdict, "call", status=status, rtt=9.0)
        for n, (verdict, status) in enumerate(zip(verdicts, statuses, strict=True))
    ]
    (route,) = trunk_uptime(Kept([*given, *checks("a.", 5.0)]), "t", ["a"], 0.0, 6.0, GAP).routes
    assert (route.checks, route.calls, route.calls_answered, route.calls_good) == (5, 4, 2, 1)
    assert route.answer_seizure_ratio == 50
    assert route.round_trips is None  # how long a call took to be answered is none


def test_how_many_registrations_were_as_they_should_be() -> None:
    (route,) = uptime("a. @a. @a- @a. @a! A.").routes
    assert (route.checks, route.calls, route.registrations, route.registrations_good) == (5, 1, 3, 2)


def test_a_success_explains_no_failure() -> None:
    given = [
        Check("t", "a", Kind.REGISTRATION, 0.0, Verdict.BAD, "nobody", status=200),
        Check("t", "a", Kind.REGISTRATION, 1.0, Verdict.BAD, "registration", status=403),
    ]
    (route,) = trunk_uptime(Kept(given), "t", ["a"], 0.0, 2.0, GAP).routes
    assert (route.reasons, route.statuses) == ((("nobody", 1), ("registration", 1)), ((403, 1),))


def test_without_calls_there_is_no_ratio() -> None:
    assert uptime("a. a.").routes[0].answer_seizure_ratio is None


@given(stories, rules, st.floats(-20, 40), st.floats(0.5, 100))
def test_all_times_together_are_the_window(text: str, by: Rules, since: float, length: float) -> None:
    found = uptime(text, since, since + length, by, "a b c")
    whole = (found.spent, found.incidents)
    for spent, incidents in (whole, *((one.spent, one.incidents) for one in found.routes)):
        total = spent.up + spent.unreachable + spent.unknown + spent.unchecked + spent.unwatched
        assert total == pytest.approx(length)
        assert sum(one.seconds for one in incidents) == pytest.approx(spent.unreachable)
        assert spent.availability is None or 0 <= spent.availability <= 100
    assert found.spent.unreachable <= sum(route.spent.unreachable for route in found.routes) + 1e-6
    assert found.spent.up >= max(route.spent.up for route in found.routes) - 1e-6


def test_incidents_are_in_order_and_apart() -> None:
    found = uptime("a- a- a- a. a. a- a. a- a- a- a. a. a-").incidents
    ends = [one.until for one in found]
    assert all(end is not None and end <= after.down for end, after in zip(ends, found[1:], strict=False))


@pytest.mark.parametrize(("since", "until"), [(5.0, 5.0), (5.0, 4.0), (float("nan"), 5.0)])
def test_a_window_that_is_none(since: float, until: float) -> None:
    with pytest.raises(WatchError, match="it has to end after it begins"):
        trunk_uptime(Kept([]), "t", ["a"], since, until, GAP)


def test_a_trunk_without_routes() -> None:
    with pytest.raises(WatchError, match="trunk t: name its routes"):
        trunk_uptime(Kept([]), "t", [], 0.0, 1.0, GAP)


def test_how_long_a_check_vouches() -> None:
    assert longest_gap(Rules(interval=60, timeout=4)) == 184
