"""WebSockets over real loopback sockets: the connections of TCP and TLS, and each way of not opening told apart."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from wsproto.connection import ConnectionType

from sipcore.errors import FailureReason, LocalError, ParseError, TransportFailure
from sipcore.resolve.target import Hop, Transport
from sipcore.transports import tcp
from sipcore.transports.base import TlsConfig, TlsVersion, TransportConfig, WsConfig, socket_address
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from sipcore.transports.ws_failure import WsFailure, WsProblem
from sipcore.transports.ws_framing import WsFraming
from sipcore.transports.ws_upgrade import ClientUpgrade, ServerUpgrade
from tests.sipcore.transports.authority import Identity, issue
from tests.sipcore.transports.recorder import LOOPBACK, OK, OPTIONS, Recorder
from tests.sipcore.transports.streams import LONG

WS, WSS = Transport.WS, Transport.WSS
NAME = "sip.example.com"
ROOT = issue("root", ca=True)
LEAF = issue("leaf", ROOT, names=[NAME])
TRUSTING = TransportConfig(tls=TlsConfig(ca_data=ROOT.pem))
UPGRADED = {WS: ["opened", "upgraded"], WSS: ["opened", "secured", "upgraded"]}
ACCEPTED = {WS: ["accepted", "upgraded"], WSS: ["accepted", "secured", "upgraded"]}

both = pytest.mark.parametrize("transport", [WS, WSS])


@asynccontextmanager
async def serving(
    server: Recorder, transport: Transport = WS, identity: Identity = LEAF, **options: object
) -> AsyncIterator[tuple[Transports, Hop]]:
    """Transports that serve WebSockets, and the hop that leads there."""
    tls = replace(TlsConfig(certificate=identity.chain, key=identity.key), **options)  # type: ignore[arg-type]
    async with open_transports(TransportConfig(bind=((transport, LOOPBACK),), tls=tls), server) as transports:
        server.answer_over = transports
        address = transports.local_address(transport)
        assert address is not None
        yield transports, Hop(transport, address, tls_name=NAME)


class Client:
    """A client of WebSockets that does as a test tells it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.framing = WsFraming(ConnectionType.CLIENT)

    async def send(self, *messages: bytes) -> None:
        await self.stream.send_all(b"".join(map(self.framing.message, messages)))

    async def ending(self) -> str:
        """How the server closes."""
        with trio.fail_after(LONG):
            while not self.framing.ending:
                self.framing.receive(await self.stream.receive_some())
                next(self.framing.frames(), None)
        return self.framing.ending


@asynccontextmanager
async def connected(hop: Hop) -> AsyncIterator[Client]:
    """A plain client whose WebSocket is open."""
    async with await trio.open_tcp_stream(hop.remote.host, hop.remote.port) as stream:
        upgrade = ClientUpgrade(hop, None, WsConfig())
        await stream.send_all(upgrade.outgoing())
        while not upgrade.established:
            upgrade.receive(await stream.receive_some())
        yield Client(stream)


@both
async def test_request_and_response(recorder: Recorder, server: Recorder, transport: Transport) -> None:
    async with serving(server, transport) as (_, there), open_transports(TRUSTING, recorder) as client:
        hop = await client.prepare(there)
        client.send(hop, OPTIONS)
        response = await recorder.message()
        assert response.data == OK
        assert response.notes == ()
        assert response.flow.transport is transport
        assert server.messages[0].data == OPTIONS
        assert server.messages[0].flow.remote == hop.local
        assert recorder.events() == UPGRADED[transport]
        assert server.events() == ACCEPTED[transport]
        session = client.tls_session(hop)
        assert session.verified if session else transport is WS
        assert client.prepared(there) == hop
    assert recorder.ended == []
    assert recorder.events()[-1] == "closed"


