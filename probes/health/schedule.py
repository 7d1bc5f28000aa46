"""When each route is checked next.

Times are of any clock that only goes forward, the same one throughout. Routes are checked in their own rhythm: from the
time at which a check was due to the next one it is an interval, however long the check took, so that nothing drifts.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from probes.health.board import RouteState, TrunkState
from probes.health.terms import Due, Kind
from probes.health.trunk import Rules, Trunk

START_RATE = 20.0
"""Checks in a second after the start, at most: a few routes are known at once, a thousand within a minute."""
CALL_START_RATE = 1.0
"""Test calls in a second after the start, at most: each is some hundred packets, and rings somewhere."""
STALL = 2.0
"""Seconds by which a check may come late; with more the host slept, or had no time for anything."""
Chance = Callable[[], float]
"""Gives a number from 0 to 1, 1 left out, that nobody can tell beforehand."""
Ago = Mapping[tuple[str, str], float]
"""Seconds since something happened to a route, by the names of trunk and route."""


class Schedule:
    """Says which checks are due. Each stays under way until `done`, and comes again only then; of the test calls of one
    trunk one is under way at a time, since they may end at the same number.
    """

    def __init__(self, trunks: Iterable[Trunk], now: float, chance: Chance, called: Ago | None = None) -> None:
        """Begin `now`: with OPTIONS at once, so far as `START_RATE` lets it, and with test calls where none was made
        within their interval before. Chance places each within its share of the time.
        """
        self._rules: dict[str, Rules] = {}
        self._heap: list[tuple[float, int, Due]] = []
        self._added = 0
        self._under_way: dict[Due, float] = {}
        self._calling: set[str] = set()
        self._waiting: dict[str, deque[Due]] = {}
        options, calls = [], []
        for trunk in trunks:
            self._rules[trunk.name] = trunk.rules
            options += [Due(trunk.name, route.name, Kind.OPTIONS) for route in trunk.routes]
            calls += [Due(trunk.name, route.name, Kind.CALL) for route in trunk.routes if route.call is not None]
        self._begin(options, START_RATE, now, chance, {})
        self._begin(calls, CALL_START_RATE, now, chance, called or {})

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None while all checks are under way."""
        return self._heap[0][0] if self._heap else None

    def handle_timeout(self, now: float) -> tuple[Due, ...]:
        """The checks that are due."""
        self._sleep(now)
        due = []
        while self._heap and self._heap[0][0] <= now:
            time, _, one = heapq.heappop(self._heap)
            if one.kind is Kind.CALL and one.trunk in self._calling:
                self._waiting.setdefault(one.trunk, deque()).append(one)
                continue
            if one.kind is Kind.CALL:
                self._calling.add(one.trunk)
            self._under_way[one] = time
            due.append(one)
        return tuple(due)

    def done(self, due: Due, state: RouteState, now: float) -> None:
        """A check is over, whatever came of it, and its route is in this state now."""
        began, step = self._under_way.pop(due), self._step(due, state)
        # What a check that takes longer than its interval has missed is not made up for.
        self._add(began + step * ((now - began) // step + 1), due)
        if due.kind is Kind.CALL:
            self._calling.discard(due.trunk)
            if self._waiting.get(due.trunk):
                self._add(now, self._waiting[due.trunk].popleft())

    def _begin(self, checks: Sequence[Due], rate: float, now: float, chance: Chance, ago: Ago) -> None:
        for number, one in enumerate(checks):
            interval = self._interval(one)
            first = (number + chance()) * min(1 / rate, interval / len(checks))
            passed = ago.get((one.trunk, one.route), interval)
            self._add(now + max(first, interval - max(0.0, passed)), one)

    def _add(self, time: float, due: Due) -> None:
        self._added += 1  # so that equal times keep their order, and checks need none
        heapq.heappush(self._heap, (time, self._added, due))

    def _sleep(self, now: float) -> None:
        # Time stood still: no check is made up for, and none meets others that it was apart from before.
        late = now - self._heap[0][0] if self._heap else 0.0
        if late > STALL:
            self._heap = [(time + late, number, due) for time, number, due in self._heap]

    def _step(self, due: Due, state: RouteState) -> float:
        sooner = due.kind is Kind.OPTIONS and state.in_doubt
        return self._rules[due.trunk].retry if sooner else self._interval(due)

    def _interval(self, due: Due) -> float:
        rules = self._rules[due.trunk]
        return rules.call_interval if due.kind is Kind.CALL else rules.interval


def calls_ago(states: Iterable[TrunkState], at: float) -> dict[tuple[str, str], float]:
    """Seconds since the last test call over each route that had one, `at` a time in seconds since 1970."""
    calls = ((trunk.trunk, route) for trunk in states for route in trunk.routes)
    return {(trunk, route.route): at - route.call.at for trunk, route in calls if route.call is not None}
