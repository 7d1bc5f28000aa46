"""Test calls against real servers, in what the interop matrix does not look at: figures, 1xx responses, timers."""

from dataclasses import replace

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript, Reliable
from probes.destination import Destination
from probes.result import CallKind, CallMedia, CallResult, CallStatus
from sipcore.auth.choice import Account
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.interop.lab import Server

HOLD = 2.5
"""Seconds: a period of the known signal, and some more."""
TIMEOUT = 60.0
PASSWORD = "secret"


async def place(server: Server, user: str, **changes: object) -> CallResult:
    """Call a user of a server over UDP."""
    script = CallScript(
        Destination(server.host, server.udp_port, Transport.UDP, user),
        **({"hold": HOLD} | changes),  # type: ignore[arg-type]  # the fields of a script
    )
    tls = TlsConfig(ca_file=str(server.ca_file) if server.ca_file else None)
    with trio.fail_after(TIMEOUT):
        return await place_call(script, EndpointConfig(transports=TransportConfig(tls=tls)))


def as_user(server: Server, user: str) -> dict[str, object]:
    """By a user of the server, whose From it is recognised by."""
    caller = Address.parse(f"<sip:{user}@{server.host}>")
    return {"caller": caller, "account": Account(user, PASSWORD, hosts=[server.host])}


def media_of(result: CallResult) -> CallMedia:
    assert result.status is CallStatus.CONNECTED, result.why
    assert result.media is not None, result.media_problem
    return result.media


def heard_again(media: CallMedia) -> bool:
    """Whether the known signal came back."""
    return media.measured.heard is not None and media.measured.heard.echo is not None


async def test_sound_is_measured(asterisk: Server) -> None:
    media = media_of(await place(asterisk, "echo"))
    received = media.measured.received
    assert received is not None
    assert (received.lost, received.ptime) == (0, 0.02)
    assert heard_again(media)
    assert media.measured.opinion is not None
    assert media.measured.opinion > 4


async def test_a_sips_uri_is_called_by_one_who_is_reached_by_one(asterisk: Server) -> None:
    """Asterisk refuses any other Contact with 480, SIPS Required (RFC 3261 §8.1.1.8, RFC 5630)."""
    script = CallScript(Destination.parse(f"sips:echo@{asterisk.host}:{asterisk.tls_port}"), hold=0.3)
    tls = TlsConfig(ca_file=str(asterisk.ca_file))
    with trio.fail_after(TIMEOUT):
        result = await place_call(script, EndpointConfig(transports=TransportConfig(tls=tls)))
    assert (result.status, result.final_status) == (CallStatus.CONNECTED, 200)


async def test_a_handshake_that_is_missing(asterisk: Server) -> None:
    result = await place(asterisk, "echo", **as_user(asterisk, "carol"))
    assert (result.status, result.kind) == (CallStatus.CONNECTED, CallKind.NO_MEDIA)
    assert media_of(result).measured.unexpected.handshakes  # which it begins all the same


@pytest.mark.parametrize("wanted", [True, False])
async def test_early_media_is_told_where_it_is_wanted(asterisk: Server, wanted: bool) -> None:
    result = await place(asterisk, "earlier", hold=0.3, early_media=wanted)
    assert media_of(result).early is wanted
    names = [event.name for event in result.events]
    assert ("early_media" in names[: names.index("answered")]) is wanted


@pytest.mark.parametrize("user", ["plain", "reliable"])
async def test_reliable_responses_as_the_callee_wants_them(asterisk: Server, user: str) -> None:
    caller = Address.parse(f"<sip:{user}@{asterisk.host}>")
    result = await place(asterisk, "earlier", caller=caller, hold=0.3)
    assert result.status is CallStatus.CONNECTED
    assert ("PRACK" in [entry.label for entry in result.timeline]) is (user != "plain")


async def test_reliable_responses_that_are_required(asterisk: Server) -> None:
    caller = Address.parse(f"<sip:acknowledged@{asterisk.host}>")
    result = await place(asterisk, "earlier", caller=caller, reliable=Reliable.REQUIRED, hold=0.3)
    assert result.status is CallStatus.CONNECTED
    assert "PRACK" in [entry.label for entry in result.timeline]


async def test_a_session_timer_is_agreed_on(asterisk: Server) -> None:
    caller = Address.parse(f"<sip:timed@{asterisk.host}>")
    result = await place(asterisk, "echo", caller=caller, session_interval=120, hold=0.3)
    assert result.status is CallStatus.CONNECTED


async def test_without_reliable_responses(asterisk: Server) -> None:
    result = await place(asterisk, "earlier", reliable=Reliable.OFF, hold=0.3)
    assert "PRACK" not in [entry.label for entry in result.timeline]
    assert result.status is CallStatus.CONNECTED


async def test_the_other_calls_are_not_disturbed(asterisk: Server) -> None:
    """Some at once, each with ports of its own."""
    results: list[CallResult] = []

    async def one() -> None:
        results.append(await place(asterisk, "echo", hold=1.0))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(one)
    assert [media_of(result).measured.received is not None for result in results] == [True] * 5
    assert len({media_of(replace(result)).local for result in results}) == 5


async def test_the_checks_of_a_peer_that_does_ice_are_answered(asterisk: Server) -> None:
    wishes = {"encryption": Encryption.REQUIRE, "keying": Keying.DTLS, "ice": True}
    result = await place(asterisk, "echo", **as_user(asterisk, "grace"), **wishes)
    assert heard_again(media_of(result))
    assert "ICE nominated" in [entry.label for entry in result.timeline]
