"""What becomes of a call's INVITE when it goes out more than once, and what is told of it."""

from collections.abc import Callable
from typing import get_args

import pytest

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthError, AuthSession
from sipcore.call_actions import _EVENTS
from sipcore.callbook import PlacedCall
from sipcore.dialogs.effects import (
    AckSuccess,
    CancelChange,
    CancelInvite,
    Effect,
    EndReason,
    Finish,
    Reply,
    SendInDialog,
    SendInvite,
)
from sipcore.errors import FailureReason, LocalError, TransportFailure, UnsafeValue
from sipcore.events import CallAnswered, CallEnded, CallFailed, CallReceived, CallUnchanged, RequestSent
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.method import ACK, INVITE, PRACK
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.trace import Stamp, TransitionTrace
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import ClientKey
from tests.sipcore.wire import ALICE, BOB, SDP, Side, Wire, description

CHALLENGE: Fields = [("WWW-Authenticate", 'Digest realm="biloxi", nonce="n1", algorithm=SHA-256, qop="auth"')]
CAROL = SocketAddress("192.0.2.3", 5060)
CLOSED = TransportFailure(FailureReason.CLOSED, "the connection was closed")


def refused(wire: Wire, status: int, fields: Fields = ()) -> None:
    """Bob refuses the INVITE that came last."""
    wire.run(0.1)
    wire.bob.stack.reject(wire.bob.told(CallReceived)[-1].call, status, wire.now, fields=fields)
    wire.run(0.1)


def ack_fails(wire: Wire, which: int) -> None:
    """One of the ACKs that Alice has sent turns out not to have left."""
    acks = [message for message in wire.alice.messages() if isinstance(message, Request) and message.method == ACK]
    key = ClientKey((acks[which].via.branch or "").lower(), INVITE)
    wire.alice.stack.transport_failed(Transmit(key, Hop(Transport.UDP, BOB, ALICE), b""), CLOSED, wire.now)
    wire.pump()


def invites(wire: Wire) -> list[str]:
    return [start for start in wire.alice.starts() if start == INVITE]


@pytest.mark.parametrize(
    ("status", "fields"), [(302, [("Contact", f"<sip:carol@{BOB}>")]), (422, [("Min-SE", 3600)])], ids=str
)
def test_an_ack_that_fails_does_not_fail_the_invite_that_follows(status: int, fields: Fields) -> None:
    """RFC 3261 §17.1.1.2: the INVITE that it acknowledges has had its answer, and another one is on its way."""
    wire = Wire(config=StackConfig(session_interval=1800))
    wire.call(redirects=1)
    refused(wire, status, fields)
    ack_fails(wire, 0)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    assert len(invites(wire)) == 2
    assert not wire.alice.told(CallFailed)
    assert len(wire.alice.told(CallAnswered)) == 1


def test_an_ack_that_fails_does_not_fail_the_change_that_follows() -> None:
    """RFC 3261 §14.1: after a 491 the re-INVITE goes out again."""
    wire = Wire()
    calls = wire.up()
    for side, call in zip((wire.alice, wire.bob), calls, strict=True):
        side.stack.change(call, side.stack.session(call).renewed(), wire.now)
    wire.run(0.1)
    assert "491 INVITE" in wire.bob.starts()
    before = len(invites(wire))
    wire.lose = lambda _, data: True
    wire.run(4.5)
    assert len(invites(wire)) > before
    ack_fails(wire, -1)
    assert not wire.alice.told(CallUnchanged)


def end_with_silence(wire: Wire) -> None:
    wire.lose = lambda _, data: True
    wire.run(40.0)


def end_with_486(wire: Wire) -> None:
    refused(wire, 486)


@pytest.mark.parametrize(
    ("end", "failure"), [(end_with_silence, TransportFailure), (end_with_486, type(None))], ids=["silence", "486"]
)
def test_what_is_told_of_a_failure_is_about_the_place_that_was_tried_last(
    end: Callable[[Wire], None], failure: type
) -> None:
    """A challenge that another place had, and that nobody could answer, is not why the last one failed."""
    wire = Wire()
    elsewhere = AuthSession(Account("alice", "secret", hosts=["elsewhere.example"]))
    invite = wire.request("INVITE", description(ALICE), SDP)
    wire.alice.stack.call(Order(invite, Hop(Transport.UDP, BOB), "alice", elsewhere), wire.now, redirects=2)
    refused(wire, 302, [("Contact", f"<sip:carol@{BOB}>, <sip:dave@{BOB}>")])
    refused(wire, 401, CHALLENGE)
    assert not wire.alice.told(CallFailed)
    end(wire)
    (failed,) = wire.alice.told(CallFailed)
    assert isinstance(failed.failure, failure)


def test_a_challenge_that_nobody_can_answer_is_told() -> None:
    wire = Wire()
    elsewhere = AuthSession(Account("alice", "secret", hosts=["elsewhere.example"]))
    wire.alice.stack.call(Order(wire.request("INVITE"), Hop(Transport.UDP, BOB), "alice", elsewhere), wire.now)
    refused(wire, 401, CHALLENGE)
    (failed,) = wire.alice.told(CallFailed)
    assert isinstance(failed.failure, AuthError)
    assert failed.response
    assert failed.response.status == 401


