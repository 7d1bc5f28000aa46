"""How a request names its sender, sent-by and Contact by transport; and responses whose connection is gone."""

from collections import deque

import pytest

from sipcore import call_actions
from sipcore.call_actions import CallActions
from sipcore.callbook import CallBook
from sipcore.dialogs.effects import EndReason
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallEnded, CallReceived, Prepare, RequestReceived, Resolve
from sipcore.message.build import Ends
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order, contact_for, fallback_of, target_along, target_of
from sipcore.resolve.target import Flow, Hop, SocketAddress, Target, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.tickets import MAX_CARRIED_BACK
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import ALICE, BOB, Wire, seeded

UDP, TCP, TLS, WS, WSS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS
LOCAL = SocketAddress("192.0.2.1", 40000)


def options(transport: Transport, times: int = 1) -> list[Request]:
    """What Bob gets from Alice."""
    wire = Wire(transport)
    for _ in range(times):
        order = Order(wire.request("OPTIONS"), Hop(transport, BOB), "alice")
        wire.alice.stack.request(order, wire.now)
    wire.run(0.1)
    received = wire.bob.told(RequestReceived)
    return [event.request for event in received]


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        (UDP, "<sip:alice@192.0.2.1:5060>"),
        (TCP, "<sip:alice@192.0.2.1:5060;transport=tcp>"),
        (TLS, "<sip:alice@192.0.2.1:5060;transport=tls>"),
    ],
)
def test_who_can_be_reached_says_where(transport: Transport, contact: str) -> None:
    (request,) = options(transport)
    assert request.via.sent_by == "192.0.2.1:5060"
    assert request.headers.get("Contact") == contact


@pytest.mark.parametrize("transport", [WS, WSS])
def test_a_client_of_websockets_has_a_name_that_leads_nowhere(transport: Transport) -> None:
    requests = options(transport, times=2)
    (name,) = {request.via.sent_by for request in requests}
    assert name.endswith(".invalid")
    assert requests[0].via.transport == transport.value
    assert requests[0].via.wants_rport
    # RFC 7118 §5.2: the parameter is ws for both.
    assert requests[0].headers.get("Contact") == f"<sip:alice@{name};transport=ws>"


def test_the_names_of_two_clients_differ() -> None:
    first, second = (Stack(StackConfig(), seeded(seed)) for seed in (1, 2))
    names = set()
    for stack in (first, second):
        ticket = stack.request(Order(Wire().request("OPTIONS"), Hop(WS, BOB)), 0.0)
        stack.resolved(ticket, Hop(WS, BOB, LOCAL), 0.0)
        data = next(output.data for output in stack.drain() if hasattr(output, "data"))
        message = parse_message(data)
        assert isinstance(message, Request)
        names.add(message.via.sent_by)
    assert len(names) == 2


@pytest.mark.parametrize("hangs_up", ["alice", "bob"])
@pytest.mark.parametrize("transport", [WS, WSS])
def test_a_dialog_stays_on_its_websocket(transport: Transport, hangs_up: str) -> None:
    wire = Wire(transport)
    wire.call()
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[0]
    assert isinstance(received, CallReceived)
    wire.accept(received.call)
    wire.run(0.1)
    answer = parse_message(wire.bob.sent[-1][1])
    assert isinstance(answer, Response)
    # Who answers is a server, or was connected to one: the connection's own address says so.
    assert answer.headers.get("Contact") == "<sip:sipcore@192.0.2.2:5060;transport=ws>"
    side = wire.alice if hangs_up == "alice" else wire.bob
    side.stack.hang_up(1, wire.now)
    wire.run(0.1)
    reasons = [event.reason for who in (wire.alice, wire.bob) for event in who.events if isinstance(event, CallEnded)]
    expected = [EndReason.LOCAL_HANG_UP, EndReason.REMOTE_HANG_UP]
    assert reasons == (expected if hangs_up == "alice" else expected[::-1])


