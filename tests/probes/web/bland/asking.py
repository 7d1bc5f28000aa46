"""A service with two tenants, asked as clients of Bland ask it, through the application itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from probes.reach import ReachPolicy
from probes.service.config import OwnAddresses, ServiceConfig
from probes.service.run import Service, open_service
from probes.web.app import make_app
from tests.probes.service.opened import prepare

Json = Any
REACH = ReachPolicy.of(allow=["127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"])
"""Documentation, and this host."""
OWN = OwnAddresses(("192.0.2.10", "192.0.2.11"), "sip.example.net")
FIRST, SECOND = "acme", "globex"
NUMBER = "+15550100001"
OUTBOUND = {"type": "outbound", "sip_endpoint": "sip:gw.example.net"}
INBOUND = {"type": "inbound"}


class Client:
    """One who asks with one key."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, body: Json = None, **query: str | int) -> httpx.Response:
        headers = self._headers
        return await self._client.request(method, path, json=body, params=query or None, headers=headers)

    async def data(self, method: str, path: str, body: Json = None, **query: str | int) -> Json:
        """The data of what succeeds."""
        answer = await self.ask(method, path, body, **query)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told.keys() == {"data", "errors"}
        assert told["errors"] is None
        return told["data"]

    async def errors(self, status: int, method: str, path: str, body: Json = None, **query: str | int) -> list[Json]:
        """The errors of what does not."""
        answer = await self.ask(method, path, body, **query)
        assert answer.status_code == status, answer.text
        told = answer.json()
        assert told["data"] is None
        assert told["errors"]
        assert all(each["error"] and each["message"] for each in told["errors"])
        errors: list[Json] = told["errors"]
        return errors

    async def attach(self, *directions: Json, number: str = NUMBER, **more: Json) -> Json:
        body = {"phone_number": number, "directions": list(directions), "service": "sip"} | more
        return await self.data("POST", "/v1/sip/attach", body)

    async def config(self, number: str = NUMBER) -> Json:
        return await self.data("GET", "/v1/sip", phone_number=number)

    async def trunk(self, **body: Json) -> Json:
        return await self.data("POST", "/v1/sip/trunks", {"name": "PBX", "direction": "both"} | body)


@asynccontextmanager
async def asking(
    path: Path, *, watching: bool = False, **changed: object
) -> AsyncIterator[tuple[Service, Client, Client]]:
    """The service, and a client of each tenant; `watching` its trunks or not; `changed` are settings."""
    config = replace(ServiceConfig(path / "service.db", own=OWN, reach=REACH), **changed)  # type: ignore[arg-type]
    prepare(config.store)
    async with (
        open_service(config, watching=watching) as service,
        httpx.AsyncClient(transport=httpx.ASGITransport(make_app(service)), base_url="http://service") as client,
    ):
        keys = [(await service.keys.add(tenant, "test")).text.reveal() for tenant in (FIRST, SECOND)]
        yield service, Client(client, keys[0]), Client(client, keys[1])
