"""Hosts to sweep: one socket that answers for every address of loopback, each from the address that was asked."""

import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

from sipcore.transports import ancillary as kernel

Respond = Callable[[bytes, str], bytes | Iterable[bytes] | None]
"""What the host with an address says to what it was sent: nothing, one datagram or several."""


@asynccontextmanager
async def hosts(respond: Respond, *, answering_from: str = "") -> AsyncIterator[int]:
    """The port at which they answer, all of them from one address where that is given."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, kernel.IP_PKTINFO, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        await sock.bind(("0.0.0.0", 0))

        async def serve() -> None:
            while True:
                data, ancillary, _, remote = await sock.recvmsg(65535, 512)
                host = kernel.local_host(ancillary[0][2])
                said = respond(data, host) or ()
                for each in [said] if isinstance(said, bytes) else said:
                    await sock.sendmsg([each], kernel.sent_from(answering_from or host), 0, remote)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield sock.getsockname()[1]
            nursery.cancel_scope.cancel()
