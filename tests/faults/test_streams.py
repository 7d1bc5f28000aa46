"""Peers on streams that misbehave, over TCP and over TLS: each harms its own connection only, within a named limit.

A good peer exchanges requests with the same endpoint over a connection of its own, before, meanwhile and afterwards.
Time jumps, so what takes half a minute of stalling takes none here.
"""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.framing import MAX_BODY, MAX_HEAD
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.trace import FlowTrace, TraceRecord
from sipcore.transports import tcp
from sipcore.transports.base import CONNECT_TIMEOUT, TlsConfig, TransportConfig, socket_address
from sipcore.transports.certificates import self_signed

HOST = "127.0.0.1"
URI = parse_uri(f"sip:{HOST}")
CERTIFICATE, KEY = self_signed([HOST])
TLS = TlsConfig(certificate=CERTIFICATE, key=KEY, ca_data=CERTIFICATE)
TRANSPORTS = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
OPTIONS = (
    b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:a>\r\n"
    b"Call-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
)
END = b"Content-Length: 0\r\n\r\n"
RESET = struct.pack("@ii", 1, 0)
AT_ONCE = 1.0
TRANSACTION = 32.0
"""64 T1: how long a request waits for its answer (RFC 3261 §17.1.2.2)."""
Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Behave = Callable[[Stream], Awaitable[None]]


async def stall(stream: Stream, begun: bytes) -> None:
    await stream.send_all(begun)
    await trio.sleep_forever()


async def trickle(stream: Stream) -> None:
    """A header without end, in small pieces, as slowly as can be without being idle."""
    await stream.send_all(OPTIONS + b"X: ")
    while True:
        await trio.sleep(tcp.MESSAGE_TIMEOUT / 8)
        await stream.send_all(b"y")


async def flood(stream: Stream, begun: bytes, more: bytes) -> None:
    await stream.send_all(begun)
    while True:
        await stream.send_all(more)


async def leave(stream: Stream) -> None:
    await stream.send_all(OPTIONS)
    await stream.aclose()


async def reset(stream: Stream) -> None:
    await stream.send_all(OPTIONS)
    await trio.sleep(0.1)
    plain(stream).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    plain(stream).socket.close()


def plain(stream: Stream) -> trio.SocketStream:
    """What is below TLS, if there is any."""
    return stream if isinstance(stream, trio.SocketStream) else stream.transport_stream


@dataclass(frozen=True, slots=True)
class Fault:
    """What a peer does, how its connection ends here, with what words, and after how many seconds at most."""

    name: str
    behave: Behave
    reason: FailureReason
    words: str
    limit: float


FAULTS = [
    Fault("half a header", partial(stall, begun=OPTIONS), FailureReason.TIMED_OUT, "not ended", tcp.MESSAGE_TIMEOUT),
    Fault(
        "half a body",
        partial(stall, begun=OPTIONS + b"Content-Length: 9\r\n\r\nhalf"),
        FailureReason.TIMED_OUT,
        "not ended",
        tcp.MESSAGE_TIMEOUT,
    ),
    Fault("a header that trickles", trickle, FailureReason.TIMED_OUT, "not ended", tcp.MESSAGE_TIMEOUT),
    Fault(
        "a header without end",
        partial(flood, begun=OPTIONS + b"X: ", more=b"y" * MAX_HEAD),
        FailureReason.GARBAGE,
        "header fields beyond",
        AT_ONCE,
    ),
    Fault(
        "headers without end",
        partial(flood, begun=OPTIONS, more=b"X: y\r\n" * 1000),
        FailureReason.GARBAGE,
        "header fields beyond",
        AT_ONCE,
    ),
    Fault(
        "a body without end",
        partial(stall, begun=OPTIONS + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1)),
        FailureReason.GARBAGE,
        "a body beyond",
        AT_ONCE,
    ),
    Fault("garbage", partial(stall, begun=b"\x00" * 10), FailureReason.GARBAGE, "not a SIP start line", AT_ONCE),
    Fault("leaves in a header", leave, FailureReason.CLOSED, "middle of a message", AT_ONCE),
    Fault("resets in a header", reset, FailureReason.RESET, "reset", AT_ONCE),
]


