"""Test calls against a callee on loopback: what is in the result, whatever the callee does."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.result import CallKind, CallResult, CallStatus, TimelineEntry
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import EndpointConfig, open_endpoint
from sipcore.errors import LocalError
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMA
from sipcore.sdp.build import audio_description
from sipcore.transports.base import TransportConfig

Answer = Callable[[IncomingCall], Awaitable[None]]


@asynccontextmanager
async def callee(answer: Answer) -> AsyncIterator[Destination]:
    """Somebody who answers calls on a free port."""
    binds = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    config = EndpointConfig(transports=TransportConfig(bind=binds), takes_incoming=True)
    async with open_endpoint(config) as endpoint, trio.open_nursery() as nursery:

        async def take() -> None:
            async for incoming in endpoint.incoming():
                assert isinstance(incoming, IncomingCall)
                nursery.start_soon(answer, incoming)

        nursery.start_soon(take)
        address = endpoint.transports.local_address(Transport.UDP)
        assert address
        yield Destination(address.host, address.port, user="bob")
        nursery.cancel_scope.cancel()


async def accept(call: IncomingCall) -> None:
    call.ring()
    body = audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[PCMA])
    call.accept(body=bytes(body), content_type="application/sdp")
    await call.over()


async def ring(call: IncomingCall) -> None:
    call.ring()
    await call.over()


async def refuse(call: IncomingCall) -> None:
    call.reject(488, fields=[("Warning", '304 callee.example "no codec in common"')])


async def accept_and_hang_up(call: IncomingCall) -> None:
    call.accept()
    async for _ in call:
        await call.hang_up()


async def place(answer: Answer, **script: float) -> CallResult:
    with trio.fail_after(20):
        async with callee(answer) as destination:
            return await place_call(CallScript(destination, **{"hold": 0.1, **script}))  # type: ignore[arg-type]


async def test_an_answered_call() -> None:
    result = await place(accept)
    assert (result.status, result.kind, result.codec) == (CallStatus.CONNECTED, CallKind.CONNECTED, "PCMA")
    assert (result.final_status, result.reason) == (200, "OK")
    assert result.post_dial_delay is not None
    assert result.answer_time is not None
    assert result.duration is not None
    assert 0 <= result.post_dial_delay <= result.answer_time
    assert result.duration >= 0.1
    assert [entry.label for entry in result.timeline] == [
        *("initiated", "INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK", "completed"),
    ]
    assert result.hop is not None
    assert result.hop.local is not None


async def test_a_call_nobody_answers() -> None:
    result = await place(ring, ring_timeout=0.2)
    assert (result.status, result.kind) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED)
    assert result.answer_time is None
    assert "rang" in result.why
    assert [entry.label for entry in result.timeline][-2:] == ["ACK", "completed"]


async def test_a_refused_call() -> None:
    result = await place(refuse)
    assert (result.status, result.kind, result.final_status) == (CallStatus.FAILED, CallKind.REJECTED, 488)
    assert "no codec in common" in result.advice


async def test_the_callee_hangs_up_first() -> None:
    result = await place(accept_and_hang_up, hold=10)
    assert result.kind is CallKind.CONNECTED
    assert "hung up there" in result.why


async def test_nothing_listens() -> None:
    with trio.fail_after(5):
        result = await place_call(CallScript(Destination("127.0.0.1", 9, Transport.TCP)))
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.REFUSED)
    assert result.advice


async def test_something_else_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)

        async def answer() -> None:
            await trio.lowlevel.wait_readable(peer)
            _, sender = peer.recvfrom(65536)
            peer.sendto(b"HTTP/1.1 400 Bad Request\r\n\r\n", sender)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                result = await place_call(CallScript(Destination("127.0.0.1", peer.getsockname()[1], Transport.UDP)))
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.NOT_SIP)


async def test_a_name_without_an_address() -> None:
    with trio.fail_after(20):
        result = await place_call(CallScript(Destination("callee.invalid", 5060, Transport.UDP)))
    assert (result.status, result.kind, result.hop) == (CallStatus.FAILED, CallKind.UNRESOLVABLE, None)


async def test_a_given_hop_skips_the_lookup() -> None:
    with trio.fail_after(20):
        async with callee(accept) as where:
            hop = Hop(Transport.UDP, SocketAddress(where.host, where.port or 0))
            result = await place_call(CallScript(Destination("callee.invalid", user="bob"), hold=0), hop=hop)
    assert result.kind is CallKind.CONNECTED


async def test_each_line_is_told_as_it_happens() -> None:
    lines: list[TimelineEntry] = []
    with trio.fail_after(20):
        async with callee(accept) as destination:
            result = await place_call(CallScript(destination, hold=0.05), on_entry=lines.append)
    assert sorted(lines, key=lambda entry: entry.offset_ms) == list(result.timeline)


async def test_an_unknown_codec_is_the_callers_mistake() -> None:
    with pytest.raises(LocalError, match="there are PCMU"):
        await place_call(CallScript(Destination("127.0.0.1"), codecs=("OPUS",)))
