"""A responder on the loopback, what it tells, and callers of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.happening import Binding, Happening
from probes.responder.personas import Manner, Persona
from probes.responder.run import Responder, open_responder
from probes.result import CallResult
from sipcore.auth.session import AuthSession
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.events import Exchange
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TransportConfig

HOST = "127.0.0.1"
UDP: list[Binding] = [(Transport.UDP, SocketAddress(HOST, 0))]
EVERYWHERE = [*UDP, (Transport.TCP, SocketAddress(HOST, 0)), (Transport.TLS, SocketAddress(HOST, 0))]
QUICK = Manner(ring=0.05)
MOMENT = 0.2
"""Seconds in which nothing must happen: long against the loopback, short for a test."""


class Told(list[Happening]):
    """What the responder told so far."""

    def __init__(self) -> None:
        super().__init__()
        self._more = trio.Event()

    def append(self, happening: Happening) -> None:
        super().append(happening)
        self._more.set()
        self._more = trio.Event()

    async def reach(self, count: int) -> None:
        """Wait until it told of so many."""
        while len(self) < count:
            await self._more.wait()


def result_of(happening: Happening) -> CallResult:
    """The call that it tells of."""
    assert happening.result is not None
    return happening.result


@asynccontextmanager
async def responding(persona: Persona, binds: list[Binding] = UDP) -> AsyncIterator[tuple[Responder, Endpoint, Told]]:
    """A responder, an endpoint to ask it with, and what the responder tells."""
    told = Told()
    client = EndpointConfig(transports=TransportConfig(tls=TlsConfig(verify=False)))
    with trio.fail_after(20):
        async with (
            open_responder(persona, binds, told.append) as responder,
            Endpoint(client) as endpoint,
        ):
            yield responder, endpoint, told


async def ask(
    endpoint: Endpoint,
    address: SocketAddress,
    transport: Transport = Transport.UDP,
    user: str = "echo",
    auth: AuthSession | None = None,
) -> Exchange:
    """Send OPTIONS."""
    return await endpoint.options(parse_uri(f"sip:{user}@{address};transport={transport.value.lower()}"), auth=auth)


async def dial(responder: Responder, user: str, *, hold: float = 0.05, **more: object) -> CallResult:
    """Place a call."""
    destination = Destination.parse(f"sip:{user}@{responder.address(Transport.UDP)}")
    return await place_call(CallScript(destination, hold=hold, **more))  # type: ignore[arg-type]


def order_of(
    endpoint: Endpoint, responder: Responder, user: str, body: bytes, content_type: str = "application/sdp"
) -> Order:
    uri = parse_uri(f"sip:{user}@{responder.address(Transport.UDP)}")
    return Order(endpoint.new_request("INVITE", uri, body=body, content_type=content_type if body else ""), uri, "me")
