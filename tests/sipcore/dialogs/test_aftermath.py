"""What a call still answers once it is up or over, and what it keeps for that: RFC 3261 §13.2.2.4, RFC 6026 §7.2."""

import pytest

from sipcore.callbook import PlacedCall, ReceivedCall
from sipcore.dialogs.callee import Callee
from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.inviting import Packed
from sipcore.events import CallConfirmed, CallEnded, CallFailed, CallReceived
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.fields.via import via_for
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, Transport
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

WINDOW = 64 * 0.5
"""Timer M: seconds in which a 2xx may come again."""


def over(how: str = "here") -> tuple[Wire, int]:
    """A call that Alice has placed and somebody has ended."""
    wire = Wire()
    call, at_bob = wire.up()
    if how == "here":
        wire.alice.stack.hang_up(call, wire.now)
    else:
        wire.bob.stack.hang_up(at_bob, wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallEnded)
    return wire, call


def success(wire: Wire, tag: str = "") -> bytes:
    """The 2xx that Bob has sent to the INVITE; with a tag, that of another callee."""
    (answer,) = (message for message in wire.bob.messages() if isinstance(message, Response) and message.body)
    changed = answer.with_header("To", answer.to.with_tag(tag)) if tag else answer
    return bytes(changed)


def bye(wire: Wire, tag: str, number: int) -> bytes:
    """A BYE of the callee with this tag."""
    invite = wire.alice.messages()[0]
    callee = Address(SipUri("biloxi.example", "bob")).with_tag(tag)
    identity = Identity(callee, invite.from_, invite.call_id, number)
    via = via_for("UDP", BOB.host, BOB.port, f"z9hG4bK-{tag}-{number}")
    return bytes(build_request("BYE", parse_uri(f"sip:alice@{ALICE}"), identity, via=via))


def requests(wire: Wire, method: str) -> list[bytes]:
    """What Alice has sent by this method."""
    return [data for _, data in wire.alice.sent if data.startswith(f"{method} ".encode())]


def kept(wire: Wire, call: int) -> PlacedCall:
    found = wire.alice.stack._calls._book.by_number[call]
    assert isinstance(found, PlacedCall)
    return found


@pytest.mark.parametrize("how", ["here", "there"])
def test_a_2xx_that_comes_again_after_the_end_gets_the_same_ack(how: str) -> None:
    wire, _ = over(how)
    for _ in range(2):
        wire.deliver(wire.alice, success(wire))
    first, *again = requests(wire, "ACK")
    assert again == [first, first]


def test_a_2xx_that_comes_again_while_the_call_is_up_gets_the_same_ack() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.deliver(wire.alice, success(wire))
    first, *again = requests(wire, "ACK")
    assert again == [first]
    assert wire.alice.stack.session(call).remote == description(BOB)


def test_another_callee_that_picks_up_after_the_end_is_acknowledged_and_hung_up_on() -> None:
    wire, _ = over()
    byes = len(requests(wire, "BYE"))
    for _ in range(2):
        wire.deliver(wire.alice, success(wire, "late"))
    first, second = requests(wire, "ACK")[1:]
    assert first == second
    assert parse_message(first).to_tag == "late"
    assert [parse_message(data).to_tag for data in requests(wire, "BYE")[byes:]] == ["late"]
    wire.deliver(wire.alice, success(wire))
    assert requests(wire, "ACK")[-1] == requests(wire, "ACK")[0]


@pytest.mark.parametrize("how", ["here", "there"])
@pytest.mark.parametrize("number", [1, 100])
def test_a_bye_after_the_end_is_answered(how: str, number: int) -> None:
    """RFC 3261 §15.1.1: both have hung up, and its own BYE was lost."""
    wire, call = over(how)
    tag = kept(wire, call).dialog_ids[0].remote_tag
    before = len(wire.alice.sent)
    wire.deliver(wire.alice, bye(wire, tag, number))
    wire.deliver(wire.alice, bye(wire, "nobody", number))
    assert wire.alice.starts()[before:] == ["200 BYE", "481 BYE"]
    assert len(wire.alice.told(CallEnded)) == 1


