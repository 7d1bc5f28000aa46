"""Services for tests: on loopback, without a watch, and with whatever else a test says."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from probes.calls.limit import Limits
from probes.reach import ReachPolicy
from probes.service.config import ServiceConfig
from probes.service.run import Service, open_service
from probes.store.database import make_file
from probes.store.migrate import migrate
from sipcore.resolve.target import SocketAddress

LOOPBACK = ReachPolicy.of(["127.0.0.0/8"])


def config_in(folder: Path, **changes: object) -> ServiceConfig:
    """The settings of a service whose store is in a folder."""
    config = ServiceConfig(
        folder / "service.db", SocketAddress("127.0.0.1", 0), reach=LOOPBACK, calls=Limits(4, 10, 900.0)
    )
    return replace(config, **changes)  # type: ignore[arg-type]  # as the test says


def prepare(store: Path) -> None:
    """Have a new store begin with its tables: making them takes as long as many a test."""
    if not store.exists():
        make_file(store)
        store.write_bytes(_tables())


@cache
def _tables() -> bytes:
    """A file that has tables and nothing else, as the migrations make it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.db"
        make_file(path)
        migrate(path)
        assert [one.name for one in Path(folder).iterdir()] == [path.name]  # nothing is left beside it
        return path.read_bytes()


@asynccontextmanager
async def service_in(folder: Path, *, watching: bool = False, **changes: object) -> AsyncIterator[Service]:
    """A service whose store is in a folder; the same folder has the same store."""
    config = config_in(folder, **changes)
    prepare(config.store)
    async with open_service(config, watching=watching) as service:
        yield service
