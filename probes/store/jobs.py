"""Discoveries and test calls in a store, each with its result as text, so that they outlive the process."""

import zlib
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_, update

from probes.store.rows import Row
from probes.store.schema import jobs
from probes.store.store import Store
from sipcore.value import value

LARGE = 1024
"""Bytes from which on a text is compressed: JSON takes a tenth then."""
_PLAIN, _COMPRESSED = b"\0", b"\1"
"""What the bytes of a text begin with."""


@value
class StoredJob:
    """A job as it is kept. Times are in seconds since 1970; words are its owner's."""

    id: str
    tenant: str
    kind: str
    target: str
    state: str
    started_at: float
    completed_at: float | None = None
    trunk_id: str | None = None
    number_id: str | None = None
    token: str = ""
    """By which its owner knows it again; empty for none."""
    asked: str = ""
    """What was asked for under that token."""
    data: str = ""
    """Its result; empty for none."""
    error: str = ""


class Jobs:
    """The jobs of all tenants. Every method raises WatchError where the file cannot be read or written."""

    def __init__(self, store: Store) -> None:
        """Those in a store."""
        self._store = store

    async def put(self, job: StoredJob) -> None:
        """Keep a job as it is now: a new one, or one of a tenant that is there. It is on the disk when this returns."""
        row = _row_of(job)

        def run(connection: Connection) -> None:
            same = (jobs.c.tenant == job.tenant) & (jobs.c.id == job.id)
            if not connection.execute(update(jobs).where(same).values(row)).rowcount:
                connection.execute(insert(jobs), row)

        await self._store.transact(run)

    async def find(self, tenant: str, kind: str, job_id: str) -> StoredJob | None:
        """One job of a tenant; None where it has none of this id."""
        return await self._first((jobs.c.tenant == tenant) & (jobs.c.kind == kind) & (jobs.c.id == job_id))

    async def find_token(self, tenant: str, token: str) -> StoredJob | None:
        """The last job that a tenant has begun under a token, which is not empty."""
        return await self._first((jobs.c.tenant == tenant) & (jobs.c.token == token))

    async def recent(
        self,
        tenant: str,
        kind: str,
        *,
        number_id: str | None = None,
        trunk_id: str | None = None,
        limit: int = 50,
        before: str = "",
    ) -> tuple[StoredJob, ...] | None:
        """The last ones of a tenant, newest first: all, or those of a number or trunk, and those that were begun before
        the one with the id `before`; None where there is no such one.
        """
        rows = (jobs.c.tenant == tenant) & (jobs.c.kind == kind)
        for column, wanted in ((jobs.c.number_id, number_id), (jobs.c.trunk_id, trunk_id)):
            if wanted is not None:
                rows &= column == wanted

        def answer(connection: Connection) -> tuple[StoredJob, ...] | None:
            found = rows
            if before:
                own = (jobs.c.tenant == tenant) & (jobs.c.kind == kind) & (jobs.c.id == before)
                place = connection.execute(select(jobs.c.at, jobs.c.id).where(own)).first()
                if place is None:
                    return None
                found = rows & (tuple_(jobs.c.at, jobs.c.id) < tuple_(*place))
            query = select(jobs).where(found).order_by(jobs.c.at.desc(), jobs.c.id.desc()).limit(limit)
            return tuple(_job_of(row) for row in connection.execute(query).mappings())

        return await self._store.ask(answer)

    async def end_all(self, state: str, now_state: str, error: str, at: float) -> int:
        """Put all jobs that are in one state into another, with an error: those that ran when the process ended. Gives
        how many there were.
        """
        ended = {"state": now_state, "error": error, "completed_at": at}

        def run(connection: Connection) -> int:
            return connection.execute(update(jobs).where(jobs.c.state == state).values(ended)).rowcount

        return await self._store.transact(run)

    async def _first(self, rows: Any) -> StoredJob | None:  # noqa: ANN401  # a condition
        query = select(jobs).where(rows).order_by(jobs.c.at.desc(), jobs.c.id.desc()).limit(1)

        def answer(connection: Connection) -> StoredJob | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else _job_of(row)

        return await self._store.ask(answer)


def _row_of(job: StoredJob) -> dict[str, object]:
    return {
        "tenant": job.tenant,
        "id": job.id,
        "kind": job.kind,
        "target": job.target,
        "state": job.state,
        "at": job.started_at,
        "completed_at": job.completed_at,
        "trunk_id": job.trunk_id,
        "number_id": job.number_id,
        "token": job.token or None,
        "asked": job.asked,
        "data": _packed(job.data) if job.data else None,
        "error": job.error,
    }


def _job_of(row: Row) -> StoredJob:
    return StoredJob(
        id=row["id"],
        tenant=row["tenant"],
        kind=row["kind"],
        target=row["target"],
        state=row["state"],
        started_at=row["at"],
        completed_at=row["completed_at"],
        trunk_id=row["trunk_id"],
        number_id=row["number_id"],
        token=row["token"] or "",
        asked=row["asked"],
        data=_unpacked(row["data"]) if row["data"] else "",
        error=row["error"],
    )


def _packed(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return _PLAIN + raw if len(raw) < LARGE else _COMPRESSED + zlib.compress(raw)


def _unpacked(packed: bytes) -> str:
    kind, raw = packed[:1], packed[1:]
    return (zlib.decompress(raw) if kind == _COMPRESSED else raw).decode("utf-8", "surrogatepass")
