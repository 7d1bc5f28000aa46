"""Date: RFC 3261 §20.17, the fixed form of RFC 1123 and always GMT; others are read by name.

Few messages have one, so the standard library's dates are loaded with the first.
"""

import re
from typing import TYPE_CHECKING

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.pattern import Pattern
from sipcore.value import maker, value

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBERS = {name: number for number, name in enumerate(_MONTHS, start=1)}
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
"""Hours east of Greenwich (RFC 5322 §4.3); any other name counts as GMT there."""

_FORM = r"([A-Z][a-z]{2}), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
_RFC_1123 = Pattern(_FORM)
_RFC_1123_ANY_CASE = Pattern(_FORM, re.IGNORECASE | re.ASCII)
_LOOSE = Pattern(
    r"(?>(?:([A-Za-z]{3})[a-z]*+[ \t]*+,?+[ \t]*+)?)([0-9]{1,2})[ \t\-]++"
    r"([A-Za-z]{3})[a-z]*+[ \t\-]++([0-9]{2}|[0-9]{4})[ \t]++"
    r"([0-9]{1,2}):([0-9]{2})(?>(?::([0-9]{2}))?)(?>(?:[ \t]*+([A-Za-z]{1,5}|[+\-][0-9]{4}))?)"
)


@value
class Date:
    """A point in time, to the second; `when` is always in UTC."""

    when: "datetime"

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Date":
        """Read a Date; raises ParseError."""
        match = _RFC_1123.fullmatch(text)
        try:
            return _make(_read(match, notes) if match else _read_loosely(text.strip(" \t"), notes))
        except (KeyError, ValueError, OverflowError):
            # A month that does not exist, the 31st of June, hour 24, the year 0 in a zone further west.
            raise ParseError("not a date", section="RFC 3261 §20.17", text=text) from None

    def __str__(self) -> str:
        from datetime import UTC

        when = self.when.astimezone(UTC)
        time = f"{when.hour:02}:{when.minute:02}:{when.second:02}"
        return f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year:04} {time} GMT"


_make = maker(Date)


def _read(match: re.Match[str], notes: Notes | None) -> "datetime":
    """What the groups weekday, day, month, year, hour, minute and second say, the weekday checked."""
    from datetime import UTC, datetime

    weekday, day, month, year, hour, minute, second, *_ = match.groups()
    number = _NUMBERS.get(month) or _NUMBERS[month.title()]
    full_year = int(year) if len(year) == 4 else _full_year(year)
    when = datetime(full_year, number, int(day), int(hour), int(minute), int(second or 0), 0, UTC)
    named = _DAYS[when.weekday()]
    if weekday and weekday != named and weekday.title() != named:
        tolerate(notes, Deviation.WRONG_WEEKDAY, match.string)
    return when


def _read_loosely(text: str, notes: Notes | None) -> "datetime":
    """Other zones, which are brought to UTC, and other forms: no weekday, a short year, no seconds."""
    match = _LOOSE.fullmatch(text)
    if not match:
        raise ParseError("not a date", section="RFC 3261 §20.17", text=text)
    when = _read(match, notes)
    zone = match[8] or ""
    if not _RFC_1123_ANY_CASE.fullmatch(text[: len(text) - len(zone)] + "GMT"):
        tolerate(notes, Deviation.ODD_DATE, text)
    if zone.upper() not in ("", "GMT"):
        tolerate(notes, Deviation.DATE_NOT_GMT, text)
    return when - _offset(zone)


def _full_year(text: str) -> int:
    """A year of two digits is one from 1950 to 2049 (RFC 5322 §4.3)."""
    year = int(text)
    return year + (2000 if year < 50 else 1900)


def _offset(zone: str) -> "timedelta":
    """How far a zone lies east of Greenwich (RFC 5322 §3.3, §4.3)."""
    from datetime import timedelta

    if zone[:1] in ("+", "-"):
        size = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
        return -size if zone[0] == "-" else size
    return timedelta(hours=_ZONES.get(zone.upper(), 0))
