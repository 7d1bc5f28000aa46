"""Reliable provisional responses (RFC 3262), seen from both sides."""

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.errors import LocalError
from sipcore.events import CallAnswered, CallChanged, CallConfirmed, CallEnded, CallFailed, CallOffered, CallProgress
from sipcore.message.message import Request, Response
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

PLAIN = StackConfig(extensions=())


def ringing(wire: Wire, *, offer: bytes = description(ALICE)) -> tuple[int, int]:
    call = wire.call(offer=offer)
    wire.run(0.1)
    return call, 1


def test_early_media_is_sent_reliably_when_both_can() -> None:
    wire = Wire()
    call, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE", "PRACK"]
    assert wire.bob.starts() == ["183 INVITE", "200 PRACK"]
    progress, prack = wire.bob.messages()[0], wire.alice.messages()[1]
    assert isinstance(prack, Request)
    assert prack.headers.get("RAck") == f"{progress.headers.get('RSeq')} 1 INVITE"
    assert wire.alice.stack.session(call).remote == description(BOB)
    wire.bob.stack.accept(at_bob, wire.now)  # the answer was in the 183
    wire.run(0.1)
    assert wire.alice.told(CallAnswered)
    assert wire.bob.told(CallConfirmed)


@pytest.mark.parametrize("config", [PLAIN])
def test_without_the_extension_it_is_not(config: StackConfig) -> None:
    wire = Wire(config=config)
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE"]
    with pytest.raises(LocalError, match="does not support"):
        wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True)


def test_plain_ringing_is_reliable_only_on_demand() -> None:
    wire = Wire()
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now)
    wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True)
    wire.run(0.1)
    assert wire.alice.starts().count("PRACK") == 1


def test_it_is_repeated_until_the_prack_comes() -> None:
    lost: list[bytes] = []

    def lose(_: int, data: bytes) -> bool:
        if data.startswith(b"SIP/2.0 183") and len(lost) < 3:
            lost.append(data)
            return True
        return False

    wire = Wire(lose=lose)
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now)
    wire.run(0.1)
    began = wire.now
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(10)
    times = [round(when - began, 2) for when, data in wire.bob.sent if data.startswith(b"SIP/2.0 183")]
    assert times == [0, 0.5, 1.5, 3.5]  # from T1 on, twice as long each time
    assert len(wire.alice.told(CallProgress)) == 2


def test_the_call_is_refused_when_the_prack_never_comes() -> None:
    wire = Wire(lose=lambda _, data: data.startswith(b"PRACK"))
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(40)
    (failed,) = wire.alice.told(CallFailed)
    assert failed.response
    assert failed.response.status == 504
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.NO_PRACK]
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_the_2xx_waits_for_the_prack_of_a_session_description() -> None:
    wire = Wire(lose=lambda ordinal, data: data.startswith(b"PRACK") and ordinal < 4)
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.bob.stack.accept(at_bob, wire.now)
    wire.run(0.1)
    assert "200 INVITE" not in wire.bob.starts()
    wire.run(1)
    assert wire.bob.starts()[-2:] == ["200 PRACK", "200 INVITE"]
    assert wire.alice.told(CallAnswered)


def test_one_goes_out_at_a_time() -> None:
    wire = Wire(lose=lambda ordinal, data: data.startswith(b"PRACK") and ordinal < 4)
    _, at_bob = ringing(wire)
    for status in (180, 181, 182):
        wire.bob.stack.ring(at_bob, status, wire.now, reliably=True)
    wire.run(0.2)
    assert wire.bob.starts() == ["180 INVITE"]
    wire.run(2)
    numbers = [
        int(message.headers.get("RSeq") or 0)
        for message in wire.bob.messages()
        if isinstance(message, Response) and message.is_provisional
    ]
    assert sorted(set(numbers)) == list(range(numbers[0], numbers[0] + 3))
    assert [event.response.status for event in wire.alice.told(CallProgress)] == [180, 181, 182]


