"""Whole calls between two stacks: every way in which they begin and end, byte by byte the same each time."""

from dataclasses import replace
from pathlib import Path

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.errors import FailureReason, LocalError, ParseError, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallProgress,
    CallReceived,
    GarbageReceived,
    Prepare,
    RequestFailed,
    RequestReceived,
    Resolve,
    ResponseReceived,
)
from sipcore.message.build import Ends
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import DiscardTrace, Stamp
from sipcore.transactions.effects import Transmit
from sipcore.transactions.layer import NOT_AWAITED
from tests.sipcore.wire import ALICE, BOB, Wire, seeded

STREAMS = [Transport.UDP, Transport.TCP]


def starts(side_sent: list[tuple[float, bytes]]) -> list[str]:
    return [" ".join(data.decode().split("\r\n")[0].split(" ")[:2]) for _, data in side_sent]


def methods(side_sent: list[tuple[float, bytes]]) -> list[str]:
    """METHOD of each request, status code of each response."""
    messages = [parse_message(data) for _, data in side_sent]
    return [message.method if isinstance(message, Request) else str(message.status) for message in messages]


def ended(wire: Wire, number: int) -> list[EndReason]:
    return [event.reason for event in wire.alice.events if isinstance(event, CallEnded) and event.call == number]


def answered_call(wire: Wire) -> tuple[int, int]:
    """A call that is up; the numbers at Alice's and at Bob's."""
    number = wire.call()
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[0]
    assert isinstance(received, CallReceived)
    wire.bob.stack.ring(received.call, 180, wire.now)
    wire.run(0.1)
    wire.accept(received.call)
    wire.run(0.1)
    return number, received.call


@pytest.mark.parametrize("transport", STREAMS)
def test_a_call_from_invite_to_bye(transport: Transport) -> None:
    wire = Wire(transport)
    number, _ = answered_call(wire)
    assert wire.alice.told(CallProgress)
    assert wire.alice.told(CallAnswered)
    assert wire.bob.told(CallConfirmed)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(0.1)
    assert ended(wire, number) == [EndReason.LOCAL_HANG_UP]
    assert [event.reason for event in wire.bob.events if isinstance(event, CallEnded)] == [EndReason.REMOTE_HANG_UP]
    assert methods(wire.alice.sent) == ["INVITE", "ACK", "BYE"]
    assert methods(wire.bob.sent) == ["180", "200", "200"]
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0
    assert wire.alice.stack.next_timeout() is None


def test_the_callee_hangs_up() -> None:
    wire = Wire()
    number, at_bob = answered_call(wire)
    wire.bob.stack.hang_up(at_bob, wire.now)
    wire.run(0.1)
    assert ended(wire, number) == [EndReason.REMOTE_HANG_UP]
    assert methods(wire.bob.sent)[-1] == "BYE"
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_both_hang_up_at_once() -> None:
    wire = Wire()
    number, at_bob = answered_call(wire)
    wire.alice.stack.hang_up(number, wire.now)
    wire.bob.stack.hang_up(at_bob, wire.now)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0
    assert len(ended(wire, number)) == 1


@pytest.mark.parametrize("status", [486, 603, 404, 302])
def test_a_call_that_is_refused(status: int) -> None:
    wire = Wire()
    number = wire.call()
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[0]
    assert isinstance(received, CallReceived)
    wire.bob.stack.reject(received.call, status, wire.now)
    wire.run(0.1)
    (failed,) = wire.alice.told(CallFailed)
    assert isinstance(failed, CallFailed)
    assert failed.response
    assert (failed.call, failed.response.status) == (number, status)
    assert methods(wire.alice.sent) == ["INVITE", "ACK"]
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_ringing_call_is_cancelled() -> None:
    wire = Wire()
    number = wire.call()
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[0]
    assert isinstance(received, CallReceived)
    wire.bob.stack.ring(received.call, 180, wire.now)
    wire.run(0.1)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(0.1)
    assert methods(wire.alice.sent) == ["INVITE", "CANCEL", "ACK"]
    assert sorted(methods(wire.bob.sent)) == ["180", "200", "487"]
    assert ended(wire, number) == [EndReason.LOCAL_HANG_UP]
    assert [event.reason for event in wire.bob.events if isinstance(event, CallEnded)] == [EndReason.CANCELLED]


