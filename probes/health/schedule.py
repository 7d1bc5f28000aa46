"""When each route is checked next.

Times are of any clock that only goes forward, the same one throughout. Routes are checked in their own rhythm: from the
time at which a check was due to the next one it is an interval, however long the check took, so that nothing drifts.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from probes.health.board import RouteState, TrunkState
from probes.health.difference import Difference
from probes.health.terms import Due, Kind
from probes.health.trunk import LEAST_CALL_INTERVAL, LEAST_INTERVAL, LEAST_REGISTRATION_INTERVAL, Rules, Trunk
from probes.health.uptime import GAP_INTERVALS

START_RATE = 20.0
"""Checks in a second after the start, at most: a few routes are known at once, a thousand within a minute."""
CALL_START_RATE = 1.0
"""Test calls in a second after the start, at most: each is some hundred packets, and rings somewhere."""
REGISTRATION_START_RATE = 2.0
"""Tests of a registration in a second after the start, at most: each is up to six requests, often to one registrar."""
STALL = 2.0
"""Seconds by which a check may come late; with more the host slept, or had no time for anything."""
_LEAST = {
    Kind.OPTIONS: LEAST_INTERVAL,
    Kind.CALL: LEAST_CALL_INTERVAL,
    Kind.REGISTRATION: LEAST_REGISTRATION_INTERVAL,
}
_START_RATES = {Kind.OPTIONS: START_RATE, Kind.CALL: CALL_START_RATE, Kind.REGISTRATION: REGISTRATION_START_RATE}
Chance = Callable[[], float]
"""Gives a number from 0 to 1, 1 left out, that nobody can tell beforehand."""
Ago = Mapping[Due, float]
"""Seconds since checks were made."""
Left = Mapping[tuple[str, str], float]
"""Seconds that are left until something, by the names of trunk and route."""


class Schedule:
    """Says which checks are due. Each stays under way until `done`, and comes again only then; of the test calls of one
    trunk one is under way at a time, since they may end at the same number.
    """

    def __init__(
        self,
        trunks: Iterable[Trunk],
        now: float,
        chance: Chance,
        made: Ago | None = None,
        left_alone: Left | None = None,
    ) -> None:
        """Begin `now`: with OPTIONS at once, so far as `START_RATE` lets it and nobody is to be `left_alone`, and with
        the other checks where none was `made` within their interval before. Chance places each within its share of the
        time.
        """
        self._chance = chance
        self._rules: dict[str, Rules] = {}
        self._heap: list[tuple[float, int, Due]] = []
        self._added = 0
        self._under_way: dict[Due, float] = {}
        self._calling: set[str] = set()
        self._waiting: dict[str, deque[Due]] = {}
        checks = []
        for trunk in trunks:
            self._rules[trunk.name] = trunk.rules
            checks += [Due(trunk.name, route.name, kind) for route in trunk.routes for kind in route.kinds]
        self._last = {due: now - max(0.0, seconds) for due, seconds in (made or {}).items()}
        """When each check was begun last; after the start, when those were before it that are not made at once."""
        earliest = {due: at + self._interval(due) for due, at in self._last.items() if due.trunk in self._rules}
        for names, seconds in (left_alone or {}).items():
            due = Due(*names, Kind.OPTIONS)
            earliest[due] = now + min(seconds, GAP_INTERVALS * self._interval(due))
        self._begin(checks, now, earliest)

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
            self._last[one] = now
            self._under_way[one] = time
            due.append(one)
        return tuple(due)

    def done(self, due: Due, state: RouteState, now: float) -> None:
        """A check is over, whatever came of it, and its route is in this state now. What asks to be left alone
        (`Check.wait`) is, from now on, and the route's rhythm begins anew with the check after that. It is no longer
        than checks may be apart, counted from their beginnings as uptime does, whatever this one took: or all that time
        would be one in which nobody watched.
        """
        began, step = self._under_way.pop(due), self._step(due, state)
        # What a check that takes longer than its interval has missed is not made up for.
        usual = began + step * ((now - began) // step + 1)
        asked = state.options.wait if due.kind is Kind.OPTIONS and state.options is not None else 0.0
        longest = GAP_INTERVALS * self._interval(due)
        self._add(max(usual, min(now + asked, began + longest)), due)
        if due.kind is Kind.CALL:
            self._free(due.trunk, now)

    def dropped(self, due: Due, now: float) -> None:
        """A check that was under way when `change` dropped it is over now, its call hung up."""
        if due.kind is Kind.CALL:
            self._free(due.trunk, now)

    def change(self, trunks: Iterable[Trunk], found: Difference, now: float) -> None:
        """Have these trunks from now on: what is outdated is dropped, what begins is due as soon as the rates at the
        start allow it, and what has a shorter interval comes within that. Whatever is changed how often, checks of one
        name are as far apart as they have to be at least (LEAST_INTERVAL and others); a call waits for one of its trunk
        that is still to be hung up, too.
        """
        self._sleep(now)
        before, self._rules = self._rules, {trunk.name: trunk.rules for trunk in trunks}
        for due in found.outdated:
            self._under_way.pop(due, None)
        left = {
            trunk: deque(due for due in waiting if due not in found.outdated)
            for trunk, waiting in self._waiting.items()
        }
        self._waiting = {trunk: waiting for trunk, waiting in left.items() if waiting}
        kept = [entry for entry in self._heap if entry[2] not in found.outdated]
        self._heap = [(self._sooner(time, due, before, now), number, due) for time, number, due in kept]
        heapq.heapify(self._heap)
        self._begin(found.begun, now, {due: at + _LEAST[due.kind] for due, at in self._last.items()})
        there = {due for _, _, due in self._heap}.union(self._under_way, *self._waiting.values())
        self._last = {due: at for due, at in self._last.items() if due in there or at > now - _LEAST[due.kind]}

    def _sooner(self, time: float, due: Due, before: Mapping[str, Rules], now: float) -> float:
        """When a check is due whose rules may be others now; apart from those that are changed with it."""
        interval = self._interval(due)
        if interval >= _interval(before[due.trunk], due.kind):
            return time
        return min(time, max(now + self._chance() * interval, self._last.get(due, now - interval) + interval))

    def _begin(self, checks: Iterable[Due], now: float, earliest: Mapping[Due, float]) -> None:
        """Have checks made for the first time, no sooner than at their `earliest`."""
        for kind, rate in _START_RATES.items():
            of_kind = [due for due in checks if due.kind is kind]
            for number, one in enumerate(of_kind):
                first = now + (number + self._chance()) * min(1 / rate, self._interval(one) / len(of_kind))
                self._add(max(first, earliest.get(one, first)), one)

    def _free(self, trunk: str, now: float) -> None:
        """A test call of a trunk is over."""
        self._calling.discard(trunk)
        if self._waiting.get(trunk):
            self._add(now, self._waiting[trunk].popleft())

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
        return _interval(self._rules[due.trunk], due.kind)


def _interval(rules: Rules, kind: Kind) -> float:
    match kind:
        case Kind.OPTIONS:
            return rules.interval
        case Kind.CALL:
            return rules.call_interval
        case Kind.REGISTRATION:
            return rules.registration_interval


def made_ago(states: Iterable[TrunkState], at: float) -> dict[Due, float]:
    """Seconds since the last check of each route that is not made at once after a restart, `at` a time in seconds since
    1970: OPTIONS are.
    """
    checks = (check for trunk in states for route in trunk.routes for check in route.checks)
    return {
        Due(check.trunk, check.route, check.kind): at - check.at for check in checks if check.kind is not Kind.OPTIONS
    }


def waits_left(states: Iterable[TrunkState], at: float) -> dict[tuple[str, str], float]:
    """Seconds for which each route that asked for it is still to be left alone (`Check.wait`), `at` a time in seconds
    since 1970: never longer than it asked for, whatever was done to the clock.
    """
    checks = ((trunk.trunk, route.route, route.options) for trunk in states for route in trunk.routes)
    left = {
        (trunk, route): min(check.at + check.wait - at, check.wait)
        for trunk, route, check in checks
        if check is not None
    }
    return {names: seconds for names, seconds in left.items() if seconds > 0}
