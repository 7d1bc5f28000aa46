"""What else goes on inside a call: requests of its owner, transfers (REFER, NOTIFY), and Replaces."""

import re

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.refer import SIPFRAG, notification, told_status
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import (
    CallConfirmed,
    CallEnded,
    CallNotified,
    CallReceived,
    CallRequested,
    RequestFailed,
    RequestReceived,
    Resolve,
    ResponseReceived,
)
from sipcore.message.build import Ends, cancel_for
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, Transport
from sipcore.stack_config import StackConfig
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

TALKATIVE = StackConfig(methods=("INFO", "REFER"))


def test_info_reaches_the_owner_and_its_answer_comes_back() -> None:
    wire = Wire(config=TALKATIVE)
    call, at_bob = wire.up()
    ticket = wire.alice.stack.request_within(
        call, "INFO", wire.now, body=b"Signal=5", content_type="application/dtmf-relay"
    )
    wire.run(0.1)
    (asked,) = wire.bob.told(CallRequested)
    assert (asked.call, asked.request.method, asked.request.body) == (at_bob, "INFO", b"Signal=5")
    wire.bob.stack.respond(asked.key, build_response(asked.request, 200), wire.now)
    wire.run(0.1)
    (answer,) = wire.alice.told(ResponseReceived)
    assert (answer.ticket, answer.response.status) == (ticket, 200)
    assert "INFO" in (wire.alice.messages()[0].headers.get("Allow") or "")


def test_what_nobody_asked_for_is_refused_with_what_is_known() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.run(0.1)
    (answer,) = wire.alice.told(ResponseReceived)
    assert answer.response.status == 405
    assert "UPDATE" in (answer.response.headers.get("Allow") or "")
    assert not wire.alice.told(CallEnded)


@pytest.mark.parametrize(("transport", "at_once"), [(Transport.UDP, True), (Transport.TCP, False)])
def test_a_flow_of_datagrams_is_always_there_and_a_connection_may_be_gone(transport: Transport, at_once: bool) -> None:
    """RFC 3261 §18: what goes back along a flow of datagrams asks nobody for its local address."""
    wire = Wire(transport=transport)
    call, _ = wire.up()
    wire.alice.stack.hang_up(call, wire.now)
    outputs = wire.alice.stack.drain()
    asked = [output for output in outputs if isinstance(output, Resolve)]
    sent = [output.data[:3] for output in outputs if isinstance(output, Transmit)]
    assert (len(asked), sent) == ((0, [b"BYE"]) if at_once else (1, []))
    for output in outputs:
        wire.carry_out(wire.alice, output)
    wire.run(1)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]


def test_a_1xx_to_the_bye_does_not_end_the_call() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.lose = lambda _, data: data.startswith(b"BYE")
    wire.alice.stack.hang_up(call, wire.now)
    wire.pump()
    bye = wire.alice.messages()[-1]
    assert isinstance(bye, Request)
    wire.deliver(wire.alice, bytes(build_response(bye, 100)))
    assert not wire.alice.told(CallEnded)
    wire.deliver(wire.alice, bytes(build_response(bye, 200)))
    assert [ended.reason for ended in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "BYE", "ACK", "CANCEL", "PRACK"])
def test_what_changes_the_call_has_its_own_way(method: str) -> None:
    wire = Wire()
    call, _ = wire.up()
    with pytest.raises(LocalError, match="of its own"):
        wire.alice.stack.request_within(call, method, wire.now)


def test_options_inside_a_call_are_answered() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.alice.stack.request_within(call, "OPTIONS", wire.now)
    wire.run(0.1)
    (answer,) = wire.alice.told(ResponseReceived)
    assert answer.response.status == 200
    headers = answer.response.headers
    assert headers.get("Allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE"
    assert headers.get("Supported") == "100rel, replaces, timer"
    assert "application/sdp" in (headers.get("Accept") or "")
    assert (headers.get("Accept-Encoding"), headers.get("Accept-Language")) == ("identity", "en")  # RFC 3261 §11.2


def test_there_is_no_way_into_a_call_without_a_dialog() -> None:
    wire = Wire()
    call = wire.call()
    with pytest.raises(LocalError, match="no dialog"):
        wire.alice.stack.request_within(call, "INFO", wire.now)
    with pytest.raises(LocalError, match="over"):
        wire.alice.stack.request_within(99, "INFO", wire.now)


def test_a_request_that_nobody_answers_ends_the_call() -> None:
    wire = Wire(lose=lambda _, data: data.startswith(b"INFO"))
    call, _ = wire.up()
    wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.run(40)
    assert wire.alice.told(RequestFailed)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.REMOTE_HANG_UP]