def test_a_cancel_that_loses_against_the_200() -> None:
    wire = Wire()
    number = wire.call()
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[0]
    assert isinstance(received, CallReceived)
    wire.bob.stack.ring(received.call, 180, wire.now)
    wire.run(0.1)
    wire.accept(received.call)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(1)
    assert ended(wire, number) == [EndReason.LOCAL_HANG_UP]
    assert "BYE" in methods(wire.alice.sent)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_lost_ack_has_the_200_repeated_and_acknowledged_again() -> None:
    wire = Wire(lose=lambda ordinal, data: ordinal == 4)  # INVITE, 180, 200, ACK
    number, _ = answered_call(wire)
    assert not wire.bob.told(CallConfirmed)
    wire.run(1)
    assert wire.bob.told(CallConfirmed)
    assert methods(wire.alice.sent).count("ACK") == 2
    assert methods(wire.bob.sent).count("200") == 2
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_an_ack_that_never_comes_ends_the_call() -> None:
    wire = Wire(lose=lambda ordinal, data: data.startswith(b"ACK "))
    number, _ = answered_call(wire)
    wire.run(40)
    assert [event.reason for event in wire.bob.events if isinstance(event, CallEnded)] == [EndReason.NO_ACK]
    assert ended(wire, number)


def test_a_call_to_silence_fails_after_timer_b() -> None:
    wire = Wire(lose=lambda ordinal, data: True)
    wire.call()
    wire.run(31)
    assert not wire.alice.told(CallFailed)
    wire.run(2)
    (failed,) = wire.alice.told(CallFailed)
    assert isinstance(failed, CallFailed)
    assert isinstance(failed.failure, TransportFailure)
    assert failed.failure.reason is FailureReason.TIMED_OUT
    assert [round(when, 1) for when, _ in wire.alice.sent] == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len(wire.alice.stack) == 0


def test_hanging_up_before_anything_was_sent() -> None:
    wire = Wire()
    number = wire.alice.stack.call(Order(wire.request("INVITE"), Hop(Transport.TCP, BOB), "alice"), 0.0)
    wire.alice.stack.hang_up(number, 0.0)
    outputs = wire.alice.stack.drain()
    assert [output.reason for output in outputs if isinstance(output, CallEnded)] == [EndReason.LOCAL_HANG_UP]
    assert len(wire.alice.stack) == 0


def test_a_request_and_its_response() -> None:
    wire = Wire()
    ticket = wire.alice.stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB), "alice"), 0.0)
    wire.run(0.1)
    (received,) = wire.bob.told(RequestReceived)
    assert isinstance(received, RequestReceived)
    wire.bob.stack.respond(received.key, build_response(received.request, 200, tag="b1"), wire.now)
    wire.run(0.1)
    (answer,) = wire.alice.told(ResponseReceived)
    assert isinstance(answer, ResponseReceived)
    assert (answer.ticket, answer.response.status) == (ticket, 200)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_failed_hop_is_told() -> None:
    wire = Wire()
    stack = wire.alice.stack
    ticket = stack.request(Order(wire.request("OPTIONS"), Hop(Transport.TCP, BOB)), 0.0)
    stack.drain()
    stack.resolved(ticket, TransportFailure(FailureReason.REFUSED, "refused"), 0.0)
    (failed,) = [output for output in stack.drain() if isinstance(output, RequestFailed)]
    assert (failed.ticket, failed.failure.reason) == (ticket, FailureReason.REFUSED)
    assert len(stack) == 0


def prepared_hops(stack: Stack) -> list[Hop]:
    return [
        output.question.hop
        for output in stack.drain()
        if isinstance(output, Resolve) and isinstance(output.question, Prepare)
    ]


