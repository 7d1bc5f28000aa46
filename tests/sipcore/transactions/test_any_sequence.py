"""Whatever happens in whatever order, the layer keeps its books, and nothing is left over in the end."""

from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Transport
from sipcore.transactions.effects import (
    CancelReceived,
    Effect,
    MergedRequest,
    RequestReceived,
    Terminated,
    TransactionFailed,
    Transmit,
)
from sipcore.transactions.key import AnyServerKey, ClientKey, Key
from tests.sipcore.transactions.rig import REMOTE, Rig, answer, flow, hop, request

ERROR = TransportFailure(FailureReason.REFUSED, "nothing listens there")

requests = st.builds(
    request,
    st.sampled_from(["INVITE", "OPTIONS", "ACK", "CANCEL", "BYE"]),
    st.sampled_from(["z9hG4bK-1", "Z9HG4BK-2", "z9hG4bK", "old"]),
    to_tag=st.sampled_from(["", "t"]),
    call_id=st.sampled_from(["1", "2"]),
    cseq=st.sampled_from([1, 2]),
)
statuses = st.sampled_from([100, 180, 200, 302, 408, 486, 503, 603])
numbers = st.integers(0, 3)
operations = st.one_of(
    st.tuples(st.just("send"), requests),
    st.tuples(st.just("receive"), requests),
    st.tuples(st.just("receive_response"), requests, statuses),
    st.tuples(st.just("respond"), numbers, statuses),
    st.tuples(st.just("cancel"), numbers),
    st.tuples(st.just("fail"), numbers),
    st.tuples(st.just("abandon"), numbers),
    st.tuples(st.just("reroute"), numbers),
    st.tuples(st.just("unreachable")),
    st.tuples(st.just("pass_time"), st.sampled_from([0.0, 0.1, 0.5, 3.0, 5.0, 40.0])),
    st.tuples(st.just("oversleep"), st.sampled_from([0.3, 40.0])),
)


class Books:
    """Does anything to a layer, and keeps the books of the transactions that exist, by the effects alone."""

    def __init__(self, transport: Transport) -> None:
        self.rig = Rig(transport=transport)
        self.layer = self.rig.layer
        self.clients: dict[ClientKey, Request] = {}
        self.servers: dict[AnyServerKey, Request] = {}

    def do(self, operation: str, *arguments: object) -> None:
        try:
            getattr(self, operation)(*arguments)
        except LocalError:
            assert self.rig.take() == [], "what the caller may not do leaves no trace"
        self.read(self.rig.take())

    def read(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, RequestReceived | MergedRequest | CancelReceived):
                assert effect.key not in self.servers
                self.servers[effect.key] = effect.request
            elif isinstance(effect, Transmit) and isinstance(effect.key, ClientKey):
                message = parse_message(effect.data)
                assert isinstance(message, Request)
                self.clients.setdefault(effect.key, message)
            elif isinstance(effect, Terminated):
                self.end(effect)
            elif isinstance(effect, Transmit | TransactionFailed):
                assert effect.key in self.keys()
        assert set(self.keys()) == {key for key in self.keys() if key in self.layer}
        assert len(self.layer) == len(self.keys())

    def end(self, key: Key) -> None:
        if isinstance(key, ClientKey):
            del self.clients[key]
        else:
            del self.servers[key]

    def keys(self) -> list[Key]:
        return [*self.clients, *self.servers]

    def send(self, message: Request) -> None:
        self.layer.send_request(message, hop(self.rig.transport), self.rig.now)

    def receive(self, message: Request) -> None:
        self.layer.receive(message, flow(self.rig.transport), self.rig.now)

    def receive_response(self, message: Request, status: int) -> None:
        self.layer.receive(answer(message, status), flow(self.rig.transport), self.rig.now)

    def respond(self, number: int, status: int) -> None:
        if self.servers:
            key = list(self.servers)[number % len(self.servers)]
            self.layer.respond(key, answer(self.servers[key], status), self.rig.now)

    def cancel(self, number: int) -> None:
        if self.clients:
            self.layer.cancel(list(self.clients)[number % len(self.clients)], self.rig.now)

    def fail(self, number: int) -> None:
        if self.keys():
            self.layer.transport_failed(self.keys()[number % len(self.keys())], ERROR, self.rig.now)

    def abandon(self, number: int) -> None:
        if self.keys():
            self.layer.abandon(self.keys()[number % len(self.keys())], self.rig.now)

    def reroute(self, number: int) -> None:
        if self.servers:
            self.layer.reroute(list(self.servers)[number % len(self.servers)], hop())

    def unreachable(self) -> None:
        if self.rig.transport is Transport.UDP:
            self.layer.unreachable(REMOTE, ERROR, self.rig.now)
        else:
            self.layer.flow_failed(flow(self.rig.transport), ERROR, self.rig.now)

    def pass_time(self, seconds: float) -> None:
        self.read(self.rig.advance(self.rig.now + seconds))

    def oversleep(self, seconds: float) -> None:
        self.rig.now += seconds
        self.layer.handle_timeout(self.rig.now)

    def finish(self) -> None:
        """The transaction user does its part: it answers what it was asked, and cancels what it asked."""
        for key, message in self.servers.items():
            self.layer.respond(key, answer(message, 500), self.rig.now)
        for client in self.clients:
            if client.method == "INVITE":
                self.layer.cancel(client, self.rig.now)
        self.read(self.rig.take())
        self.pass_time(1000)


@given(st.sampled_from([Transport.UDP, Transport.TCP]), st.lists(operations, max_size=40))
def test_no_sequence_of_inputs_breaks_the_layer_or_leaves_anything_behind(
    transport: Transport, sequence: list[tuple[str, ...]]
) -> None:
    books = Books(transport)
    for operation, *arguments in sequence:
        books.do(operation, *arguments)
    books.finish()
    assert books.keys() == []
    books.rig.assert_empty()
