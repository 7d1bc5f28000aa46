"""The service's application, asked over ASGI or a socket: two tenants, a key each, and one that only reads."""

import queue
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import schemathesis
import trio

from probes.service.config import ServiceConfig
from probes.service.run import Service, open_service
from probes.web.app import make_app
from probes.web.run import Listening, serve
from sipcore.resolve.target import SocketAddress

Case = schemathesis.Case[Any]
Told = tuple[int, Any]
"""The status of an answer, and its body: JSON, or None where there is none."""


class Asking:
    """Sends requests, by the key of the tenant `acme` where nothing else is said."""

    def __init__(self, client: httpx.AsyncClient, service: Service, keys: dict[str, str]) -> None:
        self.client, self.service, self.keys = client, service, keys

    async def __call__(self, method: str, path: str, body: object = None, *, key: str = "acme") -> Told:
        headers = {"authorization": f"Bearer {self.keys[key]}"} if key else {}
        found = await self.client.request(method, path, json=body, headers=headers)
        return found.status_code, found.json() if found.content else None


@asynccontextmanager
async def asking(path: Path, *, over_socket: bool = False) -> AsyncIterator[Asking]:
    """A service with its file at `path`, and somebody who asks it."""
    config = ServiceConfig(path / "service.db", bind=SocketAddress("127.0.0.1", 0))
    async with open_service(config, watching=False) as service, trio.open_nursery() as nursery:
        keys = {
            name: (await service.keys.add(tenant, name, may_write=may_write)).text.reveal()
            for name, tenant, may_write in (("acme", "acme", True), ("other", "other", True), ("reader", "acme", False))
        }
        with ExitStack() as stack:
            transport: httpx.AsyncBaseTransport = httpx.ASGITransport(make_app(service))
            url = "http://127.0.0.1"
            if over_socket:
                listening = stack.enter_context(Listening(config))
                nursery.start_soon(serve, service, listening)
                transport, url = httpx.AsyncHTTPTransport(), listening.url
            async with httpx.AsyncClient(transport=transport, base_url=url, timeout=30) as client:
                yield Asking(client, service, keys)
        nursery.cancel_scope.cancel()


class Portal:
    """A service in a thread of its own, that a test without async asks."""

    def __init__(self, path: Path) -> None:
        self._path, self._ready = path, queue.SimpleQueue[Asking]()
        self._thread = threading.Thread(target=trio.run, args=(self._run,))
        self._thread.start()
        self.asked = self._ready.get(timeout=30)

    async def _run(self) -> None:
        self._token, self._over = trio.lowlevel.current_trio_token(), trio.Event()
        async with asking(self._path) as asked:
            self._ready.put(asked)
            await self._over.wait()

    def __call__(self, method: str, path: str, body: object = None, key: str = "acme") -> Told:
        async def ask() -> Told:
            return await self.asked(method, path, body, key=key)

        return trio.from_thread.run(ask, trio_token=self._token)

    def new_tenant(self, name: str) -> None:
        """Have a key of this name for a tenant of this name."""

        async def add() -> str:
            return (await self.asked.service.keys.add(name, name, may_write=True)).text.reveal()

        self.asked.keys[name] = trio.from_thread.run(add, trio_token=self._token)

    def call(self, case: Case) -> schemathesis.Response:
        """Send what was made up, by the usual key."""
        given = case.as_transport_kwargs(base_url="http://127.0.0.1")

        async def send() -> httpx.Response:
            headers = {**given.pop("headers", {}), "authorization": f"Bearer {self.asked.keys['acme']}"}
            given.pop("cookies", None)
            content = given.pop("data", None)
            return await self.asked.client.request(**given, content=content, headers=headers)

        return schemathesis.Response.from_any(trio.from_thread.run(send, trio_token=self._token))

    def close(self) -> None:
        trio.from_thread.run_sync(self._over.set, trio_token=self._token)
        self._thread.join(30)