def test_a_large_request_goes_over_tcp() -> None:
    stack = Wire().alice.stack
    order = Order(Wire().request("OPTIONS", b"x" * 1400, "text/plain"), Hop(Transport.UDP, BOB))
    ticket = stack.request(order, 0.0)
    (udp,) = prepared_hops(stack)
    stack.resolved(ticket, replace(udp, local=ALICE), 0.0)
    (tcp,) = prepared_hops(stack)
    assert (tcp.transport, tcp.remote) == (Transport.TCP, BOB)
    stack.resolved(ticket, replace(tcp, local=ALICE), 0.0)
    (sent,) = [output for output in stack.drain() if isinstance(output, Transmit)]
    assert b"SIP/2.0/TCP" in sent.data


def test_a_large_request_falls_back_to_udp() -> None:
    stack = Wire().alice.stack
    ticket = stack.request(Order(Wire().request("OPTIONS", b"x" * 1400, "text/plain"), Hop(Transport.UDP, BOB)), 0.0)
    (udp,) = prepared_hops(stack)
    stack.resolved(ticket, replace(udp, local=ALICE), 0.0)
    prepared_hops(stack)
    stack.resolved(ticket, TransportFailure(FailureReason.REFUSED, "refused"), 0.0)
    (again,) = prepared_hops(stack)
    assert again.transport is Transport.UDP
    stack.resolved(ticket, replace(again, local=ALICE), 0.0)
    (sent,) = [output for output in stack.drain() if isinstance(output, Transmit)]
    assert b"SIP/2.0/UDP" in sent.data


@pytest.mark.parametrize(
    ("chosen", "kept"), [(None, None), (SocketAddress("192.0.2.77", 5062), SocketAddress("192.0.2.77", 0))]
)
def test_a_large_request_leaves_from_where_its_owner_wants_it_to(
    chosen: SocketAddress | None, kept: SocketAddress | None
) -> None:
    stack = Wire().alice.stack
    order = Order(Wire().request("OPTIONS", b"x" * 1400, "text/plain"), Hop(Transport.UDP, BOB, chosen))
    ticket = stack.request(order, 0.0)
    (udp,) = prepared_hops(stack)
    stack.resolved(ticket, replace(udp, local=chosen or ALICE), 0.0)
    (tcp,) = prepared_hops(stack)
    assert (tcp.transport, tcp.local) == (Transport.TCP, kept)


def test_a_busy_server_is_not_asked_again_over_udp() -> None:
    """RFC 3263 §4.3: a 503 sends the client to another server, and UDP is for where TCP does not work (§18.1.1)."""
    stack = Wire().alice.stack
    ticket = stack.request(Order(Wire().request("OPTIONS", b"x" * 1400, "text/plain"), Hop(Transport.UDP, BOB)), 0.0)
    (udp,) = prepared_hops(stack)
    stack.resolved(ticket, replace(udp, local=ALICE), 0.0)
    (tcp,) = prepared_hops(stack)
    stack.resolved(ticket, replace(tcp, local=ALICE), 0.0)
    (sent,) = [output for output in stack.drain() if isinstance(output, Transmit)]
    request = parse_message(sent.data)
    assert isinstance(request, Request)
    stack.receive(bytes(build_response(request, 503)), Flow(Transport.TCP, ALICE, BOB), Stamp(0.1), 0.1)
    (response,) = [output for output in stack.drain() if isinstance(output, ResponseReceived)]
    assert response.response.status == 503


def test_a_probe_may_send_any_size_over_udp() -> None:
    stack = Wire().alice.stack
    order = Order(Wire().request("OPTIONS", b"x" * 1400, "text/plain"), Hop(Transport.UDP, BOB), any_size=True)
    ticket = stack.request(order, 0.0)
    (udp,) = prepared_hops(stack)
    stack.resolved(ticket, replace(udp, local=ALICE), 0.0)
    assert [output for output in stack.drain() if isinstance(output, Transmit)]


