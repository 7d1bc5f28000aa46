"""The time of a route, and of a trunk, cut into stretches."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.destination import Destination
from probes.health.board import Board
from probes.health.stretches import Stretch, in_order, stretches, together
from probes.health.terms import Change, Check, Health, Kind, Verdict
from probes.health.trunk import Rules
from tests.probes.health.board_values import RULES, checks, rules, stories, told, trunk

SIGNS = {
    Health.UNCHECKED: "unchecked",
    Health.UNKNOWN: "unknown",
    Health.HEALTHY: "healthy",
    Health.DEGRADED: "degraded",
    Health.UNREACHABLE: "down",
    None: "unwatched",
}
GAP = 3.0


def happenings(text: str, by: Rules = RULES, begin: float = 0.0) -> list[Check | Change]:
    """What a route's checks are, and what they change."""
    found = told(Board([trunk(rules=by)]), checks(text, begin))
    return [one for one in found if isinstance(one, Check | Change) and one.route == "a"]


def words(found: list[Stretch]) -> list[str]:
    return [f"{SIGNS[one.health]} {one.since:g}-{one.until:g}" for one in found]


@pytest.mark.parametrize(
    ("text", "window", "expected"),
    [
        ("", (0, 10), ["unwatched 0-10"]),
        ("a. a. a.", (0, 4), ["healthy 0-4"]),
        # The check before the end vouches for what is left of it, unless that is too long.
        ("a. a. a.", (0, 5), ["healthy 0-5"]),
        ("a. a. a.", (0, 6), ["healthy 0-2", "unwatched 2-6"]),
        ("a. a- a- a- a- a. a.", (0, 8), ["healthy 0-1", "down 1-6", "healthy 6-8"]),
        # Checks that failed and did not bring it down have not: it was up.
        (
            "a. a- a- a. a- a- a- a. a.",
            (0, 10),
            ["healthy 0-1", "degraded 1-3", "healthy 3-4", "down 4-8", "healthy 8-10"],
        ),
        ("a. a~ a~ a- a- a- a. a.", (0, 8), ["healthy 0-1", "degraded 1-3", "down 3-7", "healthy 7-8"]),
        ("a. a- a- a~ a~ a- a- a-", (0, 8), ["healthy 0-1", "degraded 1-5", "down 5-8"]),
        ("a. A- a. a. A- a.", (0, 6), ["healthy 0-1", "down 1-6"]),
        ("a. A- a- a- A. a. A- A-", (0, 8), ["healthy 0-1", "degraded 1-5", "healthy 5-6", "down 6-8"]),
        # Calls fail from the time on at which OPTIONS had brought it down.
        ("a. a- a- a- A- a. a. a. A-", (0, 9), ["healthy 0-1", "down 1-6", "down 6-9"]),
        # It is not decided yet: what was up is taken to be, and of what never answered nothing is known.
        ("a. a- a-", (0, 3), ["healthy 0-1", "degraded 1-3"]),
        ("a- a-", (0, 2), ["unknown 0-2"]),
        ("a? a? a-", (0, 3), ["unknown 0-3"]),
        ("a~ a-", (0, 2), ["degraded 0-2"]),
        ("a- a~ a-", (0, 3), ["degraded 0-3"]),
        # Refused for a time, and silent as before or since: it is not known.
        ("a? a- a- a? a? a?", (0, 6), ["unknown 0-6"]),
        ("a- a- a? a-", (0, 4), ["down 0-4"]),
        # A check that could not be made vouches for nothing.
        ("a. a! a! a! a! a. a.", (0, 7), ["unwatched 0-5", "healthy 5-7"]),
        ("a. a! a! a. a.", (0, 5), ["healthy 0-5"]),
        # The window begins later, or earlier.
        ("a. a- a- a- a-", (2.5, 5), ["down 2.5-5"]),
        # What comes after it decides.
        ("a. a- a- a- a- a. a.", (0, 2.5), ["healthy 0-1", "down 1-2.5"]),
        ("a. a- a- a. a. a.", (0, 2.5), ["healthy 0-1", "degraded 1-2.5"]),
        ("a- a- a- a-", (0, 1), ["down 0-1"]),
        ("a. a. a. a-", (0, 2.5), ["healthy 0-2.5"]),
        ("a. a.", (-1, 2), ["unwatched -1-0", "healthy 0-2"]),
    ],
)
def test_a_route(text: str, window: tuple[float, float], expected: list[str]) -> None:
    assert words(cut(happenings(text), *window)) == expected


