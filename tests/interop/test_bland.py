"""Bland's interface against real servers: discovered, called, checked and logged in the words of its contract."""

from pathlib import Path

import pytest
import trio

from tests.interop.lab import Server
from tests.probes.web.bland.asking import NUMBER, Client, Json, asking

ENDED = ("completed", "failed", "busy", "no-answer")


async def ended(client: Client, call_id: str) -> Json:
    """A test call once it is over."""
    with trio.fail_after(20):
        while True:
            told = await client.data("GET", "/v1/sip/test-call/status", call_id=call_id)
            if told["status"] in ENDED:
                return told
            assert told["result"] == "pending"
            await trio.sleep(0.05)


@pytest.mark.parametrize("transport", ["udp", "tcp", None])
async def test_asterisk_is_discovered(asterisk: Server, tmp_path: Path, transport: str | None) -> None:
    async with asking(tmp_path) as (_, client, second):
        body = {"host": asterisk.host, "port": asterisk.udp_port}
        body |= {"transport": transport} if transport else {}
        told = await client.data("POST", "/v1/sip/discover", body)
        assert (told["status"], told["host"]) == ("completed", asterisk.host)
        assert told["discovery_id"].startswith("disc_")
        assert (told["resolved_addresses"], told["srv_records"]) == ([asterisk.host], [])
        tried = {each["transport"]: each for each in told["attempts"]}
        assert set(tried) == ({transport} if transport else {"udp", "tcp", "tls"})
        answered = tried[transport or "udp"]
        assert answered["port"] == asterisk.udp_port
        assert answered["response_code"] in (200, 401)
        assert 0 < answered["response_time_ms"] < 2000
        assert answered["user_agent"].startswith("Asterisk")
        if transport is None:
            failed = tried["tls"]
            assert (failed["response_time_ms"], failed["response_code"], failed["user_agent"]) == (None, None, None)
            assert failed["error"] == "tls_handshake_failed"
        recommended = told["recommended"]
        assert (recommended["port"], recommended["transport"]) == (asterisk.udp_port, transport or "tcp")
        assert recommended["detected_system"] == "Asterisk"
        assert recommended["codecs"] == []  # it describes no session in answers to OPTIONS
        assert {"INVITE", "OPTIONS"} <= set(recommended["methods"])
        assert told["started_at"] <= told["completed_at"]
        again = await client.data("GET", "/v1/sip/discover/status", discovery_id=told["discovery_id"])
        assert again == told
        errors = await second.errors(404, "GET", "/v1/sip/discover/status", discovery_id=told["discovery_id"])
        assert errors[0]["error"] == "DISCOVERY_NOT_FOUND"


