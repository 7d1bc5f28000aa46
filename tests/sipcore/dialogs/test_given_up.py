"""Requests of a call that still look for their way when nobody wants them any more: DNS is not asked on for them."""

import pytest

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import CallEnded, CallFailed, CallReceived, CallUnchanged, Resolve, StopResolving
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.records import LookupFailure, LookupFault, Question
from sipcore.resolve.target import Hop
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_changes import hold
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

NAMED = b"<sip:b@silent.example>"


def moved(wire: Wire) -> None:
    """From now on Bob's Contact is a name."""
    wire.alter = lambda data: data.replace(f"<sip:sipcore@{BOB}>".encode(), NAMED)


def asked(wire: Wire) -> list[int]:
    """The tickets for which Alice has asked DNS."""
    return [output.ticket for output in wire.alice.told(Resolve) if isinstance(output.question, Question)]


def given_up(wire: Wire) -> list[int]:
    return [output.ticket for output in wire.alice.told(StopResolving)]


def answer_late(wire: Wire, ticket: int) -> None:
    """What DNS says in the end, which nobody has waited for."""
    for output in wire.alice.told(Resolve):
        if output.ticket == ticket and isinstance(output.question, Question):
            wire.alice.stack.resolved(ticket, LookupFailure(output.question, LookupFault.NXDOMAIN), wire.now)
    wire.run(1)


def up() -> tuple[Wire, int, int]:
    """A call whose peer is at a name since its last change."""
    wire = Wire(config=StackConfig(session_interval=90))
    call, at_bob = wire.up()
    moved(wire)
    wire.bob.stack.change(at_bob, wire.bob.stack.session(at_bob).renewed(), wire.now)
    wire.run(0.1)
    return wire, call, at_bob


def test_the_invite_of_a_call_that_is_hung_up() -> None:
    wire = Wire()
    invite = wire.request("INVITE", description(BOB), SDP)
    call = wire.alice.stack.call(Order(invite, parse_uri("sip:b@silent.example")), wire.now)
    wire.pump()
    (ticket,) = asked(wire)
    wire.alice.stack.hang_up(call, wire.now)
    wire.pump()
    assert given_up(wire) == [ticket]
    assert len(wire.alice.stack) == 0


def test_a_request_outside_of_any_call() -> None:
    wire = Wire()
    ticket = wire.alice.stack.request(Order(wire.request("OPTIONS"), parse_uri("sip:b@silent.example")), wire.now)
    wire.alice.stack.abandon(ticket, wire.now)
    wire.pump()
    assert given_up(wire) == asked(wire) == [ticket]


def test_one_that_is_on_its_way_asks_nothing_any_more() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert not given_up(wire)


