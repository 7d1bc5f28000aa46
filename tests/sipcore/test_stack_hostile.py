"""Peers that do what no peer should: the stack answers, or ignores it, and nothing escapes or stays behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallAnswered, CallConfirmed, CallEnded, CallFailed, CallReceived, Prepare, Resolve
from sipcore.message.build import Ends, Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import ROWS
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import DiscardTrace, Stamp
from sipcore.transactions.effects import Transmit
from tests.property import hostile
from tests.sipcore.wire import ALICE, BOB, Side, Wire

FLOW = Flow(Transport.UDP, ALICE, BOB)
CAROL = SocketAddress("192.0.2.3", 5060)


def sent(side: Side) -> list[Request | Response]:
    return [parse_message(data) for _, data in side.sent]


def from_bob(wire: Wire, status: int, tag: str, *fields: tuple[str, object]) -> None:
    """A response of Bob's to Alice's INVITE, as he would like it."""
    invite = next(
        message for message in sent(wire.alice) if isinstance(message, Request) and message.method == "INVITE"
    )
    wire.deliver(wire.alice, bytes(build_response(invite, status, tag=tag, fields=fields)))


def placed() -> Wire:
    """Alice's INVITE is out, and Bob is somebody whom the test plays."""
    wire = Wire(lose=lambda ordinal, data: True)
    wire.call()
    wire.pump()
    return wire


def methods(wire: Wire) -> list[str]:
    return [message.method for message in sent(wire.alice) if isinstance(message, Request)]


TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | hostile.address_lists
    | hostile.challenges
    | hostile.keyed
    | hostile.sequences
    | hostile.word_lists
)


@given(name=st.sampled_from(sorted(row.name for row in ROWS.values())), text=TEXTS)
def test_no_value_of_any_header_field_escapes(name: str, text: str) -> None:
    wire = Wire()
    for method in ("OPTIONS", "INVITE", "BYE"):
        request = Ends("UDP", BOB.host, BOB.port).around(wire.request(method), "z9hG4bK" + method)
        data = hostile.with_fields(bytes(request), ((name, text),))
        wire.alice.stack.receive(data, FLOW, Stamp(0.0), 0.0)
        wire.alice.stack.handle_timeout(100.0)


@given(
    name=st.sampled_from(
        ["Contact", "Record-Route", "To", "From", "Via", "CSeq", "Require", "RSeq", "Session-Expires"]
    ),
    text=TEXTS | hostile.wrapped | hostile.addresses,
)
def test_no_response_to_an_invite_escapes(name: str, text: str) -> None:
    wire = placed()
    (invite,) = (message for message in sent(wire.alice) if isinstance(message, Request))
    for status in (180, 183, 200):
        wire.deliver(wire.alice, hostile.with_fields(bytes(build_response(invite, status, tag="b1")), ((name, text),)))
    wire.alice.stack.hang_up(1, wire.now)
    wire.pump()
    for question in wire.alice.told(Resolve):
        nowhere = TransportFailure(FailureReason.UNRESOLVABLE, "no such name", section="RFC 3263 §4")
        wire.alice.stack.resolved(question.ticket, nowhere, wire.now)
    wire.run(200.0)
    assert len(wire.alice.stack) == 0


QUOTED_NUL = '"\\\0"'
"""What a peer may write (RFC 3261 §25.1 quoted-pair) and no caller may."""


def test_a_nul_in_a_quoted_pair_goes_back_as_it_came() -> None:
    wire = placed()
    (invite,) = sent(wire.alice)
    routes = [("Record-Route", f"{QUOTED_NUL} <sip:192.0.2.9;lr>"), ("Contact", f"<sip:bob@{BOB}>")]
    success = build_response(invite, 200, tag="b1", fields=routes)  # type: ignore[arg-type]  # it is a request
    wire.deliver(wire.alice, bytes(success).replace(b"To: <", f"To: {QUOTED_NUL} <".encode()))
    wire.alice.stack.hang_up(1, wire.now)
    wire.pump()
    assert methods(wire) == ["INVITE", "ACK", "BYE"]
    bye = sent(wire.alice)[-1]
    assert (bye.to.display, bye.headers.get("Route")) == (QUOTED_NUL, f"{QUOTED_NUL} <sip:192.0.2.9;lr>")


