"""The envelope, keys, and what is the same for all routes."""

from pathlib import Path

import httpx
import pytest

from probes.service.config import ServiceConfig
from probes.service.run import open_service
from probes.web.app import make_app
from probes.web.bland.envelope import CODES, INVALID
from probes.web.run import open_server
from sipcore.resolve.target import SocketAddress
from tests.probes.web.bland.asking import INBOUND, NUMBER, OUTBOUND, Json, asking

READS = (
    "",
    "/numbers",
    "/discover/status",
    "/test-call/status",
    "/firewall-ips",
    "/outbound-setup",
    "/status",
    "/calls",
)
WRITES = ("/attach", "/update", "/detach", "/discover", "/test-call", "/trunks")
PORTING = [
    ("GET", "/port/check?phone_numbers[]=%2B15550100001"),
    ("POST", "/port/document"),
    ("POST", "/port/initiate"),
    ("GET", "/port"),
    ("DELETE", "/port/port_1"),
]


@pytest.mark.parametrize("form", ["{key}", "Bearer {key}", "bearer {key}"])
async def test_a_key_with_and_without_its_scheme(tmp_path: Path, form: str) -> None:
    config = ServiceConfig(tmp_path / "service.db")
    async with open_service(config, watching=False) as service:
        key = (await service.keys.add("acme", "test")).text.reveal()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(service)), base_url="http://s") as client:
            answer = await client.get("/v1/sip/numbers", headers={"authorization": form.format(key=key)})
            assert answer.json() == {"data": {"numbers": []}, "errors": None}
            answer = await client.get("/v1/sip/numbers", headers={"authorization": form.format(key="x" + key)})
            unauthorized = {"data": None, "errors": [{"error": "AUTH_FAILURE", "message": "Unauthorized"}]}
            assert (answer.status_code, answer.json()) == (401, unauthorized)
            for method, path in [*(("GET", path) for path in READS), *(("POST", path) for path in WRITES), *PORTING]:
                answer = await client.request(method, f"/v1/sip{path}")
                assert (answer.status_code, answer.json()) == (401, unauthorized), path
            assert (await client.post("/v1/inbound/session")).json() == unauthorized


async def test_a_key_that_only_reads(tmp_path: Path) -> None:
    config = ServiceConfig(tmp_path / "service.db")
    async with open_service(config, watching=False) as service:
        key = (await service.keys.add("acme", "test", may_write=False)).text.reveal()
        transport, headers = httpx.ASGITransport(make_app(service)), {"authorization": key}
        async with httpx.AsyncClient(transport=transport, base_url="http://s", headers=headers) as client:
            for path in WRITES:
                answer = await client.post(f"/v1/sip{path}", json={})
                assert (answer.status_code, answer.json()["errors"][0]["error"]) == (403, "FORBIDDEN"), path
            assert (await client.post("/v1/sip/parse-destination", json={"input": "h"})).status_code == 200


async def test_numbers_are_not_ported(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for method, path in PORTING:
            errors = await client.errors(501, method, f"/v1/sip{path}")
            assert errors[0]["error"] == "PORTING_NOT_AVAILABLE"
            assert "carrier" in errors[0]["message"]


async def test_there_are_no_sessions(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        errors = await client.errors(501, "POST", "/v1/inbound/session", {"phone_number": NUMBER})
        assert errors[0]["error"] == "SESSIONS_NOT_AVAILABLE"


async def test_paths_and_methods_that_there_are_not(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        assert (await client.errors(404, "GET", "/v1/sip/nothing"))[0]["error"] == "NOT_FOUND"
        assert (await client.errors(405, "PUT", "/v1/sip/attach"))[0]["error"] == "METHOD_NOT_ALLOWED"
        assert (await client.errors(404, "PUT", "/v1/sip/verify"))[0]["error"] == "NOT_FOUND"


NO_BODIES: list[Json] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff",
    b'{"phone_number": 1}',
    rb'{"service": "\ud800"}',
    rb'{"\udfff": ""}',
]


async def test_bodies_that_are_none(tmp_path: Path) -> None:
    async with open_service(ServiceConfig(tmp_path / "service.db"), watching=False) as service:
        for body in NO_BODIES:
            key = (await service.keys.add("acme", "test")).text.reveal()
            headers = {"authorization": key, "content-type": "application/json"}
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(make_app(service)), base_url="http://s"
            ) as client:
                answer = await client.post("/v1/sip/attach", content=body, headers=headers)
                assert answer.status_code == 400
                assert {each["error"] for each in answer.json()["errors"]} == {INVALID}


async def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        errors = await client.errors(413, "POST", "/v1/sip/parse-destination", {"input": "a" * 2_000_000})
        assert errors[0]["error"] == "PAYLOAD_TOO_LARGE"


async def test_the_interface_describes_itself(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        told = (await client.ask("GET", "/v1/sip/openapi.json")).json()
        assert {"/v1/sip", "/v1/sip/attach", "/v1/sip/trunks/{trunk_id}/metrics", "/v1/sip/port/check"} <= set(
            told["paths"]
        )
        assert {"get", "post"} == set(told["paths"]["/v1/sip/trunks"])
        assert not any("422" in each["responses"] for path in told["paths"].values() for each in path.values())


def test_codes_are_written_as_the_contract_has_them() -> None:
    assert all(code.isupper() and code.replace("_", "").isalpha() for code in CODES.values())


async def test_over_a_real_socket(tmp_path: Path) -> None:
    config = ServiceConfig(tmp_path / "service.db", bind=SocketAddress("127.0.0.1", 0))
    async with open_server(config) as (service, listening):
        key = (await service.keys.add("acme", "test")).text.reveal()
        async with httpx.AsyncClient(base_url=listening.url, headers={"authorization": key}) as client:
            body = {"phone_number": NUMBER, "directions": [INBOUND, OUTBOUND], "service": "sip"}
            answer = await client.post("/v1/sip/attach", json=body)
            assert answer.json() == {"data": {"configured": [NUMBER], "failed": []}, "errors": None}
            told: Json = (await client.get("/v1/sip", params={"phone_number": NUMBER})).json()
            assert told["data"]["outbound"]["sip_endpoint"] == "sip:gw.example.net"
            answer = await client.post("/v1/sip/attach", json=body | {"service": "x"})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "service")