async def test_kamailio_is_discovered(kamailio: Server, tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        body = {"host": kamailio.host, "port": kamailio.udp_port, "transport": "udp"}
        told = await client.data("POST", "/v1/sip/discover", body)
        assert told["recommended"]["detected_system"] == "Kamailio"


CALLS = [
    ("ringecho", "completed", "connected", 200, ["initiated", "invite", "trying", "ringing", "answered", "completed"]),
    ("busy", "busy", "busy", 486, ["initiated", "invite", "trying", "refused", "completed"]),
    ("nobody-here", "failed", "failed", 404, ["initiated", "invite", "refused", "completed"]),
]


@pytest.mark.parametrize(("to", "status", "result", "code", "steps"), CALLS)
async def test_a_call_is_placed(
    asterisk: Server, tmp_path: Path, to: str, status: str, result: str, code: int, steps: list[str]
) -> None:
    async with asking(tmp_path) as (_, client, second):
        outbound = {"type": "outbound", "sip_endpoint": f"sip:{asterisk.host}:{asterisk.udp_port}"}
        await client.attach(outbound | {"options": {"transport": "udp"}}, number=to)
        placed = await client.data("POST", "/v1/sip/test-call", {"phone_number": to})
        assert placed["call_id"].startswith("tc_")
        assert placed["message"]
        told = await ended(client, placed["call_id"])
        assert (told["status"], told["result"], told["sip_code"]) == (status, result, code)
        assert (told["duration_seconds"] > 0) == (result == "connected")
        events = [each["event"] for each in told["timeline"]]
        assert [each for each in events if each in steps] == steps
        times = [each["at"] for each in told["timeline"]]
        assert times == sorted(times)
        assert all(each.endswith("Z") for each in times)
        assert told["reason"]
        assert (told["hint"] is not None) == (result != "connected")

        logged = (await client.data("GET", "/v1/sip/calls", phone_number=to))["calls"]
        assert [(each["sip_code"], each["direction"]) for each in logged] == [(code, "outbound")]
        assert logged[0]["status"].startswith(f"{code} ")
        assert logged[0]["source_ip"] == asterisk.host
        assert logged[0]["test_call_id"] == placed["call_id"]
        assert logged[0]["started_at"] <= logged[0]["ended_at"]
        assert logged[0]["to"].startswith(f"sip:{to}@")
        errors = await second.errors(404, "GET", "/v1/sip/test-call/status", call_id=placed["call_id"])
        assert errors[0]["error"] == "CALL_NOT_FOUND"
        assert await second.data("GET", "/v1/sip/calls", phone_number=to) == {"calls": []}


async def test_a_trunk_is_checked_called_and_counted(asterisk: Server, tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        trunk = await client.trunk(sip_endpoint=f"udp://{asterisk.host}:{asterisk.udp_port}")
        path = f"/v1/sip/trunks/{trunk['trunk_id']}"
        told = await client.data("POST", f"{path}/test-connection")
        assert told["reachable"] is True
        assert told["sip_code"] in (200, 401)
        assert told["response_time_ms"] > 0

        for number in ("busy", "nobody-here", "echo"):
            await client.attach({"type": "outbound"}, number=number, trunk_id=trunk["trunk_id"])
            for _ in range(2 if number == "busy" else 1):
                placed = await client.data("POST", "/v1/sip/test-call", {"phone_number": number})
                await ended(client, placed["call_id"])
        figures = await client.data("GET", f"{path}/metrics")
        assert figures["top_failure_codes"] == [
            {"sip_code": 486, "description": "Busy Here", "count": 2},
            {"sip_code": 404, "description": "Not Found", "count": 1},
        ]
        assert (figures["total_calls"], figures["answered_calls"], figures["failed_calls"]) == (4, 1, 3)

        calls = (await client.data("GET", f"{path}/calls"))["calls"]
        assert [each["phone_number"] for each in calls] == ["echo", "nobody-here", "busy", "busy"]
        assert all("source_ip" not in each for each in calls)
        paged: list[Json] = []
        before = ""
        while page := (await client.data("GET", f"{path}/calls", limit=3, before=before))["calls"]:
            paged += page
            before = page[-1]["call_id"]
        assert paged == calls
        errors = await client.errors(400, "GET", f"{path}/calls", before="nothing")
        assert errors[0]["field"] == "before"


async def test_tls_is_what_a_trunk_is_checked_over(asterisk: Server, tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        trunk = await client.trunk(sip_endpoint=f"tls://{asterisk.host}:{asterisk.tls_port}")
        told = await client.data("POST", f"/v1/sip/trunks/{trunk['trunk_id']}/test-connection")
        assert (told["reachable"], told["sip_code"] in (200, 401)) == (True, True)
        plain = await client.trunk(sip_endpoint=f"tls://{asterisk.host}:{asterisk.tcp_port}")
        told = await client.data("POST", f"/v1/sip/trunks/{plain['trunk_id']}/test-connection")
        assert (told["reachable"], told["error"]) == (False, "tls_handshake_failed")
        assert (told["sip_code"], told["response_time_ms"]) == (None, None)


async def test_the_health_of_a_number_is_that_of_its_gateway(asterisk: Server, tmp_path: Path) -> None:
    async with asking(tmp_path, watching=True) as (_, client, _):
        await client.attach({"type": "outbound", "sip_endpoint": f"udp://{asterisk.host}:{asterisk.udp_port}"})
        with trio.fail_after(20):
            told = await client.data("GET", "/v1/sip/status", phone_number=NUMBER)
            while told["status"] == "unchecked":
                await trio.sleep(0.1)
                told = await client.data("GET", "/v1/sip/status", phone_number=NUMBER)
        assert told["status"] == "healthy"
        assert 0 < told["response_time_ms"] < 2000
        assert told["checked_at"].endswith("Z")
        listed = (await client.data("GET", "/v1/sip/numbers"))["numbers"]
        assert [each["health_status"] for each in listed] == ["healthy"]
