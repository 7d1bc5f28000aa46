"""What a history knows of a trunk, read a day at a time and kept: a day that is over does not change any more."""

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise

from probes.health.days import Part
from probes.health.terms import Check
from probes.health.uptime import History, Incident, Spent, TrunkUptime, trunk_uptime
from probes.store.config import DEFAULT_KEEP_CHECKS
from sipcore.value import value

DAY = 86_400.0
"""Seconds: days are those of UTC, so that all viewers see the same ones."""
DAYS = 90
"""Days that are told of."""
ROUTE_DAYS = 7
"""Days over which routes are measured."""
LAST_CHECKS = 6 * 3600.0
"""Seconds in which the last checks are looked up."""
FRESH = 60.0
"""Seconds for which what changes is taken for what it was."""
SETTLED = 3600.0
"""Seconds after the end of a day until it is kept: a doubt at its end is decided by then."""


@value
class PastUptimes:
    """What is known: each day with how the trunk was, the last week, incidents newest first, and the last checks in the
    order of time. `at` is when it was looked up, in seconds since 1970.
    """

    at: float
    days: tuple[Part, ...]
    week: TrunkUptime
    incidents: tuple[Incident, ...]
    checks: tuple[Check, ...]


class DayBook:
    """Looks up the past of trunks in a history, in any thread; how long that takes depends on what it knows already."""

    def __init__(self, history: History, kept: float = DEFAULT_KEEP_CHECKS) -> None:
        """`kept` is for how many seconds the history keeps each check."""
        self._history, self._kept = history, kept
        self._days: dict[tuple[str, tuple[str, ...], float], TrunkUptime] = {}
        self._known: dict[tuple[str, tuple[str, ...]], PastUptimes] = {}

    def known(self, trunk: str, routes: Sequence[str]) -> PastUptimes | None:
        """What was looked up last; None where nothing was."""
        return self._known.get((trunk, tuple(routes)))

    def look_up(self, trunk: str, routes: Sequence[str], gap: float, now: float) -> PastUptimes:
        """The past of a trunk, to which its routes belong now. `gap` is as `trunk_uptime` has it. Raises WatchError
        where the history cannot be read.
        """
        key = (trunk, tuple(routes))
        known = self._known.get(key)
        if known is not None and 0 <= now - known.at < FRESH:
            return known
        days = [self._day(trunk, routes, begin, end, gap, now) for begin, end in pairwise(_borders(now))]
        found = PastUptimes(
            at=now,
            days=tuple(Part(day.since, day.spent) for day in days),
            week=trunk_uptime(self._history, trunk, routes, now - ROUTE_DAYS * DAY, now, gap),
            incidents=tuple(_merged(days)),
            checks=tuple(self._history.checks(now - LAST_CHECKS, now + 1.0, trunk)),
        )
        self._known[key] = found
        return found

    def _day(self, trunk: str, routes: Sequence[str], begin: float, end: float, gap: float, now: float) -> TrunkUptime:
        key = (trunk, tuple(routes), begin)
        if begin < now - self._kept:  # of which there are changes alone, which vouch for all the time between them
            gap = math.inf
        if key not in self._days:
            found = trunk_uptime(self._history, trunk, routes, begin, end, gap)
            if end > now - SETTLED:
                return found
            self._days[key] = found
        return self._days[key]

    def forget(self, trunk: str) -> None:
        """A trunk is no more."""
        self._days = {key: day for key, day in self._days.items() if key[0] != trunk}
        self._known = {key: known for key, known in self._known.items() if key[0] != trunk}


def spent_in(days: Sequence[Part]) -> Spent:
    """How several days were together."""
    names = [each.name for each in fields(Spent)]
    return Spent(**{name: sum(getattr(day.spent, name) for day in days) for name in names})


def _borders(now: float) -> list[float]:
    """Where days begin, the first of them whole, and last now."""
    midnight = now - now % DAY
    first = midnight - (DAYS - 1) * DAY
    found = [first + number * DAY for number in range(DAYS)]
    return [*found, now] if now > midnight else found


def _merged(days: Sequence[TrunkUptime]) -> list[Incident]:
    """All incidents, newest first; one that went on over midnight is one. Of a trunk with one route, which is the same
    as that, the trunk's are told.
    """
    found: dict[tuple[str, float], Incident] = {}
    for day in days:
        several = len(day.routes) > 1
        for incident in (*day.incidents, *(each for route in day.routes if several for each in route.incidents)):
            key = (incident.route, incident.since)
            before = found.get(key)
            seconds = incident.seconds + (before.seconds if before is not None else 0.0)
            found[key] = replace(incident, seconds=seconds)
    return sorted(found.values(), key=lambda incident: incident.since, reverse=True)
