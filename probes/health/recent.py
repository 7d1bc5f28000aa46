"""The round trips of the last hours, of each route that is watched, in memory that does not grow with time."""

from collections.abc import Iterable

from probes.health.terms import Check, Verdict
from sipcore.value import value

SLOT_SECONDS = 600.0
"""Of each slot: ten checks at the usual interval."""
SLOTS = 36
"""Slots that are kept of each route: six hours."""


@value
class Slot:
    """What checks found in some minutes."""

    rtt: float | None = None
    """The mean round trip in seconds; None where none was measured."""
    failures: int = 0
    """Checks that failed."""


class _Course:
    """The slots of one route."""

    __slots__ = ("last", "sums")

    def __init__(self, last: int) -> None:
        self.last = last
        """The number of the newest slot, since 1970."""
        self.sums = [(0.0, 0, 0)] * SLOTS
        """Of each slot the sum of round trips, their count, and failures."""

    def at(self, number: int) -> int | None:
        """Where a slot stands, the oldest ones made free for newer ones; None for one that is too old."""
        if number > self.last:
            for free in range(max(self.last + 1, number - SLOTS + 1), number + 1):
                self.sums[free % SLOTS] = (0.0, 0, 0)
            self.last = number
        return number % SLOTS if number > self.last - SLOTS else None


class Recent:
    """Takes checks as they are told, in about the order of time."""

    def __init__(self, checks: Iterable[Check] = ()) -> None:
        """Begin with what is known of earlier."""
        self._courses: dict[tuple[str, str], _Course] = {}
        for check in checks:
            self.take(check)

    def take(self, check: Check) -> None:
        """One more check."""
        if check.verdict is Verdict.OWN:
            return
        number = int(check.at // SLOT_SECONDS)
        course = self._courses.setdefault((check.trunk, check.route), _Course(number))
        place = course.at(number)
        if place is None:
            return
        total, count, failures = course.sums[place]
        if check.rtt is not None:
            total, count = total + check.rtt, count + 1
        course.sums[place] = total, count, failures + (check.verdict in (Verdict.BAD, Verdict.SILENT))

    def slots(self, trunk: str, route: str, now: float) -> tuple[Slot, ...]:
        """The last hours of a route, oldest first; empty where nothing is known of it."""
        course = self._courses.get((trunk, route))
        if course is None:
            return ()
        newest = int(now // SLOT_SECONDS)
        found = []
        for number in range(newest - SLOTS + 1, newest + 1):
            total, count, failures = (0.0, 0, 0)
            if course.last - SLOTS < number <= course.last:
                total, count, failures = course.sums[number % SLOTS]
            found.append(Slot(total / count if count else None, failures))
        return tuple(found)

    def absorb(self, other: "Recent") -> None:
        """Take all that another one has: checks that neither of them has from the other."""
        for key, course in other._courses.items():
            own = self._courses.setdefault(key, _Course(course.last))
            for number in range(course.last - SLOTS + 1, course.last + 1):
                place = own.at(number)
                if place is not None:
                    mine, theirs = own.sums[place], course.sums[number % SLOTS]
                    own.sums[place] = mine[0] + theirs[0], mine[1] + theirs[1], mine[2] + theirs[2]

    def forget(self, trunk: str) -> None:
        """A trunk is watched no longer."""
        for key in [key for key in self._courses if key[0] == trunk]:
            del self._courses[key]
