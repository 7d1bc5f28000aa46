"""Discoveries and test calls as they are asked for: one at a time, so many in a while, of one's own numbers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from probes.calls.limit import Limits
from probes.reach import ReachPolicy
from probes.service.discoveries import MAX_CHECKS
from tests.probes.web.bland.asking import INBOUND, NUMBER, Client, Json, asking

HOST = "127.0.0.1"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes datagrams and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((HOST, 0))
        yield bound.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port at which nothing listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((HOST, 0))
        port: int = bound.getsockname()[1]
    return port


async def test_one_discovery_at_a_time(tmp_path: Path, silent: int) -> None:
    async with asking(tmp_path) as (service, client, second):
        told: dict[str, Json] = {}
        body = {"host": HOST, "port": silent, "transport": "udp"}

        async def discover() -> None:
            told["first"] = await client.data("POST", "/v1/sip/discover", body)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(discover)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert service.discoveries.running
            answer = await client.ask("POST", "/v1/sip/discover", body)
            assert answer.status_code == 409
            error = answer.json()["errors"][0]
            assert error["error"] == "DISCOVERY_IN_PROGRESS"
            under_way = await client.data("GET", "/v1/sip/discover/status", discovery_id=error["discovery_id"])
            assert (under_way["status"], under_way["recommended"], under_way["completed_at"]) == ("running", None, None)
            assert under_way["attempts"] == []
            other = await second.data("POST", "/v1/sip/discover", body)
        assert other["discovery_id"] != error["discovery_id"]
        first = told["first"]
        assert (first["discovery_id"], first["status"]) == (error["discovery_id"], "completed")
        assert first["recommended"] is None
        attempt = first["attempts"][0]
        assert (attempt["error"], attempt["mutual_tls"]) == ("timeout", False)
        assert (attempt["response_time_ms"], attempt["response_code"], attempt["user_agent"]) == (None, None, None)
        assert first["advice"]


BAD_DISCOVERIES: list[tuple[Json, ...]] = [
    ({}, "host"),
    ({"host": ""}, "host"),
    ({"host": "a b"}, "host"),
    ({"host": "http://gw.example.net"}, "host"),
    ({"host": HOST, "port": 0}, "port"),
    ({"host": HOST, "port": 65536}, "port"),
    ({"host": HOST, "transport": "sctp"}, "transport"),
    ({"host": HOST, "timeout": 5}, "timeout"),
]


async def test_what_cannot_be_discovered(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for body, field in BAD_DISCOVERIES:
            assert (await client.errors(400, "POST", "/v1/sip/discover", body))[0]["field"] == field


async def test_what_may_not_be_reached_is_not(tmp_path: Path, silent: int) -> None:
    async with asking(tmp_path, reach=ReachPolicy()) as (_, client, _):
        body = {"host": HOST, "port": silent, "transport": "udp"}
        answer = await client.ask("POST", "/v1/sip/discover", body)
        told = answer.json()
        assert "loopback" in str(told)
        if answer.status_code == 200:
            assert told["data"]["recommended"] is None
        outbound = {"type": "outbound", "sip_endpoint": f"udp://{HOST}:{silent}"}
        told = await client.data(
            "POST", "/v1/sip/attach", {"phone_number": NUMBER, "directions": [outbound], "service": "sip"}
        )
        assert told["configured"] == []
        assert told["failed"][0]["error"].startswith("sip_endpoint: ")
        body = {"name": "PBX", "direction": "both", "sip_endpoint": outbound["sip_endpoint"]}
        errors = await client.errors(400, "POST", "/v1/sip/trunks", body)
        assert errors[0]["field"] == "sip_endpoint"
        assert "loopback" in errors[0]["message"]


NO_DISCOVERIES: list[Json] = ["", "disc_nothing"]


async def test_a_discovery_that_is_not_there(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for id_ in NO_DISCOVERIES:
            errors = await client.errors(404, "GET", "/v1/sip/discover/status", discovery_id=id_)
            assert errors[0]["error"] == "DISCOVERY_NOT_FOUND"
            assert (await client.errors(400, "GET", "/v1/sip/discover/status"))[0]["field"] == "discovery_id"


async def ended(client: Client, call_id: str) -> Json:
    """A test call once it is over."""
    with trio.fail_after(10):
        while True:
            told = await client.data("GET", "/v1/sip/test-call/status", call_id=call_id)
            if told["result"] != "pending":
                return told
            await trio.sleep(0.01)


async def test_ten_calls_in_a_quarter_of_an_hour(tmp_path: Path, closed: int) -> None:
    async with asking(tmp_path) as (_, client, second):
        for each in (client, second):
            number = "2001"
            await each.attach({"type": "outbound", "sip_endpoint": f"udp://{HOST}:{closed}"}, number=number)
        for _ in range(10):
            placed = await client.data("POST", "/v1/sip/test-call", {"phone_number": "2001"})
            told = await ended(client, placed["call_id"])
            assert (told["status"], told["result"], told["duration_seconds"]) == ("failed", "failed", 0.0)
        answer = await client.ask("POST", "/v1/sip/test-call", {"phone_number": "2001"})
        assert answer.status_code == 429
        assert answer.json()["errors"][0]["error"] == "RATE_LIMIT_EXCEEDED"
        assert 800 < int(answer.headers["Retry-After"]) <= 900
        assert (await second.ask("POST", "/v1/sip/test-call", {"phone_number": "2001"})).status_code == 200
        logged = (await client.data("GET", "/v1/sip/calls", phone_number="2001", limit=4))["calls"]
        assert len(logged) == 4
        assert {(each["sip_code"], each["status"]) for each in logged} == {(None, "refused")}
        assert len({each["call_id"] for each in logged}) == 4


async def test_what_is_called_by_a_name_of_its_own(tmp_path: Path, closed: int) -> None:
    async with asking(tmp_path, calls=Limits(at_once=4, per_period=100)) as (_, client, _):
        await client.attach({"type": "outbound", "sip_endpoint": f"udp://{HOST}:{closed}"})
        placed = await client.data("POST", "/v1/sip/test-call", {"phone_number": NUMBER, "to": "+15550100002"})
        assert "+15550100002" in placed["message"]
        await ended(client, placed["call_id"])
        logged = (await client.data("GET", "/v1/sip/calls", phone_number=NUMBER))["calls"][0]
        assert logged["to"].startswith("sip:+15550100002@")
        assert logged["from"].startswith(f"sip:{NUMBER}@")
        errors = await client.errors(400, "POST", "/v1/sip/test-call", {"phone_number": NUMBER, "to": "112"})
        assert errors[0]["field"] == "to"
        assert "emergency" in errors[0]["message"]
        assert "allowed" not in errors[0]["message"]  # since nobody can allow it here


async def test_a_number_without_a_gateway_is_not_called(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(INBOUND)
        for number in (NUMBER, "+15550109999"):
            errors = await client.errors(400, "POST", "/v1/sip/test-call", {"phone_number": number})
            assert errors[0]["error"] == "NO_OUTBOUND_CONFIG"
        trunk = await client.trunk()
        errors = await client.errors(400, "POST", f"/v1/sip/trunks/{trunk['trunk_id']}/test-connection")
        assert errors[0]["error"] == "NO_OUTBOUND_CONFIG"


BAD_LIMITS: list[Json] = [0, -1, 201, "many"]


async def test_pages_that_cannot_be(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for limit in BAD_LIMITS:
            errors = await client.errors(400, "GET", "/v1/sip/calls", phone_number=NUMBER, limit=limit)
            assert errors[0]["field"] == "limit"
            assert await client.data("GET", "/v1/sip/calls", phone_number=NUMBER) == {"calls": []}


async def test_a_trunk_that_refuses_is_not_reachable(tmp_path: Path, closed: int, silent: int) -> None:
    async with asking(tmp_path) as (_, client, _):
        for port, word in ((closed, "connection_refused"), (silent, "timeout")):
            trunk = await client.trunk(sip_endpoint=f"udp://{HOST}:{port}")
            told = await client.data("POST", f"/v1/sip/trunks/{trunk['trunk_id']}/test-connection")
            assert (told["reachable"], told["error"]) == (False, word)
            assert told["detail"]
            assert told["advice"]


async def test_so_many_checks_at_once(tmp_path: Path, silent: int) -> None:
    async with asking(tmp_path) as (_, client, second):
        paths = []
        for each in (client, second):
            trunk = await each.trunk(sip_endpoint=f"udp://{HOST}:{silent}")
            paths.append(f"/v1/sip/trunks/{trunk['trunk_id']}/test-connection")
        statuses: list[int] = []
        told: list[Json] = []

        async def check() -> None:
            answer = await client.ask("POST", paths[0])
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                told.append(answer.json()["errors"][0]["error"])
                assert int(answer.headers["Retry-After"]) >= 1

        async with trio.open_nursery() as nursery:
            for _ in range(MAX_CHECKS + 1):
                nursery.start_soon(check)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert (await second.ask("POST", paths[1])).status_code == 200
        assert sorted(statuses) == [200] * MAX_CHECKS + [429]
        assert told == ["RATE_LIMIT_EXCEEDED"]
        assert (await client.ask("POST", paths[0])).status_code == 200
