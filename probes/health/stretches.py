"""How a route was over a window of time, as one stretch after another, out of what a store knows.

A check vouches for the time up to the next one, if that comes soon enough. Else the watch was off in between, or its
host had no network, and nobody knows how the route was: that time counts neither as up nor as down.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence

from probes.health.terms import Change, Check, Health, Kind, Verdict
from sipcore.value import value

BEST = (Health.HEALTHY, Health.DEGRADED, Health.UNKNOWN, Health.UNCHECKED, None, Health.UNREACHABLE)
"""What a trunk is by its routes: the first of these that one of them is. It is down only while each of them is known to
be, where it is watched.
"""


@value
class Stretch:
    """A time through which nothing changed, in seconds since 1970."""

    since: float
    until: float
    health: Health | None
    """None while nothing was watched."""
    why: Check | None = None
    """While it is down: the first of the failed checks that led there."""

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.until - self.since


class Course:
    """Cuts the time of one route into stretches, as its checks and changes come in the order of time."""

    def __init__(self, since: float, gap: float, before: Change | None) -> None:
        """Begin at `since`, with the last change before it. `gap` is the longest time for which a check vouches."""
        self._gap = gap
        self._done = since
        self._seen = -math.inf
        self._health = Health.UNCHECKED
        self._why: Check | None = None
        self._failed: dict[Kind, Check] = {}
        self._changes: list[Change] = []
        """Those since the last check: with this they are few."""
        if before is not None:
            self._change(before)

    def take(self, happening: Check | Change) -> Iterator[Stretch]:
        """One more check or change: the stretches up to it."""
        if isinstance(happening, Change):
            self._changes.append(happening)
        elif happening.verdict is not Verdict.OWN:
            yield from self.end(happening.at)
            self._seen = happening.at
            self._note(happening)

    def end(self, until: float) -> Iterator[Stretch]:
        """The stretches up to here."""
        watched = until - self._seen <= self._gap
        for change in self._changes:
            yield from self._cut(change.at, watched)
            self._change(change)
        self._changes.clear()
        yield from self._cut(until, watched)

    def _cut(self, until: float, watched: bool) -> Iterator[Stretch]:
        if until > self._done:
            yield Stretch(self._done, until, self._health if watched else None, self._why if watched else None)
            self._done = until

    def _change(self, change: Change) -> None:
        check, self._health = change.check, change.after
        self._why = None
        if change.after is Health.UNREACHABLE:
            self._why = self._failed.get(check.kind, check)
        elif change.after is Health.DEGRADED and _failed(check):
            self._failed[check.kind] = check
        elif change.after is not Health.DEGRADED:
            self._failed.clear()

    def _note(self, check: Check) -> None:
        # Silence of a route that never answered is no failure, and leaves it UNKNOWN.
        if not _failed(check):
            self._failed.pop(check.kind, None)
        elif self._health is Health.DEGRADED:
            self._failed.setdefault(check.kind, check)


def _failed(check: Check) -> bool:
    return check.verdict in (Verdict.BAD, Verdict.SILENT)


def stretches(
    happenings: Iterable[Check | Change], since: float, until: float, gap: float, before: Change | None = None
) -> Iterator[Stretch]:
    """The whole window, out of what happened to one route in the order of time, a check before the change that it made.
    Checks from before the window say whether its beginning was watched. What is alike and adjoins is one stretch.
    """
    course = Course(since, gap, before)
    last: Stretch | None = None
    for stretch in _all(course, happenings, until):
        if last is not None and (last.health, last.why) == (stretch.health, stretch.why):
            last = Stretch(last.since, stretch.until, last.health, last.why)
            continue
        if last is not None:
            yield last
        last = stretch
    if last is not None:
        yield last


def _all(course: Course, happenings: Iterable[Check | Change], until: float) -> Iterator[Stretch]:
    for happening in happenings:
        yield from course.take(happening)
    yield from course.end(until)


def in_order(checks: Iterable[Check], changes: Iterable[Change]) -> Iterator[Check | Change]:
    """Checks and changes as they were told, each given in the order of time."""
    return heapq.merge(checks, changes, key=_order)


def _order(happening: Check | Change) -> tuple[float, bool]:
    return happening.at, isinstance(happening, Change)


def together(courses: Sequence[Iterator[Stretch]], gap: float) -> Iterator[Stretch]:
    """The trunk, out of its routes over the same window: as the best of them is. A route that was not watched for
    longer than `gap` while others were counts for nothing: it was no part of the trunk yet, or is none any more.
    """
    current = [next(course, None) for course in courses]
    absent: dict[int, float] = {}
    """From when on routes count for nothing, by their numbers."""
    at: float | None = None
    while all(current):
        now = [stretch for stretch in current if stretch is not None]
        begin = now[0].since if at is None else at
        watched = any(stretch.health is not None for stretch in now)
        missing = [number for number, stretch in enumerate(now) if watched and stretch.health is None]
        absent = {number: absent.get(number, begin + gap) for number in missing}
        counted = [stretch for number, stretch in enumerate(now) if absent.get(number, math.inf) > begin]
        at = min([stretch.until for stretch in now] + [time for time in absent.values() if time > begin])
        yield _best(counted, begin, at)
        current = [
            next(course, None) if stretch.until <= at else stretch for course, stretch in zip(courses, now, strict=True)
        ]


def _best(routes: Sequence[Stretch], since: float, until: float) -> Stretch:
    health = min((stretch.health for stretch in routes), key=BEST.index)
    why = None
    if health is Health.UNREACHABLE:  # what brought down the last one
        why = max(routes, key=lambda stretch: stretch.since).why
    return Stretch(since, until, health, why)
