"""The service as one object, and what goes on in it.

async with open_service(ServiceConfig(Path("service.db"))) as service:
    trunk = await service.directory.add_trunk("acme", trunk)
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from probes.calls.run import call_config
from probes.discovery.run import DiscoveryConfig
from probes.health.board import TrunkState
from probes.service.calls import TestCalls
from probes.service.config import ServiceConfig
from probes.service.directory import Directory
from probes.service.discoveries import Discoveries
from probes.service.job import STOPPED, CallRequest, JobState
from probes.service.keys import Keys
from probes.service.lag import Lag
from probes.service.supervisor import Supervisor
from probes.service.under_way import Runner
from probes.service.watching import Clock, Watching
from probes.store.jobs import Jobs
from probes.store.store import Store
from probes.trunks.model import Gateway, Number, Trunk
from sipcore.transports.lookup import LookupConfig


class Service:
    """All that the interfaces use. `open_service` makes one."""

    def __init__(
        self, config: ServiceConfig, store: Store, directory: Directory, watching: Watching, clock: Clock = time.time
    ) -> None:
        """`open_service` makes one."""
        self.config, self.store, self.directory, self.watching = config, store, directory, watching
        self.keys = Keys(store, clock)
        self.runner = Runner()
        self.supervisor = Supervisor(self.runner.stopping)
        self.lag = Lag()
        self.jobs = Jobs(store)
        lookup = LookupConfig(nameservers=config.nameservers)
        calling = replace(call_config(reach=config.reach), lookup=lookup)
        discovery = DiscoveryConfig(lookup=lookup, reach=config.reach)
        self.discoveries = Discoveries(self.runner, self.jobs, discovery, config.discovery_time, clock)
        self.calls = TestCalls(self.runner, self.jobs, calling, self.gateway_of, config.calls, clock)

    @property
    def stopping(self) -> trio.Event:
        """Set when the service is about to end: what streams to somebody ends then."""
        return self.runner.stopping

    def health(self, tenant: str) -> tuple[TrunkState, ...]:
        """How whatever a tenant has is; `TrunkState.trunk` is the id of a trunk, that of a number with an outbound of
        its own, or the name of a trunk of the file.
        """
        return self.watching.states(tenant)

    def health_of(self, tenant: str, of: Trunk | Number | str) -> TrunkState | None:
        """How a trunk is, the one that a number goes by, or what is watched under an id or name; None for what is not
        watched (it has no gateway, say), and for what is not the tenant's.
        """
        return self.watching.state(tenant, of)

    def gateway_of(self, tenant: str, request: CallRequest) -> Gateway | None:
        """Where a call goes: the first gateway that is not known to be down; None where there is none at all."""
        gateways = request.outbound.ordered
        state = self.watching.state(tenant, request.number_id or "") or self.watching.state(
            tenant, request.trunk_id or ""
        )
        active = state.active if state is not None else None
        return next((each for each in gateways if str(each) == active), gateways[0] if gateways else None)


@asynccontextmanager
async def open_service(
    config: ServiceConfig, *, watching: bool = True, clock: Clock = time.time
) -> AsyncIterator[Service]:
    """A service that runs until the block ends, `watching` its trunks or not; calls that are under way then are hung
    up. Raises WatchError for a store that cannot be used, and for trunks that cannot be watched.
    """
    with Store.open(config.store) as store:
        directory = Directory.open(store, clock=clock, refusal=config.reach.refusal)
        watched = await Watching.open(config, store, directory, clock)
        service = Service(config, store, directory, watched, clock)
        await service.jobs.end_all(JobState.RUNNING.value, JobState.FAILED.value, STOPPED, clock())
        async with trio.open_nursery() as nursery:
            keep = service.supervisor.keep
            await nursery.start(service.runner.run)
            nursery.start_soon(keep, "directory", watched.follow)
            nursery.start_soon(keep, "lag", service.lag.run)
            if watching:
                nursery.start_soon(keep, "watch", watched.watch)
                nursery.start_soon(keep, "alerts", watched.alert)
            try:
                yield service
            finally:
                service.stopping.set()
                nursery.cancel_scope.cancel()
