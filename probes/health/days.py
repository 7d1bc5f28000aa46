"""A window of time in parts: a day each as a rule, from midnight to midnight, for a picture of what went on when."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo
from itertools import pairwise

from probes.health.uptime import History, Spent, trunk_uptime
from sipcore.value import value

MAX_PARTS = 60
"""Of one window: a line of a terminal holds as many. In a longer one, each has several days."""


@value
class Part:
    """A part of a window, from `since` to the next one, and how a trunk was in it."""

    since: float
    spent: Spent


def borders(since: float, until: float, zone: tzinfo | None = None) -> list[float]:
    """Where the parts of a window begin, in seconds since 1970, and last where it ends: at midnight in a zone, None
    being this machine's, but for the first and the last one.
    """
    first = datetime.fromtimestamp(since, zone)
    last = datetime.fromtimestamp(max(until - 1, since), zone)  # a window that ends at midnight has no part of that day
    days = -(-((last.date() - first.date()).days + 1) // MAX_PARTS)
    found, day = [since], first.date()
    while (midnight := datetime.combine(day := day + timedelta(days), time(), zone).timestamp()) < until:
        found.append(midnight)
    return [*found, until]


def parts(history: History, trunk: str, routes: Sequence[str], bounds: Sequence[float], gap: float) -> tuple[Part, ...]:
    """How a trunk was in each part, as `trunk_uptime` counts it."""
    return tuple(
        Part(begin, trunk_uptime(history, trunk, routes, begin, end, gap).spent)
        for begin, end in pairwise(bounds)
        if begin < end
    )
