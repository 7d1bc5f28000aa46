"""Clients of a service's application, for tests: without sockets, each with a key of a tenant."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from probes.service.run import Service
from probes.web.app import make_app
from tests.probes.service.opened import service_in

BASE = "http://service/api/v1"


class Asking:
    """A service, and whoever asks it."""

    def __init__(self, service: Service, opened: AsyncExitStack) -> None:
        self.service = service
        self.app = make_app(service)
        self._opened = opened

    async def client(self, tenant: str = "acme", *, may_write: bool = True) -> httpx.AsyncClient:
        """A client with a new key of a tenant."""
        made = await self.service.keys.add(tenant, "test", may_write=may_write)
        return await self.stranger(made.text.reveal())

    async def stranger(self, key: str = "", address: str = "192.0.2.1") -> httpx.AsyncClient:
        """A client with any key, or none, at an address."""
        transport = httpx.ASGITransport(self.app, client=(address, 1234))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        client = httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)
        return await self._opened.enter_async_context(client)


@asynccontextmanager
async def asking(folder: Path, *, watching: bool = False, **changes: object) -> AsyncIterator[Asking]:
    """A service whose store is in a folder, and whoever asks it."""
    async with service_in(folder, watching=watching, **changes) as service, AsyncExitStack() as opened:
        yield Asking(service, opened)