def cut(given: list[Check | Change], since: float, until: float, gap: float = GAP) -> list[Stretch]:
    """The stretches of a window, as a store answers for it."""
    earlier = [one for one in given if isinstance(one, Change) and one.at < since]
    inside = [one for one in given if isinstance(one, Check) or one.at >= since]
    return list(stretches(inside, since, until, gap, earlier[-1] if earlier else None))


def test_nobody_watched_for_a_time_in_which_it_went_down() -> None:
    board = Board([trunk("a")])
    given = told(board, [*checks("a. a. a-"), *checks("a- a- a-", 20.0)])
    found = cut([one for one in given if isinstance(one, Check | Change)], 0, 24)
    assert words(found) == ["healthy 0-2", "unwatched 2-20", "down 20-24"]


def test_a_change_by_a_call_that_took_long_counts_from_when_it_is_told() -> None:
    board = Board([trunk("a", Rules(misses=3, call_misses=1))])
    given = told(board, checks("a. a- a."))
    late = told(board, checks("A-", 1.5))  # begun before the change at 2
    found = cut([one for one in (*given, *late) if isinstance(one, Check | Change)], 0, 4)
    assert words(found) == ["healthy 0-1", "degraded 1-2", "down 2-4"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a. a- a- a-", 1),
        ("a. a- a. a? a- a-", 3),
        ("a- a- a-", 0),
        ("a? a? a- a- a-", 2),
        ("a. a~ a- a- a-", 2),  # it was poor before
        ("a. a- A- a- a- ", 1),  # each kind for itself
        ("a. a- A- a. a. A-", 2),
        ("a. a- a- a- a- a. a. a- a- a-", 7),
        ("a- a- a- a~ a~ a- a- a-", 5),
        ("a. a~ a- a~ a- a- a-", 4),
        ("a. a? a? a? A. A- a- a- a-", 6),  # it had begun to drop OPTIONS, and that was over
    ],
)
def test_what_it_went_down_by(text: str, why: int) -> None:
    given = checks(text)
    assert cut(happenings(text), 0, len(given))[-1].why == given[why]


def test_silence_of_a_route_that_never_answered_is_nothing_it_went_down_by() -> None:
    once = happenings("a? a? a-", Rules(misses=1))
    assert cut(once, 0, 3)[-1].why == checks("a? a? a-")[2]


def test_a_route_that_was_down_before_the_window() -> None:
    given = happenings("a- a- a- a- a-")
    (found,) = cut(given, 3.5, 5)
    assert (found.health, found.why) == (Health.UNREACHABLE, checks("a- a- a- a- a-")[2])


@given(stories, rules, st.integers(-5, 30), st.integers(1, 60), st.integers(1, 4))
def test_each_moment_is_what_it_was(text: str, by: Rules, since: int, length: int, gap: int) -> None:
    given, until = happenings(text, by), since + length
    found = cut(given, since, until, gap)
    assert [one.since for one in found] == [since, *(one.until for one in found[:-1])]
    assert found[-1].until == until
    seen = [one.at for one in given if isinstance(one, Check) and one.verdict.value != "own"]
    for stretch in found:
        assert stretch.seconds > 0
        assert (stretch.why is not None) == (stretch.health is Health.UNREACHABLE)
        assert stretch.why is None or stretch.why.verdict in MISSES
        for moment in range(int(stretch.since), int(stretch.until)):
            assert stretch.health is at(moment + 0.5, given, sorted([*seen, until]), gap)


MISSES = (Verdict.BAD, Verdict.SILENT)


def at(moment: float, given: list[Check | Change], seen: list[float], gap: float) -> Health | None:
    """How a route was, found in the plainest way."""
    before, after = [time for time in seen if time < moment], [time for time in seen if time > moment]
    if not before or after[0] - before[-1] > gap:
        return None
    told = [one.after for one in given if isinstance(one, Change) and one.at < moment] or [Health.UNCHECKED]
    if told[-1] is not Health.DEGRADED:
        return told[-1]
    then = next((one for one in given if isinstance(one, Change) and one.at > moment), None)
    rows, since, is_first = doubt(given[: given.index(then)] if then else given)
    if then is None:
        return Health.UNKNOWN if is_first and moment > since else Health.DEGRADED
    if then.after is Health.UNREACHABLE:
        return then.after if rows.get(then.check.kind, then.at) < moment else Health.DEGRADED
    return then.after if then.after is Health.UNKNOWN and moment > since else Health.DEGRADED


