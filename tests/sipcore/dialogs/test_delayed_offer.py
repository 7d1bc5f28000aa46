"""Calls whose INVITE offers nothing: the offer is in the 2xx, the answer in the ACK (RFC 3261 §13.2.1)."""

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.errors import LocalError
from sipcore.events import CallAnswered, CallChanged, CallConfirmed, CallEnded, CallOffered
from sipcore.message.message import Response
from sipcore.sdp.attributes import G722, PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, Wire, description


def offered() -> tuple[Wire, int]:
    wire = Wire()
    call, _ = wire.up(offer=b"")
    return wire, call


def test_the_answer_goes_into_the_ack() -> None:
    wire, call = offered()
    assert wire.alice.told(CallAnswered)
    assert wire.alice.told(CallOffered)[0].message.body == description(BOB)
    assert wire.alice.starts() == ["INVITE"]
    wire.run(3)  # the 2xx comes again meanwhile
    wire.alice.stack.answer(call, description(ALICE), wire.now)
    wire.run(0.1)
    (confirmed,) = wire.bob.told(CallConfirmed)
    assert confirmed.ack.body == description(ALICE)
    assert wire.alice.stack.session(call).local == wire.bob.stack.session(1).remote == description(ALICE)


@pytest.mark.parametrize("how", ["decline", "hang up"])
def test_an_offer_that_is_not_wanted_ends_the_call(how: str) -> None:
    wire, call = offered()
    if how == "decline":
        wire.alice.stack.decline(call, wire.now)
    else:
        wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE", "ACK", "BYE"]
    assert b"m=audio 0 RTP/AVP 0\r\n" in wire.alice.messages()[1].body
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_caller_that_never_answers_is_hung_up_on() -> None:
    wire, _ = offered()
    wire.run(100)
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.NO_ACK]
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.REMOTE_HANG_UP]
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


@pytest.mark.parametrize("how", ["answer", "hang up"])
def test_a_caller_may_take_longer_than_its_invite_lasts(how: str) -> None:
    """Its transaction ends with Timer M (RFC 6026 section 7.2), and the BYE of a callee that has given up is lost."""
    wire, call = offered()
    wire.lose = lambda _, data: data.startswith(b"BYE")
    wire.run(50)
    if how == "answer":
        wire.alice.stack.answer(call, description(ALICE), wire.now)
    else:
        wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert wire.alice.starts()[:2] == ["INVITE", "ACK"]
    assert wire.alice.messages()[1].body
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert len(wire.alice.told(CallEnded)) == 1
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_what_may_not_be_sent_is_refused_here() -> None:
    wire = Wire()
    call = wire.call(offer=b"")
    wire.run(0.1)
    with pytest.raises(LocalError, match="without a session description"):
        wire.accept(1, answer=b"")
    wire.accept(1)
    wire.run(0.1)
    with pytest.raises(LocalError, match="without a session description"):
        wire.alice.stack.answer(call, b"", wire.now)
    with pytest.raises(LocalError, match="answered first"):
        wire.alice.stack.change(call, description(ALICE), wire.now)


def test_there_is_nothing_to_answer_in_an_ordinary_call() -> None:
    wire = Wire()
    call, at_bob = wire.up()
    for stack, number in ((wire.alice.stack, call), (wire.bob.stack, at_bob)):
        with pytest.raises(LocalError, match="no offer"):
            stack.answer(number, description(BOB), wire.now)
        with pytest.raises(LocalError, match="no offer"):
            stack.decline(number, wire.now)


def speaking(address: str, *codecs: Codec) -> bytes:
    return bytes(audio_description(address=address, port=40000, session_id=1, session_version=1, codecs=codecs))


@pytest.mark.parametrize(
    ("able", "offered", "agreed"),
    [((), ["8", "101"], ["8", "101"]), ((PCMU, PCMA, G722), ["8", "0", "9", "101"], ["8", "0", "101"])],
)
def test_a_reinvite_without_an_offer_gets_all_that_this_side_can_speak(
    able: tuple[Codec, ...], offered: list[str], agreed: list[str]
) -> None:
    """RFC 3261 §14.2: as if it were a new call; where nobody has said what that is, what was agreed on."""
    wire = Wire(bobs_config=StackConfig(codecs=able))
    call, at_bob = wire.up(offer=speaking(ALICE.host, PCMU, PCMA), answer=speaking(BOB.host, PCMA))
    wire.alice.stack.change(call, b"", wire.now, method="INVITE")
    wire.run(0.1)
    success = [message for message in wire.bob.messages() if isinstance(message, Response) and message.body][-1]
    assert [list(stream.formats) for stream in SessionDescription.parse(success.body).media] == [offered]
    assert SessionDescription.parse(success.body).origin.session_version == (2 if able else 1)
    assert [event.local for event in wire.bob.told(CallChanged)] == [False]
    answer = SessionDescription.parse(wire.bob.stack.session(at_bob).remote)
    assert [list(stream.formats) for stream in answer.media] == [agreed]
