"""The service as one object, and what goes on in it.

async with open_service(ServiceConfig(Path("service.db"))) as service:
    trunk = await service.directory.add_trunk("acme", trunk)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from probes.health.board import TrunkState
from probes.service.calls import TestCalls
from probes.service.config import ServiceConfig
from probes.service.directory import Directory
from probes.service.discoveries import Discoveries
from probes.service.keys import Keys
from probes.store.store import Store
from probes.trunks.model import Number, Trunk


class Service:
    """All that the interfaces use."""

    config: ServiceConfig
    store: Store
    directory: Directory
    keys: Keys
    discoveries: Discoveries
    calls: TestCalls
    stopping: trio.Event
    """Set when the service is about to end: what streams to somebody ends then."""

    def health(self, tenant: str) -> tuple[TrunkState, ...]:
        """How the trunks of a tenant are; `TrunkState.trunk` is a trunk's id, or the name of one of the file's."""
        raise NotImplementedError

    def health_of(self, tenant: str, of: Trunk | Number | str) -> TrunkState | None:
        """How a trunk is, the one that a number goes by, or the one of an id; None for what is not watched (inbound
        alone, say), and for what is not the tenant's.
        """
        raise NotImplementedError


@asynccontextmanager
async def open_service(config: ServiceConfig, *, watching: bool = True) -> AsyncIterator[Service]:
    """A service that runs until the block ends, `watching` its trunks or not. Raises WatchError for a store that cannot
    be used, and for trunks that cannot be watched.
    """
    raise NotImplementedError
    yield