def test_the_prack_of_a_call_that_is_refused() -> None:
    wire = Wire()
    wire.call()
    wire.run(0.1)
    moved(wire)
    (received,) = wire.bob.told(CallReceived)
    wire.bob.stack.ring(received.call, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    (ticket,) = asked(wire)
    wire.bob.stack.reject(received.call, 486, wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallFailed)
    assert given_up(wire) == [ticket]
    answer_late(wire, ticket)
    wire.run(40)
    assert wire.alice.starts() == ["INVITE", "ACK"]
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", ""])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_change_or_refresh_of_a_call_that_ends(method: str, who: str) -> None:
    wire, call, at_bob = up()
    if method:
        hold(wire, wire.alice, call, method=method)
        wire.pump()
    else:
        wire.run(46)
    (ticket,) = asked(wire)
    side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
    side.stack.hang_up(number, wire.now)
    wire.run(0.1)
    assert given_up(wire) == [ticket]
    bye = [each for each in asked(wire) if each != ticket]
    assert len(bye) == (who == "alice")  # which is still to go out
    answer_late(wire, ticket)
    for each in bye:
        nowhere = TransportFailure(FailureReason.UNRESOLVABLE, "nowhere")
        wire.alice.stack.resolved(each, nowhere, wire.now)
    wire.run(40)
    assert len(wire.alice.told(CallEnded)) == 1
    assert "INVITE" not in wire.alice.starts()[2:]
    assert "UPDATE" not in wire.alice.starts()


@pytest.mark.parametrize("ended_by", ["alice", "bob", "alice, and nobody has heard of it yet"])
@pytest.mark.parametrize("sent", ["re-INVITE", "UPDATE", "refresh", "refresh beside a re-INVITE"])
def test_what_is_challenged_after_the_end_of_its_call_is_not_sent_with_credentials(sent: str, ended_by: str) -> None:
    wire = Wire(config=StackConfig(session_interval=90), bobs_config=StackConfig(answers_offers=False))
    auth = AuthSession(Account("user", "secret", hosts=[BOB.host]))
    invite = wire.request("INVITE", description(ALICE), SDP)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice", auth), wire.now)
    wire.run(0.1)
    at_bob = wire.bob.told(CallReceived)[-1].call
    wire.accept(at_bob)
    wire.run(0.1)
    method, lost = ("INVITE", b"INVITE") if sent == "re-INVITE" else ("UPDATE", b"UPDATE")
    wire.lose = lambda _, data: data.startswith(lost)
    if not sent.endswith("refresh"):
        hold(wire, wire.alice, call, method="UPDATE" if sent == "UPDATE" else "INVITE")
    wire.run({"refresh": 45.2, "refresh beside a re-INVITE": 52.8}.get(sent, 0.1))
    challenged = [one for one in wire.alice.messages() if isinstance(one, Request) and one.method == method][-1]
    wire.lose = lambda _, data: data.startswith((lost, b"BYE") if ended_by.endswith("yet") else lost)
    side, number = (wire.bob, at_bob) if ended_by == "bob" else (wire.alice, call)
    side.stack.hang_up(number, wire.now)
    wire.run(0.05)
    before = len(wire.alice.sent)
    challenge = [("WWW-Authenticate", 'Digest realm="here", nonce="1"')]
    wire.deliver(wire.alice, bytes(build_response(challenged, 401, fields=challenge)))
    assert not any(data.startswith(lost) for _, data in wire.alice.sent[before:])
    wire.lose = lambda _, data: False
    wire.run(200)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize(
    ("status", "fields"), [(200, [("Contact", f"<sip:{BOB}>")]), (302, [("Contact", f"<sip:else@{BOB}>")])]
)
def test_a_change_in_an_early_dialog_that_is_gone_while_the_call_goes_on(
    status: int, fields: list[tuple[str, object]]
) -> None:
    wire = Wire()
    wire.lose = lambda _, data: True
    invite = wire.request("INVITE", description(ALICE), SDP)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB)), wire.now, redirects=1)
    wire.pump()
    (sent,) = [one for one in wire.alice.messages() if isinstance(one, Request)]
    ringing = [("Contact", NAMED.decode()), ("Allow", "UPDATE"), ("Require", "100rel"), ("RSeq", 1)]
    early = build_response(sent, 183, tag="b", fields=ringing, body=description(BOB), content_type=SDP)
    wire.deliver(wire.alice, bytes(early))
    (prack,) = asked(wire)
    hold(wire, wire.alice, call)
    wire.pump()
    update = asked(wire)[-1]
    body = description(BOB) if status == 200 else b""
    final = build_response(sent, status, tag="c", fields=fields, body=body, content_type=SDP if body else "")
    wire.deliver(wire.alice, bytes(final))
    assert [event.remote_tag for event in wire.alice.told(CallUnchanged)] == ["b"]
    assert given_up(wire) == ([update] if status == 200 else [update, prack])  # see below
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(200)
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize(
    ("outcome", "is_due"),
    [("nothing", True), ("CANCEL", True), ("200", True), ("302", False), ("422", False), ("486", False)],
)
def test_a_prack_is_due_for_as_long_as_its_early_dialog_lasts(outcome: str, is_due: bool) -> None:
    """RFC 3262 §4: a MUST. The dialog lasts after a CANCEL, and for 64 T1 after the 2xx of another callee, which waits
    for the PRACK maybe (RFC 3261 §13.2.2.4); a refusal of the INVITE ends it (§13.2.2.3), wherever that goes next.
    """
    wire = Wire()
    wire.lose = lambda _, data: True
    invite = wire.request("INVITE", description(ALICE), SDP)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB)), wire.now, redirects=1)
    wire.pump()
    (sent,) = [one for one in wire.alice.messages() if isinstance(one, Request)]
    ringing = [("Contact", NAMED.decode()), ("Require", "100rel"), ("RSeq", 1)]
    early = build_response(sent, 183, tag="b", fields=ringing, body=description(BOB), content_type=SDP)
    wire.deliver(wire.alice, bytes(early))
    (prack,) = asked(wire)
    if outcome == "CANCEL":
        wire.alice.stack.hang_up(call, wire.now)
    elif outcome.isdigit():
        fields = [("Contact", f"<sip:else@{BOB}>"), ("Min-SE", "1800")]
        body = description(BOB) if outcome == "200" else b""
        final = build_response(sent, int(outcome), tag="c", fields=fields, body=body, content_type=SDP if body else "")
        wire.deliver(wire.alice, bytes(final))
    wire.pump()
    wire.alice.stack.resolved(prack, Hop(wire.transport, BOB, ALICE), wire.now)
    wire.pump()
    assert ("PRACK" in wire.alice.starts()) == is_due
    assert (prack in given_up(wire)) == (not is_due)


@pytest.mark.parametrize("body", [b"", description(BOB)])
def test_a_1xx_that_its_owner_has_not_acknowledged_is_before_the_call_goes_on_with_another_callee(body: bytes) -> None:
    wire = Wire(config=StackConfig(acknowledges=False))
    invite = wire.request("INVITE", b"" if body else description(ALICE), "" if body else SDP)
    wire.lose = lambda _, data: True
    wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB)), wire.now)
    wire.pump()
    (sent,) = [one for one in wire.alice.messages() if isinstance(one, Request)]
    ringing = [("Contact", f"<sip:b@{BOB}>"), ("Require", "100rel"), ("RSeq", 1)]
    told = body or description(BOB)
    early = build_response(sent, 183, tag="b", fields=ringing, body=told, content_type=SDP)
    wire.deliver(wire.alice, bytes(early))
    assert "PRACK" not in wire.alice.starts()
    answer = build_response(sent, 200, tag="c", fields=ringing[:1], body=description(BOB), content_type=SDP)
    wire.deliver(wire.alice, bytes(answer))
    (prack,) = [one for one in wire.alice.messages() if isinstance(one, Request) and one.method == "PRACK"]
    assert prack.to_tag == "b"
    assert (b"m=audio 0 " in prack.body) == bool(body)  # an offer is refused