@both
async def test_many_messages_both_ways(recorder: Recorder, server: Recorder, transport: Transport) -> None:
    async with serving(server, transport) as (_, there), open_transports(TRUSTING, recorder) as client:
        hop = await client.prepare(there)
        for _ in range(600):
            client.send(hop, OPTIONS)
        await recorder.message(600)
        assert [message.data for message in server.messages] == [OPTIONS] * 600


async def test_a_message_needs_no_length_and_may_be_anything(recorder: Recorder, server: Recorder) -> None:
    messages = [b"MESSAGE sip:a SIP/2.0\r\n\r\nhello", b"MESSAGE sip:a SIP/2.0\r\n\r\n\xff" + bytes(70_000), b"no SIP"]
    async with serving(server) as (_, there), open_transports(TransportConfig(), recorder) as client:
        hop = await client.prepare(there)
        for message in messages:
            client.send(hop, message)
        await server.message(3)
        assert [message.data for message in server.messages] == messages


async def test_a_connection_is_reused_for_its_path_only(recorder: Recorder, server: Recorder) -> None:
    config = TransportConfig(ws=WsConfig("/ws"))
    async with serving(server) as (_, there), open_transports(config, recorder) as client:
        first = await client.prepare(there)
        assert await client.prepare(replace(there, path="/ws")) == replace(first, path="/ws")
        assert client.prepared(replace(first, path="/ws")) is not None
        assert client.prepared(replace(first, path="/other")) is None
        other = await client.prepare(replace(there, path="/other"))
        assert other.local != first.local
        assert other.path == "/other"


async def test_leaving_says_so(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there):
        async with open_transports(TransportConfig(), recorder) as client:
            client.send(await client.prepare(there), OPTIONS)
        _, failure = await server.end()
        assert failure.reason is FailureReason.CLOSED
        assert "the peer closed the connection (1000)" in failure.message
        assert [message.data for message in server.messages] == [OPTIONS]


async def test_closing_says_so(server: Recorder) -> None:
    async with serving(server) as (transports, there), connected(there) as client:
        await client.send(OPTIONS)
        transports.close((await server.message()).flow)
        assert await client.ending() == "1000"
    assert server.ended == []


async def test_a_closing_frame_is_answered(server: Recorder) -> None:
    async with serving(server) as (_, there), connected(there) as client:
        await client.stream.send_all(client.framing.close())
        assert await client.ending() == "1000"
        assert (await server.end())[1].reason is FailureReason.CLOSED
        assert server.events()[-1] == "closed"


