"""The end of a call is bounded, whatever becomes of the way that its BYE is to go: RFC 3261 §15.1.1."""

import re

import pytest

from sipcore.call_actions import PARTING_PATIENCE
from sipcore.dialogs.effects import EndReason
from sipcore.events import CallEnded, CallReceived, Resolve, StopResolving
from sipcore.resolve.records import Address, Answer, Question, RecordType
from sipcore.transactions.timers import Timers
from tests.sipcore.wire import Side, Wire

T1 = Timers().t1
SILENCE = 64 * T1
"""Timer F: seconds after which a BYE that gets no answer is given up at one hop."""


def named(data: bytes) -> bytes:
    """A message whose sender can be reached under a name only."""
    return re.sub(rb"(Contact: <sip:[a-z]*@)192\.0\.2\..:5060", rb"\1host.invalid", data)


def called(*, by_callee: bool) -> tuple[Wire, Side, int]:
    """A call that is up whose one side has to look up where the other one is; that side, and its number of the call."""
    wire = Wire(alter=lambda data: named(data) if by_callee and data.startswith(b"INVITE") else data)
    call, at_bob = wire.up()
    if by_callee:
        return wire, wire.bob, at_bob
    wire.alter = named
    wire.bob.stack.change(at_bob, b"", wire.now, method="UPDATE")
    wire.run(0.1)
    return wire, wire.alice, call


def asked(side: Side) -> list[Resolve]:
    """What a side waits for DNS for."""
    return [event for event in side.told(Resolve) if isinstance(event.question, Question)]


@pytest.mark.parametrize("by_callee", [False, True])
def test_a_bye_whose_way_nobody_finds_ends_its_call_all_the_same(by_callee: bool) -> None:
    wire, side, call = called(by_callee=by_callee)
    side.stack.hang_up(call, wire.now)
    wire.run(PARTING_PATIENCE * T1 - 1)
    assert asked(side)
    assert not side.told(CallEnded)
    wire.run(2)
    (ended,) = side.told(CallEnded)
    assert (ended.call, ended.reason) == (call, EndReason.BYE_UNANSWERED)
    assert {event.ticket for event in side.told(StopResolving)} == {event.ticket for event in asked(side)}
    assert "BYE" not in side.starts()
    assert len(side.stack) == 0


@pytest.mark.parametrize("silent", [1, 2, 5])
def test_a_bye_tries_another_hop_but_not_one_after_the_other_without_end(silent: int) -> None:
    wire, side, call = called(by_callee=False)
    wire.lose = lambda _, data: data.startswith(b"BYE") and wire.now < silent * SILENCE
    side.stack.hang_up(call, wire.now)
    wire.pump()
    while (waiting := [each for each in asked(side) if each in side.events]) and wire.now < 1:
        for each in waiting:
            side.events.remove(each)
            assert isinstance(each.question, Question)
            last = 9 if each.question.type is RecordType.A else 2
            hosts = tuple(Address(f"192.0.2.{number}") for number in range(2, last))
            side.stack.resolved(each.ticket, Answer(each.question, hosts), wire.now)
        wire.pump()
    assert "BYE" in side.starts()
    begun = wire.now
    while not side.told(CallEnded) and wire.now < begun + 1000:
        wire.run(1)
    (ended,) = side.told(CallEnded)
    assert ended.reason is (EndReason.LOCAL_HANG_UP if silent == 1 else EndReason.BYE_UNANSWERED)
    assert wire.now - begun <= PARTING_PATIENCE * T1 + SILENCE + 1
    wire.run(SILENCE)
    assert len(side.stack) == 0


def test_a_bye_to_a_late_callee_whose_way_nobody_finds_is_forgotten() -> None:
    wire = Wire()
    wire.call()
    wire.run(0.1)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    (answer,) = [data for _, data in wire.bob.sent if data.startswith(b"SIP/2.0 200")]
    wire.deliver(wire.alice, named(answer).replace(b";tag=", b";tag=late", 2).replace(b";tag=latea1", b";tag=a1"))
    wire.run(PARTING_PATIENCE * T1 - 1)
    assert [event.ticket for event in asked(wire.alice)]
    assert wire.alice.told(StopResolving) == []
    wire.run(2)
    assert wire.alice.told(StopResolving)
    assert wire.alice.told(CallEnded) == []
