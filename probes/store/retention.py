"""What is old leaves the history, in steps so small that nobody waits for them."""

from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import ColumnElement, Engine, Table, delete, func, select

from probes.health.terms import Kind, Verdict
from probes.store.config import StoreConfig
from probes.store.schema import alerts, changes, checks, deliveries, jobs, routes, switches

STEP_ROWS = 500
"""Rows that are deleted at once: some milliseconds, and as long again for the disk."""
STEP_PAGES = 256
"""Pages of the file that are given back at once, a megabyte."""
FREE_SHARE = 4
"""While more than one page in so many is free, pages are given back; the others are filled again by what comes."""

ANSWERED = checks.c.status.is_not(None) | checks.c.verdict.in_((Verdict.GOOD.value, Verdict.POOR.value))
"""Which checks were answered, by whatever."""


def of_kind(number: int, kind: Kind) -> ColumnElement[bool]:
    """The checks of one kind of the route with this number."""
    return (checks.c.route_id == number) & (checks.c.kind == kind.value)


def steps(engine: Engine, config: StoreConfig, now: float) -> Iterator[None]:
    """Delete what is too old at `now`, in seconds since 1970, but for the last of each route and trunk. Each step is a
    transaction of its own.
    """
    with engine.begin() as connection:
        numbers = connection.scalars(select(routes.c.id)).all()
        trunks = connection.scalars(select(switches.c.trunk).distinct()).all()
    oldest_check, oldest_change = now - config.keep_checks, now - config.keep_changes
    for number in numbers:
        for kind in Kind:
            own = of_kind(number, kind)
            answered = _last(engine, checks, own & ANSWERED)
            yield from _delete_before(engine, checks, own, oldest_check, answered)
        yield from _delete_before(engine, changes, changes.c.route_id == number, oldest_change)
    for trunk in trunks:
        yield from _delete_before(engine, switches, switches.c.trunk == trunk, oldest_change)
    yield from _delete_before(engine, deliveries, deliveries.c.alert != "", oldest_change)
    yield from _delete_before(engine, alerts, alerts.c.at >= 0, oldest_change)
    yield from _delete_before(engine, jobs, jobs.c.at >= 0, now - config.keep_jobs)
    yield from _give_back(engine)


def _last(engine: Engine, table: Table, rows: ColumnElement[bool]) -> float | None:
    """The time of the last of some rows."""
    with engine.begin() as connection:
        return connection.scalar(select(table.c.at).where(rows).order_by(table.c.at.desc()).limit(1))


def _delete_before(
    engine: Engine, table: Table, rows: ColumnElement[bool], oldest: float, spared: float | None = None
) -> Iterator[None]:
    """Delete those of some rows that are older than `oldest`, but for the last of them all and that of another time."""
    last = _last(engine, table, rows)
    if last is None:
        return
    old = rows & (table.c.at < min(oldest, last))
    if spared is not None:
        old &= table.c.at != spared
    while True:
        with engine.begin() as connection:
            first = select(table.c.at).where(old).order_by(table.c.at).limit(STEP_ROWS).subquery()
            end: float | None = connection.scalar(select(func.max(first.c.at)))
            if end is None:
                return
            connection.execute(delete(table).where(old, table.c.at <= end))
        yield


def _give_back(engine: Engine) -> Iterator[None]:
    """Make the file smaller where much of it is free. This is SQLite's own affair; other databases do it themselves."""
    while True:
        with engine.begin() as connection:
            pages: int = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        if free * FREE_SHARE <= pages:
            return
        with closing(engine.raw_connection()) as raw:
            raw.cursor().executescript(f"PRAGMA incremental_vacuum({STEP_PAGES})")  # `execute` gives back a single page
        yield