def test_one_that_comes_too_early_is_dropped() -> None:
    wire = Wire()
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True)
    wire.run(0.1)
    first = wire.bob.messages()[0]
    number = int(first.headers.get("RSeq") or 0)
    for rseq, pracks in ((number + 2, 1), (number, 1), (number + 1, 2)):
        wire.deliver(wire.alice, bytes(first.with_header("RSeq", rseq)))
        assert wire.alice.starts().count("PRACK") == pracks


def test_one_that_comes_while_an_offer_waits_for_its_answer_is_dropped() -> None:
    """RFC 3262 §3: its sender must wait for the PRACK of the first one. It repeats it, so nothing is lost."""
    wire = Wire()
    call, at_bob = ringing(wire, offer=b"")
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    first = wire.bob.messages()[0]
    number = int(first.headers.get("RSeq") or 0)
    second = first.with_header("RSeq", number + 1).with_body(b"")
    wire.deliver(wire.alice, bytes(second))
    assert len(wire.alice.told(CallProgress)) == 1
    wire.alice.stack.answer(call, description(ALICE), wire.now)
    wire.deliver(wire.alice, bytes(second))
    racks = [message.headers.get("RAck") for message in wire.alice.messages()[1:]]
    assert racks == [f"{number} 1 INVITE", f"{number + 1} 1 INVITE"]


def test_a_prack_for_nothing_is_refused() -> None:
    wire = Wire()
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True)
    wire.run(0.1)
    prack = wire.alice.messages()[1]
    for cseq, rack in ((7, "1 1 INVITE"), (8, prack.headers.get("RAck")), (9, None)):
        again = prack.with_header("CSeq", f"{cseq} PRACK").with_header(
            "Via", f"SIP/2.0/UDP {ALICE};branch=z9hG4bK{cseq}"
        )
        wire.deliver(wire.bob, bytes(again.with_header("RAck", rack) if rack else again.without("RAck")))
        assert wire.bob.starts()[-1] == "481 PRACK"


def test_an_offer_in_a_1xx_is_answered_in_the_prack() -> None:
    wire = Wire()
    call, at_bob = ringing(wire, offer=b"")
    with pytest.raises(LocalError, match="without a session description"):
        wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    (offered,) = wire.alice.told(CallOffered)
    assert offered.message.body == description(BOB)
    assert "PRACK" not in wire.alice.starts()
    wire.alice.stack.answer(call, description(ALICE), wire.now)
    wire.run(0.1)
    assert wire.bob.stack.session(at_bob).remote == description(ALICE)
    wire.bob.stack.accept(at_bob, wire.now)
    wire.run(0.1)
    assert wire.bob.told(CallConfirmed)
    assert wire.alice.stack.session(call).remote == description(BOB)


@pytest.mark.parametrize("how", ["refused", "cancelled"])
def test_a_prack_that_comes_after_the_end_is_answered(how: str) -> None:
    """RFC 3262 §3: the final response stops the repetition, and a PRACK must still be dealt with."""
    lost: list[bytes] = []

    def lose(_: int, data: bytes) -> bool:
        if data.startswith(b"PRACK") and not lost:
            lost.append(data)
            return True
        return False

    wire = Wire(lose=lose)
    call, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    if how == "refused":
        wire.bob.stack.reject(at_bob, 486, wire.now)
    else:
        wire.alice.stack.hang_up(call, wire.now)
    wire.run(1.0)
    assert lost
    assert wire.bob.told(CallEnded)
    assert wire.bob.starts()[-1] == "200 PRACK"
    wire.run(100)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def test_a_refusal_ends_the_repetition() -> None:
    wire = Wire(lose=lambda _, data: data.startswith(b"PRACK"))
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    wire.bob.stack.reject(at_bob, 486, wire.now)
    before = wire.bob.starts().count("183 INVITE")
    wire.run(40)
    assert wire.bob.starts().count("183 INVITE") == before


