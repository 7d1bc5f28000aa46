"""A connection that fails as soon as it is open, before the request that it was opened for had its turn: the request
fails for the same reason. Which task comes first is chance, so that each is asked often enough for both orders.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.sipcore.endpoint.test_garbage import ask_in_vain, no_garbage

URI = parse_uri("sip:bob@127.0.0.1")
TIMES = 40
"""With a chance of one half each, wrong code passes once in 10^12 runs."""


@asynccontextmanager
async def peer(says: bytes) -> AsyncIterator[Hop]:
    """A hop to one who says something to whoever connects and closes, all in the turn in which it accepts."""

    async def serve() -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            with listener.accept()[0] as sock:
                sock.send(says)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield Hop(Transport.TCP, SocketAddress(*listener.getsockname()))
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("says", "reason"), [(b"", FailureReason.CLOSED), (b"EHLO sip, a nice day\r\n\r\n", FailureReason.GARBAGE)]
)
async def test_the_reason_is_told(says: bytes, reason: FailureReason) -> None:
    async with peer(says) as hop, Endpoint() as client:
        for _ in range(TIMES):
            with pytest.raises(TransportFailure) as caught:
                await client.options(URI, hop=hop)
            assert caught.value.reason is reason, caught.value
            assert "is gone" not in caught.value.message
        with no_garbage():
            for _ in range(TIMES):
                await ask_in_vain(client, hop)