@pytest.mark.parametrize(
    ("hop", "alias", "contact"),
    [
        (Hop(UDP, BOB, LOCAL), "", "<sip:a@192.0.2.1:40000>"),
        (Hop(TLS, BOB, SocketAddress("2001:db8::1", 5061)), "", "<sip:a@[2001:db8::1]:5061;transport=tls>"),
        (Hop(WS, BOB, LOCAL), "", "<sip:a@192.0.2.1:40000;transport=ws>"),
        (Hop(WSS, BOB, LOCAL), "x.invalid", "<sip:a@x.invalid;transport=ws>"),
    ],
)
def test_contacts(hop: Hop, alias: str, contact: str) -> None:
    assert str(contact_for("a", hop, alias)) == contact


def test_whom_sips_is_asked_of_is_told_sips() -> None:
    """RFC 3261 §8.1.1.8 and §12.1.1: the Contact of either side is a sips URI where the Request-URI is one."""
    wire = Wire(TLS)
    invite = wire.request("INVITE").with_uri(parse_uri(f"sips:bob@{BOB}"))
    wire.alice.stack.call(Order(invite, Hop(TLS, BOB), "alice"), wire.now)
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    wire.accept(received.call)
    wire.run(0.1)
    wire.alice.stack.hang_up(1, wire.now)
    wire.run(0.1)
    sent = [parse_message(data) for _, data in wire.alice.sent]
    answered = [parse_message(data) for _, data in wire.bob.sent]
    offered, bye = sent[0], sent[-1]
    answer = next(message for message in answered if message.start_line == "SIP/2.0 200 OK")
    assert offered.headers.get("Contact") == "<sips:alice@192.0.2.1:5060;transport=tls>"
    assert answer.headers.get("Contact") == "<sips:sipcore@192.0.2.2:5060;transport=tls>"
    assert isinstance(bye, Request)
    assert bye.uri_text == "sips:sipcore@192.0.2.2:5060;transport=tls"


def test_nobody_is_promised_a_security_that_is_not_there() -> None:
    assert str(contact_for("a", Hop(TCP, BOB, LOCAL), secure=True)) == "<sip:a@192.0.2.1:40000;transport=tcp>"


def test_a_contact_needs_a_local_address() -> None:
    with pytest.raises(LocalError):
        contact_for("a", Hop(UDP, BOB))


@pytest.mark.parametrize("maddr", ["127.0.0.1%1", "[fe80::1%lo]", "fe80::1%25lo", "::1%" + "9" * 1000])
def test_a_zone_in_a_uri_leads_nowhere(maddr: str) -> None:
    with pytest.raises(LocalError, match="has no zone") as caught:
        target_of(parse_uri(f"sip:a@192.0.2.1;maddr={maddr}", []))
    assert len(caught.value.message) < 150


@pytest.mark.parametrize(
    ("uri", "target", "hop"),
    [
        (
            "sip:a@192.0.2.2:8088;transport=ws",
            Target("192.0.2.2", 8088, WS),
            Hop(WS, SocketAddress("192.0.2.2", 8088), tls_name="192.0.2.2", why="numeric address"),
        ),
        (
            "sips:a@192.0.2.2;transport=ws",
            Target("192.0.2.2", None, WS, secure=True),
            Hop(WSS, SocketAddress("192.0.2.2", 443), tls_name="192.0.2.2", why="numeric address"),
        ),
    ],
)
def test_a_uri_can_ask_for_a_websocket(uri: str, target: Target, hop: Hop) -> None:
    assert target_of(parse_uri(uri)) == target
    stack = Stack(StackConfig(), seeded(1))
    ticket = stack.request(Order(Wire().request("OPTIONS"), parse_uri(uri)), 0.0)
    assert stack.drain() == [Resolve(ticket, Prepare(hop))]


@pytest.mark.parametrize("uri", ["sip:a@192.0.2.2:0", "sip:b.example:0", "sips:b.example:0;transport=tcp"])
def test_port_0_is_refused(uri: str) -> None:
    with pytest.raises(LocalError, match="port 0 is no port"):
        Stack(StackConfig(), seeded(1)).request(Order(Wire().request("OPTIONS"), parse_uri(uri)), 0.0)


