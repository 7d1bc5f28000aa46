"""How well trunks were, in words: nothing is rounded to what it was not, and what nobody watched is told."""

from datetime import UTC, timedelta, timezone

import pytest

from probes.report.uptime_text import percentage, uptime_lines
from tests.probes.report.up import CARRIER, DAYS, SILENT


def test_a_week() -> None:
    assert [line.plain for line in uptime_lines([(CARRIER, DAYS), (SILENT, ())], 80, UTC)] == [
        "2026-01-01 00:00 to 2026-01-08 00:00, 7 d, in UTC",
        "",
        "carrier: up 99.985 %, down 1 min 1 s in 1 incident",
        "  each day     ━─╌××??",
        "               ━ up, ─ down for 1 % at most, ╌ down for half at most, × down for",
        "               most, ? unknown",
        "  not watched  2 d, which counts neither as up nor as down",
        "  incidents    2026-01-04 00:00:00, 1 min, not over yet: test call: refused:",
        "               nothing listens there (TCP reset); is the server running, and is",
        "               this its port?",
        "",
        "  primary: up 98.333 %, down 2 h in 6 incidents, degraded 2 min",
        "  round trip   half within 12.3 ms, 95 % within 40.1 ms, max 900 ms, of 43,000",
        "               answers",
        "  failures     180 × refused, 3 × status; by status 3 × 503, of 43,210 checks",
        "  test calls   23 of 24 answered (95.8 %), 22 as they should be",
        "  incidents    the last 5 of 6",
        "               2026-01-01 00:00:00, 20 min: refused: nothing listens there (TCP",
        "               reset); is the server running, and is this its port?",
        "               2026-01-02 00:00:00, 20 min: refused",
        "               2026-01-03 00:00:00, 20 min: refused",
        "               2026-01-04 00:00:00, 20 min: refused",
        "               2026-01-05 00:00:00, 20 min: refused",
        "",
        "  backup: up 100 %",
        "  round trip   half within 12.3 ms, 95 % within 40.1 ms, max 900 ms, of 43,000",
        "               answers",
        "  failures     none, of 43,000 checks",
        "",
        "office: nothing is known, unanswered 1 d",
        "  not watched  6 d, which counts neither as up nor as down",
        "  failures     9 × silent, of 9 checks",
    ]


@pytest.mark.parametrize(("part", "legend"), [(2, "╌ down for half at most"), (4, "× down for most")])
def test_a_legend_by_itself(part: int, legend: str) -> None:
    told = [line.plain.strip() for line in uptime_lines([(CARRIER, [DAYS[part], DAYS[part]])], 80, UTC)]
    assert legend in told


def test_zones() -> None:
    zone = timezone(timedelta(hours=2), "CEST")
    assert uptime_lines([(CARRIER, ())], 80, zone)[0].plain == "2026-01-01 02:00 to 2026-01-08 02:00, 7 d, in CEST"


def test_no_line_is_wider_than_the_screen() -> None:
    lines = uptime_lines([(CARRIER, DAYS), (SILENT, DAYS)], 60, UTC)
    assert max(len(line.plain) for line in lines) <= 60


def test_nothing_to_tell() -> None:
    assert uptime_lines([], 80, UTC) == []


@pytest.mark.parametrize(
    ("availability", "text"),
    [
        (None, "nothing is known"),
        (100.0, "up 100 %"),
        (99.999_99, "up 99.999 %"),
        (99.5, "up 99.500 %"),
        (0.0, "up 0.000 %"),
    ],
)
def test_percentages_are_never_rounded_up(availability: float | None, text: str) -> None:
    assert percentage(availability) == text
