"""What is around one stack, without sockets: a name server, and servers that may have no TCP."""

from dataclasses import replace

from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import Prepare, Resolve
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.uri import Uri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.records import Address, Answer, LookupFailure, LookupFault, Question, Record, RecordType, Srv
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import ALICE, Wire, seeded

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

    def send(self, target: Uri | Hop, filler: int = 0, *, any_size: bool = False) -> None:
        """OPTIONS, with so many bytes in its body."""
        order = Order(Wire().request("OPTIONS", b"x" * filler, "text/plain"), target, any_size=any_size)
        self.stack.request(order, 0.0)
        self.carry()

    def call(self, target: Uri | Hop) -> None:
        self.stack.call(Order(Wire().request("INVITE"), target, "alice"), 0.0)
        self.carry()

    def answer(self, status: int) -> None:
        """The server that was sent to last answers."""
        transport, remote, data = self.sent[-1]
        request = parse_message(data)
        assert isinstance(request, Request)
        response = bytes(build_response(request, status, tag="b1" if status > 100 else ""))
        self.stack.receive(response, Flow(transport, ALICE, remote), Stamp(0.1), 0.1)
        self.carry()

    def carry(self) -> None:
        while outputs := self.stack.drain():
            for output in outputs:
                match output:
                    case Resolve(ticket, Prepare(hop)):
                        refused = hop.transport is Transport.TCP and hop.remote in self._closed
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

    def refuse(self) -> None:
        """ICMP says that nobody is there to whom was sent last."""
        self.stack.unreachable(self.sent[-1][1], TransportFailure(FailureReason.REFUSED, "port unreachable"), 0.1)
        self.carry()

    @property
    def tried(self) -> list[tuple[Transport, SocketAddress]]:
        return [(transport, remote) for transport, remote, _ in self.sent]

    @property
    def vias(self) -> list[str]:
        messages = [parse_message(data) for *_, data in self.sent]
        return [message.via.transport for message in messages if isinstance(message, Request)]