async def test_pings_keep_the_connection(recorder: Recorder, server: Recorder, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with serving(server) as (_, there), open_transports(TransportConfig(), recorder) as client:
        client.send(await client.prepare(there), OPTIONS)
        flow = (await recorder.message()).flow
        for _ in range(2):
            client.ping(flow)
            await trio.sleep(2 * tcp.PONG_TIMEOUT)
        assert recorder.ended == []


async def test_a_ping_is_answered_of_either_kind(server: Recorder) -> None:
    async with serving(server) as (_, there), connected(there) as client:
        await client.stream.send_all(client.framing.ping())
        assert (await client.stream.receive_some())[:1] == b"\x8a"
        await client.send(b"\r\n\r\n")
        assert await client.stream.receive_some() == b"\x81\x02\r\n"
        assert server.messages == []


async def test_what_came_with_the_answer_is_taken(recorder: Recorder) -> None:
    async def behave(stream: trio.SocketStream) -> None:
        upgrade = ServerUpgrade(Hop(WS, LOOPBACK), None)
        async with stream:
            while not upgrade.established:
                upgrade.receive(await stream.receive_some())
            await stream.send_all(upgrade.outgoing() + upgrade.framing.message(OPTIONS))
            await trio.sleep_forever()

    async with odd_server(behave) as hop, open_transports(TransportConfig(), recorder) as client:
        await client.prepare(hop)
        assert (await recorder.message()).data == OPTIONS


async def test_others_get_their_turn_while_frames_are_taken(server: Recorder) -> None:
    async with serving(server) as (_, there), connected(there) as client, connected(there) as other:
        nothing = b"\x8a\x80\0\0\0\0"  # a pong that nobody asked for
        await client.stream.send_all(nothing * 5000)
        await client.send(OPTIONS)
        await other.send(OK)
        await server.message(2)
        assert [message.data for message in server.messages] == [OK, OPTIONS]


async def test_a_half_message_is_waited_for_so_long(server: Recorder, patient_clock: MockClock) -> None:
    server.patience = LONG
    async with serving(server) as (_, there), connected(there) as client:
        begin = trio.current_time()
        await client.stream.send_all(b"\x01\x80\0\0\0\0")  # the first fragment, of no bytes
        for _ in range(3):
            # Pings in between are answered and do not help.
            await trio.sleep(tcp.MESSAGE_TIMEOUT / 4)
            await client.stream.send_all(client.framing.ping())
        _, failure = await server.end()
        assert failure.reason is FailureReason.TIMED_OUT
        assert "begun and not ended" in failure.message
        assert trio.current_time() - begin == pytest.approx(tcp.MESSAGE_TIMEOUT, abs=1)


@pytest.mark.parametrize(
    ("data", "words", "ending"),
    [
        (OPTIONS, "not a WebSocket frame", "1002"),
        (b"\x81\x05hello", "unmasked", "1002"),
        (b"\x81\x81\0\0\0\0\xff", "not a WebSocket frame", "1007"),
    ],
)
async def test_garbage_ends_the_connection_and_no_other(server: Recorder, data: bytes, words: str, ending: str) -> None:
    async with serving(server) as (_, there), connected(there) as good, connected(there) as bad:
        await bad.send(OPTIONS)
        await server.message()
        await bad.stream.send_all(data)
        _, failure = await server.end()
        assert failure.reason is FailureReason.GARBAGE
        assert words in failure.message
        assert isinstance(failure.__cause__, ParseError)
        assert await bad.ending() == ending
        await good.send(OPTIONS)
        await server.message(2)
        assert len(server.ended) == 1


async def test_the_peer_closes_in_the_middle_of_a_message(server: Recorder) -> None:
    async with serving(server) as (_, there):
        async with connected(there) as client:
            await client.stream.send_all(b"\x01\x81\0\0\0\0a")
        _, failure = await server.end()
        assert "in the middle of a message" in failure.message


@both
async def test_a_client_that_does_not_want_sip_is_refused(server: Recorder, transport: Transport) -> None:
    context = ssl.create_default_context(cadata=ROOT.pem.decode())
    async with serving(server, transport) as (_, there):
        stream: trio.abc.Stream = await trio.open_tcp_stream(there.remote.host, there.remote.port)
        if transport is WSS:
            stream = trio.SSLStream(stream, context, server_hostname=NAME)
        async with stream:
            await stream.send_all(
                ClientUpgrade(there, None, WsConfig()).outgoing().replace(b": sip\r\n", b": xmpp\r\n")
            )
            with trio.fail_after(LONG):
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 400 ")
        await server.until(lambda: server.events()[-1] == "failed")
        assert WsProblem.NO_SIP.text in server.traces[-1].detail


async def test_a_client_that_asks_for_nothing_is_not_waited_for(server: Recorder, patient_clock: MockClock) -> None:
    server.patience = LONG
    async with serving(server) as (_, there):
        async with await trio.open_tcp_stream(there.remote.host, there.remote.port) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\n")
            await server.until(lambda: server.events() == ["accepted", "failed"])
        assert server.traces[-1].detail == "the peer did not complete the WebSocket handshake"


Behaviour = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def odd_server(behave: Behaviour) -> AsyncIterator[Hop]:
    """A TCP server that does as told with each connection, and the hop that leads there as if it had WebSockets."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    assert isinstance(listener, trio.SocketListener)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, behave, [listener])
        yield Hop(WS, socket_address(listener.socket.getsockname()))
        nursery.cancel_scope.cancel()


def says(data: bytes) -> Behaviour:
    async def behave(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            if data:
                await stream.send_all(data)

    return behave


@pytest.mark.parametrize(
    ("data", "problem", "reason", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", WsProblem.NOT_FOUND, FailureReason.GARBAGE, "HTTP 404 Not Found"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", WsProblem.REFUSED, FailureReason.GARBAGE, "HTTP 200 OK"),
        (b"SIP/2.0 400 Bad Request\r\n\r\n", WsProblem.NOT_HTTP, FailureReason.GARBAGE, "it speaks SIP"),
        (b"", WsProblem.SILENT, FailureReason.CLOSED, "gets no answer (closed)"),
        (b"HTTP/1.1 101", WsProblem.HANDSHAKE, FailureReason.CLOSED, "not valid (closed)"),
    ],
)
async def test_each_port_without_a_websocket_is_told_apart(
    recorder: Recorder, data: bytes, problem: WsProblem, reason: FailureReason, words: str
) -> None:
    async with odd_server(says(data)) as hop, open_transports(TransportConfig(), recorder) as client:
        with pytest.raises(WsFailure) as caught:
            await client.prepare(hop)
        assert (caught.value.ws, caught.value.reason) == (problem, reason)
        assert words in caught.value.message
        assert recorder.events() == ["opened", "failed"]


async def says_nothing(stream: trio.SocketStream) -> None:
    async with stream:
        await trio.sleep_forever()


async def test_a_port_that_says_nothing(recorder: Recorder, patient_clock: MockClock) -> None:
    async with odd_server(says_nothing) as hop, open_transports(TransportConfig(), recorder) as client:
        begin = trio.current_time()
        with pytest.raises(WsFailure) as caught:
            await client.prepare(hop)
        assert (caught.value.ws, caught.value.reason) == (WsProblem.SILENT, FailureReason.TIMED_OUT)
        assert trio.current_time() - begin == pytest.approx(client.config.connect_timeout, abs=0.5)


async def test_what_cannot_be_asked_for_is_told_to_who_prepares(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (_, there), open_transports(TransportConfig(), recorder) as client:
        with pytest.raises(LocalError, match="begins with a slash"):
            await client.prepare(replace(there, path="ws"))


@pytest.mark.parametrize(
    ("identity", "accepted"),
    [
        (issue("wildcard", ROOT, names=["*.example.com"]), True),
        (issue(NAME, ROOT), False),
        (issue("wildcard", ROOT, names=["*.com"]), False),
        (issue("uri", ROOT, names=[f"sip:{NAME}"]), False),
    ],
)
async def test_a_certificate_counts_by_the_rules_of_the_web(
    recorder: Recorder, server: Recorder, identity: Identity, accepted: bool
) -> None:
    async with serving(server, WSS, identity) as (_, there), open_transports(TRUSTING, recorder) as client:
        if accepted:
            await client.prepare(there)
            return
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(there)
        assert (caught.value.tls, caught.value.section) == (TlsProblem.NAME_MISMATCH, "RFC 7118 §9.1")


@pytest.mark.parametrize("version", [TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])
async def test_a_client_certificate_is_missed(recorder: Recorder, server: Recorder, version: TlsVersion) -> None:
    options: dict[str, Any] = {"require_client_certificate": True, "ca_data": ROOT.pem, "maximum_version": version}
    async with serving(server, WSS, **options) as (_, there), open_transports(TRUSTING, recorder) as client:
        with pytest.raises(TlsFailure) as caught:
            await client.prepare(there)
        assert caught.value.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED


async def test_a_connection_that_is_gone_takes_nothing(recorder: Recorder, server: Recorder) -> None:
    async with serving(server) as (transports, there), open_transports(TransportConfig(), recorder) as client:
        client.send(await client.prepare(there), OPTIONS)
        flow = (await recorder.message()).flow
        transports.close(server.messages[0].flow)
        await recorder.end()
        for call in (client.ping, lambda flow: client.send(flow, OPTIONS)):
            with pytest.raises(TransportFailure, match="gone"):
                call(flow)