@pytest.mark.parametrize(
    ("contact", "own", "told"),
    [
        (None, None, f"<sip:sipcore@{ALICE}>"),
        ("alice", None, f"<sip:alice@{ALICE}>"),
        ("", None, f"<sip:{ALICE}>"),
        (None, "<sip:pbx@192.0.2.77>", "<sip:pbx@192.0.2.77>"),
    ],
)
def test_every_call_says_where_its_caller_can_be_reached(contact: str | None, own: str | None, told: str) -> None:
    wire = Wire()
    invite = wire.request("INVITE", description(ALICE), SDP)
    invite = invite.with_header("Contact", own) if own else invite
    wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), contact), wire.now)
    wire.run(0.1)
    assert wire.alice.messages()[0].headers.get_all("Contact") == [told]
    assert wire.bob.told(CallReceived)


def test_nothing_is_left_of_a_call_that_was_sent_on() -> None:
    wire = Wire()
    number = wire.call(redirects=1)
    refused(wire, 302, [("Contact", f"<sip:carol@{BOB}>")])
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    book = wire.alice.stack._calls._book
    call = book.by_number[number]
    assert isinstance(call, PlacedCall)
    assert len(book.by_invite) == 1  # the other one has been refused, and nothing comes for that any more
    wire.run(64 * 0.5)
    assert (book.by_invite, call.invite) == ({}, None)
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(64 * 0.5)
    assert len(wire.alice.stack) == 0


def test_the_ack_of_a_change_is_kept_for_as_long_as_its_2xx_may_come_again() -> None:
    """RFC 6026 §7.2: that is for 64*T1."""
    wire = Wire()
    number, _ = wire.up()
    wire.alice.stack.change(number, wire.alice.stack.session(number).renewed(), wire.now)
    wire.run(0.1)
    usage = wire.alice.stack._calls.machine(number).require_usage()
    assert usage._acked
    wire.run(64 * 0.5)
    assert not usage._acked


def test_the_end_of_a_call_cancels_nothing_that_was_answered() -> None:
    wire = Wire()
    number, _ = wire.up()
    wire.alice.stack.hang_up(number, wire.now)
    wire.run(0.1)
    assert not [trace for trace in wire.alice.told(TransitionTrace) if trace.input == "CANCEL"]


@pytest.mark.parametrize(("status", "fields"), [(401, CHALLENGE), (503, ())], ids=["401", "503"])
def test_an_invite_that_was_given_up_goes_out_no_more(status: int, fields: Fields) -> None:
    """The refusal has crossed the CANCEL: neither credentials nor another hop are of any use then."""
    wire = Wire()
    account = AuthSession(Account("alice", "secret", hosts=[BOB.host]))
    order = Order(wire.request("INVITE"), Hop(Transport.UDP, BOB), "alice", account)
    number = wire.alice.stack.call(order, wire.now)
    wire.pump()
    wire.alice.stack._tickets._requests[1].hops = [Hop(Transport.UDP, CAROL)]
    wire.run(0.1)
    wire.alice.stack.hang_up(number, wire.now)
    refused(wire, status, fields)
    assert len(invites(wire)) == 1
    (ended,) = wire.alice.told(CallEnded)
    assert ended.reason is EndReason.LOCAL_HANG_UP


def test_a_callee_that_rings_and_is_gone_then_is_not_called_elsewhere() -> None:
    """RFC 3263 §4.3: the next hop is for a request that nobody has dealt with."""
    wire = Wire()
    number = wire.call()
    wire.pump()
    wire.alice.stack._tickets._requests[1].hops = [Hop(Transport.UDP, CAROL)]
    wire.run(0.1)
    wire.bob.stack.ring(wire.bob.told(CallReceived)[-1].call, 180, wire.now)
    wire.run(0.1)
    wire.alice.stack.unreachable(BOB, CLOSED, wire.now)
    wire.pump()
    assert [failed.call for failed in wire.alice.told(CallFailed)] == [number]
    assert len(invites(wire)) == 1


