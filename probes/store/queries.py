"""What a history answers. Rows are read in batches, each in a transaction of its own.

So a long answer neither fills the memory nor holds up the writer, whose log could not be cut while somebody reads on
from where it was. Rows of several routes are merged by time out of those of each.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Protocol, TypeVar

from sqlalchemy import ColumnElement, Engine, Table, select, true, tuple_

from probes.health.outbox import UNSENT, Delivery
from probes.health.terms import Change, Check, Happening, Kind, Switch
from probes.store.retention import ANSWERED, of_kind
from probes.store.rows import Row, change_of, check_of, delivery_of, switch_of
from probes.store.schema import changes, checks, deliveries, routes, running, switches

MAX_ROWS = 20_000
"""Rows in memory, of all routes together: some 10 MB."""
LEAST_BATCH, MOST_BATCH = 50, 2000
"""Rows that are read at once."""


class _Timed(Protocol):
    @property
    def at(self) -> float: ...


T = TypeVar("T", bound=_Timed)
KEYS = {
    checks: (checks.c.at, checks.c.number),
    changes: (changes.c.at, changes.c.id),
    switches: (switches.c.at, switches.c.id),
    deliveries: (deliveries.c.at, deliveries.c.alert, deliveries.c.channel),
}
"""The columns in whose order rows are read; no two of one route and kind have the same there."""
_by_time = attrgetter("at")
_ORDER = {Check: 0, Change: 1, Switch: 2}
"""A change follows its check, and a switch follows the change."""


class Queries:
    """Reads by one engine, in any thread."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine, which stays the caller's."""
        self._engine = engine

    def checks(self, since: float, until: float, trunk: str, route: str) -> Iterator[Check]:
        """The checks of some routes, in the order of time."""
        found = [(*each, kind) for each in self._routes(trunk, route) for kind in Kind]
        size = _share(len(found))
        return _merged(
            self._paged(checks, of_kind(number, kind), (since, until), _maker(check_of, names), size)
            for number, names, kind in found
        )

    def changes(self, since: float, until: float, trunk: str, route: str) -> Iterator[Change]:
        """Likewise, the changes."""
        found = self._routes(trunk, route)
        size = _share(len(found))
        return _merged(
            self._paged(changes, changes.c.route_id == number, (since, until), _maker(change_of, names), size)
            for number, names in found
        )

    def switches(self, since: float, until: float, trunk: str) -> Iterator[Switch]:
        """Likewise, the switches of some trunks."""
        rows = switches.c.trunk == trunk if trunk else true()
        return self._paged(switches, rows, (since, until), switch_of)

    def changes_before(self, at: float, trunk: str, route: str) -> tuple[Change, ...]:
        """The last change of each of some routes before a time."""
        found = []
        for number, names in self._routes(trunk, route):
            own = (changes.c.route_id == number) & (changes.c.at < at)
            found += self._latest(changes, own, _maker(change_of, names))
        return tuple(sorted(found, key=_by_time))

    def last(self, count: int) -> tuple[Happening, ...]:
        """What a watch goes on from: `count` checks of each route and kind, and the last of all else."""
        found: list[Happening] = []
        for number, names in self._routes("", ""):
            for kind in Kind:
                own, make = of_kind(number, kind), _maker(check_of, names)
                latest = self._latest(checks, own, make, count)
                answered = self._latest(checks, own & ANSWERED, make)
                found += latest + [check for check in answered if check not in latest]
            own = changes.c.route_id == number
            found += self._latest(changes, own, _maker(change_of, names))
        with self._engine.begin() as connection:
            trunks = connection.scalars(select(switches.c.trunk).distinct()).all()
        for trunk in trunks:
            own = switches.c.trunk == trunk
            found += self._latest(switches, own, switch_of)
        return tuple(sorted(found, key=lambda one: (one.at, _ORDER[type(one)])))

    def routes(self) -> tuple[tuple[str, str], ...]:
        """The names of all routes."""
        return tuple(names for _, names in self._routes("", ""))

    def unsent(self) -> tuple[Delivery, ...]:
        """The deliveries that are still to be sent."""
        waiting = deliveries.c.state.in_([state.value for state in UNSENT])
        return tuple(self._paged(deliveries, waiting, (-math.inf, math.inf), delivery_of))

    def running(self) -> Row | None:
        """The row of the program that writes, or wrote last."""
        with self._engine.begin() as connection:
            return connection.execute(select(running)).mappings().first()

    def _routes(self, trunk: str, route: str) -> list[tuple[int, tuple[str, str]]]:
        """The number and the names of some routes, or of all."""
        query = select(routes).order_by(routes.c.trunk, routes.c.route)
        if trunk:
            query = query.where(routes.c.trunk == trunk)
        if route:
            query = query.where(routes.c.route == route)
        with self._engine.begin() as connection:
            return [(number, (trunk, route)) for number, trunk, route in connection.execute(query)]

    def _paged(
        self,
        table: Table,
        rows: ColumnElement[bool],
        window: tuple[float, float],
        make: Callable[[Row], T],
        size: int = MOST_BATCH,
    ) -> Iterator[T]:
        """Some rows of a window of time, in batches of `size`, each from behind the last one of those before."""
        key, (since, until) = KEYS[table], window
        query = select(table).where(rows, table.c.at < until).order_by(*key).limit(size)
        page = query.where(table.c.at >= since)
        while True:
            with self._engine.begin() as connection:
                batch = connection.execute(page).mappings().all()
            for row in batch:
                yield make(row)
            if len(batch) < size:
                return
            # In the place of `since`, not beside it: SQLite would go by that, and read all from there on again.
            page = query.where(tuple_(*key) > tuple_(*(row[column.name] for column in key)))

    def _latest(self, table: Table, rows: ColumnElement[bool], make: Callable[[Row], T], count: int = 1) -> list[T]:
        """The last of some rows, latest first."""
        query = select(table).where(rows).order_by(*(column.desc() for column in KEYS[table])).limit(count)
        with self._engine.begin() as connection:
            return [make(row) for row in connection.execute(query).mappings()]


def _maker(make: Callable[[Row, str, str], T], names: tuple[str, str]) -> Callable[[Row], T]:
    trunk, route = names
    return lambda row: make(row, trunk, route)


def _merged(parts: Iterable[Iterator[T]]) -> Iterator[T]:
    return heapq.merge(*parts, key=_by_time)


def _share(sources: int) -> int:
    """How many rows each of some sources may have in memory."""
    return min(max(LEAST_BATCH, MAX_ROWS // max(1, sources)), MOST_BATCH)