@pytest.mark.parametrize(
    ("offer", "body", "answered"),
    [
        (description(ALICE), description(BOB), None),
        (b"", description(BOB), b"m=audio 0 "),  # an offer, which the PRACK refuses
    ],
)
def test_a_reliable_1xx_that_crosses_the_cancel_is_acknowledged(
    offer: bytes, body: bytes, answered: bytes | None
) -> None:
    """RFC 3262 §4: the caller must, whatever it wants of the call by now; its callee may wait for it."""
    wire = Wire()
    call, at_bob = ringing(wire, offer=offer)
    wire.bob.stack.ring(at_bob, 180, wire.now)
    wire.run(0.1)
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True, body=body, content_type=SDP)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert wire.alice.starts()[:3] == ["INVITE", "CANCEL", "PRACK"]
    assert "200 PRACK" in wire.bob.starts()
    if answered:
        assert answered in wire.alice.messages()[2].body
    assert len(wire.alice.told(CallProgress)) == 1  # the owner has done with it
    assert not wire.alice.told(CallOffered)
    wire.run(100)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


def test_an_offer_that_cannot_be_read_has_no_answer_for_who_has_given_up() -> None:
    wire = Wire()
    call, at_bob = ringing(wire, offer=b"")
    wire.bob.stack.ring(at_bob, 180, wire.now)
    wire.run(0.1)
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True, body=b"nonsense", content_type=SDP)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert "PRACK" not in wire.alice.starts()
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)


@pytest.mark.parametrize(("before", "kind"), [(b"", ""), (b"ringing", "text/plain")])
def test_the_prack_of_a_1xx_says_nothing_of_the_answer_that_goes_out_after_it(before: bytes, kind: str) -> None:
    """RFC 3262 §5: only the PRACK of the answer may bring an offer; that of a 180 before it acknowledges a 180."""
    wire = Wire(config=StackConfig(acknowledges=False))
    call, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True, body=before, content_type=kind)
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    assert wire.bob.starts() == ["180 INVITE", "200 PRACK", "183 INVITE"]
    session = wire.alice.stack.session(call)
    wire.alice.stack.change(call, session.renewed(Direction.SENDONLY), wire.now, method="PRACK")
    wire.run(0.1)
    assert wire.bob.starts()[3:] == ["200 PRACK"]
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]
    assert wire.bob.stack.session(at_bob).remote == wire.alice.stack.session(call).local


def test_an_offer_in_the_prack_of_a_1xx_before_the_answer_is_refused() -> None:
    """And the one with the answer goes out all the same."""
    offer = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(description(ALICE)) + description(
        ALICE
    )
    bare = b"Content-Length: 0\r\n\r\n"
    wire = Wire(alter=lambda data: data.replace(bare, offer) if data.startswith(b"PRACK") else data)
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 180, wire.now, reliably=True)
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True, body=description(BOB), content_type=SDP)
    wire.run(0.015)
    wire.alter = lambda data: data
    wire.run(1.0)
    assert wire.bob.starts() == ["180 INVITE", "488 PRACK", "183 INVITE", "200 PRACK"]
    wire.bob.stack.accept(at_bob, wire.now)
    wire.run(0.1)
    assert wire.bob.told(CallConfirmed)
    assert not wire.bob.told(CallChanged)


def test_the_2xx_goes_out_before_the_prack_of_a_1xx_without_a_session_description() -> None:
    """RFC 3262 §3 has it wait for a session description only; a mistake in it is told at once."""
    wire = Wire(lose=lambda _, data: data.startswith(b"PRACK"))
    _, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True, body=b"please wait", content_type="text/plain")
    with pytest.raises(LocalError, match="without a session description"):
        wire.bob.stack.accept(at_bob, wire.now)
    wire.accept(at_bob)
    wire.run(0.1)
    assert wire.bob.told(CallConfirmed)


def test_an_offer_in_a_prack_that_crosses_the_refusal_changes_nothing() -> None:
    """The end is the last thing that is told of a call."""
    wire = Wire(config=StackConfig(acknowledges=False))
    call, at_bob = ringing(wire)
    wire.bob.stack.ring(at_bob, 183, wire.now, reliably=True, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now, method="PRACK")
    wire.bob.stack.reject(at_bob, 486, wire.now)
    wire.run(100)
    assert wire.bob.starts()[-1] == "200 PRACK"
    assert wire.bob.told(CallEnded)
    assert not wire.bob.told(CallChanged)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
