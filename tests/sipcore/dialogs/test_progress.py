"""Who takes long to answer says so once a minute (RFC 3261 §13.3.1.1), and who cannot say so answers in time."""

from itertools import pairwise

import pytest

from sipcore.dialogs.provisional import EXTENSION
from sipcore.dialogs.reinvite_server import UPDATE_PATIENCE
from sipcore.errors import LocalError
from sipcore.events import CallChanged, CallEnded, CallProgress, CallReceived, CallUnchanged
from sipcore.message.message import Response
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_changes import DECIDING, hold
from tests.sipcore.wire import BOB, SDP, Side, Wire, description

T1 = 0.5


def invited(wire: Wire) -> tuple[int, int]:
    call = wire.call()
    wire.run(0.1)
    return call, wire.bob.told(CallReceived)[-1].call


def provisionals(side: Side) -> list[tuple[float, Response]]:
    """The 1xx that a side sent, save for 100, and when."""
    moments = [when for when, _ in side.sent]
    return [
        (when, message)
        for when, message in zip(moments, side.messages(), strict=True)
        if isinstance(message, Response) and 100 < message.status < 200
    ]


@pytest.mark.parametrize(("status", "body"), [(180, b""), (183, description(BOB)), (181, b"")])
def test_the_last_1xx_is_sent_again_each_minute_until_the_answer(status: int, body: bytes) -> None:
    wire = Wire(config=StackConfig(extensions=()))
    call, at_bob = invited(wire)
    wire.bob.stack.ring(at_bob, 182, wire.now)
    wire.run(30)
    rang = wire.now
    wire.bob.stack.ring(at_bob, status, wire.now, body=body, content_type=SDP, fields=[("Reason", "SIP;cause=1")])
    wire.run(4.5 * EXTENSION)
    _, *sent = provisionals(wire.bob)
    assert [when - rang for when, _ in sent] == pytest.approx([n * EXTENSION for n in range(5)])
    assert len({bytes(message) for _, message in sent}) == 1  # it is the same response, that may have been lost
    assert len(wire.alice.told(CallProgress)) == 6
    wire.accept(at_bob)
    before = len(wire.bob.sent)
    wire.run(10 * EXTENSION)
    assert wire.bob.starts()[before:] == ["200 INVITE"]
    assert wire.alice.stack.session(call).remote == description(BOB)


def test_a_reliable_1xx_is_followed_by_another_with_a_number_of_its_own() -> None:
    """RFC 3262 §3: what was acknowledged is not sent again; its session description has arrived with it."""
    wire = Wire()
    call, at_bob = invited(wire)
    wire.bob.stack.ring(
        at_bob, 183, wire.now, body=description(BOB), content_type=SDP, fields=[("P-Early-Media", "sendrecv")]
    )
    wire.run(3.5 * EXTENSION)
    (_, first), *others = provisionals(wire.bob)
    assert [int(one.headers.get("RSeq") or 0) - int(first.headers.get("RSeq") or 0) for _, one in others] == [1, 2, 3]
    assert {(one.status, one.headers.get("P-Early-Media"), one.body) for _, one in others} == {(183, "sendrecv", b"")}
    assert wire.alice.starts() == ["INVITE", *["PRACK"] * 4]
    assert wire.bob.starts().count("200 PRACK") == 4
    wire.accept(at_bob)
    wire.run(1)
    assert wire.alice.stack.session(call).remote == description(BOB)
    assert not wire.alice.told(CallEnded)


def test_a_reliable_1xx_that_waits_for_its_prack_is_repeated_anyway() -> None:
    wire = Wire(config=StackConfig())
    _, at_bob = invited(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True)
    wire.run(45)
    wire.lose = lambda _, data: data.startswith(b"PRACK")
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True)
    wire.bob.stack.ring(at_bob, 181, wire.now, reliably=True)  # which has to wait
    wire.run(25)
    wire.lose = lambda _, data: False
    wire.run(300)
    moments = [when for when, _ in provisionals(wire.bob)]
    assert max(later - earlier for earlier, later in pairwise(moments)) <= EXTENSION + 1e-6
    assert [one.status for _, one in provisionals(wire.bob)][-3:] == [181, 181, 181]
    assert not wire.alice.told(CallEnded)