def test_who_was_called_says_in_an_early_dialog_already_where_the_caller_is_reached() -> None:
    """RFC 3261 §12.1.2: a 1xx makes the dialog; an UPDATE inside it is answered with a Contact (RFC 3311 §5.2)."""
    wire = Wire()
    wire.call()
    wire.run(0.1)
    call = wire.bob.told(CallReceived)[-1].call
    wire.bob.stack.ring(call, 183, wire.now, reliably=True, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    wire.bob.stack.change(call, wire.bob.stack.session(call).renewed(), wire.now)
    wire.run(0.1)
    (answer,) = (message for message in wire.alice.messages() if message.cseq.method == "UPDATE")
    assert answer.headers.get("Contact") == f"<sip:alice@{ALICE}>"


def test_the_dialogs_of_another_place_go_by_a_websocket_of_their_own() -> None:
    """RFC 7118 appendix B: a WebSocket is the only way to its server, and this call has left the first one."""
    wire = Wire(Transport.WS, lose=lambda _, data: True)  # there is no Bob: the test writes what is answered
    wire.call(redirects=1)
    wire.pump()
    reliable: Fields = [("Contact", "<sip:x.invalid;transport=ws>"), ("Require", "100rel"), ("RSeq", 1)]
    moved: Fields = [("Contact", f"<sip:carol@{CAROL};transport=ws>")]
    for remote, status, fields in ((BOB, 183, reliable), (BOB, 302, moved), (CAROL, 183, reliable)):
        requests = [message for message in wire.alice.messages() if isinstance(message, Request)]
        invite = [request for request in requests if request.method == INVITE][-1]
        data = bytes(build_response(invite, status, tag=remote.host, fields=fields))
        wire.alice.stack.receive(data, Flow(Transport.WS, ALICE, remote), Stamp(wire.now), wire.now)
        wire.pump()
    sent = wire.alice.told(RequestSent)
    assert [event.hop.remote for event in sent if event.request.method == PRACK] == [BOB, CAROL]


UNSAFE: Fields = [("Reason", "SIP;cause=480\r\nEvil: 1")]


def ringing_call() -> tuple[Wire, Side, int]:
    wire = Wire()
    call = wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 180, wire.now)
    wire.run(0.1)
    return wire, wire.alice, call


def answered_call() -> tuple[Wire, Side, int]:
    """Answered, and its ACK is still on the way: a BYE has to wait for it (RFC 3261 §15)."""
    wire, _, _ = ringing_call()
    wire.accept(1)
    return wire, wire.bob, 1


def call_that_is_up() -> tuple[Wire, Side, int]:
    wire = Wire()
    return wire, wire.alice, wire.up()[0]


@pytest.mark.parametrize(
    ("begin", "expected"), [(ringing_call, "CANCEL"), (answered_call, "BYE"), (call_that_is_up, "BYE")]
)
def test_what_cannot_be_sent_when_hanging_up_changes_nothing(
    begin: Callable[[], tuple[Wire, Side, int]], expected: str
) -> None:
    wire, side, call = begin()
    with pytest.raises(UnsafeValue, match="Reason holds CR"):
        side.stack.hang_up(call, wire.now, fields=UNSAFE)
    wire.run(0.1)
    assert expected not in side.starts()
    side.stack.hang_up(call, wire.now)
    wire.run(100)
    assert expected in side.starts()
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


@pytest.mark.parametrize("content_type", [SDP, ""])
def test_an_answer_that_waits_for_a_prack_is_one_that_can_be_sent(content_type: str) -> None:
    """What is wrong with it is told to whoever gives it, and ends no endpoint when the PRACK comes."""
    wire = Wire()
    wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 183, wire.now, body=description(BOB), content_type=SDP)
    fields = UNSAFE if content_type else ()
    with pytest.raises(LocalError):
        wire.bob.stack.accept(1, wire.now, fields=fields, body=description(BOB), content_type=content_type)
    wire.run(0.1)
    assert wire.bob.starts() == ["183 INVITE", "200 PRACK"]
    wire.accept(1)
    wire.run(0.1)
    assert wire.alice.told(CallAnswered)


@pytest.mark.parametrize("how", ["ring", "accept"])
def test_a_description_that_was_not_sent_is_not_agreed_on(how: str) -> None:
    wire, sent = Wire(), description(BOB).replace(b"40000", b"40002")
    call = wire.call()
    wire.run(0.1)

    def say(body: bytes, fields: Fields = ()) -> None:
        if how == "ring":
            wire.bob.stack.ring(1, 183, wire.now, fields=fields, body=body, content_type=SDP)
        else:
            wire.bob.stack.accept(1, wire.now, fields=fields, body=body, content_type=SDP)

    with pytest.raises(UnsafeValue):
        say(description(BOB), UNSAFE)
    say(sent)
    wire.run(0.1)
    assert wire.bob.stack.session(1).local == wire.alice.stack.session(call).remote == sent


def test_a_reliable_1xx_that_was_not_sent_has_no_number() -> None:
    """RFC 3262 §4: the next one would be dropped by a caller who misses the one before."""
    wire = Wire()
    wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 180, wire.now, reliably=True)
    wire.run(0.1)
    with pytest.raises(UnsafeValue):
        wire.bob.stack.ring(1, 183, wire.now, reliably=True, fields=UNSAFE)
    wire.bob.stack.ring(1, 183, wire.now, reliably=True)
    wire.run(0.1)
    assert wire.bob.starts() == ["180 INVITE", "200 PRACK", "183 INVITE", "200 PRACK"]


def test_what_a_machine_may_ask_for_is_done_or_told() -> None:
    done = {AckSuccess, CancelChange, CancelInvite, Reply, SendInDialog, SendInvite}
    assert {*get_args(Effect)} - {Finish} == done | {*_EVENTS}  # a Finish becomes what ends the call
    assert not done & {*_EVENTS}
