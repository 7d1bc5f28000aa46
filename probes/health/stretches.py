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
MAX_HELD = 1000
"""Stretches that are held back at most until it is known whether a route went down: one of doubt and one that nobody
watched take turns. The oldest ones count as they looked then.
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
    """Cuts the time of one route into stretches, as its checks and changes come in the order of time.

    What a failed check has begun is doubt: it counts as down from that check on where the route went down by it, and as
    up where it did not. So the stretches in doubt are held back until that is decided.
    """

    def __init__(self, since: float, until: float, gap: float, before: Change | None) -> None:
        """Of the window from `since` to `until`, with the last change before it. `gap` is the longest time for which a
        check vouches.
        """
        self._until = until
        self._gap = gap
        self._done = since
        self._seen = -math.inf
        self._health = Health.UNCHECKED
        self._why: Check | None = None
        self._failed: dict[Kind, Check] = {}
        """The first failed check of each row that goes on."""
        self._is_first = False
        """Whether the row began at a route of which nothing was known, so that nothing says that it was up."""
        self._changes: list[Change] = []
        """Those since the last check: with this they are few."""
        self._held: list[Stretch] = []
        self._decided: list[Stretch] = []
        if before is not None:
            self._change(before)

    @property
    def is_in_doubt(self) -> bool:
        """Whether checks failed of late by which it may go down."""
        return bool(self._failed) and self._health is Health.DEGRADED

    def take(self, happening: Check | Change) -> Iterator[Stretch]:
        """One more check or change: the stretches up to it, as far as they are decided. What comes after the window
        decides what is held back.
        """
        if isinstance(happening, Change):
            self._changes.append(happening)
        elif happening.verdict is not Verdict.OWN:
            yield from self.up_to(happening.at)
            self._seen = happening.at
            self._note(happening)

    def up_to(self, until: float) -> Iterator[Stretch]:
        """The stretches up to here, as far as they are decided."""
        watched = until - self._seen <= self._gap
        for change in self._changes:
            self._cut(change.at, watched)
            self._change(change)
        self._changes.clear()
        self._cut(until, watched)
        yield from self._decided
        self._decided.clear()

    def rest(self) -> Iterator[Stretch]:
        """What is left of the window when nothing more is known."""
        yield from self.up_to(self._until)
        self._decide(Health.UNKNOWN if self._is_first else Health.DEGRADED)
        yield from self._decided
        self._decided.clear()

    def _cut(self, until: float, watched: bool) -> None:
        until = min(until, self._until)
        if until <= self._done:
            return
        health, why = (self._health, self._why) if watched else (None, None)
        stretch, self._done = Stretch(self._done, until, health, why), until
        if not self.is_in_doubt:
            self._decided.append(stretch)
        elif self._held and self._held[-1].health is health:
            self._held[-1] = Stretch(self._held[-1].since, until, health)
        else:
            self._held.append(stretch)
            if len(self._held) > MAX_HELD:
                self._decided.append(self._held.pop(0))

    def _decide(self, health: Health, why: Check | None = None, since: float = -math.inf) -> None:
        """What is held back was this from `since` on, where it was watched, and DEGRADED before that."""
        for held in self._held:
            if held.health is None or held.until <= since:
                self._decided.append(held)
                continue
            if held.since < since:
                self._decided.append(Stretch(held.since, since, held.health))
            self._decided.append(Stretch(max(held.since, since), held.until, health, why))
        self._held.clear()

    def _change(self, change: Change) -> None:
        check, self._health = change.check, change.after
        self._why = None
        if change.after is Health.DEGRADED:
            if _failed(check):
                self._failed.setdefault(check.kind, check)
                self._is_first = change.before in (Health.UNCHECKED, Health.UNKNOWN)
            return
        if change.after is Health.UNREACHABLE:
            self._why = self._failed.setdefault(check.kind, check)
            self._decide(Health.UNREACHABLE, self._why, self._why.at)
        else:
            self._decide(Health.UNKNOWN if change.after is Health.UNKNOWN else Health.DEGRADED)
            self._failed.clear()
        self._is_first = False

    def _note(self, check: Check) -> None:
        # Silence of a route that never answered is no failure, and leaves it UNKNOWN.
        if not _failed(check):
            self._failed.pop(check.kind, None)
            self._is_first = False
            if not self._failed:
                self._decide(Health.DEGRADED)
        elif self._health in (Health.DEGRADED, Health.UNREACHABLE):
            self._failed.setdefault(check.kind, check)


def _failed(check: Check) -> bool:
    return check.verdict in (Verdict.BAD, Verdict.SILENT)


def stretches(
    happenings: Iterable[Check | Change], since: float, until: float, gap: float, before: Change | None = None
) -> Iterator[Stretch]:
    """The whole window, out of what happened to one route in the order of time, a check before the change that it made.
    Checks from before the window say whether its beginning was watched, and what came after it whether a doubt at its
    end was one: no more of that is read than it takes. What is alike and adjoins is one stretch.
    """
    course = Course(since, until, gap, before)
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
        if happening.at >= until:
            yield from course.up_to(until)
            if not course.is_in_doubt:
                break
        yield from course.take(happening)
    yield from course.rest()


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
