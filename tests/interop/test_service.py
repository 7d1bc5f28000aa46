"""The service as a whole, before a real server: a trunk is configured over HTTP, watched, called, lost, told of, and
there again after a restart.
"""

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import trio

from probes.health.trunk import Rules
from probes.reach import ReachPolicy
from probes.service.config import ServiceConfig
from probes.web.run import open_server
from sipcore.resolve.target import SocketAddress
from tests.interop import servers
from tests.interop.conftest import do_without
from tests.interop.lab import Lab, MissingError, Server, process
from tests.probes.health.http_servers import serving, status

RULES = Rules(interval=1.0, retry=1.0, timeout=0.8, misses=2, recoveries=2, certificate_days=0.0)
SECONDS = 20.0
"""For whatever is waited for."""
PASSWORD = "secret"


@asynccontextmanager
async def client_of(config: ServiceConfig, key: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that runs for a block; without a key, one is made."""
    async with open_server(config) as (service, listening):
        text = key or (await service.keys.add("acme", "first")).text.reveal()
        headers = {"Authorization": f"Bearer {text}"}
        async with httpx.AsyncClient(base_url=f"{listening.url}/api/v1", headers=headers, timeout=40) as client:
            yield client


async def health_of(client: httpx.AsyncClient, trunk_id: str) -> str:
    answer = await client.get(f"/health/{trunk_id}")
    return str(answer.json()["trunks"][0]["routes"][0]["health"]) if answer.status_code == 200 else ""


async def until(client: httpx.AsyncClient, trunk_id: str, health: str) -> None:
    with trio.fail_after(SECONDS):
        while await health_of(client, trunk_id) != health:  # noqa: ASYNC110  # it is asked from outside
            await trio.sleep(0.1)


def trunk_at(server: Server, webhook: str) -> dict[str, Any]:
    alerts = {"enabled": True, "webhook": webhook}
    gateway = {"host": server.host, "port": server.udp_port, "transport": "udp"}
    credentials = {"username": "anybody", "password": PASSWORD}
    outbound = {"gateways": [gateway], "credentials": credentials, "encryption": "disable", "alerts": alerts}
    return {"name": "carrier", "outbound": outbound}


async def test_a_trunk_from_its_first_day_to_a_restart(lab: Lab, baresip: Server, tmp_path: Path) -> None:
    try:
        server, command = servers.kamailio_command(replace(lab, folder=tmp_path), baresip)
    except MissingError as missing:
        do_without(missing)
    config = ServiceConfig(
        tmp_path / "service.db",
        bind=SocketAddress("127.0.0.1", 0),
        reach=ReachPolicy.of(["127.0.0.0/8"]),
        rules=RULES,
    )
    with serving(status(200)) as receiver, ExitStack() as running:
        async with client_of(config) as client:
            kamailio = running.enter_context(process(command, tmp_path / "kamailio"))
            webhook = f"http://127.0.0.1:{receiver.port}/alerts"
            made = await client.post("/trunks", json=trunk_at(server, webhook))
            assert made.status_code == 201, made.text
            trunk = made.json()
            assert PASSWORD not in made.text
            await until(client, trunk["id"], "healthy")
            placed = await client.post(
                "/calls?wait=30", json={"trunk_id": trunk["id"], "to": "auth", "hold_seconds": 1}
            )
            assert placed.status_code == 200, placed.text
            call = placed.json()
            assert (call["progress"], call["result"]["final_status"]) == ("completed", 200), call["result"]["why"]
            assert call["result"]["media"]["received"]["packets"] > 20
            assert PASSWORD not in placed.text
            events = (await client.get(f"/calls/{call['id']}/events")).text
            assert '"progress": "in-progress"' in events
            assert events.rstrip().endswith('{"event": "end", "state": "completed", "error": ""}')
            kamailio.terminate()
            await until(client, trunk["id"], "unreachable")
            with trio.fail_after(SECONDS):
                while not receiver.received:  # noqa: ASYNC110  # a thread gets it
                    await trio.sleep(0.1)
            told = json.loads(receiver.received[0].body)
            assert (told["trunk"], told["phase"]) == (trunk["id"], "begun")
            metrics = (await client.get("http://" + client.base_url.netloc.decode() + "/metrics")).text
            assert 'health="unreachable",tenant="acme"} 1.0' in metrics
            key = client.headers["Authorization"].removeprefix("Bearer ")
        async with client_of(config, key) as client:
            assert (await client.get("/trunks")).json()["items"][0] == {**trunk, "warnings": []}
            assert await health_of(client, trunk["id"]) == "unreachable"
            again = (await client.get(f"/calls/{call['id']}")).json()
            assert again == call
            running.enter_context(process(command, tmp_path / "kamailio"))
            await until(client, trunk["id"], "healthy")
            with trio.fail_after(SECONDS):
                while len(receiver.received) < 2:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            assert json.loads(receiver.received[-1].body)["phase"] == "ended"
            uptime = (await client.get(f"/uptime?watched_id={trunk['id']}")).json()
            assert uptime["trunks"][0]["incident_count"] == 1