class Ends:
    """The ends of connections that an endpoint traces, each with the time since the first was opened."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.seen: list[tuple[str, str, SocketAddress]] = []
        self.changed = trio.Event()
        endpoint.subscribe(self._take)

    def _take(self, record: TraceRecord) -> None:
        if isinstance(record, FlowTrace) and record.event in ("closed", "failed"):
            self.seen.append((record.event, record.detail, record.hop.remote))
            self.changed.set()


def config(transport: Transport) -> EndpointConfig:
    return EndpointConfig(transports=TransportConfig(bind=((transport, SocketAddress(HOST, 0)),), tls=TLS))


@asynccontextmanager
async def under_test(transport: Transport) -> AsyncIterator[tuple[Endpoint, Endpoint, Hop]]:
    """The endpoint under test, a good peer, and the hop from the peer to the endpoint."""
    async with Endpoint(config(transport)) as endpoint, Endpoint(config(transport)) as good:
        yield endpoint, good, hop_to(endpoint, transport)


def hop_to(endpoint: Endpoint, transport: Transport) -> Hop:
    address = endpoint.transports.local_address(transport)
    assert address is not None
    return Hop(transport, address, tls_name=HOST if transport.secure else None)


async def connect(hop: Hop) -> Stream:
    stream = await trio.open_tcp_stream(hop.remote.host, hop.remote.port)
    if not hop.transport.secure:
        return stream
    context = ssl.create_default_context(cadata=CERTIFICATE.decode())
    secured = trio.SSLStream(stream, context, server_hostname=HOST)
    await secured.do_handshake()
    return secured


async def misbehave(behave: Behave, stream: Stream) -> None:
    try:
        await behave(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # which is what the fault is to lead to
    finally:
        await trio.aclose_forcefully(stream)


async def ask(endpoint: Endpoint, hop: Hop) -> None:
    """A request that is answered, whatever others do."""
    exchange = await endpoint.options(URI, hop=hop)
    assert exchange.response.status == 200


@TRANSPORTS
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_bad_client(
    transport: Transport, fault: Fault, patient_clock: MockClock, nursery: trio.Nursery
) -> None:
    async with under_test(transport) as (endpoint, good, hop):
        await ask(good, hop)
        ends = Ends(endpoint)
        stream = await connect(hop)
        begin = trio.current_time()
        nursery.start_soon(misbehave, fault.behave, stream)
        await ask(good, hop)
        with trio.fail_after(2 * fault.limit + AT_ONCE):
            await ends.changed.wait()
        assert trio.current_time() - begin <= fault.limit + AT_ONCE
        await ask(good, hop)
        ((_, detail, _),) = ends.seen
        assert fault.words in detail


@TRANSPORTS
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_bad_server(
    transport: Transport, fault: Fault, patient_clock: MockClock, nursery: trio.Nursery, tmp_path: Path
) -> None:
    async with under_test(transport) as (endpoint, good, _):
        hop = hop_to(good, transport)
        await ask(endpoint, hop)
        bad = await nursery.start(serve, transport, partial(hear_first, fault.behave), tmp_path)
        ends = Ends(endpoint)
        begin = trio.current_time()
        caught: list[TransportFailure] = []
        async with trio.open_nursery() as asking:
            asking.start_soon(fail_to_ask, endpoint, bad, caught)
            await ask(endpoint, hop)
        assert trio.current_time() - begin <= max(fault.limit, TRANSACTION if fault.limit > AT_ONCE else 0) + AT_ONCE
        assert caught[0].reason is fault.reason
        await ask(endpoint, hop)
        with trio.fail_after(AT_ONCE):
            await ends.changed.wait()
        assert {remote for _, _, remote in ends.seen} == {bad.remote}


async def hear_first(behave: Behave, stream: Stream) -> None:
    """What is not read when a socket is closed makes the kernel send a reset."""
    await stream.receive_some()
    await behave(stream)


async def fail_to_ask(endpoint: Endpoint, hop: Hop, caught: list[TransportFailure], body: bytes = b"") -> None:
    content_type = "application/octet-stream" if body else ""
    request = endpoint.new_request("MESSAGE", URI, body=body, content_type=content_type)
    with pytest.raises(TransportFailure) as failed:
        await endpoint.request(Order(request, hop))
    caught.append(failed.value)


async def serve(
    transport: Transport, behave: Behave, folder: Path, task_status: trio.TaskStatus[Hop] = trio.TASK_STATUS_IGNORED
) -> None:
    """Listen, and misbehave towards everybody."""
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # so that not reading soon has effect
    address = socket_address(listener.socket.getsockname())
    task_status.started(Hop(transport, address, tls_name=HOST if transport.secure else None))
    handler = partial(misbehave, behave)
    if not transport.secure:
        await trio.serve_listeners(handler, [listener])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "both.pem").write_bytes(CERTIFICATE + KEY)
    context.load_cert_chain(folder / "both.pem")
    await trio.serve_listeners(handler, [trio.SSLListener(listener, context)])


@TRANSPORTS
async def test_a_client_that_does_not_read(
    transport: Transport, patient_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Large requests, whose answers are large too."""

    async def ask_on(stream: Stream) -> None:
        large = b"Via: SIP/2.0/TCP h;branch=z9hG4bK;x=" + b"y" * 15_000 + b"\r\n"
        for number in range(450):  # the kernel takes 4 MB, and 1 MB waits here
            await stream.send_all(OPTIONS.replace(b"z9hG4bK", b"z9hG4bK%d" % number) + large + END)
        await trio.sleep_forever()

    async with under_test(transport) as (endpoint, good, hop):
        ends = Ends(endpoint)
        stream = await connect(hop)
        plain(stream).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begin = trio.current_time()
        nursery.start_soon(misbehave, ask_on, stream)
        await ask(good, hop)
        with trio.fail_after(2 * tcp.WRITE_TIMEOUT):
            await ends.changed.wait()
        assert trio.current_time() - begin <= tcp.WRITE_TIMEOUT + AT_ONCE
        await ask(good, hop)
        ((_, detail, _),) = ends.seen
        assert "reads nothing" in detail


