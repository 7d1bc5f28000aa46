"""What all interfaces have in common, asked through the application itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from probes.service.config import ServiceConfig
from probes.service.run import Service, open_service
from probes.web.app import make_app


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    async with open_service(ServiceConfig(folder / "s.db"), watching=False) as service:
        made = await service.keys.add("acme", "first")
        transport = httpx.ASGITransport(make_app(service))
        headers = {"Authorization": f"Bearer {made.text.reveal()}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://service/api/v1", headers=headers) as client:
            yield service, client


async def test_trunks(tmp_path: Path) -> None:
    async with opened(tmp_path) as (service, client):
        for method, path, body in (
            ("GET", "/whoami", None),
            ("POST", "/parse", {"input": "tls://sbc.example.net"}),
            (
                "POST",
                "/trunks",
                {
                    "name": "carrier",
                    "outbound": {
                        "gateways": [{"host": "sbc.example.net"}],
                        "credentials": {"username": "u", "password": "secretsecret"},
                    },
                },
            ),
            ("GET", "/trunks", None),
            ("GET", "/health", None),
            ("GET", "/uptime", None),
            ("GET", "/alerts", None),
            ("POST", "/numbers", {"identity": "2001"}),
            ("POST", "/numbers", {"identity": "2001"}),
            ("POST", "/discoveries", {"target": "127.0.0.1"}),
            ("POST", "/preflight", {"trunk": {"name": "x", "outbound": {"gateways": [{"host": "127.0.0.1"}]}}}),
            ("POST", "/route", {"caller": "1", "callee": "2001"}),
            ("GET", "/keys", None),
            ("GET", "/calls", None),
            ("POST", "/calls", {}),
            ("GET", "http://service/metrics", None),
            ("GET", "http://service/healthz", None),
        ):
            answer = await client.request(method, path, json=body)
            print(method, path, answer.status_code, answer.headers.get("etag"), answer.text[:600])
