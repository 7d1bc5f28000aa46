"""Times in words: the time of day, the day, and how long something lasted."""

from datetime import UTC, datetime, tzinfo

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s"))
"""In seconds, each with the one that its rest is told in."""
_IN_SECONDS = 120
"""Seconds below which an interval is told in seconds."""
_DIGITS = ((2, 10), (1, 100), (0, 1000))
"""Digits behind the point, and below how many milliseconds they are told."""


def moment(at: float, zone: tzinfo | None = None) -> datetime:
    """A time in seconds since 1970, in a zone; None is this machine's, as whoever reads a log beside it has it."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def clock(at: float, zone: tzinfo | None = None) -> str:
    """The time of day."""
    return f"{moment(at, zone):%H:%M:%S}"


def day(at: float, zone: tzinfo | None = None) -> str:
    """The day, and the zone that times of it are told in."""
    return f"{moment(at, zone):%Y-%m-%d %Z}"


def date_and_clock(at: float, zone: tzinfo | None = None) -> str:
    """Both, for a time that is by itself."""
    return f"{moment(at, zone):%Y-%m-%d %H:%M:%S}"


def span(seconds: float, units: int = 2) -> str:
    """How long something lasted, in its two largest units, or in the largest: who reads of days wants no seconds."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if 0.05 <= seconds < 9.95 and units > 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    unit, name, part, part_name = next(each for each in _UNITS if whole >= each[0])
    count, rest = whole // unit, whole % unit // part
    return f"{count} {name} {rest} {part_name}" if rest and units > 1 else f"{count} {name}"


def duration(seconds: float, *, fine: bool = False) -> str:
    """How long something took, with as many digits as it deserves: in milliseconds below a second, in seconds from
    there on, and as `span` has it from a minute on. `fine` is for pings, which are compared below 10 ms.
    """
    stored = round(seconds * 1000.0, 3)  # as JSON has it: what was stored is told in the same words
    for digits, limit in _DIGITS if fine else _DIGITS[1:]:
        told = f"{stored:.{digits}f}"
        if float(told) < limit:
            return f"{told} ms"
    return f"{seconds:.1f} s" if seconds < _MINUTE else span(seconds)


def every(seconds: float) -> str:
    """An interval that somebody has set, in seconds while those say more."""
    return f"{seconds:g} s" if seconds < _IN_SECONDS else span(seconds)
