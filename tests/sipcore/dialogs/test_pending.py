"""Requests inside a call that are not answered yet: their sender gives up on them, or the call ends before."""

import pytest

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.reinvite_client import PATIENCE
from sipcore.errors import FailureReason, LocalError
from sipcore.events import (
    CallChanged,
    CallEnded,
    CallReceived,
    CallRequested,
    CallUnchanged,
    Output,
    RequestFailed,
    RequestSent,
    Resolve,
    ResponseReceived,
)
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, Transport
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, SDP, Side, Wire, description

TALKATIVE = StackConfig(methods=("INFO", "REFER", "NOTIFY"))


def asking(method: str = "INFO") -> tuple[Wire, int, int, int]:
    """A call in which Alice has asked something that Bob's owner thinks about: its numbers, and Alice's ticket."""
    wire = Wire(config=TALKATIVE)
    call, at_bob = wire.up()
    ticket = wire.alice.stack.request_within(call, method, wire.now)
    wire.run(0.1)
    return wire, call, at_bob, ticket


def abandon(wire: Wire, ticket: int) -> None:
    wire.alice.stack.abandon(ticket, wire.now)
    wire.pump()


def answer(wire: Wire, status: int, **fields: str) -> None:
    """Bob's owner answers what it was asked."""
    asked = wire.bob.told(CallRequested)[-1]
    told = [(name.replace("_", "-"), value) for name, value in fields.items()]
    wire.bob.stack.respond(asked.key, build_response(asked.request, status, fields=told), wire.now)
    wire.run(0.1)


def assert_nothing_left(wire: Wire) -> None:
    wire.run(130)  # of a REFER that is agreed to, something may be told for a minute, and the last of it repeated
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
    assert not wire.alice.stack._calls._book.by_ticket


@pytest.mark.parametrize("method", ["INFO", "REFER", "NOTIFY", "OPTIONS"])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_call_ends_in_which_somebody_gave_up_on_a_request(method: str, who: str) -> None:
    wire = Wire(config=TALKATIVE, lose=lambda _, data: data.startswith(method.encode()))
    call, at_bob = wire.up()
    ticket = wire.alice.stack.request_within(call, method, wire.now)
    wire.pump()
    abandon(wire, ticket)
    side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
    side.stack.hang_up(number, wire.now)
    wire.run(0.1)
    ours = EndReason.LOCAL_HANG_UP if who == "alice" else EndReason.REMOTE_HANG_UP
    assert [event.reason for event in wire.alice.told(CallEnded)] == [ours]
    sent = len(wire.alice.sent)
    assert_nothing_left(wire)
    assert len(wire.alice.sent) == sent  # it is not repeated into a dialog that is gone


def test_what_is_given_up_after_the_end_of_its_call_keeps_nothing() -> None:
    wire, _, at_bob, ticket = asking()
    wire.lose = lambda _, data: b"487" in data  # what Bob answers at the end
    wire.bob.stack.hang_up(at_bob, wire.now)
    wire.run(0.1)
    abandon(wire, ticket)
    assert not wire.alice.stack._calls._book.by_ticket
    assert_nothing_left(wire)


def test_what_is_given_up_before_it_was_sent_is_not_sent() -> None:
    wire = Wire(config=TALKATIVE, transport=Transport.TCP)
    call, _ = wire.up()
    wire.alice.stack.abandon(wire.alice.stack.request_within(call, "INFO", wire.now), wire.now)
    wire.run(40)
    assert "INFO" not in wire.alice.starts()
    assert not wire.alice.told(CallEnded)


@pytest.mark.parametrize("status", [200, 404, 481])
def test_the_answer_to_what_was_given_up_is_not_told_but_a_481_ends_the_call_all_the_same(status: int) -> None:
    wire, _, _, ticket = asking()
    abandon(wire, ticket)
    answer(wire, status)
    assert not wire.alice.told(ResponseReceived)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE] * (status == 481)


def test_no_answer_to_what_was_given_up_ends_the_call_all_the_same() -> None:
    wire = Wire(config=TALKATIVE, lose=lambda _, data: data.startswith(b"INFO"))
    call, _ = wire.up()
    ticket = wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.pump()
    abandon(wire, ticket)
    wire.run(40)
    assert not wire.alice.told(RequestFailed)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]