def test_a_request_that_could_not_be_sent_does_not() -> None:
    wire = Wire(Transport.TCP, lose=lambda _, data: data.startswith(b"INFO"))
    call, _ = wire.up()
    wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.pump()
    reset = TransportFailure(FailureReason.RESET, "reset")
    wire.alice.stack.flow_failed(Flow(Transport.TCP, ALICE, BOB), reset, wire.now)
    wire.run(40)
    assert wire.alice.told(RequestFailed)
    assert not wire.alice.told(CallEnded)


def test_a_481_inside_ends_the_call() -> None:
    wire = Wire(config=TALKATIVE)
    call, _ = wire.up()
    wire.alice.stack.request_within(call, "INFO", wire.now)
    wire.run(0.1)
    (asked,) = wire.bob.told(CallRequested)
    wire.bob.stack.respond(asked.key, build_response(asked.request, 481), wire.now)
    wire.run(0.1)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]


@pytest.mark.parametrize("answer", [481, None])
@pytest.mark.parametrize("method", ["NOTIFY", "SUBSCRIBE", "REFER"])
def test_what_concerns_a_subscription_does_not_end_the_call(method: str, answer: int | None) -> None:
    """RFC 5057 §5.1: who does not know it, or does not answer, ends that usage of the dialog, and no other."""
    wire = Wire(config=StackConfig(methods=(method,)))
    call, _ = wire.up()
    wire.lose = lambda _, data: answer is None and data.startswith(method.encode())
    wire.alice.stack.request_within(call, method, wire.now, fields=[("Event", "refer"), ("Refer-To", "<sip:c@x>")])
    wire.run(0.1)
    if answer is not None:
        (asked,) = wire.bob.told(CallRequested)
        wire.bob.stack.respond(asked.key, build_response(asked.request, answer), wire.now)
    wire.run(40)
    assert wire.alice.told(ResponseReceived if answer else RequestFailed)
    assert not wire.alice.told(CallEnded)
    assert not wire.bob.told(CallEnded)


def test_a_transfer_tells_how_it_fares() -> None:
    wire = Wire(config=TALKATIVE)
    call, at_bob = wire.up()
    wire.alice.stack.request_within(call, "REFER", wire.now, fields=[("Refer-To", "<sip:carol@192.0.2.9>")])
    wire.run(0.1)
    (asked,) = wire.bob.told(CallRequested)
    wire.bob.stack.respond(asked.key, build_response(asked.request, 202), wire.now)
    for status in (100, 180, 200):
        fields, body = notification(status)
        wire.bob.stack.request_within(at_bob, "NOTIFY", wire.now, fields=fields, body=body, content_type=SIPFRAG)
        wire.run(0.1)
    assert [told_status(event.request) for event in wire.alice.told(CallNotified)] == [100, 180, 200]
    assert [event.response.status for event in wire.bob.told(ResponseReceived)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("method", "known", "answers"),
    [
        ("NOTIFY", True, []),
        ("SUBSCRIBE", True, []),
        ("NOTIFY", False, [481]),
        ("SUBSCRIBE", False, [405]),
        ("INFO", True, [481]),
    ],
)
def test_what_may_be_inside_a_subscription_is_its_owners(method: str, known: bool, answers: list[int]) -> None:
    """RFC 6665 §4.1.3: the stack keeps the dialogs of calls only, so it cannot tell that nobody has subscribed."""
    wire = Wire(config=StackConfig(methods=(method,) if known else ()))
    request = wire.request(method).with_header("To", f"<sip:bob@{BOB}>;tag=some").with_header("Event", "dialog")
    wire.alice.stack.request(Order(request, Hop(Transport.UDP, BOB)), wire.now)
    wire.run(0.1)
    assert len(wire.bob.told(RequestReceived)) == (not answers)
    assert [event.response.status for event in wire.alice.told(ResponseReceived)] == answers


@pytest.mark.parametrize(
    ("event", "config", "answers"),
    [
        ("refer", StackConfig(), [200]),
        ("dialog", StackConfig(), [489]),  # RFC 6665 §4.1.3
        ("", StackConfig(), [489]),
        ("dialog", StackConfig(methods=("NOTIFY",)), []),  # the owner may know it
        ("dialog", StackConfig(passes_unknown=True), []),
    ],
)
def test_a_notification_of_another_event_in_a_call_that_transfers(
    event: str, config: StackConfig, answers: list[int]
) -> None:
    wire = Wire(config=config, bobs_config=TALKATIVE)
    call, at_bob = wire.up()
    wire.alice.stack.request_within(call, "REFER", wire.now, fields=[("Refer-To", "<sip:carol@192.0.2.3>")])
    wire.run(0.1)
    fields = [("Event", event), ("Subscription-State", "active")] if event else []
    wire.bob.stack.request_within(at_bob, "NOTIFY", wire.now, fields=fields)
    wire.run(0.1)
    refusals = [event.response for event in wire.bob.told(ResponseReceived)]
    assert [response.status for response in refusals] == answers
    assert [response.headers.get("Allow-Events") for response in refusals if response.status == 489] == [
        "refer" for status in answers if status == 489
    ]
    assert len(wire.alice.told(CallRequested)) == (not answers)


