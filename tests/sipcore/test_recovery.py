"""What a stack gives up when a mistake breaks it off, without a socket: the piece of work that it was at."""

import pytest

from sipcore import recovery
from sipcore.call_actions import CallActions
from sipcore.callbook import PlacedCall
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.expiry import Expiry
from sipcore.dialogs.usage import InviteUsage
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallOffered,
    CallReceived,
    Output,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.outgoing import Order
from sipcore.recovery import described
from sipcore.resolve.target import Flow, Hop, Transport
from sipcore.stack_config import StackConfig
from sipcore.tickets import Tickets
from sipcore.trace import Stamp
from sipcore.transactions import effects
from sipcore.transactions.key import ClientKey
from sipcore.transactions.layer import TransactionLayer
from tests.conftest import Injected
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description


def silent() -> Wire:
    return Wire(lose=lambda ordinal, data: True)


def test_a_timer_that_a_mistake_is_made_over_costs_its_own_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = silent()
    stack = wire.alice.stack
    first, *others = [stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB)), 0.0) for _ in range(3)]
    wire.pump()
    step, left = TransactionLayer._step, [Injected()]

    def broken(*args: object) -> None:
        if left:
            raise left.pop()
        step(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(TransactionLayer, "_step", broken)
    with pytest.raises(Injected):
        stack.handle_timeout(0.5)
    stack.recover(0.5)
    stack.handle_timeout(0.5)
    wire.pump()
    (failed,) = wire.alice.told(RequestFailed)
    assert (failed.ticket, failed.failure.reason) == (first, FailureReason.FAULT)
    assert len(wire.alice.sent) == 3 + 2  # the others are repeated
    wire.run(40.0)
    assert {event.ticket for event in wire.alice.told(RequestFailed)} == {first, *others}
    assert len(stack) == 0


def test_a_call_is_hung_up_whose_timer_a_mistake_is_made_over(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(config=StackConfig(session_interval=120))
    number, _ = wire.up()

    def broken(*_: object) -> None:
        raise Injected

    monkeypatch.setattr(Caller, "wake", broken)
    with pytest.raises(Injected):
        wire.run(61.0)
    wire.alice.stack.recover(wire.now)
    wire.run(40.0)
    assert "BYE" in wire.alice.starts()
    assert [event.call for event in wire.alice.told(CallEnded)] == [number]
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def hits(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, times: int) -> None:
    """Have a method raise that so often, and work from then on."""
    works, left = getattr(owner, name), [Injected()] * times

    def broken(*args: object, **named: object) -> object:
        if left:
            raise left.pop()
        return works(*args, **named)

    monkeypatch.setattr(owner, name, broken)


def run_recovering(wire: Wire, seconds: float) -> int:
    """Let time pass, and Alice's stack recover from whatever is raised, as a loop does; how often that was."""
    end, count, broken = wire.now + seconds, 0, False
    while wire.now < end:
        try:
            if broken:
                wire.alice.stack.recover(wire.now)
            broken = False
            wire.run(end - wire.now)
        except Injected:
            broken, count = True, count + 1
    return count


ON_ANSWER = [
    (Tickets, "take"),
    (PlacedCall, "receive"),
    (Caller, "_receive_answer"),
    (Caller, "_move"),
    (InviteUsage, "negotiated"),
    (Expiry, "agreed"),
    (CallActions, "carry_out"),
    (CallActions, "_tell"),
]


@pytest.mark.parametrize(("owner", "name"), ON_ANSWER)
@pytest.mark.parametrize("offer", [description(ALICE), b""], ids=["offer", "no offer"])
def test_a_2xx_that_a_mistake_is_made_over_is_acknowledged_and_its_call_ended(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, offer: bytes
) -> None:
    wire = Wire()
    number = wire.call(offer=offer)
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    wire.accept(received.call)
    with monkeypatch.context() as patched:
        hits(patched, owner, name, 1)
        assert run_recovering(wire, 3.0) == 1
    assert wire.alice.starts()[:3] == ["INVITE", "ACK", "BYE"]
    assert wire.bob.starts().count("200 INVITE") == 1
    told = [event for event in wire.alice.events if isinstance(event, CallFailed | CallEnded)]
    assert [event.call for event in told] == [number]
    assert [event.call for event in wire.bob.told(CallEnded)] == [received.call]
    wire.run(60.0)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("offer", [description(ALICE), b""], ids=["offer", "no offer"])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_call_is_hung_up_whose_owner_cannot_be_told_that_it_is_up(who: str, offer: bytes) -> None:
    wire = Wire()
    number, at_bob = wire.up(offer=offer)
    told: Output
    if who == "alice":
        side, call = wire.alice, number
        told = wire.alice.told(CallAnswered)[0] if offer else wire.alice.told(CallOffered)[0]
    else:
        if not offer:
            wire.alice.stack.answer(number, description(ALICE), wire.now)
            wire.run(0.1)
        side, call, told = wire.bob, at_bob, wire.bob.told(CallConfirmed)[0]
    side.stack.recover(wire.now, told)
    wire.run(3.0)
    assert side.starts()[-1] == "BYE"
    assert [event.call for event in side.told(CallEnded)] == [call]
    wire.run(60.0)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def test_a_2xx_that_nothing_can_be_made_of_ends_the_call_here(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    number = wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    hits(monkeypatch, Caller, "_receive_answer", 99)
    hits(monkeypatch, Caller, "break_off", 99)
    wire.accept(received.call)
    run_recovering(wire, 70.0)
    (failed,) = wire.alice.told(CallFailed)
    assert (failed.call, failed.failure and failed.failure.reason) == (number, FailureReason.FAULT)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("name", ["_receive_answer", "_move"])
def test_a_lost_ack_of_such_a_2xx_is_sent_once_more(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    wire = Wire(lose=lambda ordinal, data: data.startswith((b"ACK", b"BYE")) and ordinal < 6)
    wire.call()
    wire.run(0.1)
    (received,) = wire.bob.told(CallReceived)
    hits(monkeypatch, Caller, name, 1)
    wire.accept(received.call)
    assert run_recovering(wire, 70.0) == 1
    assert wire.alice.starts().count("ACK") >= 2
    assert len({message.via.branch for message in wire.alice.messages() if message.cseq.method == "ACK"}) == 1
    assert wire.bob.told(CallEnded)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("name", ["_receive_answer", "_move"])
def test_each_callee_who_had_rung_gets_its_own_ack_and_bye_after_that(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """RFC 3261 §13.2.2.4: whatever the mistake was made over, none of them takes the call for one that is up."""
    wire = Wire(lose=lambda ordinal, data: True)
    number = wire.call(offer=b"")
    wire.run(0.1)
    (invite,) = wire.alice.messages()
    assert isinstance(invite, Request)
    asked = invite

    def said(tag: str, status: int) -> list[Request]:
        """What is sent upon a response of a callee, who answers with an offer."""
        fields, sent = [("Contact", f"<sip:{tag}@{BOB}>")], len(wire.alice.sent)
        body, kind = (description(BOB), SDP) if status == 200 else (b"", "")
        response = build_response(asked, status, tag=tag, fields=fields, body=body, content_type=kind)
        flow = Flow(Transport.UDP, ALICE, BOB)
        try:
            wire.alice.stack.receive(bytes(response), flow, Stamp(wire.now), wire.now)
        except Injected:
            wire.alice.stack.recover(wire.now)
        wire.pump()
        return [message for message in wire.alice.messages()[sent:] if isinstance(message, Request)]

    for tag in ("one", "two"):
        said(tag, 180)
    hits(monkeypatch, Caller, name, 1)
    for tag in ("one", "two"):
        acknowledged, bye = said(tag, 200)
        assert [(each.method, each.to_tag) for each in (acknowledged, bye)] == [("ACK", tag), ("BYE", tag)]
        assert b"m=audio 0 " in acknowledged.body
        assert said(tag, 200) == [acknowledged], "the same once more (RFC 3261 §13.2.2.4)"
    assert [event.call for event in wire.alice.told(CallFailed)] == [number]
    wire.run(70.0)
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize("name", ["receive_response", "_take_success", "_acknowledge_change"])
def test_a_2xx_to_a_reinvite_that_a_mistake_is_made_over_is_acknowledged_and_its_call_ended(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wire = Wire()
    number, at_bob = wire.up()
    wire.alice.stack.change(number, wire.alice.stack.session(number).renewed(), wire.now)
    with monkeypatch.context() as patched:
        hits(patched, InviteUsage, name, 1)
        assert run_recovering(wire, 3.0) == 1
    assert wire.alice.starts() == ["INVITE", "ACK", "INVITE", "ACK", "BYE"]
    assert wire.bob.starts().count("200 INVITE") == 2
    assert [event.call for event in wire.alice.told(CallEnded)] == [number]
    assert [event.call for event in wire.bob.told(CallEnded)] == [at_bob]
    wire.run(60.0)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("name", ["flow_failed", "unreachable"])
def test_a_mistake_over_a_lost_flow_costs_nothing_that_was_done_before(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wire = Wire()
    wire.call()
    wire.run(0.1)
    stack = wire.bob.stack
    (received,) = wire.bob.told(CallReceived)
    ticket = stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, ALICE)), wire.now)
    wire.pump()
    failure = TransportFailure(FailureReason.CLOSED, "it ended")

    def broken(*_: object) -> None:
        raise Injected

    where = received.flow if name == "flow_failed" else ALICE
    with monkeypatch.context() as patched:
        patched.setattr(TransactionLayer, name, broken)
        with pytest.raises(Injected):
            getattr(stack, name)(where, failure, wire.now)
    stack.recover(wire.now)
    wire.run(0.1)
    (asked,) = wire.alice.told(RequestReceived)
    wire.alice.stack.respond(asked.key, build_response(asked.request, 200, tag="a2"), wire.now)
    wire.run(0.1)
    assert wire.bob.told(RequestFailed) == []
    assert [event.ticket for event in wire.bob.told(ResponseReceived)] == [ticket]
    wire.accept(received.call)
    wire.run(1.0)
    assert wire.alice.told(CallAnswered)


def test_a_refusal_that_fails_too_costs_nothing_that_was_done_before(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = silent()
    stack = wire.bob.stack
    wire.alice.stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, BOB)), 0.0)
    wire.pump()
    stack.receive(wire.alice.sent[0][1], Flow(Transport.UDP, BOB, ALICE), Stamp(0.0), 0.0)
    (output,) = (output for output in stack.drain() if isinstance(output, RequestReceived))
    stack.request(Order(wire.request("OPTIONS"), Hop(Transport.UDP, ALICE)), 0.0)
    wire.pump()

    def broken(*_: object, **__: object) -> None:
        raise Injected

    with monkeypatch.context() as patched:
        patched.setattr(recovery, "build_response", broken)
        with pytest.raises(Injected):
            stack.recover(0.0, output)
    stack.recover(0.0)
    wire.pump()
    assert wire.bob.told(RequestFailed) == []


def test_what_was_being_done_is_told_by_its_message() -> None:
    request = Wire().request("OPTIONS")
    assert isinstance(request, Request)
    answer = build_response(request.with_header("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"), 200)
    received = effects.ResponseReceived(ClientKey("b", "OPTIONS"), answer, None)  # type: ignore[arg-type]
    assert described(request) == request.start_line
    assert described(received) == "SIP/2.0 200 OK"
    assert described(None) == "something that came in, or was due"
    assert described(7) == "a request on its way out"
    assert described(ClientKey("b", "OPTIONS")) == "the end of a transaction"
