"""Requests that are too large for a datagram go over TCP, and over UDP where that does not work: RFC 3261 §18.1.1."""

from dataclasses import replace

import pytest

from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import Prepare, Resolve
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.uri import Uri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.records import Address, Answer, LookupFailure, LookupFault, Question, Record, RecordType, Srv
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import ALICE, BOB, Wire, seeded

UDP, TCP = Transport.UDP, Transport.TCP
LARGEST = 1300
"""Bytes of a request, Via included, that may go over UDP where the path's MTU is unknown."""
FILLER = 1000
DOMAIN = parse_uri("sip:biloxi.example;transport=udp")
FIRST, SECOND = SocketAddress("192.0.2.2", 5070), SocketAddress("192.0.2.2", 5072)
SERVERS: dict[Question, tuple[Record, ...]] = {
    Question(RecordType.SRV, "_sip._udp.biloxi.example"): (Srv(1, 0, 5070, "a.example"), Srv(2, 0, 5072, "a.example")),
    Question(RecordType.A, "a.example"): (Address("192.0.2.2"),),
}


class Edge:
    """Does what a stack asks for, and keeps what leaves: it finds servers, and has no TCP to those in `closed`."""

    def __init__(self, *closed: SocketAddress) -> None:
        self.stack = Stack(StackConfig(), seeded(1))
        self._closed = closed
        self.sent: list[tuple[Transport, SocketAddress, bytes]] = []

    def send(self, target: Uri | Hop, filler: int, *, any_size: bool = False) -> None:
        order = Order(Wire().request("OPTIONS", b"x" * filler, "text/plain"), target, any_size=any_size)
        self.stack.request(order, 0.0)
        self.carry()

    def carry(self) -> None:
        while outputs := self.stack.drain():
            for output in outputs:
                match output:
                    case Resolve(ticket, Prepare(hop)):
                        refused = hop.transport is TCP and hop.remote in self._closed
                        failure = TransportFailure(FailureReason.REFUSED, "nothing listens there")
                        self.stack.resolved(ticket, failure if refused else replace(hop, local=ALICE), 0.0)
                    case Resolve(ticket, Question() as question):
                        records = SERVERS.get(question)
                        missing = LookupFailure(question, LookupFault.NODATA)
                        self.stack.resolved(ticket, Answer(question, records) if records else missing, 0.0)
                    case Transmit():
                        self.sent.append((output.to.transport, output.to.remote, output.data))

    def lose(self, reason: FailureReason) -> None:
        """The connection that the last request went over ends."""
        transport, remote, _ = self.sent[-1]
        self.stack.flow_failed(Flow(transport, ALICE, remote), TransportFailure(reason, "gone"), 0.0)
        self.carry()

    @property
    def tried(self) -> list[tuple[Transport, SocketAddress]]:
        return [(transport, remote) for transport, remote, _ in self.sent]

    @property
    def vias(self) -> list[str]:
        messages = [parse_message(data) for *_, data in self.sent]
        return [message.via.transport for message in messages if isinstance(message, Request)]


def filler_for(size: int) -> int:
    """How much has to be in the body of a request to Bob that has `size` bytes as it leaves."""
    edge = Edge()
    edge.send(Hop(UDP, BOB), FILLER, any_size=True)
    ((*_, data),) = edge.sent
    return FILLER + size - len(data)


@pytest.mark.parametrize(
    ("size", "any_size", "transport"),
    [(LARGEST, False, UDP), (LARGEST + 1, False, TCP), (LARGEST + 1, True, UDP), (7 * LARGEST, True, UDP)],
)
def test_the_size_counts_as_it_is_on_the_wire(size: int, any_size: bool, transport: Transport) -> None:
    edge = Edge()
    edge.send(Hop(UDP, BOB), filler_for(size), any_size=any_size)
    ((taken, _, data),) = edge.sent
    assert (taken, len(data)) == (transport, size)
    assert edge.vias == [transport.value]


@pytest.mark.parametrize("reason", [FailureReason.RESET, FailureReason.CLOSED, FailureReason.TIMED_OUT])
def test_where_a_connection_brings_no_answer_it_goes_over_udp_after_all(reason: FailureReason) -> None:
    edge = Edge()
    edge.send(Hop(UDP, BOB), filler_for(LARGEST + 1))
    edge.lose(reason)
    assert edge.tried == [(TCP, BOB), (UDP, BOB)]
    assert edge.vias == ["TCP", "UDP"]


def test_each_server_is_tried_both_ways() -> None:
    """The second of a domain is one of its own: that the first has no TCP says nothing of it."""
    edge = Edge(FIRST)
    edge.send(DOMAIN, filler_for(LARGEST + 1))
    assert edge.tried == [(UDP, FIRST)]
    edge.stack.unreachable(FIRST, TransportFailure(FailureReason.REFUSED, "port unreachable"), 0.0)
    edge.carry()
    assert edge.tried == [(UDP, FIRST), (TCP, SECOND)]
