"""An INVITE that expires before it is answered: RFC 3261 §13.2.1 for its sender, §13.3.1 for its receiver."""

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.validity import valid_until
from sipcore.events import CallAnswered, CallEnded, CallFailed, CallReceived
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.status import reason_for
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop
from sipcore.stack_config import StackConfig
from sipcore.transactions.timers import NEVER
from tests.sipcore.wire import ALICE, BOB, SDP, Side, Wire, description


@pytest.mark.parametrize(
    ("expires", "until"),
    [(None, NEVER), ("5", 105.0), ("0", 100.0), ("4294967295", 100.0 + 2**32 - 1), ("soon", NEVER), ("", NEVER)],
)
def test_until_when_an_invitation_holds(expires: str | None, until: float) -> None:
    invite = Wire().request("INVITE")
    invite = invite if expires is None else invite.with_header("Expires", expires)
    assert valid_until(invite, 100.0) == until


def calling(expires: str, *, at_alice: bool = True, at_bob: bool = True, rings: bool = True) -> tuple[Wire, int]:
    """Alice calls Bob with an INVITE that expires, in the eyes of one of them or of both; the number of the call."""
    wire = Wire(config=StackConfig(extensions=("100rel",)))
    field = f"Expires: {expires}\r\n".encode()
    invite = wire.request("INVITE", description(ALICE), SDP)
    if at_alice:
        invite = invite.with_header("Expires", expires)
        wire.alter = lambda data: data if at_bob else data.replace(field, b"")
    else:
        wire.alter = lambda data: data.replace(b"\r\nAllow", b"\r\n" + field + b"Allow", 1)
    call = wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice"), wire.now)
    wire.run(0.1)
    if rings:
        wire.bob.stack.ring(wire.bob.told(CallReceived)[-1].call, 180, wire.now)
    return wire, call


def reasons(side: Side) -> list[EndReason]:
    return [event.reason for event in side.told(CallEnded)]


def test_the_caller_cancels_what_nobody_answers_in_time() -> None:
    wire, _ = calling("5", at_bob=False)
    wire.run(4.8)
    assert wire.alice.starts() == ["INVITE"]
    wire.run(40)
    assert wire.alice.starts() == ["INVITE", "CANCEL", "ACK"]
    assert wire.bob.starts() == ["180 INVITE", "200 CANCEL", "487 INVITE"]
    assert (reasons(wire.alice), reasons(wire.bob)) == ([EndReason.INVITATION_EXPIRED], [EndReason.CANCELLED])
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize("rings", [False, True])
def test_the_callee_answers_487_to_what_is_not_answered_in_time(rings: bool) -> None:
    wire, _ = calling("5", at_alice=False, rings=rings)
    wire.run(40)
    assert wire.alice.starts() == ["INVITE", "ACK"]
    assert wire.bob.starts()[-1] == "487 INVITE"
    assert reasons(wire.bob) == [EndReason.INVITATION_EXPIRED]
    assert [failed.response.status for failed in wire.alice.told(CallFailed) if failed.response] == [487]
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def test_what_waits_for_the_prack_of_its_1xx_expires_as_well() -> None:
    """Accepted by its owner, it has no final response yet (RFC 3262 §3)."""
    wire, _ = calling("5", at_alice=False, rings=False)
    (received,) = wire.bob.told(CallReceived)
    wire.lose = lambda _, data: data.startswith(b"PRACK")
    answer = description(BOB)
    wire.bob.stack.ring(received.call, 183, wire.now, reliably=True, body=answer, content_type=SDP)
    wire.run(0.1)
    wire.bob.stack.accept(received.call, wire.now)
    wire.run(5)
    assert wire.bob.starts()[-1] == "487 INVITE"
    assert reasons(wire.bob) == [EndReason.INVITATION_EXPIRED]


def test_a_call_that_is_answered_in_time_lasts() -> None:
    wire, _ = calling("5")
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(60)
    assert wire.alice.told(CallAnswered)
    assert (reasons(wire.alice), reasons(wire.bob)) == ([], [])


@pytest.mark.parametrize("status", [302, 486])
def test_one_that_was_refused_in_time_is_not_cancelled(status: int) -> None:
    wire, _ = calling("5")
    wire.bob.stack.reject(wire.bob.told(CallReceived)[-1].call, status, wire.now)
    wire.run(60)
    assert wire.alice.starts() == ["INVITE", "ACK"]
    assert [failed.response and failed.response.status for failed in wire.alice.told(CallFailed)] == [status]


def test_a_2xx_that_crosses_the_cancel_is_acknowledged_and_ended() -> None:
    wire, _ = calling("5", at_bob=False)
    wire.run(4.895)
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(1)
    assert wire.alice.starts() == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert reasons(wire.alice) == [EndReason.INVITATION_EXPIRED]


def test_nothing_is_cancelled_before_a_1xx_has_come() -> None:
    """RFC 3261 §9.1; without any, the INVITE ends with Timer B."""
    wire = Wire(lose=lambda _, data: data.startswith(b"INVITE"))
    invite = wire.request("INVITE", description(ALICE), SDP).with_header("Expires", "0")
    wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice"), wire.now)
    wire.run(40)
    assert set(wire.alice.starts()) == {"INVITE"}
    assert reasons(wire.alice) == [EndReason.INVITATION_EXPIRED]
    assert len(wire.alice.stack) == 0


def test_being_sent_on_does_not_make_an_invitation_last_longer() -> None:
    wire = Wire()
    invite = wire.request("INVITE", description(ALICE), SDP).with_header("Expires", "5")
    wire.alice.stack.call(Order(invite, Hop(wire.transport, BOB), "alice"), wire.now, redirects=1)
    wire.run(4)
    first = wire.alice.messages()[0]
    assert isinstance(first, Request)
    moved = [("Contact", f"<sip:carol@{BOB}>")]
    wire.deliver(wire.alice, bytes(build_response(first, 302, reason_for(302), tag="b", fields=moved)))
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE", "ACK", "INVITE"]
    wire.bob.stack.ring(wire.bob.told(CallReceived)[-1].call, 180, wire.now)
    wire.run(1)
    assert wire.alice.starts()[3] == "CANCEL"
    assert reasons(wire.alice) == [EndReason.INVITATION_EXPIRED]