@pytest.mark.parametrize("rings", [(), (100,)])
def test_who_has_sent_none_asks_for_no_more_time(rings: tuple[int, ...]) -> None:
    wire = Wire()
    _, at_bob = invited(wire)
    for status in rings:
        wire.bob.stack.ring(at_bob, status, wire.now)
    wire.run(5 * EXTENSION)
    assert set(wire.bob.starts()) == {"100 INVITE"}


@pytest.mark.parametrize("how", ["reject", "cancel", "accept before the PRACK"])
def test_nothing_is_sent_after_the_end(how: str) -> None:
    wire = Wire()
    call, at_bob = invited(wire)
    if how == "accept before the PRACK":
        wire.lose = lambda _, data: data.startswith(b"PRACK")
        wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
        wire.accept(at_bob)
    else:
        wire.bob.stack.ring(at_bob, 180, wire.now)
        wire.run(0.1)
    if how == "reject":
        wire.bob.stack.reject(at_bob, 486, wire.now)
    elif how == "cancel":
        wire.alice.stack.hang_up(call, wire.now)
    wire.run(2 * EXTENSION)
    assert max(when for when, _ in provisionals(wire.bob)) < EXTENSION
    assert len(wire.bob.stack) == 0


def test_a_reinvite_that_is_decided_on_for_long_gets_a_183_each_minute() -> None:
    """So that neither its sender nor a proxy on the way gives it up; no 180, since nothing rings."""
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    asked = wire.now
    hold(wire, wire.alice, call)
    wire.run(5.5 * EXTENSION)
    sent = provisionals(wire.bob)
    assert [when - asked for when, _ in sent] == pytest.approx([n * EXTENSION for n in range(1, 6)], abs=0.1)
    assert {(one.status, one.body, one.to_tag) for _, one in sent} == {(183, b"", wire.bob.messages()[-1].to_tag)}
    assert "CANCEL" not in wire.alice.starts()
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    before = len(wire.bob.sent)
    wire.run(2 * EXTENSION)
    assert wire.alice.told(CallChanged)
    assert wire.bob.starts()[before:] == ["200 INVITE"]


@pytest.mark.parametrize(
    ("method", "require", "patience"),
    [("UPDATE", "timer", UPDATE_PATIENCE * T1), ("UPDATE", "100rel", UPDATE_PATIENCE * T1), ("INVITE", "100rel", 60.0)],
)
def test_what_cannot_be_put_off_is_refused_in_time(method: str, require: str, patience: float) -> None:
    """RFC 3311 §5.2: 504 to an UPDATE. Its sender would take silence for the end of the call."""
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    asked = wire.now
    start = method.encode()
    wire.alter = lambda data: (
        data.replace(b"Content-Type", b"Require: " + require.encode() + b"\r\nContent-Type")
        if data.startswith(start)
        else data
    )
    hold(wire, wire.alice, call, method=method)
    wire.run(patience - 1)
    assert not wire.alice.told(CallUnchanged)
    wire.run(2)
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert unchanged.response
    assert unchanged.response.status == 504
    assert provisionals(wire.bob) == []
    assert wire.bob.sent[-1][0] - asked == pytest.approx(patience, abs=0.1)
    with pytest.raises(LocalError, match="no offer to answer"):
        wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.alter = lambda data: data
    hold(wire, wire.alice, call)
    wire.run(1)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(1)
    assert wire.alice.told(CallChanged)
    assert not wire.alice.told(CallEnded)


def test_the_504_to_an_update_comes_again_when_it_was_lost() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, _ = wire.up()
    wire.lose = lambda _, data: data.startswith(b"SIP/2.0 504")
    hold(wire, wire.alice, call, method="UPDATE")
    wire.run(UPDATE_PATIENCE * T1 + 0.1)
    assert wire.bob.starts()[-1] == "504 UPDATE"
    wire.lose = lambda _, data: False
    wire.run(64 * T1)
    assert [one.response and one.response.status for one in wire.alice.told(CallUnchanged)] == [504]
    assert not wire.alice.told(CallEnded)


def test_after_the_decision_nothing_more_is_said() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(1)
    wire.bob.stack.decline(at_bob, wire.now)
    wire.pump()
    before = len(wire.bob.sent)
    wire.run(2 * EXTENSION)
    assert len(wire.bob.sent) == before
    assert wire.bob.stack.next_timeout() is None