@TRANSPORTS
async def test_a_server_that_does_not_read(
    transport: Transport, patient_clock: MockClock, nursery: trio.Nursery, tmp_path: Path
) -> None:
    async def ignore(stream: Stream) -> None:
        if isinstance(stream, trio.SSLStream):
            await stream.do_handshake()
        await trio.sleep_forever()

    async with under_test(transport) as (endpoint, good, _):
        hop = hop_to(good, transport)
        bad = await nursery.start(serve, transport, ignore, tmp_path)
        ends = Ends(endpoint)
        caught: list[TransportFailure] = []
        begin = trio.current_time()
        async with trio.open_nursery() as asking:
            for _ in range(20):  # the kernel takes 4 MB, and 1 MB waits here
                asking.start_soon(fail_to_ask, endpoint, bad, caught, bytes(MAX_BODY // 2))
                await trio.testing.wait_all_tasks_blocked(0.001)
            await ask(endpoint, hop)
        assert trio.current_time() - begin <= tcp.WRITE_TIMEOUT + AT_ONCE
        assert {failure.reason for failure in caught} == {FailureReason.TIMED_OUT}
        assert any("too slowly" in failure.message for failure in caught), f"{tcp.MAX_QUEUE} bytes wait at most"
        await ask(endpoint, hop)
        with trio.fail_after(AT_ONCE):
            await ends.changed.wait()
        ((_, detail, remote),) = ends.seen
        assert remote == bad.remote
        assert "reads nothing" in detail


async def test_a_handshake_that_trickles(patient_clock: MockClock, nursery: trio.Nursery) -> None:
    async def greet_slowly(stream: Stream) -> None:
        for byte in b"\x16\x03\x01\x02\x00\x01" + bytes(100):
            await stream.send_all(bytes([byte]))
            await trio.sleep(CONNECT_TIMEOUT / 4)

    async with under_test(Transport.TLS) as (endpoint, good, hop):
        ends = Ends(endpoint)
        stream = await trio.open_tcp_stream(hop.remote.host, hop.remote.port)
        begin = trio.current_time()
        nursery.start_soon(misbehave, greet_slowly, stream)
        await ask(good, hop)
        with trio.fail_after(2 * CONNECT_TIMEOUT):
            await ends.changed.wait()
        assert trio.current_time() - begin <= CONNECT_TIMEOUT + AT_ONCE
        await ask(good, hop)
        ((event, detail, _),) = ends.seen
        assert (event, detail) == ("failed", "the peer did not complete the TLS handshake")
