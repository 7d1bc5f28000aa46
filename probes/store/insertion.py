"""How rows get into the tables: many at once, and one by one where one of many cannot be stored."""

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, func, insert, select
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)

from probes.health.outbox import Delivery
from probes.health.terms import Change, Check, Switch
from probes.store.pending import Item
from probes.store.rows import row_of_change, row_of_check, row_of_delivery, row_of_switch
from probes.store.schema import changes, checks, deliveries, routes, switches
from probes.store.work import Work

LOGGER = "probes.store"
"""The logger's name. Where logging is not set up, Python writes to standard error."""
ROW_FAULTS = (IntegrityError, DataError, InterfaceError, NotSupportedError, ProgrammingError)
"""What the database says of rows; whatever else it says is about the file."""

T = TypeVar("T", bound=Item)
_log = logging.getLogger(LOGGER)


def is_about_the_file(error: Exception) -> bool:
    """Whether other rows would meet with the same error."""
    return isinstance(error, DBAPIError) and not isinstance(error, ROW_FAULTS)


class Insertion:
    """Writes rows, and knows the numbers of routes."""

    def __init__(self) -> None:
        """Know none."""
        self._routes: dict[tuple[str, str], int] = {}

    def write(self, engine: Engine, batch: Sequence[Item], works: Sequence[Work[Any]] = ()) -> None:
        """Do some works, and write all rows, in one transaction; but for works that fail, and for rows that cannot be
        stored, which are logged.

        Raises what the database says of the file; nothing is written then.
        """
        try:
            with engine.begin() as connection:
                for work in works:
                    work.act(connection, is_about_the_file)
                self._insert_all(connection, batch)
        except Exception:
            self._routes.clear()  # some were new, and are not there any more
            raise

    def _insert_all(self, connection: Connection, batch: Sequence[Item]) -> None:
        """Write many rows at once, or one by one where one of them cannot be stored."""
        if not batch:
            return
        try:
            with connection.begin_nested():
                self._insert(connection, batch)
        except Exception as error:
            self._routes.clear()
            if is_about_the_file(error):
                raise
            for item in batch:
                self._insert_alone(connection, item)

    def _insert_alone(self, connection: Connection, item: Item) -> None:
        """Write one row under a savepoint, so that its failure is its own."""
        try:
            with connection.begin_nested():
                if isinstance(item, Check):
                    self._insert_numbered(connection, item)
                else:
                    self._insert(connection, [item])
        except Exception as error:
            self._routes.clear()
            if is_about_the_file(error):
                raise
            # Its text quotes the row, which nobody else is to read.
            kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
            _log.warning("the history cannot keep one %s: %s", type(item).__name__.lower(), kind)

    def _insert(self, connection: Connection, batch: Sequence[Item]) -> None:
        rows = [row_of_check(one, self._number_of(connection, one)) for one in _of(Check, batch)]
        if rows:
            connection.execute(insert(checks), rows)
        rows = [row_of_change(one, self._number_of(connection, one)) for one in _of(Change, batch)]
        if rows:
            connection.execute(insert(changes), rows)
        rows = [row_of_switch(one) for one in _of(Switch, batch)]
        if rows:
            connection.execute(insert(switches), rows)
        latest = {(one.alert, one.channel): one for one in _of(Delivery, batch)}
        for one in latest.values():
            same = (deliveries.c.alert == one.alert) & (deliveries.c.channel == one.channel)
            connection.execute(delete(deliveries).where(same))
            connection.execute(insert(deliveries), row_of_delivery(one))

    def _insert_numbered(self, connection: Connection, check: Check) -> None:
        """Write a check beside others of its route and kind that began at the same time."""
        route_id = self._number_of(connection, check)
        same = (checks.c.route_id == route_id) & (checks.c.kind == check.kind.value)
        others = same & (checks.c.at == check.at)
        last: int | None = connection.scalar(select(func.max(checks.c.number)).where(others))
        number = 0 if last is None else last + 1
        connection.execute(insert(checks), {**row_of_check(check, route_id), "number": number})

    def _number_of(self, connection: Connection, found: Check | Change) -> int:
        """The number of a route, a new one for a route of which nothing is known yet."""
        names = (found.trunk, found.route)
        if names not in self._routes:
            known = select(routes.c.id).where(routes.c.trunk == found.trunk, routes.c.route == found.route)
            if connection.scalar(known) is None:
                connection.execute(insert(routes), {"trunk": found.trunk, "route": found.route})
            self._routes[names] = connection.execute(known).scalar_one()
        return self._routes[names]


def _of(kind: type[T], batch: Sequence[Item]) -> list[T]:
    return [item for item in batch if isinstance(item, kind)]