@pytest.mark.parametrize("challenge", ['realm="\\\0", nonce="n"', 'realm="r", nonce="\\\0"'])
def test_a_challenge_with_a_nul_in_a_quoted_pair_is_answered(challenge: str) -> None:
    wire = Wire(lose=lambda ordinal, data: True)
    auth = AuthSession(Account("alice", "secret", hosts=[BOB.host]))
    wire.alice.stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB), auth=auth), 0.0)
    wire.pump()
    (options,) = sent(wire.alice)
    fields = [("WWW-Authenticate", f"Digest {challenge}")]
    wire.deliver(wire.alice, bytes(build_response(options, 401, tag="b", fields=fields)))  # type: ignore[arg-type]
    assert methods(wire) == ["OPTIONS", "OPTIONS"]
    assert challenge in (sent(wire.alice)[-1].headers.get("Authorization") or "")


@pytest.mark.parametrize("sent_by", ["192.0.2.1:99999", "192.0.2.1:5060/", "x:y:z"])
def test_a_response_whose_via_cannot_be_read_is_discarded(sent_by: str) -> None:
    wire = placed()
    invite = sent(wire.alice)[0]
    assert isinstance(invite, Request)
    faulty = bytes(build_response(invite, 486, tag="b")).replace(b"192.0.2.1:5060;", f"{sent_by};".encode())
    wire.deliver(wire.alice, faulty)
    assert (len(wire.alice.told(DiscardTrace)), wire.alice.told(CallFailed)) == (1, [])
    from_bob(wire, 486, "b")
    assert wire.alice.told(CallFailed)


def test_the_2xx_makes_target_and_route_set_anew() -> None:
    wire = placed()
    from_bob(wire, 180, "b", ("Record-Route", "<sip:192.0.2.9;lr>"), ("Contact", "<sip:early@192.0.2.2>"))
    from_bob(wire, 200, "b", ("Contact", "<sip:late@192.0.2.2>"))
    wire.pump()
    ack = next(message for message in sent(wire.alice) if isinstance(message, Request) and message.method == "ACK")
    assert (ack.uri_text, ack.headers.get("Route"), ack.to_tag) == ("sip:late@192.0.2.2", None, "b")


def test_a_malformed_require_is_answered_400() -> None:
    wire = Wire()
    request = Ends("UDP", BOB.host, BOB.port).around(wire.request("OPTIONS"), "z9hG4bK1").with_header("Require", '"a')
    wire.alice.stack.receive(bytes(request), FLOW, Stamp(0.0), 0.0)
    (refusal,) = [output for output in wire.alice.stack.drain() if isinstance(output, Transmit)]
    assert refusal.data.startswith(b"SIP/2.0 400 Require: ")


def test_a_malformed_request_gets_the_same_to_tag_each_time_that_it_comes() -> None:
    """RFC 3261 §8.2.7: a UAS without state makes it so that it is the same for the same request, and for no other."""

    def tag_of(wire: Wire, branch: str, *, call_id: str = "call-1") -> str | None:
        request = Ends("UDP", BOB.host, BOB.port).around(wire.request("OPTIONS"), branch)
        faulty = request.with_header("Call-ID", call_id).with_header("From", "<<<\udcff")
        wire.alice.stack.receive(bytes(faulty), FLOW, Stamp(wire.now), wire.now)
        wire.now += 0.5
        (refusal,) = [output for output in wire.alice.stack.drain() if isinstance(output, Transmit)]
        answer = parse_message(refusal.data)
        assert isinstance(answer, Response)
        assert answer.status == 400
        return answer.to_tag

    wire, other = Wire(), Wire(seed=9)
    first = tag_of(wire, "z9hG4bK1")
    assert first
    assert len(first) >= 8
    assert tag_of(wire, "z9hG4bK1") == first
    others = [
        tag_of(wire, "z9hG4bK2"),
        tag_of(wire, "z9hG4bK1", call_id="call-2"),
        tag_of(other, "z9hG4bK1"),
    ]
    assert len({first, *others}) == 4


@pytest.mark.parametrize(
    "contact", ["tel:+15550100", "http://biloxi.example/", "<sip:bob@biloxi.example;transport=sctp>", "<<<", "*", ""]
)
def test_a_contact_that_leads_nowhere_is_acknowledged_and_hung_up_along_the_flow(contact: str) -> None:
    wire = placed()
    from_bob(wire, 200, "b1", *((("Contact", contact),) if contact else ()))
    wire.run(0.1)
    assert wire.alice.told(CallAnswered)
    wire.alice.stack.hang_up(1, wire.now)
    wire.pump()
    assert methods(wire) == ["INVITE", "ACK", "BYE"]


