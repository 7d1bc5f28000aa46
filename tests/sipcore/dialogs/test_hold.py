"""Which way media goes: what a side wants is what its last offer said that was answered (RFC 3261 §14.1)."""

import pytest

from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import CallChanged, CallEnded, CallUnchanged
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.resolve.target import Flow, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.offer_answer import Carrier
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_changes import direction, hold, last
from tests.sipcore.wire import ALICE, BOB, Wire, description


def one_way(direction: Direction) -> SessionDescription:
    return audio_description(
        address=ALICE.host, port=40000, session_id=1, session_version=1, codecs=[PCMU], direction=direction
    )


def refusal(wire: Wire, status: int) -> bytes:
    """What Alice's last INVITE is refused with."""
    invite = last(wire.alice, "INVITE")
    assert isinstance(invite, Request)
    return bytes(build_response(invite, status))


def refuse(wire: Wire, call: int, status: int) -> None:
    """Refuse a hold, and every attempt at it, with `status`."""
    wire.lose = lambda _, data: data.startswith(b"INVITE")
    hold(wire, wire.alice, call)
    while not wire.alice.told(CallUnchanged):
        wire.pump()
        wire.deliver(wire.alice, refusal(wire, status))
        wire.run(5)


def reset(wire: Wire, call: int) -> None:
    wire.lose = lambda _, data: data.startswith(b"INVITE")
    hold(wire, wire.alice, call)
    wire.pump()
    failure = TransportFailure(FailureReason.RESET, "reset")
    wire.alice.stack.flow_failed(Flow(Transport.TCP, ALICE, BOB), failure, wire.now)
    wire.run(40)


@pytest.mark.parametrize("how", [488, 491, 500, 487, "reset"])
def test_a_hold_that_failed_does_not_take_effect_later(how: int | str) -> None:
    wire = Wire(Transport.TCP)
    call, at_bob = wire.up()
    if isinstance(how, int):
        refuse(wire, call, how)
    else:
        reset(wire, call)
    assert len(wire.alice.told(CallUnchanged)) == 1
    wire.lose = lambda _, data: False
    before = len(wire.alice.sent)
    wire.run(60)
    assert wire.alice.starts()[before:] == []
    bob = wire.bob.stack
    bob.change(at_bob, bob.session(at_bob).renewed(), wire.now)
    wire.run(0.1)
    assert direction(bob.session(at_bob).remote) is Direction.SENDRECV
    alice = wire.alice.stack
    alice.change(call, alice.session(call).renewed(), wire.now)
    wire.run(0.1)
    assert direction(alice.session(call).local) is Direction.SENDRECV
    assert not wire.alice.told(CallEnded)


def test_while_a_hold_waits_to_be_tried_again_the_peer_is_answered_as_before() -> None:
    """RFC 3261 §14.1: after a 491 the peer's own change comes first, and our hold has not been agreed to."""
    wire = Wire()
    call, at_bob = wire.up()
    wire.lose = lambda _, data: data.startswith(b"INVITE")
    hold(wire, wire.alice, call)
    wire.pump()
    wire.deliver(wire.alice, refusal(wire, 491))
    wire.lose = lambda _, data: False
    wire.bob.stack.change(at_bob, wire.bob.stack.session(at_bob).renewed(), wire.now)
    wire.run(0.1)
    assert direction(wire.bob.stack.session(at_bob).remote) is Direction.SENDRECV
    wire.run(6)
    assert direction(wire.bob.stack.session(at_bob).remote) is Direction.SENDONLY
    assert [event.local for event in wire.alice.told(CallChanged)] == [False, True]


@pytest.mark.parametrize("wanted", list(Direction))
def test_a_refresh_goes_on_with_the_direction_that_was_agreed_on(wanted: Direction) -> None:
    """Whoever offers a direction in a description of its own wants it, too: a refresh does not take it back."""
    without_update = StackConfig(session_interval=90)
    wire = Wire(config=without_update, alter=lambda data: data.replace(b", UPDATE", b""))
    call, _ = wire.up()
    session = wire.alice.stack.session(call)
    wire.alice.stack.change(call, session.next_offer(one_way(wanted)), wire.now)
    wire.run(300)
    assert wire.alice.starts().count("INVITE") >= 5
    assert direction(session.local) is wanted
    assert not wire.alice.told(CallEnded)


def test_a_refresh_after_a_refused_hold_does_not_hold() -> None:
    without_update = StackConfig(session_interval=90)
    wire = Wire(config=without_update, alter=lambda data: data.replace(b", UPDATE", b""))
    call, at_bob = wire.up()
    refuse(wire, call, 488)
    wire.lose = lambda _, data: False
    wire.run(100)
    assert wire.alice.starts().count("INVITE") >= 3
    assert direction(wire.bob.stack.session(at_bob).remote) is Direction.SENDRECV


@pytest.mark.parametrize("wanted", list(Direction))
def test_a_call_that_begins_in_one_direction_is_refreshed_in_it(wanted: Direction) -> None:
    wire = Wire()
    call, _ = wire.up(offer=bytes(one_way(wanted)))
    session = wire.alice.stack.session(call)
    assert direction(session.renewed()) is wanted
    assert direction(session.renewed(Direction.SENDONLY)) is Direction.SENDONLY


def test_an_answer_does_not_say_what_is_wanted() -> None:
    """RFC 6337 §5.3: that this side only receives is the doing of the peer's hold."""
    wire = Wire()
    call, at_bob = wire.up()
    wire.bob.stack.change(at_bob, wire.bob.stack.session(at_bob).renewed(Direction.SENDONLY), wire.now)
    wire.run(0.1)
    session = wire.alice.stack.session(call)
    assert direction(session.local) is Direction.RECVONLY
    assert session.wanted is Direction.SENDRECV
    assert direction(session.renewed()) is Direction.SENDRECV


def test_an_offer_of_refused_streams_says_nothing_of_the_direction() -> None:
    wire = Wire()
    call, _ = wire.up()
    session = wire.alice.stack.session(call)
    session.sent(Carrier.UPDATE, description(ALICE).replace(b"40000", b"0"))
    session.received(Carrier.UPDATE_SUCCESS, description(BOB).replace(b"40000", b"0"))
    assert session.wanted is Direction.SENDRECV
