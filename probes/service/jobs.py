"""What discoveries and test calls have in common as jobs: they are begun, watched, ended, kept and found again."""

import json
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Generic

import trio

from probes.service.job import STOPPED, Data, JobState, Kind, UnknownJob
from probes.service.under_way import J, Runner, UnderWay
from probes.store.jobs import Jobs as StoredJobs
from probes.store.jobs import StoredJob
from sipcore.endpoint.faults import traceback_of
from sipcore.errors import SipError
from sipcore.value import value

MAX_REMEMBERED = 64
"""Jobs that are over whose results are kept as values, too; JSON is kept of all of them."""
LAST_WORDS = 5.0
"""Seconds for writing down what became of a job."""
OWN_FAULT = "this program made a mistake, which is in its log: please report it"
_log = logging.getLogger(__name__)


@value
class Asked:
    """What somebody who may ask again has asked for: a token of theirs, and what it was for, as a digest."""

    token: str = ""
    digest: str = ""


NOTHING = Asked()
Work = Callable[[UnderWay[J]], Awaitable[J]]
"""What a job is: it gives what has become of it, or raises SipError."""


class Jobs(Generic[J]):
    """Jobs of one kind, of all tenants. Who starts one does not wait for it, and who stops waiting does not end it."""

    def __init__(
        self,
        runner: Runner,
        stored: StoredJobs,
        kind: Kind,
        job_of: "Callable[[StoredJob], J]",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`job_of` makes a job of what is kept of it."""
        self.clock = clock
        self.known: OrderedDict[str, UnderWay[J]] = OrderedDict()
        """Those of this process: what is under way, and the last ones that are over."""
        self._runner, self._stored = runner, stored
        self.kind = kind
        self.ended: Counter[tuple[str, str]] = Counter()
        """How many have ended since the start, by tenant and state."""
        self._job_of: Callable[[StoredJob], J] = job_of

    @property
    def running(self) -> tuple[J, ...]:
        """Those that are under way."""
        return tuple(each.job for each in self.known.values() if not each.is_over)

    def start(self, job: J, work: "Work[J]", asked: Asked = NOTHING) -> None:
        """Begin a job, which is what `work` does; what was `asked` is kept with it. Raises Unavailable."""
        under_way = UnderWay(job, self._runner.stopping)
        self._runner.start(partial(self._carry_out, under_way, work, asked))
        self.known[job.id] = under_way

    async def recorded(self, job: J) -> None:
        """Wait until a job that was just begun is listed, or cannot be: it is not told before to who asked for it."""
        await self.known[job.id].recorded.wait()

    async def get(self, tenant: str, job_id: str) -> J:
        """How one is. Raises UnknownJob."""
        await trio.lowlevel.checkpoint()
        under_way = self.known.get(job_id)
        if under_way is not None and under_way.job.tenant == tenant:
            return under_way.job
        record = await self._stored.find(tenant, self.kind.value, job_id)
        if record is None:
            raise UnknownJob(f"there is no {self.kind.value} of this id, or it is no longer kept")
        return (await self._read([record]))[record.id]

    async def wait(self, job: J, seconds: float) -> J:
        """How it is when it is over, or after so many seconds."""
        if job.id in self.known:
            await self.known[job.id].wait(seconds)
        return await self.get(job.tenant, job.id)

    async def events(self, job: J) -> AsyncGenerator[Data, None]:
        """What happens in it, from the beginning, as it does, until it is over or the service ends. The last one is
        `end`, with the state; of a job of an earlier process there is no other.
        """
        under_way = self.known.get(job.id)
        if under_way is not None:
            async with aclosing(under_way.events()) as events:
                async for event in events:
                    yield event
        now = await self.get(job.tenant, job.id)
        yield {"event": "end", "state": now.state.value, "error": now.error}

    def told(self, job: J) -> tuple[Data, ...]:
        """What has happened in it by now; nothing for a job of an earlier process."""
        under_way = self.known.get(job.id)
        return under_way.told if under_way is not None else ()

    async def recent(
        self, tenant: str, number_id: str | None, trunk_id: str | None, limit: int, before: str
    ) -> tuple[J, ...]:
        """The last ones, newest first, those that were begun before the one of the id `before`. Raises UnknownJob."""
        found = await self._stored.recent(
            tenant, self.kind.value, number_id=number_id, trunk_id=trunk_id, limit=limit, before=before
        )
        if found is None:
            raise UnknownJob(f"there is no {self.kind.value} of the id {before} that others could come before")
        jobs = {record.id: self.known[record.id].job for record in found if record.id in self.known}
        jobs |= await self._read([record for record in found if record.id not in jobs])
        return tuple(jobs[record.id] for record in found)

    async def _read(self, records: Sequence[StoredJob]) -> dict[str, J]:
        """What was kept of jobs, by their ids. Results have all messages in them, and are read in a thread, so that no
        timer of a call waits for a list.
        """
        return await trio.to_thread.run_sync(lambda: {record.id: self._job_of(record) for record in records})

    async def _carry_out(self, under_way: UnderWay[J], work: "Work[J]", asked: Asked) -> None:
        """Do it, whatever comes of it, and write that down."""
        job, error = under_way.job, STOPPED
        try:
            try:
                await self._stored.put(record_of(self.kind, job, asked))
            finally:
                under_way.recorded.set()
            job, error = await work(under_way), ""
        except SipError as problem:
            error = problem.message
        except Exception as mistake:  # noqa: BLE001  # a mistake in one job ends no other
            _log.error("%s %s of %s\n%s", self.kind.value, job.id, job.tenant, traceback_of(mistake))
            error = OWN_FAULT
        finally:
            state = JobState.FAILED if error else JobState.COMPLETED
            under_way.end(replace(job, state=state, error=error, completed_at=self.clock()))
            self.ended[job.tenant, state.value] += 1
            self._forget()
            with trio.move_on_after(LAST_WORDS, shield=True):
                await self._write_end(record_of(self.kind, under_way.job, asked))

    async def _write_end(self, record: StoredJob) -> None:
        try:
            await self._stored.put(record)
        except SipError as problem:
            named = record.kind, record.id, record.tenant
            _log.warning("the result of %s %s of %s is kept in memory only: %s", *named, problem.message)

    def _forget(self) -> None:
        """Leave the oldest results to the file."""
        over = [name for name, each in self.known.items() if each.is_over]
        for name in over[: max(len(over) - MAX_REMEMBERED, 0)]:
            del self.known[name]


def record_of(kind: Kind, job: J, asked: "Asked") -> StoredJob:
    """A job as it is kept."""
    return StoredJob(
        job.id,
        job.tenant,
        kind.value,
        job.target,
        job.state.value,
        job.started_at,
        job.completed_at,
        getattr(job, "trunk_id", None),
        getattr(job, "number_id", None),
        token=asked.token,
        asked=asked.digest,
        data=json.dumps(job.data) if job.data is not None else "",
        error=job.error,
    )
