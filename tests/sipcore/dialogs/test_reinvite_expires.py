"""The Expires of a re-INVITE: how long its sender waits for its owner to decide (RFC 3261 §13.3.1)."""

import pytest

from sipcore.errors import LocalError
from sipcore.events import CallChanged, CallOffered, CallUnchanged
from sipcore.message.message import Response
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_changes import hold
from tests.sipcore.wire import BOB, Wire, description


def asked(expires: str, method: str = "INVITE") -> tuple[Wire, int]:
    """A re-INVITE or UPDATE with this Expires, on which Bob's owner thinks: the number of the call at Bob's."""
    wire = Wire(bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up()
    field = f"\r\nExpires: {expires}\r\nContent-Type".encode()
    wire.alter = lambda data: (
        data.replace(b"\r\nContent-Type", field) if data.startswith((b"INVITE", b"UPDATE")) else data
    )
    hold(wire, wire.alice, call, method=method)
    wire.run(0.1)
    assert wire.bob.told(CallOffered)
    return wire, at_bob


def answers(wire: Wire) -> list[int]:
    return [
        one.status
        for one in wire.bob.messages()[1:]
        if isinstance(one, Response) and one.status > 100 and one.cseq.method in ("INVITE", "UPDATE")
    ]


@pytest.mark.parametrize(("seconds", "told"), [(5, [487]), (60, [487]), (150, [183, 183, 487])])
def test_a_reinvite_that_nobody_has_decided_on_in_its_time_is_terminated(seconds: int, told: list[int]) -> None:
    wire, at_bob = asked(str(seconds))
    wire.run(seconds - 0.5)
    assert answers(wire) == told[:-1]
    wire.run(1)
    assert answers(wire) == told
    assert [event.response and event.response.status for event in wire.alice.told(CallUnchanged)] == [487]
    with pytest.raises(LocalError, match="no offer"):
        wire.bob.stack.answer(at_bob, description(BOB), wire.now)


@pytest.mark.parametrize(("expires", "method"), [("5", "UPDATE"), ("soon", "INVITE"), ("3000", "INVITE")])
def test_others_have_their_time(expires: str, method: str) -> None:
    """An UPDATE is no invitation (RFC 3261 §20.19), and what cannot be read says nothing."""
    wire, at_bob = asked(expires, method)
    wire.run(20)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(1)
    assert answers(wire) == [200]
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]


def test_what_was_decided_in_time_stays_so() -> None:
    wire, at_bob = asked("30")
    wire.run(20)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(100)
    assert answers(wire) == [200]


def test_the_next_one_without_expires_has_no_such_limit() -> None:
    wire, at_bob = asked("5")
    wire.run(10)
    wire.alter = lambda data: data
    hold(wire, wire.alice, 1)
    wire.run(30)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(1)
    assert answers(wire) == [487, 200]
