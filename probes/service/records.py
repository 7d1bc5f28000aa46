"""What is kept of jobs, so that their results outlive the process."""

from collections.abc import Callable

from probes.service.job import JobState
from probes.store.store import Store
from sipcore.value import Member, value


class Kind(Member):
    """What a job is."""

    DISCOVERY = "discovery"
    CALL = "call"


@value
class Record:
    """A job as it is kept. Times are in seconds since 1970."""

    id: str
    tenant: str
    kind: Kind
    target: str
    state: JobState
    started_at: float
    completed_at: float | None = None
    trunk_id: str | None = None
    number_id: str | None = None
    asked: str = ""
    """What was asked for, as a digest; empty where nobody needs it."""
    data: str = ""
    """Its result, JSON; empty for none."""
    error: str = ""


class Records:
    """The jobs of all tenants. Every method raises WatchError where the file cannot be read or written."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._records: dict[str, Record] = {}

    async def cut_off(self) -> None:
        """Say of the jobs that an earlier process has not ended that they never will be."""

    async def put(self, record: Record) -> None:
        """Keep a job as it is now."""
        self._records[record.id] = record

    async def find(self, tenant: str, kind: Kind, job_id: str) -> Record | None:
        """One job; None where a tenant has none of this id."""
        found = self._records.get(job_id)
        return found if found is not None and (found.tenant, found.kind) == (tenant, kind) else None

    async def recent(
        self, tenant: str, kind: Kind, number_id: str | None, trunk_id: str | None, limit: int, before: str
    ) -> tuple[Record, ...] | None:
        """The last ones, newest first, those that were begun before the one of the id `before`; None where there is no
        such one.
        """
        own = [each for each in reversed(self._records.values()) if (each.tenant, each.kind) == (tenant, kind)]
        if before:
            ids = [each.id for each in own]
            if before not in ids:
                return None
            own = own[ids.index(before) + 1 :]
        chosen = (each for each in own if number_id in (None, each.number_id) and trunk_id in (None, each.trunk_id))
        return tuple(chosen)[:limit]