def test_another_callee_s_200_is_acknowledged_and_ended() -> None:
    wire = placed()
    from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB}>"))
    from_bob(wire, 200, "c1", ("Contact", f"<sip:carol@{BOB}>"))
    from_bob(wire, 200, "c1", ("Contact", f"<sip:carol@{BOB}>"))
    wire.pump()
    tags = [(message.method, message.to_tag) for message in sent(wire.alice) if isinstance(message, Request)]
    assert tags == [("INVITE", None), ("ACK", "b1"), ("ACK", "c1"), ("BYE", "c1"), ("ACK", "c1")]
    assert not wire.alice.told(CallEnded)


def test_a_bye_of_another_dialog_does_not_end_the_call() -> None:
    wire = placed()
    from_bob(wire, 180, "c1", ("Contact", f"<sip:carol@{BOB}>"))
    from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB}>"))
    wire.pump()
    wire.deliver(wire.alice, in_dialog(wire, "BYE", "c1", 7))
    assert answers(wire)[-1] == 481
    assert not wire.alice.told(CallEnded)


def in_dialog(wire: Wire, method: str, tag: str, sequence: int) -> bytes:
    """A request of Bob's inside the dialog that his `tag` made."""
    invite = next(message for message in sent(wire.alice) if isinstance(message, Request))
    identity = Identity(invite.to.with_tag(tag), invite.from_, invite.call_id, sequence)
    made = build_request(method, invite.uri, identity)
    return bytes(Ends("UDP", BOB.host, BOB.port).around(made, f"z9hG4bK{method}{sequence}"))


def answers(wire: Wire) -> list[int]:
    return [message.status for message in sent(wire.alice) if isinstance(message, Response)]


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("INVITE", 488), ("REFER", 405), ("UPDATE", 200), ("PRACK", 481), ("BYE", 200)],
)
def test_requests_inside_the_dialog(method: str, status: int) -> None:
    wire = placed()
    from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB}>"))
    wire.deliver(wire.alice, in_dialog(wire, method, "b1", 7))
    assert answers(wire)[-1] == status


def test_an_ack_before_any_2xx_changes_nothing() -> None:
    """Whoever knows the tags of an early dialog can send one, or can have the caller send one by a 2xx of its own."""
    wire = Wire()
    wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    wire.bob.stack.ring(received.call, 180, wire.now)
    wire.pump()
    ringing = wire.bob.sent[-1][1]
    wire.deliver(wire.alice, ringing.replace(b"SIP/2.0 180 Ringing", b"SIP/2.0 200 OK"))
    wire.run(0.1)
    assert "ACK" in wire.alice.starts()
    assert not wire.bob.told(CallConfirmed)
    wire.accept(received.call)
    wire.run(0.1)
    assert len(wire.bob.told(CallConfirmed)) == 1


def test_a_sequence_number_that_goes_back_is_an_error() -> None:
    wire = placed()
    from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB}>"))
    wire.deliver(wire.alice, in_dialog(wire, "OPTIONS", "b1", 7))
    wire.deliver(wire.alice, in_dialog(wire, "BYE", "b1", 6))
    assert answers(wire) == [200, 500]
    assert not wire.alice.told(CallEnded)


def test_a_bye_after_the_end_is_answered_and_nothing_stays() -> None:
    wire = placed()
    from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB}>"))
    wire.deliver(wire.alice, in_dialog(wire, "BYE", "b1", 7))
    wire.deliver(wire.alice, in_dialog(wire, "BYE", "b1", 8))
    wire.pump()
    assert answers(wire) == [200, 200]
    wire.run(200)
    assert len(wire.alice.stack) == 0


def test_an_acknowledgement_is_repeated_byte_by_byte() -> None:
    wire = placed()
    for _ in range(3):
        from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB}>"))
    acks = [data for _, data in wire.alice.sent if data.startswith(b"ACK ")]
    assert len(acks) == 3
    assert len(set(acks)) == 1


def test_parts_that_no_request_uri_may_have_are_left_out() -> None:
    wire = placed()
    from_bob(wire, 200, "b1", ("Contact", f"<sip:bob@{BOB};method=REFER?Route=%3Csip:x%3E>"))
    (ack,) = [message for message in sent(wire.alice) if isinstance(message, Request) and message.method == "ACK"]
    assert ack.uri_text == f"sip:bob@{BOB}"