def test_icmp_fails_the_request_at_once() -> None:
    wire = Wire(lose=lambda ordinal, data: True)
    wire.alice.stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB)), 0.0)
    wire.run(0.1)
    wire.alice.stack.unreachable(BOB, TransportFailure(FailureReason.REFUSED, "refused"), wire.now)
    wire.pump()
    assert wire.alice.told(RequestFailed)


def test_an_abandoned_request_is_not_repeated() -> None:
    wire = Wire(lose=lambda ordinal, data: True)
    ticket = wire.alice.stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB)), 0.0)
    wire.run(0.1)
    wire.alice.stack.abandon(ticket, wire.now)
    wire.run(60)
    assert len(wire.alice.sent) == 1
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Require": "nothing-we-know"}, 420),
        ({"To": "<sip:bob@biloxi.example>;tag=unknown"}, 481),
    ],
)
def test_requests_that_the_stack_answers_by_itself(change: dict[str, str], status: int) -> None:
    wire = Wire()
    request = wire.request("OPTIONS")
    for name, text in change.items():
        request = request.with_header(name, text)
    wire.alice.stack.request(Order(request, Hop(Transport.UDP, BOB)), 0.0)
    wire.run(0.1)
    (answer,) = wire.alice.told(ResponseReceived)
    assert isinstance(answer, ResponseReceived)
    assert answer.response.status == status


def test_an_unknown_method_is_answered_405() -> None:
    wire = Wire()
    wire.alice.stack.request(Order(wire.request("PUBLISH"), Hop(Transport.UDP, BOB)), 0.0)
    wire.run(0.1)
    (answer,) = wire.alice.told(ResponseReceived)
    assert isinstance(answer, ResponseReceived)
    assert answer.response.status == 405
    assert "INVITE" in (answer.response.headers.get("Allow") or "")


def test_garbage_is_told_and_changes_nothing() -> None:
    wire = Wire()
    wire.alice.stack.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", Flow(Transport.UDP, ALICE, BOB), Stamp(0.0), 0.0)
    (garbage,) = wire.alice.stack.drain()
    assert isinstance(garbage, GarbageReceived)
    assert isinstance(garbage.error, ParseError)
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize(
    ("count", "answer", "failed"),
    [
        (1, b"\x80\x01", [0]),  # whose answer should it be
        (2, b"\x80\x01", []),
        (2, b"SIP/2.0 huh\r\nv: SIP/2.0/UDP 192.0.2.1;branch=BRANCH\r\n\r\n", [1]),
    ],
)
def test_garbage_fails_the_request_that_it_answers(count: int, answer: bytes, failed: list[int]) -> None:
    wire = Wire(lose=lambda ordinal, data: True)
    stack = wire.alice.stack
    tickets = [stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB)), 0.0) for _ in range(count)]
    wire.run(0.1)
    last = parse_message(wire.alice.sent[-1][1])
    failure = TransportFailure(FailureReason.GARBAGE, "not SIP")
    garbage = answer.replace(b"BRANCH", last.via.branch.upper().encode())
    stack.garbage(garbage, Flow(Transport.UDP, ALICE, BOB), failure, wire.now)
    wire.pump()
    assert [event.ticket for event in wire.alice.told(RequestFailed)] == [tickets[number] for number in failed]


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        ({"CSeq": "1 INVITE"}, True),
        ({"Call-ID": None}, True),
        ({"From": "<sip:"}, True),
        ({"Via": ";"}, False),
        ({"To": "<sip:"}, True),
    ],
)
def test_a_malformed_request_is_answered_400_if_it_can_be(change: dict[str, str | None], answered: bool) -> None:
    request = Ends("UDP", BOB.host, BOB.port).around(Wire().request("OPTIONS"), "z9hG4bK1")
    for name, text in change.items():
        request = request.without(name) if text is None else request.with_header(name, text)
    stack = Wire().alice.stack
    stack.receive(bytes(request), Flow(Transport.UDP, ALICE, BOB), Stamp(0.0), 0.0)
    sent = [output for output in stack.drain() if isinstance(output, Transmit)]
    assert [output.data.startswith(b"SIP/2.0 400 ") for output in sent] == [True] * answered
    assert len(stack) == 0