def test_only_so_many_responses_wait_for_a_new_connection() -> None:
    stack = Stack(StackConfig(), seeded(1))
    gone = TransportFailure(FailureReason.CLOSED, "gone")
    waiting: list[Resolve] = []
    for number in range(MAX_CARRIED_BACK + 1):
        flow = Flow(TCP, LOCAL, BOB, serial=number)
        request = Ends("TCP", BOB.host, 5000 + number).around(Wire().request("OPTIONS"), f"z9hG4bK{number}")
        stack.receive(bytes(request.with_header("Require", "nothing")), flow, Stamp(0.0), 0.0)
        (lost,) = [output for output in stack.drain() if isinstance(output, Transmit)]
        stack.transport_failed(lost, gone, 0.0)
        waiting += [output for output in stack.drain() if isinstance(output, Resolve)]
    assert len(waiting) == len(stack) == MAX_CARRIED_BACK
    for resolve in waiting:
        assert isinstance(resolve.question, Prepare)
        stack.resolved(resolve.ticket, resolve.question.hop, 0.0)
    again = [output for output in stack.drain() if isinstance(output, Transmit)]
    assert [output.to.remote.port for output in again] == [5000 + number for number in range(MAX_CARRIED_BACK)]
    stack.transport_failed(again[0], gone, 0.0)
    assert [stack.drain(), len(stack)] == [[], 0]


@pytest.mark.parametrize(
    ("transport", "contact", "branch", "text"),
    [
        (UDP, "alice\r\nEvil: 1", "", "the user of a Contact holds CR"),
        (TCP, "alice\0", "", "the user of a Contact holds CR"),
        (UDP, "alice", "z9hG4bK1", "a transaction chooses its branch itself"),
    ],
)
def test_an_order_that_could_not_be_sent_is_refused_at_once(
    transport: Transport, contact: str, branch: str, text: str
) -> None:
    """Once its connection is there nobody is left to be told: it would be the end of the endpoint."""
    wire = Wire(transport)
    order = Order(wire.request("OPTIONS"), Hop(transport, BOB), contact, branch=branch)
    with pytest.raises(LocalError, match=text):
        wire.alice.stack.request(order, wire.now)
    assert not wire.alice.stack.drain()
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize(
    ("target", "prepared"), [("sip:bob@192.0.2.2", Hop(UDP, BOB, ALICE)), (Hop(UDP, BOB, ALICE), Hop(UDP, BOB))]
)
def test_what_is_prepared_is_a_hop_with_its_local_address(target: str | Hop, prepared: Hop) -> None:
    wire = Wire()
    with pytest.raises(LocalError, match="a hop with its local address"):
        wire.alice.stack.request(Order(wire.request("OPTIONS"), target, prepared=prepared), wire.now)
    assert len(wire.alice.stack) == 0
    ready = Hop(UDP, BOB, ALICE)
    wire.alice.stack.request(Order(wire.request("OPTIONS"), Hop(UDP, BOB), prepared=ready), wire.now)
    assert [output.to for output in wire.alice.stack.drain() if isinstance(output, Transmit)] == [ready]


@pytest.mark.parametrize(
    ("target", "chosen"), [(Hop(UDP, BOB), None), (Hop(UDP, BOB, ALICE), SocketAddress(ALICE.host, 0))]
)
def test_what_is_prepared_says_nothing_of_where_its_owner_wants_it_to_leave_from(
    target: Hop, chosen: SocketAddress | None
) -> None:
    """RFC 3261 §18.1.1: what is too large goes over TCP first, from where the kernel has it unless somebody chose."""
    wire = Wire()
    large = wire.request("OPTIONS", b"x" * 1400, "text/plain")
    wire.alice.stack.request(Order(large, target, prepared=Hop(UDP, BOB, ALICE)), wire.now)
    asked = [output.question for output in wire.alice.stack.drain() if isinstance(output, Resolve)]
    hops = [question.hop for question in asked if isinstance(question, Prepare)]
    assert [(hop.transport, hop.local) for hop in hops] == [(TCP, chosen)]