def test_a_2xx_whose_offer_nobody_answered_before_the_end_is_acknowledged_all_the_same() -> None:
    wire = Wire()
    call = wire.call(offer=b"")
    wire.run(0.1)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    wire.deliver(wire.alice, bye(wire, kept(wire, call).dialog_ids[0].remote_tag, 1))
    (ended,) = wire.alice.told(CallEnded)
    assert ended.reason is EndReason.REMOTE_HANG_UP
    assert not requests(wire, "ACK")
    for _ in range(2):
        wire.deliver(wire.alice, success(wire))
    first, second = requests(wire, "ACK")
    assert first == second
    assert kept(wire, call).machine.usage is None


def test_of_what_was_larger_than_what_is_read_nothing_comes_again() -> None:
    """Of such an INVITE its own 2xx still is acknowledged; whoever picks up besides is left alone."""
    wire = Wire(lose=lambda _, data: True)
    large = wire.request("INVITE", description(ALICE), SDP)
    for number in range(300):
        large = large.with_last(f"X-{number}", "much")
    call = wire.alice.stack.call(Order(large, Hop(Transport.UDP, BOB), "alice"), wire.now)
    wire.pump()
    lines = wire.alice.sent[0][1].split(b"\r\n")
    invite = parse_message(b"\r\n".join(line for line in lines if not line.startswith(b"X-")))
    assert isinstance(invite, Request)
    for tag in ("b", "c", "b"):
        contact = [("Contact", f"<sip:{tag}@{BOB}>")]
        answer = build_response(invite, 200, tag=tag, fields=contact, body=description(BOB), content_type=SDP)
        wire.deliver(wire.alice, bytes(answer))
    assert [parse_message(data).to_tag for data in requests(wire, "ACK")] == ["b", "b"]
    assert not requests(wire, "BYE")
    assert isinstance(kept(wire, call).machine._pending, Packed)


def test_a_call_that_is_up_keeps_nothing_to_send_its_invite_again() -> None:
    wire = Wire()
    call, _ = wire.up()
    assert kept(wire, call).invite is None
    assert isinstance(kept(wire, call).machine._pending, Packed)
    assert len(wire.alice.stack._tickets) == 0
    wire.run(WINDOW)
    assert kept(wire, call).machine._pending is None
    assert not wire.alice.stack._tickets._tickets


def test_a_call_that_is_over_keeps_no_dialog() -> None:
    wire, call = over("there")
    machine = kept(wire, call).machine
    assert (machine.usage, machine.ended_by) == (None, None)
    wire.run(WINDOW)
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize("how", ["refused", "cancelled"])
def test_a_call_that_never_was_up_is_not_kept(how: str) -> None:
    """RFC 6026 §7.2: once an INVITE is refused, nothing comes for it; its transaction repeats the ACK by itself."""
    wire = Wire()
    call = wire.call()
    wire.run(0.1)
    at_bob = wire.bob.told(CallReceived)[-1].call
    wire.bob.stack.ring(at_bob, 180, wire.now)
    wire.run(0.1)
    if how == "refused":
        wire.bob.stack.reject(at_bob, 486, wire.now)
    else:
        wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallFailed if how == "refused" else CallEnded)
    assert (len(wire.alice.stack._calls), len(wire.alice.stack._tickets)) == (0, 0)
    refusal = next(data for _, data in wire.bob.sent if data.startswith((b"SIP/2.0 486", b"SIP/2.0 487")))
    wire.deliver(wire.alice, refusal)
    first, second = requests(wire, "ACK")
    assert first == second


def test_whoever_was_called_keeps_no_message_of_the_invite_once_it_is_acknowledged() -> None:
    wire = Wire()
    _, at_bob = wire.up()
    assert wire.bob.told(CallConfirmed)
    found = wire.bob.stack._calls._book.by_number[at_bob]
    assert isinstance(found, ReceivedCall)
    machine = found.machine
    assert isinstance(machine, Callee)
    assert not hasattr(machine, "_invite")
    assert (machine._success, machine._repeat) == (None, None)
    ack = requests(wire, "ACK")[0]
    wire.deliver(wire.bob, ack)
    assert len(wire.bob.told(CallConfirmed)) == 1
