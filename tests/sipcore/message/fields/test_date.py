"""Date."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.fields.date import Date
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives

NOON = Date(datetime(2010, 11, 13, 12, 0, 0, tzinfo=UTC))
TEXT = "Sat, 13 Nov 2010 12:00:00 GMT"
NOT_GMT, ODD, WEEKDAY = Deviation.DATE_NOT_GMT, Deviation.ODD_DATE, Deviation.WRONG_WEEKDAY


def test_rfc_1123() -> None:
    assert_reads(Date.parse, TEXT, NOON)
    assert_reads(Date.parse, f" {TEXT.lower()}", NOON, written=TEXT)
    assert_reads(Date.parse, TEXT.upper(), NOON, written=TEXT)


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("Sat, 13 Nov 2010 07:00:00 EST", [NOT_GMT]),
        ("Sat, 13 Nov 2010 05:00:00 pdt", [NOT_GMT]),
        ("Sat, 13 Nov 2010 12:00:00 UTC", [NOT_GMT]),
        ("Sat, 13 Nov 2010 12:00:00 XYZ", [NOT_GMT]),
        ("Sat, 13 Nov 2010 13:30:00 +0130", [NOT_GMT]),
        ("Fri, 12 Nov 2010 23:00:00 -1300", [NOT_GMT]),
        ("Mon, 13 Nov 2010 12:00:00 GMT", [WEEKDAY]),
        ("Mon, 13 Nov 2010 12:00:00 +0000", [WEEKDAY, NOT_GMT]),
        ("Sat, 13 Nov 2010 12:00:00", [ODD]),
        ("13 Nov 2010 12:00:00 GMT", [ODD]),
        ("Sat 13 Nov 2010 12:00:00 GMT", [ODD]),
        ("Saturday, 13-Nov-10 12:00:00 GMT", [ODD]),
        ("Sat, 13 Nov 2010 12:00 GMT", [ODD]),
        ("13 November 2010 14:00 +0200", [ODD, NOT_GMT]),
    ],
)
def test_other_forms(text: str, notes: list[Deviation]) -> None:
    assert_reads(Date.parse, text, NOON, notes, written=TEXT)


@pytest.mark.parametrize(("year", "full"), [("49", 2049), ("50", 1950), ("99", 1999), ("00", 2000)])
def test_years_of_two_digits(year: str, full: int) -> None:
    assert Date.parse(f"1 Jan {year} 00:00:00 GMT", []).when.year == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "123 GMT 789",
        "2010-11-13T12:00:00Z",
        "Wed, 31 Jun 2010 12:00:00 GMT",
        "Sat, 13 Nox 2010 12:00:00 GMT",
        "Sat, 13 Nov 2010 24:00:00 GMT",
        "Sat, 13 Nov 2010 12:60:00 GMT",
        "Sat, 13 Nov 0000 12:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +0100",
        "Fri, 31 Dec 9999 23:00:00 -0200",
        "Sat, 13 Nov 2010 12:00:00 GMT extra",
        "Sat, 13 Nov 20100 12:00:00 GMT",
    ],
)
def test_refuses(text: str) -> None:
    assert_refuses(Date.parse, text)


def test_any_zone_is_written_as_gmt() -> None:
    assert str(Date(datetime(2010, 11, 13, 13, 0, 0, tzinfo=timezone(timedelta(hours=1))))) == TEXT


@given(st.datetimes(timezones=st.just(UTC)).map(lambda when: Date(when.replace(microsecond=0))))
def test_survives(built: Date) -> None:
    assert_survives(Date.parse, built)