BARE = b"OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.2"


@pytest.mark.parametrize(
    ("data", "over_udp"),
    [
        (BARE + b"\r\n\r\n", False),
        (BARE + b";branch=z9hG4bK1\r\n\r\n", False),
        (BARE + b"\r\nCSeq: 1 OPTIONS\r\n\r\n", False),
        (BARE + b";branch=z9hG4bK1\r\nCSeq: 1 OPTIONS\r\n\r\n", True),
        (BARE + b";branch=z9hG4bK1\r\nCSeq: what\r\n\r\n", True),
        (BARE + b"\r\nCSeq: 1 OPTIONS\r\nf: <sip:a>\r\nt: <sip:b\r\ni: c\r\n\r\n", True),
    ],
)
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_datagram_that_nobody_waits_for_an_answer_to_gets_none(
    transport: Transport, data: bytes, over_udp: bool
) -> None:
    """Its source may be forged: whoever lives there would get more than twice the bytes. A connection's is not."""
    stack = Wire().alice.stack
    stack.receive(data, Flow(transport, ALICE, BOB), Stamp(0.0), 0.0)
    sent = [output for output in stack.drain() if isinstance(output, Transmit)]
    assert [output.data.startswith(b"SIP/2.0 400 ") for output in sent] == [True] * (over_udp or transport.reliable)


HELLO = (
    "{method} sip:bob@192.0.2.1 SIP/{version}\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\r\n"
    "From: <sip:alice@192.0.2.2>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n"
    "{fields}Content-Length: {length}\r\n\r\nbody"
)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"length": "5"}, "SIP/2.0 400 Content-Length: the body ends after 4 bytes of 5"),
        ({"length": "x"}, "SIP/2.0 400 Content-Length: "),
        ({"length": "-1"}, "SIP/2.0 400 Content-Length: "),
        ({"version": "3.0"}, "SIP/2.0 505 Version Not Supported"),
        ({"version": "3.0", "method": "NEW"}, "SIP/2.0 505 Version Not Supported"),
        ({"version": "x"}, None),
        ({"version": "3.0", "fields": "no header field\r\n"}, None),
        ({"length": "5", "method": "ACK"}, None),
        ({"length": "5", "method": "SIP/2.0"}, None),
    ],
)
def test_a_request_that_cannot_be_read_in_full_is_refused_without_state(
    change: dict[str, str], answer: str | None
) -> None:
    """RFC 3261 §18.3 of a datagram that was cut off, and §21.5.6: one answer to each, with what it copies of it."""
    words = {"method": "OPTIONS", "version": "2.0", "fields": "", "length": "4"} | change
    data = HELLO.format(**words).encode()
    stack = Wire().alice.stack
    stack.receive(data, Flow(Transport.UDP, ALICE, BOB), Stamp(0.0), 0.0)
    garbage, *sent = stack.drain()
    assert isinstance(garbage, GarbageReceived)
    assert len(stack) == 0
    if answer is None:
        assert sent == []
        return
    assert garbage.is_request
    (transmit,) = sent
    assert isinstance(transmit, Transmit)
    assert transmit.data.startswith(answer.encode())
    refusal = parse_message(transmit.data)
    assert (refusal.call_id, refusal.cseq.method, refusal.via.branch) == ("c", words["method"], "z9hG4bK1")
    assert len(transmit.data) < len(data) + 200


def test_a_malformed_ack_is_never_answered() -> None:
    request = Ends("UDP", BOB.host, BOB.port).around(Wire().request("ACK"), "z9hG4bK1").without("Call-ID")
    stack = Wire().alice.stack
    stack.receive(bytes(request), Flow(Transport.UDP, ALICE, BOB), Stamp(0.0), 0.0)
    assert not [output for output in stack.drain() if isinstance(output, Transmit)]


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL"])
def test_calls_are_not_placed_as_requests(method: str) -> None:
    wire = Wire()
    with pytest.raises(LocalError):
        wire.alice.stack.request(Order(wire.request(method), Hop(Transport.UDP, BOB)), 0.0)


