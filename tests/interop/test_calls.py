"""Test calls against real servers: answered, refused, ringing, behind digest; over every transport that they have."""

from dataclasses import replace

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.result import CallKind, CallResult, CallStatus
from sipcore.auth.choice import Account
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.interop.lab import Server
from tests.machine import needs_ipv6

TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS)
HOLD = 0.3


def destination(server: Server, user: str, transport: Transport, host: str = "") -> Destination:
    port = server.tls_port if transport is Transport.TLS else server.udp_port
    assert port is not None
    return Destination(host or server.host, port, transport, user)


def config(server: Server) -> EndpointConfig:
    tls = TlsConfig(ca_file=str(server.ca_file) if server.ca_file else None)
    return EndpointConfig(transports=TransportConfig(tls=tls))


async def place(server: Server, script: CallScript) -> CallResult:
    with trio.fail_after(30):
        return await place_call(script, config(server))


def labels(result: CallResult) -> list[str]:
    return [f"{entry.direction}{entry.label}" for entry in result.timeline if entry.direction]


@pytest.fixture(params=TRANSPORTS, ids=lambda transport: transport.name)
def transport(request: pytest.FixtureRequest, server: Server) -> Transport:
    """Each transport of each server."""
    if request.param is Transport.TLS and server.tls_port is None:
        pytest.skip(f"{server.name} has no TLS")
    chosen: Transport = request.param
    return chosen


async def test_a_call_is_answered_and_ends_properly(server: Server, transport: Transport) -> None:
    result = await place(server, CallScript(destination(server, "echo", transport), hold=HOLD))
    assert (result.status, result.kind) == (CallStatus.CONNECTED, CallKind.CONNECTED), result.why
    story = [label[:4] for label in labels(result)]  # baresip says 200 Answering
    assert story[0] == "→INV"
    assert story.index("→ACK") < story.index("→BYE")
    assert story.count("←200") == 2
    assert story.count("→ACK") == 1
    assert result.codec in ("PCMU", "PCMA")
    assert result.timeline[0].label == "initiated"
    assert result.timeline[-1].label == "completed"
    offsets = [entry.offset_ms for entry in result.timeline]
    assert offsets == sorted(offsets)


@needs_ipv6
async def test_over_ipv6(asterisk: Server) -> None:
    assert asterisk.host6 is not None
    result = await place(asterisk, CallScript(destination(asterisk, "echo", Transport.UDP, asterisk.host6), hold=HOLD))
    assert result.kind is CallKind.CONNECTED


@pytest.mark.parametrize(
    ("user", "kind", "status"),
    [
        ("nobody-here", CallKind.REJECTED, 404),
        ("congestion", CallKind.REJECTED, 503),
    ],
)
async def test_a_refusal_is_told_apart(asterisk: Server, user: str, kind: CallKind, status: int) -> None:
    result = await place(asterisk, CallScript(destination(asterisk, user, Transport.UDP), hold=HOLD))
    assert (result.kind, result.final_status) == (kind, status)
    assert result.advice


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
async def test_ringing_for_ever_is_cancelled(asterisk: Server, transport: Transport) -> None:
    script = CallScript(destination(asterisk, "ring", transport), ring_timeout=0.7)
    result = await place(asterisk, script)
    assert (result.status, result.kind) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED)
    story = labels(result)
    assert "←180 Ringing" in story
    assert story.index("→CANCEL") < story.index("←487 Request Terminated") < story.index("→ACK")


def as_user(server: Server, user: str, password: str) -> CallScript:
    """A call by a user of the server: the From names it, so that the server knows whom to challenge."""
    where = destination(server, "echo", Transport.UDP)
    caller = Address.parse(f"<sip:{user}@{server.host}>")
    return CallScript(where, caller, Account(user, password, hosts=[server.host]), hold=HOLD)


async def test_a_wrong_password_is_told(asterisk: Server) -> None:
    result = await place(asterisk, as_user(asterisk, "alice", "not the password"))
    assert result.kind is CallKind.AUTHENTICATION
    assert "password" in result.why + result.advice
    assert "not the password" not in repr(result)


async def test_missing_credentials_are_told(asterisk: Server) -> None:
    script = replace(as_user(asterisk, "alice", "secret"), account=None)
    result = await place(asterisk, script)
    assert result.kind is CallKind.AUTHENTICATION
    assert "--user" in result.advice


async def test_a_certificate_that_does_not_verify_is_told(asterisk: Server) -> None:
    with trio.fail_after(30):
        result = await place_call(CallScript(destination(asterisk, "echo", Transport.TLS), hold=HOLD))
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.TLS_FAILED)
    assert "issuer" in result.why or "certificate" in result.why
