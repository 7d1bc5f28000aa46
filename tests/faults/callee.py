"""The endpoint that answers: what to do is written in the user part of the Request-URI."""

import sys
from collections.abc import Iterator
from contextlib import suppress

import trio

from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import Incoming, IncomingRequest
from sipcore.events import CallChanged, CallConfirmed
from sipcore.message.message import Request
from sipcore.message.uri import SipUri
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.transactions.timers import Timers
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed
from tests.faults.agent import Batch, serve
from tests.faults.observer import Observer, Report

RINGING = 0.02
"""Seconds between a 180 and what comes after it."""
SLOWLY = 9
"""How many T1 a slow answer takes: longer than until a 100 is due, 7 T1 (RFC 4320 §4.1)."""
LEAVING = ("leave", "held")
"""Calls that the callee hangs up; "held" means that it puts the call on hold before that."""
BACKLOG = 10_000
TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS)


def main() -> None:
    """Answer at the addresses that are given after T1."""
    trio.run(_run, timers_of(float(sys.argv[1])), sys.argv[2:])


def timers_of(t1: float) -> Timers:
    """RFC 3261's times in their proportions."""
    return Timers(t1=t1, t2=8 * t1, t4=10 * t1, d=64 * t1, trying=0.4 * t1)


def place(transport: Transport, host: str) -> SocketAddress:
    """Where a callee listens."""
    return SocketAddress(host, transport.default_port)


async def _run(timers: Timers, hosts: list[str]) -> None:
    certificate, key = self_signed(hosts)
    transports = TransportConfig(
        bind=tuple((transport, place(transport, host)) for transport in TRANSPORTS for host in hosts),
        tls=TlsConfig(certificate=certificate, key=key),
    )
    stack = StackConfig(timers=timers, passes_unknown=True, tracing=False)
    # What is tested is transactions, not how many requests may wait while the machine does something else.
    config = EndpointConfig(transports=transports, stack=stack, takes_incoming=True, incoming_backlog=BACKLOG)
    async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:
        observer = Observer(endpoint, timers)

        async def obey(_: Batch) -> Report:
            return await observer.report()

        nursery.start_soon(_answer, endpoint, observer, timers, nursery)
        await serve(obey)
        nursery.cancel_scope.cancel()


async def _answer(endpoint: Endpoint, observer: Observer, timers: Timers, nursery: trio.Nursery) -> None:
    async for first in endpoint.incoming():
        for incoming in (first, *_waiting(endpoint)):
            if isinstance(incoming, IncomingCall):
                nursery.start_soon(_take_call, incoming, observer)
            else:
                wish = _wish(incoming.request)
                observer.outcomes[f"{incoming.request.method} {wish}"] += 1
                if wish.startswith("slow-"):
                    nursery.start_soon(_respond_slowly, incoming, int(wish.removeprefix("slow-")), SLOWLY * timers.t1)
                else:
                    incoming.respond(int(wish))


def _waiting(endpoint: Endpoint) -> Iterator[Incoming]:
    """All that has come in by now: a turn of the scheduler for each would fall behind what one turn lets in."""
    with suppress(trio.WouldBlock):
        while True:
            yield endpoint.incoming().receive_nowait()


def _wish(request: Request) -> str:
    return (request.uri.user if isinstance(request.uri, SipUri) else None) or ""


async def _respond_slowly(incoming: IncomingRequest, status: int, after: float) -> None:
    await trio.sleep(after)
    incoming.respond(status)


async def _take_call(call: IncomingCall, observer: Observer) -> None:
    wish = _wish(call.invite)
    if wish == "refuse":
        call.reject(486)
    elif not call.is_over:  # the CANCEL may have overtaken us
        early = call.invite.body if wish == "early" else b""
        call.ring(183 if early else 180, body=early, content_type=SDP)
    if wish not in ("refuse", "cancel"):
        await trio.sleep(RINGING)
        call.accept(body=call.invite.body, content_type=SDP)
    async for event in call:
        if isinstance(event, CallConfirmed) and wish == "held":
            await call.hold()
        if isinstance(event, CallConfirmed) and wish in LEAVING:
            await call.hang_up()
        if isinstance(event, CallChanged):
            observer.outcomes[f"INVITE {wish}: changed"] += 1
    observer.outcomes[f"INVITE {wish}: {call.end_reason.value if call.end_reason else 'no end'}"] += 1