def test_the_same_seed_gives_the_same_bytes() -> None:
    ladders = []
    for _ in range(2):
        wire = Wire(seed=7)
        number, _ = answered_call(wire)
        wire.alice.stack.hang_up(number, wire.now)
        wire.run(1)
        ladders.append(wire.ladder())
    assert ladders[0] == ladders[1]
    other = Wire(seed=8)
    answered_call(other)
    assert other.ladder() not in ladders[0]


def test_responses_carry_what_a_dialog_needs() -> None:
    wire = Wire(Transport.TCP)
    answered_call(wire)
    ok = next(message for _, data in wire.bob.sent if (message := parse_message(data)).start_line == "SIP/2.0 200 OK")
    assert isinstance(ok, Response)
    assert ok.headers.get("Contact") == "<sip:sipcore@192.0.2.2:5060;transport=tcp>"
    assert ok.to.tag
    assert "INVITE" in (ok.headers.get("Allow") or "")


def test_the_golden_ladder() -> None:
    """A whole call, byte by byte. To accept a change on purpose: write `wire.ladder()` over the file, and read it."""
    wire = Wire(seed=1)
    number, _ = answered_call(wire)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(1)
    golden = Path(__file__).parents[2] / "fixtures" / "golden" / "call.ladder"
    assert wire.ladder() == golden.read_bytes().decode()


def answer_to(uri: str, config: StackConfig, *, method: str = "OPTIONS", **change: str) -> Response | None:
    """What Alice's stack itself answers a request with."""
    request = Ends("UDP", BOB.host, BOB.port).around(Wire().request(method).with_uri(parse_uri(uri)), "z9hG4bK1")
    for name, text in change.items():
        request = request.with_header(name, text)
    stack = Stack(config, seeded(1))
    stack.receive(bytes(request), Flow(Transport.UDP, ALICE, BOB), Stamp(0.0), 0.0)
    sent = [parse_message(output.data) for output in stack.drain() if isinstance(output, Transmit)]
    return next((message for message in sent if isinstance(message, Response)), None)


@pytest.mark.parametrize(
    ("uri", "status"),
    [("sip:bob@b.example", None), ("sips:bob@b.example", None), ("tel:+15551234", None), ("nobodyknows:bob", 416)],
)
def test_a_scheme_that_nobody_knows_is_answered_416(uri: str, status: int | None) -> None:
    """RFC 3261 §8.2.2.1."""
    answer = answer_to(uri, StackConfig())
    assert (answer and answer.status) == status


@pytest.mark.parametrize("product", ["thing/1.0", ""])
@pytest.mark.parametrize(
    ("method", "change", "status"),
    [
        ("PUBLISH", {}, 405),
        ("OPTIONS", {"Require": "nothing-we-know"}, 420),
        ("CANCEL", {}, 481),
        ("OPTIONS", {"From": "<sip:"}, 400),
    ],
)
def test_what_the_stack_answers_itself_names_the_product(
    method: str, change: dict[str, str], status: int, product: str
) -> None:
    answer = answer_to("sip:bob@b.example", StackConfig(product=product), method=method, **change)
    assert answer is not None
    assert answer.status == status
    assert answer.headers.get_all("Server") == ([product] if product else [])


@pytest.mark.parametrize("tracing", [True, False])
def test_a_response_to_nothing_that_was_sent_is_discarded_and_traced(tracing: bool) -> None:
    """RFC 3261 §18.1.2."""
    wire = Wire()
    wire.alice.stack.tracing = tracing
    request = Ends("UDP", ALICE.host, ALICE.port).around(wire.request("OPTIONS"), "z9hG4bK1")
    flow = Flow(Transport.UDP, ALICE, BOB)
    wire.alice.stack.receive(bytes(build_response(request, 200, tag="t")), flow, Stamp(1.0), 1.0)
    told = [DiscardTrace(1.0, flow, "SIP/2.0 200 OK", "z9hg4bk1 OPTIONS", NOT_AWAITED)]
    assert wire.alice.stack.drain() == (told if tracing else [])
