"""Discoveries of tenants: one at a time for each, within a deadline, whose results are kept for a while."""

import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from functools import partial

import trio

from probes.discovery.candidates import Scope
from probes.discovery.events import Concluded
from probes.discovery.run import DiscoveryConfig, discover, open_discovery
from probes.report.event_json import event_data
from probes.report.json import discovery_data
from probes.service.job import Busy, Data, DiscoveryJob, DiscoveryRequest, JobError, JobState, Kind, Limited
from probes.service.jobs import Jobs
from probes.service.under_way import Runner, UnderWay, new_id
from probes.store.jobs import Jobs as StoredJobs
from probes.store.jobs import StoredJob

MAX_CHECKS = 4
"""Of one tenant at once."""


class Discoveries:
    """Discoveries of all tenants. Who starts one does not wait for it, and who stops waiting does not end it."""

    def __init__(
        self,
        runner: Runner,
        stored: StoredJobs,
        config: DiscoveryConfig,
        longest: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`config` is what all of them have in common; `longest` is in seconds, after which one is given up."""
        self.jobs: Jobs[DiscoveryJob] = Jobs(runner, stored, Kind.DISCOVERY, _job_of, clock)
        self._config, self._longest = config, longest
        self._checks = Counter[str]()

    @property
    def running(self) -> tuple[DiscoveryJob, ...]:
        """Those that are under way, of all tenants."""
        return self.jobs.running

    async def start(self, tenant: str, request: DiscoveryRequest) -> DiscoveryJob:
        """Begin one. Raises Busy while another one of this tenant is under way, LocalError for what cannot be
        discovered, Unavailable while the service ends.
        """
        await trio.lowlevel.checkpoint()
        Scope.of(request.destination, request.ports, request.transports)  # raises for what cannot be
        for each in self.running:
            if each.tenant == tenant:
                text = f"discovery {each.id} is under way, and a tenant has one at a time: ask for that one, or wait"
                raise Busy(text, each.id)
        job = DiscoveryJob(new_id("disc"), tenant, str(request.destination), JobState.RUNNING, self.jobs.clock())
        self.jobs.start(job, partial(self._discover, request))
        await self.jobs.recorded(job)
        return job

    async def check(self, tenant: str, request: DiscoveryRequest) -> Data:
        """What one place answers to OPTIONS, as JSON of a discovery: it is waited for, and nothing of it is kept.

        Raises Limited while the tenant has several of them under way, LocalError for what cannot be asked.
        """
        if self._checks[tenant] >= MAX_CHECKS:
            raise Limited(f"{MAX_CHECKS} checks are under way: wait until one is over", 0.0)
        config = replace(self._config, ports=request.ports, transports=request.transports)
        self._checks[tenant] += 1
        try:
            return discovery_data(await discover(request.destination, replace(config, habits=False, tls_report=False)))
        finally:
            self._checks[tenant] -= 1

    async def get(self, tenant: str, job_id: str) -> DiscoveryJob:
        """How one is. Raises UnknownJob."""
        return await self.jobs.get(tenant, job_id)

    async def wait(self, job: DiscoveryJob, seconds: float) -> DiscoveryJob:
        """How it is when it is over, or after so many seconds."""
        return await self.jobs.wait(job, seconds)

    def events(self, job: DiscoveryJob) -> AsyncGenerator[Data, None]:
        """What happens in it, from the beginning, as it does, until it is over or the service ends: as
        `probes.report.event_json` has it, and last `{"event": "end", "state": ..., "error": ...}`.
        """
        return self.jobs.events(job)

    async def recent(self, tenant: str, limit: int = 50, before: str = "") -> tuple[DiscoveryJob, ...]:
        """The last ones, newest first, those that were begun before the one of the id `before`. Raises UnknownJob."""
        return await self.jobs.recent(tenant, None, None, limit, before)

    async def _discover(self, request: DiscoveryRequest, under_way: UnderWay[DiscoveryJob]) -> DiscoveryJob:
        config = replace(self._config, ports=request.ports, transports=request.transports, deep=request.deep)
        with trio.move_on_after(self._longest):
            async with open_discovery(request.destination, config) as events:
                async for event in events:
                    if isinstance(event, Concluded):
                        found = event.discovery
                        return replace(under_way.job, data=discovery_data(found), result=found)
                    under_way.tell(event_data(event))
        text = f"nothing was concluded within {self._longest:g} s: give a port and a transport, so that less is asked"
        raise JobError(text)


def _job_of(record: StoredJob) -> DiscoveryJob:
    return DiscoveryJob(
        record.id,
        record.tenant,
        record.target,
        JobState(record.state),
        record.started_at,
        record.completed_at,
        json.loads(record.data) if record.data else None,
        error=record.error,
    )