def test_no_other_hop_is_tried_once_somebody_answered() -> None:
    """A refusal, and then ICMP for its ACK: the second hop must not be called behind the owner's back."""
    stack = Wire().alice.stack
    request = Wire().request("INVITE")
    uri = request.uri.replace(host="biloxi.example", port=None)  # type: ignore[union-attr]  # it is a sip URI
    number = stack.call(Order(Request("INVITE", uri, request.headers), Hop(Transport.UDP, BOB), "alice"), 0.0)
    pending = stack._tickets._requests[1]
    pending.hops = [Hop(Transport.UDP, CAROL)]
    stack.drain()
    stack.resolved(1, Hop(Transport.UDP, BOB, ALICE), 0.0)
    (out,) = [output for output in stack.drain() if isinstance(output, Transmit)]
    invite = parse_message(out.data)
    assert isinstance(invite, Request)
    stack.receive(bytes(build_response(invite, 486, tag="b1")), FLOW, Stamp(0.1), 0.1)
    outputs = stack.drain()
    assert [output.call for output in outputs if isinstance(output, CallFailed)] == [number]
    stack.unreachable(BOB, TransportFailure(FailureReason.REFUSED, "refused"), 0.2)
    assert not [
        output for output in stack.drain() if isinstance(output, Resolve) and isinstance(output.question, Prepare)
    ]


def test_the_callee_s_mistakes_change_nothing() -> None:
    wire = Wire(lose=lambda ordinal, data: data.startswith(b"ACK"))
    wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    assert isinstance(received, CallReceived)
    stack, call = wire.bob.stack, received.call
    with pytest.raises(LocalError):
        stack.ring(call, 200, wire.now)
    for status in (180, 200):
        with pytest.raises(LocalError):
            stack.reject(call, status, wire.now)
    wire.accept(call)
    with pytest.raises(LocalError):
        stack.reject(call, 486, wire.now)
    wire.run(1.0)
    statuses = [message.status for message in sent(wire.bob) if isinstance(message, Response)]
    assert statuses.count(200) == 2


def test_the_answer_to_a_cancel_has_the_tag_of_the_487() -> None:
    wire = Wire()
    number = wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    assert isinstance(received, CallReceived)
    wire.bob.stack.ring(received.call, 180, wire.now)
    wire.run(0.1)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(0.1)
    tags = {message.to_tag for message in sent(wire.bob) if isinstance(message, Response)}
    assert len(tags) == 1
    assert [event.reason for event in wire.alice.events if isinstance(event, CallEnded)] == [EndReason.LOCAL_HANG_UP]


def test_a_2xx_again_from_a_peer_without_a_tag_is_acknowledged_after_a_change() -> None:
    """RFC 3261 §12.2.1.1 lets a peer of RFC 2543 have none: its requests look as if they began a dialog."""
    wire = placed()
    from_bob(wire, 200, "", ("Contact", f"<sip:bob@{BOB}>"), ("Allow", "UPDATE"))
    wire.pump()
    wire.alice.stack.change(1, b"", wire.now, method="UPDATE")
    wire.pump()
    update = sent(wire.alice)[-1]
    assert isinstance(update, Request)
    assert (update.method, update.to_tag) == ("UPDATE", None)
    wire.deliver(wire.alice, bytes(build_response(update, 200)))
    from_bob(wire, 200, "", ("Contact", f"<sip:bob@{BOB}>"))
    assert methods(wire) == ["INVITE", "ACK", "UPDATE", "ACK"]


def test_an_invite_that_is_replayed_is_another_call_and_leaves_nothing() -> None:
    """After 64 T1 nothing knows its branch any more (RFC 6026 §7.1), while the call that it made may last."""
    wire = Wire()
    call, at_bob = wire.up()
    invite = wire.alice.sent[0][1]
    wire.run(40.0)
    wire.deliver(wire.bob, invite)
    (_, again) = wire.bob.told(CallReceived)
    wire.bob.stack.ring(again.call, 183, wire.now, reliably=True)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert [event.call for event in wire.bob.told(CallEnded)] == [at_bob]
    wire.bob.stack.reject(again.call, 480, wire.now)  # a PRACK may still come, until its transaction is over
    wire.run(200.0)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
