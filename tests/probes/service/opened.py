"""Services for tests: on loopback, without a watch, and with whatever else a test says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from probes.calls.limit import Limits
from probes.reach import ReachPolicy
from probes.service.config import ServiceConfig
from probes.service.run import Service, open_service
from sipcore.resolve.target import SocketAddress

LOOPBACK = ReachPolicy.of(["127.0.0.0/8"])


def config_in(folder: Path, **changes: object) -> ServiceConfig:
    """The settings of a service whose store is in a folder."""
    config = ServiceConfig(
        folder / "service.db", SocketAddress("127.0.0.1", 0), reach=LOOPBACK, calls=Limits(4, 10, 900.0)
    )
    return replace(config, **changes)  # type: ignore[arg-type]  # as the test says


@asynccontextmanager
async def service_in(folder: Path, *, watching: bool = False, **changes: object) -> AsyncIterator[Service]:
    """A service whose store is in a folder; the same folder has the same store."""
    async with open_service(config_in(folder, **changes), watching=watching) as service:
        yield service
