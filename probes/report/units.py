"""Times as JSON has them."""

from datetime import UTC, datetime


def milliseconds(seconds: float | None) -> float | None:
    """To a microsecond; None for none."""
    return None if seconds is None else round(seconds * 1000.0, 3)


def timestamp(at: float) -> str:
    """A time in seconds since 1970, in UTC, to a millisecond (RFC 3339)."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