def test_what_was_given_up_is_not_sent_anew_with_credentials() -> None:
    wire = Wire(config=TALKATIVE)
    auth = AuthSession(Account("user", "secret", hosts=[BOB.host]))
    invite = wire.request("INVITE", description(ALICE), SDP)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice", auth), wire.now)
    wire.run(0.1)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    ticket = wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.run(0.1)
    abandon(wire, ticket)
    answer(wire, 401, WWW_Authenticate='Digest realm="here", nonce="1"')
    assert wire.alice.starts().count("INFO") == 1
    assert not wire.alice.told(ResponseReceived)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_what_a_call_sends_by_itself_is_not_given_up(method: str) -> None:
    """Whoever saw it go out might try; the change would wait for its answer for good."""
    wire = Wire()
    call, _ = wire.up()
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now, method=method)
    wire.pump()
    for sent in wire.alice.told(RequestSent):
        if sent.request.method != "ACK":
            with pytest.raises(LocalError, match=r"hang_up\(\)"):
                wire.alice.stack.abandon(sent.ticket, wire.now)
    wire.run(0.1)
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]


def test_a_481_that_crosses_the_bye_does_not_say_why_the_call_ended() -> None:
    wire, call, _, ticket = asking()
    info = wire.alice.messages()[-1]
    wire.alice.stack.hang_up(call, wire.now)
    wire.pump()
    assert isinstance(info, Request)
    wire.deliver(wire.alice, bytes(build_response(info, 481)))
    wire.run(1)
    assert [event.response.status for event in wire.alice.told(ResponseReceived) if event.ticket == ticket] == [481]
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("method", ["INFO", "REFER", "NOTIFY"])
def test_what_nobody_has_answered_is_answered_487_when_the_call_ends(who: str, method: str) -> None:
    wire, call, at_bob, ticket = asking(method)
    wire.alice.stack.request_within(call, method, wire.now)
    wire.run(0.1)
    answer(wire, 200)  # the second one: what was answered is not answered again
    side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
    side.stack.hang_up(number, wire.now)
    wire.run(0.1)
    answers = {event.ticket: event.response.status for event in wire.alice.told(ResponseReceived)}
    assert answers == {ticket: 487, ticket + 1: 200}
    assert wire.bob.starts().count(f"487 {method}") == 1
    assert wire.alice.told(CallEnded)
    assert wire.bob.told(CallEnded)
    assert wire.bob.messages()[-1].headers.get("Server") == "sipcore"
    assert not wire.bob.stack._calls._book.by_key.keys() & {asked.key for asked in wire.bob.told(CallRequested)}
    answer(wire, 200)  # which comes too late, and does no harm
    assert_nothing_left(wire)


def test_a_provisional_answer_is_none_when_the_call_ends() -> None:
    wire, call, _, _ = asking()
    wire.run(10)
    answer(wire, 100)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert [event.response.status for event in wire.alice.told(ResponseReceived)][-2:] == [100, 487]


def test_what_was_asked_in_a_call_that_never_came_about_is_answered_too() -> None:
    """An early dialog is enough for a request (RFC 3261 §12)."""
    wire = Wire(config=TALKATIVE)
    wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    wire.bob.stack.ring(received.call, 180, wire.now)
    wire.run(0.1)
    wire.bob.stack.request_within(received.call, "INFO", wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallRequested)
    wire.bob.stack.reject(received.call, 486, wire.now)
    wire.run(0.1)
    assert wire.alice.starts()[-1] == "487 INFO"
    assert [event.response.status for event in wire.bob.told(ResponseReceived)] == [487]


def test_requests_that_were_answered_leave_nothing_in_a_call_that_goes_on() -> None:
    wire, call, at_bob, _ = asking()
    for _ in range(3):
        answer(wire, 200)
        wire.alice.stack.request_within(call, "INFO", wire.now)
        wire.run(0.1)
    answer(wire, 200)
    assert not wire.bob.stack._calls._book.by_number[at_bob].asked


