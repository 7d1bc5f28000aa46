"""A network to discover: small peers on loopback, none of which is ours, and a name server."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import trio

from sipcore.resolve.target import SocketAddress
from tests.machine import one_port
from tests.sipcore.transports.authority import Identity

HOST = "127.0.0.1"
Respond = Callable[[bytes], bytes | None]
"""What a peer says to what it was sent; None for nothing."""
Serve = Callable[[trio.abc.Stream], Awaitable[None]]


def ok(request: bytes, *fields: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    """A response, written by hand: what must be the same as in the request is copied (RFC 3261 §8.2.6.2)."""
    copied = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
    lines = [line for line in request.split(b"\r\n") if line.lower().startswith(copied)]
    lines = [line + b";tag=here" if line.lower().startswith(b"to:") else line for line in lines]
    given = [field.encode() for field in fields]
    head = [f"SIP/2.0 {status}".encode(), *lines, *given, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


@asynccontextmanager
async def udp(respond: Respond, delay: float = 0.0) -> AsyncIterator[int]:
    """A peer on a free UDP port that takes `delay` seconds to answer."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind((HOST, 0))

        async def serve() -> None:
            while True:
                data, remote = await sock.recvfrom(65535)
                answer = respond(data)
                if answer is not None:
                    nursery.start_soon(send, answer, remote)

        async def send(answer: bytes, remote: tuple[str, int]) -> None:
            await trio.sleep(delay)
            await sock.sendto(answer, remote)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield sock.getsockname()[1]
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def tcp(serve: Serve) -> AsyncIterator[int]:
    """A peer on a free TCP port."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host=HOST))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def tls(serve: Serve, identity: Identity, folder: Path, *, wants_certificate: bool = False) -> AsyncIterator[int]:
    """A peer on a free TLS port; the pieces of its identity are put into `folder`."""
    file = folder / "identity.pem"
    file.write_bytes(identity.chain + identity.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED

    async def shake_hands(stream: trio.abc.Stream) -> None:
        secured = trio.SSLStream(stream, context, server_side=True)
        try:
            await secured.do_handshake()
            await serve(secured)
        except trio.BrokenResourceError:
            await stream.aclose()

    async with tcp(shake_hands) as port:
        yield port


def saying(respond: Respond) -> Serve:
    """A stream peer that answers what it receives, each time all of it, and ends with its peer."""

    async def serve(stream: trio.abc.Stream) -> None:
        try:
            async for data in stream:
                answer = respond(bytes(data))
                if answer is not None:
                    await stream.send_all(answer)
        except trio.BrokenResourceError:
            return  # who has heard enough may reset the connection

    return serve


def silent(_: bytes) -> None:
    """Say nothing."""


async def hang_up(stream: trio.abc.Stream) -> None:
    """Accept, and close at once."""
    await stream.aclose()


def free_port() -> int:
    """A port where nothing listens."""
    with one_port(HOST) as (udp, _):
        port: int = udp.getsockname()[1]
        return port


@asynccontextmanager
async def name_server(
    zone: Mapping[str, Sequence[str]], refused: Sequence[str] = (), delay: float = 0.0
) -> AsyncIterator[SocketAddress]:
    """A name server: `zone` has the records by `TYPE name`; what is in `refused` it never answers, and everything else
    after `delay` seconds.
    """

    def respond(data: bytes) -> bytes | None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        kind, name = dns.rdatatype.to_text(question.rdtype), question.name.to_text().rstrip(".")
        asked = f"{kind} {name}"
        if asked in refused:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if asked in zone:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *zone[asked]))
        elif not any(known.endswith(f" {name}") for known in zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    async with udp(respond, delay) as port:
        yield SocketAddress(HOST, port)
