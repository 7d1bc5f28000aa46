"""Times as JSON has them."""

from datetime import UTC, datetime

from probes.ping.round_trips import Spread


def milliseconds(seconds: float | None) -> float | None:
    """To a microsecond; None for none."""
    return None if seconds is None else round(seconds * 1000.0, 3)


def timestamp(at: float) -> str:
    """A time in seconds since 1970, in UTC, to a millisecond (RFC 3339)."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def spread_data(spread: Spread | None) -> dict[str, object] | None:
    """What times there were; None for none."""
    if spread is None:
        return None
    return {
        "count": spread.count,
        "min_ms": milliseconds(spread.least),
        "mean_ms": milliseconds(spread.mean),
        "max_ms": milliseconds(spread.most),
        "stddev_ms": milliseconds(spread.deviation),
        "p50_ms": milliseconds(spread.median),
        "p95_ms": milliseconds(spread.p95),
    }
