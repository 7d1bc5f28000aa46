"""Peers of connections: plain streams that do as a test tells them."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transports import tcp
from sipcore.transports.base import TransportConfig, socket_address
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.layers import StreamFraming
from tests.sipcore.transports.recorder import LOOPBACK, OPTIONS, Recorder

TCP = Transport.TCP
LONG = 1e6
"""Seconds on a clock that jumps: no test waits for so long."""


class Peer:
    """A plain TCP listener, and the streams of those who connected."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self.address = socket_address(listener.socket.getsockname())
        self.hop = Hop(TCP, self.address)

    async def accept(self) -> trio.SocketStream:
        with trio.fail_after(LONG):
            return await self._listener.accept()


@asynccontextmanager
async def serving(recorder: Recorder, **options: float) -> AsyncIterator[tuple[Transports, SocketAddress]]:
    """Transports that listen on TCP, and where."""
    config = TransportConfig(bind=((TCP, LOOPBACK),), **options)  # type: ignore[arg-type]
    async with open_transports(config, recorder) as transports:
        address = transports.local_address(TCP)
        assert address is not None
        yield transports, address


async def connect(address: SocketAddress) -> trio.SocketStream:
    return await trio.open_tcp_stream(address.host, address.port)


async def receive_exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    with trio.fail_after(LONG):
        while len(data) < size:
            chunk = await stream.receive_some(size - len(data))
            assert chunk, f"closed after {data!r}"
            data += chunk
    return data


async def flow_to(client: Transports, peer: Peer, recorder: Recorder) -> tuple[Flow, trio.SocketStream]:
    """A connection to a peer, known by a message that came over it."""
    await client.prepare(peer.hop)
    stream = await peer.accept()
    await stream.send_all(OPTIONS)
    return (await recorder.message()).flow, stream


def reset(stream: trio.SocketStream) -> None:
    """Close with a RST instead of a FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    stream.socket.close()


class Stubborn:
    """A socket that raises, for the first calls of a method, what it is told to."""

    def __init__(self, sock: socket.socket, **errors: list[OSError]) -> None:
        self._sock = sock
        self._errors = errors

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)

    def fileno(self) -> int:
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        self._trip("recv")
        return self._sock.recv(size)

    def send(self, data: bytes) -> int:
        self._trip("send")
        return self._sock.send(data)

    def _trip(self, name: str) -> None:
        if self._errors.get(name):
            raise self._errors[name].pop()


@asynccontextmanager
async def pair(**errors: list[OSError]) -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """Two joined sockets, the first of them stubborn."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        yield Stubborn(left, **errors), right  # type: ignore[misc]


def make_connection(sock: socket.socket, recorder: Recorder) -> tcp.Connection:
    flow = Flow(TCP, LOOPBACK, LOOPBACK, 1)
    return tcp.Connection(sock, flow, flow.hop, recorder, StreamFraming(), idle_timeout=10)