def doubt(given: list[Check | Change]) -> tuple[dict[Kind, float], float, bool]:
    """When each row of failed checks began that goes on, since when there is any, and whether nothing is known from
    before that.
    """
    rows: dict[Kind, float] = {}
    since, is_first, health = math.inf, False, Health.UNCHECKED
    for one in given:
        check, before = one.check if isinstance(one, Change) else one, health
        if check.verdict is Verdict.OWN:
            continue
        if isinstance(one, Change):
            health = one.after
        if check.verdict not in MISSES:
            rows.pop(check.kind, None)
            is_first = False
        elif health in (Health.DEGRADED, Health.UNREACHABLE):
            is_first = is_first or before in (Health.UNCHECKED, Health.UNKNOWN)
            since = since if rows else one.at
            rows.setdefault(check.kind, check.at)
        if health in (Health.HEALTHY, Health.UNKNOWN):
            rows.clear()
    return rows, since, is_first


def test_checks_and_changes_as_they_were_told() -> None:
    given = happenings("a. a- a. a- a- a-")
    kinds: list[list[Check | Change]] = [[one for one in given if isinstance(one, kind)] for kind in (Check, Change)]
    assert list(in_order(*kinds)) == given  # type: ignore[arg-type]


PLAIN: dict[str, Health | None] = dict(zip("_?+~x.", SIGNS, strict=True))


SHORT = {health: sign for sign, health in PLAIN.items()}


def course(text: str, since: int = 0) -> list[Stretch]:
    """A second for each sign."""
    found: list[Stretch] = []
    for number, sign in enumerate(text, since):
        health = PLAIN[sign]
        why = checks("a-", number)[0] if health is Health.UNREACHABLE else None
        found.append(Stretch(number, number + 1, health, why))
    return found


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (["++xx++"], "++xx++"),
        (["+xx+", "++++"], "++++"),
        (["+xx+", "~~~~"], "+~~+"),
        (["xx+", "+xx"], "+x+"),
        # It is down only while each is known to be.
        (["xxxxx", "x?_.~"], "x?_.~"),
        (["....", "x+~."], ".+~."),
    ],
)
def test_a_trunk_is_as_the_best_of_its_routes(routes: list[str], expected: str) -> None:
    found = together([iter(course(text)) for text in routes], 9)
    assert [(one.since, one.until, one.health) for one in found] == [
        (number, number + 1, PLAIN[sign]) for number, sign in enumerate(expected)
    ]


def test_a_trunk_is_down_by_what_took_its_last_route() -> None:
    first, second = checks("a-")[0], checks("b-", 1.0)[0]
    routes = [
        [Stretch(0, 5, Health.UNREACHABLE, first)],
        [Stretch(0, 2, Health.HEALTHY), Stretch(2, 5, Health.UNREACHABLE, second)],
    ]
    assert list(together([iter(route) for route in routes], 9)) == [
        Stretch(0, 2, Health.HEALTHY),
        Stretch(2, 5, Health.UNREACHABLE, second),
    ]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        # One that was added, or taken away.
        (["xxxxxx", "....++"], "..xx++"),
        (["xxxxxx", "++...."], "++..xx"),
        (["++xxxx", "......"], "++xxxx"),
        (["++xxxx", "......", "~....."], "++.xxx"),
        # The watch was off, and its routes are not checked at the same moment.
        (["x....x", "+....+"], "+....+"),
        (["xx...x", "+...+."], "+...+."),
        (["xx...xxxx", "+....++++"], "+....++++"),
        (["xx...xx", "+......"], "+......"),
        (["xxx..xxx", "........"], "..x....x"),
    ],
)
def test_a_route_that_nobody_watches_while_others_are_is_no_part_of_the_trunk(routes: list[str], expected: str) -> None:
    found = together([iter(course(text)) for text in routes], 2)
    assert "".join(SHORT[one.health] for one in found) == expected


def test_a_route_that_was_led_elsewhere_is_not_down_any_more_and_not_up_yet() -> None:
    before = trunk("a")
    moved = replace(before, routes=(replace(before.routes[0], destination=Destination.parse("192.0.2.9")),))
    board = Board([before])
    found = [*told(board, checks("a. a- a- a-")), *board.change([moved], 4.5), *told(board, checks("a? a. a.", 5.0))]
    of_route = [one for one in found if isinstance(one, Check | Change)]
    assert words(list(stretches(of_route, 0, 8, GAP))) == [
        *("healthy 0-1", "down 1-4.5", "unchecked 4.5-5"),
        *("unknown 5-6", "healthy 6-8"),
    ]
