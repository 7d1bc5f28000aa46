"""Times in words."""

from datetime import timedelta, timezone

import pytest

from probes.report.times import clock, date_and_clock, day, span

BEGIN = 1_767_225_600.0
EAST = timezone(timedelta(hours=5, minutes=30), "IST")


def test_moments() -> None:
    assert clock(BEGIN, EAST) == "05:30:00"
    assert day(BEGIN - 6 * 3600, EAST) == "2025-12-31 IST"
    assert date_and_clock(BEGIN, EAST) == "2026-01-01 05:30:00"


@pytest.mark.parametrize(
    ("seconds", "two", "one"),
    [
        (0, "0 s", "0 s"),
        (0.4, "0.4 s", "0 s"),
        (9.94, "9.9 s", "10 s"),
        (9.96, "10 s", "10 s"),
        (59.4, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (305.4, "5 min 5 s", "5 min"),
        (3599.6, "1 h", "1 h"),
        (3661, "1 h 1 min", "1 h"),
        (86_399, "23 h 59 min", "23 h"),
        (90_000, "1 d 1 h", "1 d"),
        (400 * 86_400 + 1, "400 d", "400 d"),
    ],
)
def test_spans(seconds: float, two: str, one: str) -> None:
    assert (span(seconds), span(seconds, units=1)) == (two, one)
