"""Nothing that an endpoint does, well or in vain, leaves a circle of objects that only the garbage collector can free.

A prober fails thousands of times in a minute: what each failure came through, a TLS connection of 70 kB among it, would
stay until the collector's next full round, which takes the longer the more is there.
"""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import pytest
import trio

from sipcore.endpoint.call import CallFailure
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.sipcore.endpoint.test_endpoint import SDP, invite, two

URI = parse_uri("sip:bob@127.0.0.1")
TIMES = 5


@contextmanager
def no_garbage() -> Iterator[None]:
    """Fail if the block leaves garbage of the package, or of OpenSSL."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = sorted(filter(None, map(named, gc.garbage)))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not found


def named(each: object) -> str:
    """What an object is, empty for what belongs to others."""
    if isinstance(each, FrameType):
        module, name = each.f_globals.get("__name__", ""), each.f_code.co_name
    else:
        module, name = type(each).__module__, type(each).__name__
    return f"{module}.{name}" if module.partition(".")[0] in ("sipcore", "OpenSSL") else ""


@asynccontextmanager
async def web_server() -> AsyncIterator[SocketAddress]:
    """One that refuses whatever it is asked."""

    async def refuse(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        address = SocketAddress(*listener.socket.getsockname())
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        yield address
        nursery.cancel_scope.cancel()


async def ask_in_vain(client: Endpoint, hop: Hop) -> None:
    with pytest.raises(TransportFailure):
        await client.options(URI, hop=hop)


async def call_in_vain(client: Endpoint, hop: Hop) -> None:
    with pytest.raises(CallFailure):
        async with client.call(invite(client, hop)) as call:
            await call.answered()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS, Transport.WSS])
async def test_where_nobody_listens(transport: Transport) -> None:
    async with web_server() as gone:
        pass
    hop = Hop(transport, gone)
    async with Endpoint() as client:
        await ask_in_vain(client, hop)
        await call_in_vain(client, hop)
        with no_garbage():
            for _ in range(TIMES):
                await ask_in_vain(client, hop)
                await call_in_vain(client, hop)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS])
async def test_what_does_not_speak_the_protocol(transport: Transport) -> None:
    async with web_server() as address, Endpoint() as client:
        hop = Hop(transport, address)
        await ask_in_vain(client, hop)
        with no_garbage():
            for _ in range(TIMES):
                await ask_in_vain(client, hop)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS, Transport.WSS])
async def test_calls_requests_and_their_connections(transport: Transport) -> None:
    async def answer_all() -> None:
        async for incoming in server.incoming():
            if isinstance(incoming, IncomingRequest):
                incoming.respond(200)
            else:
                incoming.accept(body=b"v=0\r\n", content_type=SDP)
                await incoming.over()

    async def once() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.options(URI, hop=hop)
        await client.options(URI, hop=hop)
        async with client.call(invite(client, hop)) as call:
            await call.answered()
        if transport is not Transport.UDP:
            client.transports.close(hop)
        await trio.sleep(0.02)  # in which the server learns of it

    async with two(transport) as (client, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all)
        await once()
        with no_garbage():
            for _ in range(TIMES):
                await once()
        nursery.cancel_scope.cancel()