def test_a_notification_that_nobody_subscribed_to_is_refused() -> None:
    wire = Wire()
    _, at_bob = wire.up()
    fields, body = notification(200)
    wire.bob.stack.request_within(at_bob, "NOTIFY", wire.now, fields=fields, body=body, content_type=SIPFRAG)
    wire.run(0.1)
    assert [event.response.status for event in wire.bob.told(ResponseReceived)] == [405]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"SIP/2.0 200 OK\r\n", 200),
        (b"SIP/2.0 486 Busy Here", 486),
        (b"sip/2.0 180", 180),
        (b"", None),
        (b"SIP/2.0 2000 no", None),
        (b"HTTP/1.1 200 OK", None),
        (b"SIP/2.0 \xb2\xb2\xb2", None),
    ],
)
def test_what_a_notification_tells(body: bytes, status: int | None) -> None:
    request = Wire().request("NOTIFY", body, SIPFRAG if body else "")
    assert told_status(request) == status


def replacing(wire: Wire, value: str) -> int:
    """Alice calls Bob once more, with this Replaces. Gives the number of the call at Alice's."""
    invite = wire.request("INVITE", description(ALICE), SDP).with_header("Call-ID", "call-2")
    order = Order(invite.with_header("Replaces", value), Hop(Transport.UDP, BOB), "alice")
    return wire.alice.stack.call(order, wire.now)


def as_bob_sees(wire: Wire, call: int) -> str:
    """The Replaces that names a call of Alice's in the eyes of Bob."""
    return wire.alice.stack.replaces(call)


def test_a_call_takes_the_place_of_another() -> None:
    wire = Wire()
    call, at_bob = wire.up()
    second = replacing(wire, as_bob_sees(wire, call))
    wire.run(0.1)
    received = wire.bob.told(CallReceived)[-1]
    assert received.replaces == at_bob
    wire.accept(received.call)
    wire.run(0.1)
    assert [event.call for event in wire.bob.told(CallConfirmed)][-1] == received.call
    assert [(event.call, event.reason) for event in wire.bob.told(CallEnded)] == [(at_bob, EndReason.REPLACED)]
    assert [(event.call, event.reason) for event in wire.alice.told(CallEnded)] == [(call, EndReason.REMOTE_HANG_UP)]
    assert second != call


@pytest.mark.parametrize(("told", "is_known"), [("0", True), ("1", False)])
def test_a_tag_of_zero_stands_for_none(told: str, is_known: bool) -> None:
    """RFC 3891 §3: a peer of RFC 2543 has no tag, and whoever names its dialog has to write something."""
    wire = Wire()
    wire.alter = lambda data: (
        re.sub(rb"(From: [^\r;]*;?[^\r]*?);tag=[^\r;]*", rb"\1", data) if b"2543" in data else data
    )
    invite = wire.request("INVITE", description(ALICE), SDP).with_header("Call-ID", "2543")
    wire.alice.stack.call(Order(invite, Hop(Transport.UDP, BOB), "alice"), wire.now)
    wire.run(0.1)
    at_bob = wire.bob.told(CallReceived)[-1].call
    wire.accept(at_bob)
    wire.run(0.1)
    local_tag = next(message.to_tag for message in wire.bob.messages() if isinstance(message, Response))
    replacing(wire, f"2543;to-tag={local_tag};from-tag={told}")
    wire.run(0.1)
    assert (wire.bob.told(CallReceived)[-1].replaces == at_bob) is is_known
    assert ("481 INVITE" in wire.bob.starts()) is not is_known