def test_one_next_hop_is_reached_along_the_flow_of_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is remembered of next hops is bounded: peers write what they like."""
    wire = Wire()
    actions = CallActions(CallBook(), wire.alice.stack._transactions, wire.alice.stack._tickets, deque())
    flows = [Flow(UDP, SocketAddress("192.0.2.1", port), BOB) for port in (5060, 5070)]
    bob = parse_uri(f"sip:bob@{BOB}")
    assert [actions._course(flow, bob).target for flow in (*flows, *flows)] == [flow.hop for flow in (*flows, *flows)]
    assert actions._course(None, bob).target is bob
    monkeypatch.setattr(call_actions, "MAX_COURSES", 2)
    for number in range(5):
        actions._course(flows[0], parse_uri(f"sip:{number}@{BOB}"))
        assert len(actions._courses) <= 2


@pytest.mark.parametrize(
    ("transport", "remote", "next_hop", "along"),
    [
        (TCP, BOB, "sip:bob@192.0.2.2:5060;transport=tcp", True),
        (TCP, BOB, "sip:bob@192.0.2.2", True),
        (TCP, BOB, "sip:bob@192.0.2.2:5062;transport=tcp", False),
        (TCP, BOB, "sip:bob@192.0.2.9:5060;transport=tcp", False),
        (TCP, BOB, "sip:bob@192.0.2.2:5060;transport=udp", False),
        (TCP, BOB, "sip:bob@biloxi.example", False),
        (TCP, BOB, "tel:+15551234", False),
        (TLS, SocketAddress("192.0.2.2", 5061), "sip:bob@192.0.2.2;transport=TLS", True),
        (TLS, BOB, "sip:bob@192.0.2.2;transport=tls", False),
        (UDP, SocketAddress("fe80::2%3", 5060), "sip:bob@[fe80::2]", True),
        (UDP, SocketAddress("fe80::2%3", 5060), "sip:bob@[FE80:0::2]", True),
        (TCP, BOB, "sip:bob@[::ffff:192.0.2.2];transport=tcp", True),
        (WS, SocketAddress("192.0.2.2", 40000), "sip:bob@a1b2c3.invalid;transport=ws", True),
        (UDP, BOB, "sip:bob@0.0.0.0:5060", True),
        (TCP, BOB, "sip:bob@[::]", True),
        (UDP, BOB, "sip:bob@224.0.1.75", True),
        (UDP, BOB, "sips:bob@0.0.0.0", False),
    ],
)
def test_a_request_in_a_dialog_goes_along_its_flow_where_that_leads_to_the_next_hop(
    transport: Transport, remote: SocketAddress, next_hop: str, *, along: bool
) -> None:
    flow, uri = Flow(transport, LOCAL, remote), parse_uri(next_hop)
    assert target_along(flow, uri) == (flow.hop if along else uri)
    assert target_along(None, uri) is uri


@pytest.mark.parametrize(
    ("transport", "target", "falls_back"),
    [
        (TCP, "sip:bob@192.0.2.2:5062;transport=tcp", True),
        (UDP, "sip:bob@pbx.lan;transport=tcp", True),
        (TLS, "sip:bob@192.0.2.2:5061;transport=tls", True),
        (TLS, "sips:bob@192.0.2.2", True),
        (TCP, "sip:bob@192.0.2.2:5061;transport=TLS", False),
        (UDP, "sips:bob@192.0.2.2", False),
        (TCP, "tel:+15551234", False),
    ],
)
def test_a_dialog_falls_back_to_its_flow_unless_that_is_less_secure(
    transport: Transport, target: str, *, falls_back: bool
) -> None:
    flow = Flow(transport, LOCAL, BOB)
    assert fallback_of(flow, parse_uri(target)) == (flow.hop if falls_back else None)
    assert fallback_of(None, parse_uri(target)) is None
    assert fallback_of(flow, flow.hop) is None
