"""Locating SIP servers through a real name server: zones that are well, zones made wrong, and servers that fail."""

import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import pytest
import trio

from sipcore.endpoint.endpoint import EndpointConfig, open_endpoint
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.outgoing import target_of
from sipcore.resolve.plan import Answer, LookupFailure, LookupFault, Plan, Question, RecordType
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import socket_address
from sipcore.transports.lookup import EDNS_PAYLOAD, Lookup, LookupConfig
from tests.conformance.corpus import needs_corpus
from tests.conformance.dns_cases import Scenario, orders, read_zone, scenarios
from tests.interop.lab import HOST, Lab
from tests.interop.nameserver import BROKEN, Nameserver, nsd

A, AAAA, SRV, NAPTR = RecordType.A, RecordType.AAAA, RecordType.SRV, RecordType.NAPTR
UDP, TCP, TLS, WSS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WSS
MANY = Question(SRV, "_sip._udp.many.example.com")


def looking(*servers: SocketAddress, **options: float) -> Lookup:
    return Lookup(LookupConfig(nameservers=servers, hosts_file="", **options))  # type: ignore[arg-type]


async def locate(lookup: Lookup, plan: Plan) -> Plan:
    while questions := plan.next_questions():
        for question in questions:
            plan.answer(await lookup.ask(question))
    return plan


def plan_for(uri: str, **options: Sequence[object]) -> Plan:
    return Plan(target_of(parse_uri(uri)), chance=lambda: 0.5, **options)  # type: ignore[arg-type]


def places(plan: Plan) -> list[str]:
    return [str(hop) for hop in plan.hops()]


async def fault(lookup: Lookup, question: Question) -> LookupFailure:
    failure = await lookup.ask(question)
    assert isinstance(failure, LookupFailure)
    return failure


@pytest.fixture
def silent() -> Iterator[SocketAddress]:
    """A name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        yield socket_address(sock.getsockname())


class Relay:
    """Passes datagrams on to a name server, counts them, and listens on UDP alone."""

    def __init__(self, front: trio.socket.SocketType, back: trio.socket.SocketType, server: SocketAddress) -> None:
        self._front, self._back, self._server = front, back, server
        self.address = socket_address(front.getsockname())
        self.asked = 0

    async def run(self) -> None:
        while True:
            query, client = await self._front.recvfrom(65535)
            self.asked += 1
            await self._back.sendto(query, (self._server.host, self._server.port))
            await self._front.sendto(await self._back.recv(65535), client)


@pytest.fixture
async def relay(nameserver: Nameserver) -> AsyncIterator[Relay]:
    async with relaying(nameserver.address) as running:
        yield running


@asynccontextmanager
async def relaying(server: SocketAddress) -> AsyncIterator[Relay]:
    udp = (socket.AF_INET, socket.SOCK_DGRAM)
    with trio.socket.socket(*udp) as front, trio.socket.socket(*udp) as back:
        await front.bind((HOST, 0))
        await back.bind((HOST, 0))
        made = Relay(front, back, server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            yield made
            nursery.cancel_scope.cancel()


WELL = {
    "sip:example.com": ["tls 192.0.2.1:5061", "tls [2001:db8::1]:5061", "tls 192.0.2.2:5061"],
}