def test_a_call_that_is_not_accepted_replaces_nothing() -> None:
    wire = Wire()
    call, _ = wire.up()
    replacing(wire, as_bob_sees(wire, call))
    wire.run(0.1)
    wire.bob.stack.reject(wire.bob.told(CallReceived)[-1].call, 603, wire.now)
    wire.run(0.1)
    assert not wire.bob.told(CallEnded) or wire.bob.told(CallEnded)[0].call != 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda text: text.replace("to-tag=", "to-tag=x"), 481),
        (lambda text: f"{text};early-only", 486),
        (lambda text: "nonsense;from-tag=1;to-tag=2", 481),
    ],
)
def test_what_cannot_be_replaced(change: "object", status: int) -> None:
    wire = Wire()
    call, _ = wire.up()
    assert callable(change)
    replacing(wire, change(as_bob_sees(wire, call)))
    wire.run(0.1)
    assert wire.bob.starts()[-1] == f"{status} INVITE"


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("extensions", [("replaces",), ()])
def test_only_an_invite_may_replace_a_call(within: bool, extensions: tuple[str, ...]) -> None:
    """RFC 3891 §3; whoever does not know Replaces takes no notice of it (RFC 3261 §8.2.2)."""
    wire = Wire(config=StackConfig(methods=("INFO",), extensions=extensions))
    call, _ = wire.up()
    replaces = ("Replaces", as_bob_sees(wire, call))
    if within:
        wire.alice.stack.request_within(call, "INFO", wire.now, fields=[replaces])
    else:
        request = wire.request("OPTIONS").with_header(*replaces)
        wire.alice.stack.request(Order(request, Hop(Transport.UDP, BOB)), wire.now)
    wire.run(0.1)
    assert [message.status for message in wire.bob.messages() if isinstance(message, Response)][1:] == [400] * len(
        extensions
    )
    assert bool(wire.bob.told(CallRequested) or wire.bob.told(RequestReceived)) is not bool(extensions)


def test_an_invite_replaces_one_call_at_most() -> None:
    wire = Wire()
    call, _ = wire.up()
    text = as_bob_sees(wire, call)
    wire.alter = lambda data: data.replace(b"\r\nReplaces", f"\r\nReplaces: {text}\r\nReplaces".encode())
    replacing(wire, text)
    wire.run(0.1)
    assert wire.bob.starts()[-1] == "400 INVITE"


def test_a_call_that_is_over_cannot_be_replaced() -> None:
    wire = Wire()
    call, _ = wire.up()
    text = as_bob_sees(wire, call)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    replacing(wire, text)
    wire.run(0.1)
    assert wire.bob.starts()[-1] in ("603 INVITE", "481 INVITE")


def test_a_call_that_still_rings_here_cannot_be_replaced() -> None:
    wire = Wire()
    call = wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 180, wire.now)
    wire.run(0.1)
    replacing(wire, as_bob_sees(wire, call))
    wire.run(0.1)
    assert wire.bob.starts()[-1] == "481 INVITE"


REASON = [("Reason", 'SIP;cause=200;text="completed elsewhere"')]


@pytest.mark.parametrize(("answered", "last"), [(False, "CANCEL"), (True, "BYE")])
def test_a_reason_goes_along_when_a_call_is_ended(answered: bool, last: str) -> None:
    wire = Wire()
    call = wire.up()[0] if answered else wire.call()
    wire.run(0.1)
    if not answered:
        wire.bob.stack.ring(1, 180, wire.now)
        wire.run(0.1)
    wire.alice.stack.hang_up(call, wire.now, fields=REASON)
    wire.run(0.1)
    (sent,) = [
        message for message, start in zip(wire.alice.messages(), wire.alice.starts(), strict=True) if start == last
    ]
    assert sent.headers.get("Reason") == REASON[0][1]
    (ended,) = wire.bob.told(CallEnded)
    assert ended.request
    assert ended.request.headers.get("Reason") == REASON[0][1]
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_refusal_may_say_why() -> None:
    wire = Wire()
    wire.call()
    wire.run(0.1)
    wire.bob.stack.hang_up(1, wire.now, fields=REASON)
    wire.run(0.1)
    assert wire.bob.messages()[-1].headers.get("Reason") == REASON[0][1]


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_re_invite_is_cancelled_whatever_came_after_it(method: str) -> None:
    """RFC 3261 §9.2. An UPDATE that offers nothing is answered meanwhile, another INVITE refused."""
    wire = Wire(config=StackConfig(answers_offers=False), bobs_config=StackConfig())
    _, at_bob = wire.up()
    wire.bob.stack.change(at_bob, wire.bob.stack.session(at_bob).renewed(), wire.now)
    wire.run(0.1)
    first = wire.bob.messages()[-1]
    assert isinstance(first, Request)
    after, _ = wire.bob.stack._calls.machine(at_bob).request(method, [("Contact", f"<sip:{BOB}>")], b"", "")
    wire.deliver(wire.alice, bytes(Ends("UDP", BOB.host, BOB.port).around(after, "z9hG4bKafter")))
    wire.deliver(wire.alice, bytes(cancel_for(first)))
    wire.run(0.1)
    assert wire.alice.starts()[-2:] == ["200 CANCEL", "487 INVITE"]
