"""Times in words."""

from datetime import timedelta, timezone

import pytest

from probes.report.times import clock, date_and_clock, day, duration, span

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


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0.0 ms"),
        (0.001_23, "1.2 ms"),
        (0.009_996, "10.0 ms"),
        (0.0123, "12.3 ms"),
        (0.099_96, "100 ms"),
        (0.1234, "123 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (2.001, "2.0 s"),
        (59.94, "59.9 s"),
        (59.97, "60.0 s"),
        (90.4, "1 min 30 s"),
    ],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.000_04, "0.04 ms"), (0.009_994, "9.99 ms"), (0.009_996, "10.0 ms"), (0.1234, "123 ms"), (4.0, "4.0 s")],
)
def test_durations_of_pings(seconds: float, told: str) -> None:
    assert duration(seconds, fine=True) == told
