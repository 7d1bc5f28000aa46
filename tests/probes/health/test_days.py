"""A window in parts: from midnight to midnight, also where a day has 23 hours."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from probes.health.days import MAX_PARTS, borders, parts
from probes.health.terms import Change, Check, Health, Kind, Verdict

BEGIN = 1_767_225_600.0
"""The first second of 2026, in UTC."""
DAY = 86_400.0
BERLIN = ZoneInfo("Europe/Berlin")


def test_days_of_utc() -> None:
    assert borders(BEGIN + 3600, BEGIN + 2.5 * DAY, UTC) == [
        BEGIN + 3600,
        BEGIN + DAY,
        BEGIN + 2 * DAY,
        BEGIN + 2.5 * DAY,
    ]


def test_a_window_within_a_day_is_one_part() -> None:
    assert borders(BEGIN + 1, BEGIN + 2, UTC) == [BEGIN + 1, BEGIN + 2]
    assert borders(BEGIN, BEGIN + DAY, UTC) == [BEGIN, BEGIN + DAY]


def test_a_night_in_which_clocks_change() -> None:
    since = datetime(2026, 3, 28, tzinfo=BERLIN).timestamp()
    until = datetime(2026, 3, 31, tzinfo=BERLIN).timestamp()
    assert [(after - before) / 3600 for before, after in pairwise(borders(since, until, BERLIN))] == [24, 23, 24]


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
def test_so_is_it_in_the_zone_of_this_machine() -> None:
    assert os.environ["TZ"] == "Europe/Berlin"
    since = datetime(2026, 10, 24, tzinfo=BERLIN).timestamp()
    assert [(b - a) / 3600 for a, b in pairwise(borders(since, since + 49 * 3600))] == [24, 25]


@pytest.mark.parametrize(("days", "each"), [(60, 1), (61, 2), (120, 2), (400, 7)])
def test_there_are_no_more_than_fit_a_line(days: int, each: int) -> None:
    found = borders(BEGIN, BEGIN + days * DAY, UTC)
    assert len(found) - 1 <= MAX_PARTS
    assert found[1] - found[0] == each * DAY


class Known:
    """A route that is checked each hour, and down on the second day."""

    def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
        for hour in range(72):
            at = BEGIN + hour * 3600
            if since <= at < until:
                verdict = Verdict.BAD if 24 <= hour < 48 else Verdict.GOOD
                yield Check("t", "r", Kind.OPTIONS, at, verdict, "refused" if verdict is Verdict.BAD else "answered")

    def changes(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Change]:
        for day, before, after in (
            (0, Health.UNCHECKED, Health.HEALTHY),
            (1, Health.HEALTHY, Health.UNREACHABLE),
            (2, Health.UNREACHABLE, Health.HEALTHY),
        ):
            at = BEGIN + day * DAY
            if since <= at < until:
                check = next(self.checks(at, at + 1))
                yield Change("t", "r", at, before, after, max(BEGIN, at - DAY), check)

    def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[Change, ...]:
        return tuple(self.changes(0, at))[-1:]


def test_how_a_trunk_was_in_each() -> None:
    bounds = borders(BEGIN, BEGIN + 3 * DAY, UTC)
    found = parts(Known(), "t", ["r"], bounds, 4 * 3600)
    assert [part.since for part in found] == bounds[:-1]
    assert [part.spent.availability for part in found] == [100, 0, 100]
