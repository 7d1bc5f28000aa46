"""Times as JSON has them."""


def milliseconds(seconds: float | None) -> float | None:
    """To a microsecond; None for none."""
    return None if seconds is None else round(seconds * 1000.0, 3)