class StuckWire(Wire):
    """A wire at which Alice's connections are neither there nor fail, while `stuck` is not None."""

    stuck: list[Resolve] | None = None

    def carry_out(self, side: Side, output: Output) -> None:
        if self.stuck is not None and side is self.alice and isinstance(output, Resolve):
            self.stuck.append(output)
        else:
            super().carry_out(side, output)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_change_that_is_taken_back_before_it_was_sent_is_not_sent(method: str) -> None:
    wire = StuckWire(transport=Transport.TCP)
    call, _ = wire.up()
    wire.stuck = []
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now, method=method)
    wire.pump()
    wire.alice.stack.withdraw(call, wire.now)
    wire.pump()
    assert [event.failure is not None for event in wire.alice.told(CallUnchanged)] == [True]
    (question,), wire.stuck = wire.stuck, None
    wire.carry_out(wire.alice, question)
    wire.run(1)
    assert wire.alice.starts() == ["INVITE", "ACK"]
    wire.alice.stack.hang_up(call, wire.now)
    assert_nothing_left(wire)


def test_a_change_in_another_dialog_is_not_taken_back_with_one() -> None:
    wire = StuckWire(transport=Transport.TCP)
    call = wire.call()
    wire.run(0.1)
    invite = wire.alice.messages()[0]
    assert isinstance(invite, Request)
    for tag in ("b", "c"):
        fields = [("Contact", f"<sip:{BOB}>"), ("Allow", "UPDATE"), ("Require", "100rel"), ("RSeq", 1)]
        ringing = build_response(invite, 183, tag=tag, fields=fields, body=description(BOB), content_type=SDP)
        wire.deliver(wire.alice, bytes(ringing))
    wire.run(1)
    wire.stuck = []
    for tag in ("b", "c"):
        body = wire.alice.stack.session(call, remote_tag=tag).renewed()
        wire.alice.stack.change(call, body, wire.now, remote_tag=tag)
    wire.pump()
    wire.alice.stack.withdraw(call, wire.now, remote_tag="b")
    stuck, wire.stuck = wire.stuck, None
    for question in stuck:
        wire.carry_out(wire.alice, question)
    wire.pump()
    assert [event.remote_tag for event in wire.alice.told(CallUnchanged)] == ["b"]
    updates = [one for one in wire.alice.messages() if isinstance(one, Request) and one.method == "UPDATE"]
    assert [one.to_tag for one in updates] == ["c"]


def test_an_update_that_is_taken_back_is_not_sent_with_credentials() -> None:
    wire = Wire(lose=lambda _, data: data.startswith(b"UPDATE"))
    auth = AuthSession(Account("user", "secret", hosts=[BOB.host]))
    invite = wire.request("INVITE", description(ALICE), SDP)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice", auth), wire.now)
    wire.run(0.1)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now, method="UPDATE")
    wire.pump()
    update = wire.alice.messages()[-1]
    assert isinstance(update, Request)
    wire.alice.stack.withdraw(call, wire.now)
    challenge = [("WWW-Authenticate", 'Digest realm="here", nonce="1"')]
    wire.deliver(wire.alice, bytes(build_response(update, 401, fields=challenge)))
    assert wire.alice.starts().count("UPDATE") == 1
    assert [event.response and event.response.status for event in wire.alice.told(CallUnchanged)] == [401]


def test_there_may_be_nothing_to_take_back() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.alice.stack.withdraw(call, wire.now)
    wire.alice.stack.withdraw(call, wire.now, remote_tag="nobody")
    wire.alice.stack.hang_up(call, wire.now)
    wire.alice.stack.withdraw(call, wire.now)
    wire.run(40)
    wire.alice.stack.withdraw(call, wire.now)
    assert wire.alice.starts() == ["INVITE", "ACK", "BYE"]
    assert_nothing_left(wire)


def test_a_change_that_never_gets_its_connection_is_given_up_and_another_one_goes_out() -> None:
    wire = StuckWire(transport=Transport.TCP)
    call, at_bob = wire.up()
    session = wire.alice.stack.session(call)
    wire.stuck = []
    wire.alice.stack.change(call, session.renewed(), wire.now, method="INVITE")
    wire.run(64 * 0.5 + PATIENCE + 1)
    (question,), wire.stuck = wire.stuck, None
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert unchanged.response is None
    assert unchanged.failure is not None
    assert unchanged.failure.reason is FailureReason.UNREACHABLE
    wire.carry_out(wire.alice, question)  # which comes too late, and does no harm
    wire.run(1)
    assert wire.alice.starts() == ["INVITE", "ACK"]
    wire.alice.stack.change(call, session.renewed(Direction.SENDONLY), wire.now, method="INVITE")
    wire.run(1)
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(1)
    assert [event.call for event in wire.bob.told(CallEnded)] == [at_bob]
    assert_nothing_left(wire)
