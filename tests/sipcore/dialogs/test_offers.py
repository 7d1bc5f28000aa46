"""Every place in which an offer and its answer may stand (RFC 6337 §2.2), as whole calls; PRACKs more closely."""

from collections.abc import Callable

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.errors import LocalError
from sipcore.events import (
    CallAnswered,
    CallChanged,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallOffered,
    CallProgress,
    CallReceived,
    CallUnchanged,
)
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.sdp.description import SessionDescription
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

WAITING = StackConfig(acknowledges=False, answers_offers=False)
AUTOMATIC = StackConfig(acknowledges=False)


def again(body: bytes, version: int = 2) -> bytes:
    """What follows a description that was sent: another port, and the next version."""
    return body.replace(b"- 1 1 IN", b"- 1 %d IN" % version).replace(b"40000", b"4000%d" % version)


MINE, YOURS = description(ALICE), description(BOB)
NEXT, REPLY = again(MINE), again(YOURS)


def calling(*, offer: bytes = MINE, config: StackConfig = WAITING, callee: StackConfig | None = None) -> Wire:
    """A call that has reached Bob: its number is 1 at both sides."""
    wire = Wire(config=config, bobs_config=callee)
    assert wire.call(offer=offer) == 1
    wire.run(0.1)
    assert wire.bob.told(CallReceived)
    return wire


def early(*, config: StackConfig = WAITING, callee: StackConfig | None = None, lost: bytes = b"\0") -> Wire:
    """Bob has answered the offer in a reliable 183, whose PRACK waits for Alice."""
    wire = calling(config=config, callee=callee)
    wire.bob.stack.ring(1, 183, wire.now, body=YOURS, content_type=SDP)
    wire.lose = lambda _, data: data.startswith(lost)
    wire.run(0.1)
    return wire


def ring(wire: Wire, body: bytes) -> None:
    wire.bob.stack.ring(1, 183, wire.now, body=body, content_type=SDP)


Act = Callable[[Wire], object]
PATTERNS: dict[str, tuple[bytes, list[Act], tuple[bytes, bytes]]] = {
    "1: INVITE, 2xx": (MINE, [lambda wire: wire.accept(1)], (MINE, YOURS)),
    "2: 2xx, ACK": (
        b"",
        [lambda wire: wire.accept(1), lambda wire: wire.alice.stack.answer(1, MINE, wire.now)],
        (MINE, YOURS),
    ),
    "3: INVITE, 1xx-rel": (
        MINE,
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.acknowledge(1, wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (MINE, YOURS),
    ),
    "4: 1xx-rel, PRACK": (
        b"",
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.answer(1, MINE, wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (MINE, YOURS),
    ),
    "4: 1xx-rel, PRACK that refuses": (
        b"",
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.decline(1, wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (b"m=audio 0 ", YOURS),
    ),
    "5: PRACK, 200": (
        MINE,
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.change(1, NEXT, wire.now),
            lambda wire: wire.bob.stack.answer(1, REPLY, wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (NEXT, REPLY),
    ),
    "5: PRACK, 200 after the 2xx to the INVITE": (
        MINE,
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.accept(1, answer=b""),
            lambda wire: wire.alice.stack.change(1, NEXT, wire.now, method="PRACK"),
            lambda wire: wire.bob.stack.answer(1, REPLY, wire.now),
        ],
        (NEXT, REPLY),
    ),
    "5: PRACK, 488": (
        MINE,
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.change(1, NEXT, wire.now),
            lambda wire: wire.bob.stack.decline(1, wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (MINE, YOURS),
    ),
    "6: UPDATE, 200": (
        MINE,
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.acknowledge(1, wire.now),
            lambda wire: wire.alice.stack.change(1, NEXT, wire.now),
            lambda wire: wire.bob.stack.answer(1, REPLY, wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (NEXT, REPLY),
    ),
    "6: UPDATE, 200 from the callee, after 5": (
        MINE,
        [
            lambda wire: ring(wire, YOURS),
            lambda wire: wire.alice.stack.change(1, NEXT, wire.now),
            lambda wire: wire.bob.stack.answer(1, REPLY, wire.now),
            lambda wire: wire.bob.stack.change(1, again(YOURS, 3), wire.now),
            lambda wire: wire.alice.stack.answer(1, again(MINE, 3), wire.now),
            lambda wire: wire.accept(1, answer=b""),
        ],
        (again(MINE, 3), again(YOURS, 3)),
    ),
}


@pytest.mark.parametrize(("offer", "acts", "agreed"), PATTERNS.values(), ids=PATTERNS)
def test_pattern(offer: bytes, acts: list[Act], agreed: tuple[bytes, bytes]) -> None:
    """Each by the owners of two stacks that leave all to them; and then the call goes on as any other."""
    wire = calling(offer=offer)
    for act in acts:
        act(wire)
        wire.run(0.1)
    assert wire.alice.told(CallAnswered)
    assert wire.bob.told(CallConfirmed)
    here, there = wire.alice.stack.session(1), wire.bob.stack.session(1)
    assert (here.local, here.remote) == (there.remote, there.local)
    assert agreed[0] in here.local
    assert here.remote == agreed[1]
    assert here.exchange.may_invite
    assert there.exchange.may_invite
    wire.alice.stack.change(1, here.next_offer(SessionDescription.parse(again(MINE, 4))), wire.now)
    wire.run(0.1)
    wire.bob.stack.answer(1, again(YOURS, 4), wire.now)
    wire.run(0.1)
    assert wire.alice.stack.session(1).remote == again(YOURS, 4)
    wire.alice.stack.hang_up(1, wire.now)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_the_prack_of_an_answer_waits_for_the_owner_who_wants_it() -> None:
    wire = early()
    (progress,) = wire.alice.told(CallProgress)
    assert progress.waits
    assert wire.alice.starts() == ["INVITE"]
    assert wire.alice.stack.session(1).remote == YOURS  # the offer may follow from it
    wire.run(3)  # the 183 comes again meanwhile
    assert len(wire.alice.told(CallProgress)) == 1
    wire.alice.stack.acknowledge(1, wire.now)
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE", "PRACK"]
    assert wire.bob.starts()[-1] == "200 PRACK"
    assert not [*wire.alice.told(CallChanged), *wire.bob.told(CallChanged)]


@pytest.mark.parametrize("body", [b"", YOURS])
def test_what_nothing_can_be_offered_after_is_acknowledged_at_once(body: bytes) -> None:
    """RFC 3262 §5: only the PRACK of an answer may bring an offer."""
    wire = early()
    wire.alice.stack.acknowledge(1, wire.now)
    wire.run(0.1)
    wire.bob.stack.ring(1, 183, wire.now, reliably=True, body=body, content_type=SDP if body else "")
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE", "PRACK", "PRACK"]
    assert [event.waits for event in wire.alice.told(CallProgress)] == [True, False]


def test_an_offer_in_a_prack_is_answered_out_of_what_was_agreed() -> None:
    wire = early(callee=AUTOMATIC)
    wire.alice.stack.change(1, NEXT, wire.now)
    wire.run(0.1)
    prack, success = wire.alice.messages()[-1], wire.bob.messages()[-1]
    assert (wire.alice.starts()[-1], prack.body, prack.headers.get("Contact")) == ("PRACK", NEXT, None)
    assert prack.headers.get("RAck") == f"{wire.bob.messages()[0].headers.get('RSeq')} 1 INVITE"
    assert (wire.bob.starts()[-1], success.headers.get("Contact")) == ("200 PRACK", None)
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]
    assert [event.local for event in wire.bob.told(CallChanged)] == [False]
    assert wire.alice.stack.session(1).local == wire.bob.stack.session(1).remote == NEXT
    assert wire.alice.stack.session(1).remote == wire.bob.stack.session(1).local == success.body
    assert not wire.bob.told(CallOffered)


def test_an_offer_in_a_prack_is_given_to_the_owner_who_wants_it() -> None:
    wire = early()
    wire.alice.stack.change(1, NEXT, wire.now)
    wire.run(3)  # a PRACK over UDP comes again meanwhile
    (offered,) = wire.bob.told(CallOffered)
    assert isinstance(offered.message, Request)
    assert (offered.message.method, offered.message.body, offered.remote_tag) == ("PRACK", NEXT, "a1")
    assert "200 PRACK" not in wire.bob.starts()
    assert wire.bob.starts().count("183 INVITE") == 1  # it has been acknowledged
    wire.bob.stack.answer(1, REPLY, wire.now)
    wire.run(0.1)
    assert wire.bob.messages()[-1].body == REPLY
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]
    assert [event.local for event in wire.bob.told(CallChanged)] == [False]


@pytest.mark.parametrize("status", [481, 488, 491, 422, 408, 500, 0])
def test_an_offer_in_a_prack_that_is_refused_leaves_everything_as_it_was(status: int) -> None:
    """It is not sent again, and what becomes of the call, the answer to its INVITE tells: 0 stands for silence."""
    wire = early(lost=b"PRACK")
    wire.alice.stack.change(1, NEXT, wire.now)
    wire.pump()
    prack = wire.alice.messages()[-1]
    assert isinstance(prack, Request)
    if status:
        wire.deliver(wire.alice, bytes(build_response(prack, status)))
    else:
        wire.bob.stack.ring(1, 180, wire.now)  # which is no answer to it
        wire.lose = lambda ordinal, data: data.startswith((b"PRACK", b"SIP/2.0 504"))
        wire.run(33)
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert (unchanged.response.status if unchanged.response else 0) == status
    assert wire.alice.stack.session(1).local == MINE
    assert not [*wire.alice.told(CallEnded), *wire.alice.told(CallFailed)]
    assert wire.alice.stack.session(1).exchange.may_offer
    wire.alice.stack.hang_up(1, wire.now)
    wire.run(200)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_prack_that_offers_nothing_is_no_outcome_of_one_that_does() -> None:
    wire = early()
    wire.alice.stack.change(1, NEXT, wire.now)
    wire.run(0.1)
    ring(wire, b"")
    wire.bob.stack.ring(1, 180, wire.now, reliably=True)
    wire.run(0.1)
    assert wire.bob.starts()[-1] == "200 PRACK"  # the second one's
    assert not wire.alice.told(CallChanged)
    wire.bob.stack.answer(1, REPLY, wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallChanged)
    assert wire.alice.stack.session(1).remote == REPLY


def test_what_may_not_be_asked_for_is_refused_here() -> None:
    wire = calling()
    stack = wire.alice.stack
    with pytest.raises(LocalError, match="no dialog yet"):
        stack.acknowledge(1, wire.now)
    ring(wire, YOURS)
    wire.run(0.1)
    with pytest.raises(LocalError, match="no offer"):
        stack.answer(1, NEXT, wire.now)
    with pytest.raises(LocalError, match="no offer"):
        stack.decline(1, wire.now)
    with pytest.raises(LocalError, match="UPDATE cannot be sent"):
        stack.change(1, NEXT, wire.now, method="UPDATE")
    with pytest.raises(LocalError, match="only while a reliable 1xx"):
        stack.change(1, b"", wire.now, method="PRACK")
    stack.change(1, NEXT, wire.now)
    with pytest.raises(LocalError, match="on its way"):
        stack.change(1, NEXT, wire.now)
    wire.run(0.1)
    wire.bob.stack.answer(1, REPLY, wire.now)
    wire.run(0.1)
    with pytest.raises(LocalError, match="only while a reliable 1xx"):
        stack.change(1, NEXT, wire.now, method="PRACK")
    for side in (wire.alice, wire.bob):
        with pytest.raises(LocalError, match="no reliable 1xx"):
            side.stack.acknowledge(1, wire.now)


@pytest.mark.parametrize(("offer", "answered"), [(MINE, b""), (b"", b"m=audio 0 ")])
def test_whoever_gives_the_call_up_acknowledges_what_waits(offer: bytes, answered: bytes) -> None:
    """RFC 3262 §4: the PRACK is due all the same; an offer is refused in it."""
    wire = calling(offer=offer)
    ring(wire, YOURS)
    wire.run(0.1)
    wire.alice.stack.hang_up(1, wire.now)
    wire.run(0.1)
    prack = next(message for message in wire.alice.messages() if message.cseq.method == "PRACK")
    assert answered in prack.body
    assert "CANCEL" in wire.alice.starts()
    assert "200 PRACK" in wire.bob.starts()
    wire.run(100)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_an_answer_that_crosses_the_cancel_is_acknowledged() -> None:
    wire = calling()
    wire.bob.stack.ring(1, 180, wire.now)
    wire.run(0.1)
    ring(wire, YOURS)
    wire.alice.stack.hang_up(1, wire.now)
    wire.run(0.1)
    assert wire.alice.starts()[:3] == ["INVITE", "CANCEL", "PRACK"]
    assert "200 PRACK" in wire.bob.starts()


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_call_that_ends_takes_the_offer_in_a_prack_with_it(who: str) -> None:
    wire = early()
    wire.alice.stack.change(1, NEXT, wire.now)
    wire.run(0.1)
    if who == "alice":
        wire.alice.stack.hang_up(1, wire.now)
    else:
        wire.bob.stack.reject(1, 486, wire.now)
    wire.run(0.1)
    assert "487 PRACK" in wire.bob.starts()
    assert len(wire.alice.told(CallUnchanged)) == 1
    with pytest.raises(LocalError):
        wire.bob.stack.answer(1, REPLY, wire.now)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_an_offer_in_a_prack_that_comes_after_the_end_is_nobodys() -> None:
    wire = early()
    wire.bob.stack.reject(1, 486, wire.now)
    wire.alice.stack.change(1, NEXT, wire.now)
    wire.run(0.1)
    assert "487 PRACK" in wire.bob.starts()
    assert not wire.bob.told(CallOffered)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_an_offer_that_cannot_be_read_cannot_be_refused() -> None:
    wire = calling(offer=b"")
    ring(wire, b"nonsense")
    wire.run(0.1)
    with pytest.raises(LocalError, match="hang up"):
        wire.alice.stack.decline(1, wire.now)


def test_a_2xx_that_does_not_wait_for_the_prack_ends_the_waiting() -> None:
    """RFC 3262 §3 forbids its callee to send it."""
    wire = early(lost=b"SIP/2.0 200")
    progress = wire.bob.messages()[0]
    start, _, rest = bytes(progress.without("RSeq").without("Require").with_body(b"")).partition(b"\r\n")
    wire.deliver(wire.alice, start.replace(b"183 Session Progress", b"200 OK") + b"\r\n" + rest)
    assert wire.alice.told(CallAnswered)
    with pytest.raises(LocalError, match="no reliable 1xx"):
        wire.alice.stack.acknowledge(1, wire.now)
    assert not wire.alice.told(CallOffered)


@pytest.mark.parametrize("method", ["INFO", "update", "MESSAGE"])
def test_no_other_method_changes_a_session(method: str) -> None:
    wire = Wire()
    call, _ = wire.up()
    with pytest.raises(LocalError, match=f"by INVITE, UPDATE, PRACK, not by {method}"):
        wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now, method=method)
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallChanged)


@pytest.mark.parametrize(
    ("method", "status"), [("INVITE", 100), ("INVITE", 200), ("INVITE", 700), ("UPDATE", 183), ("UPDATE", 408)]
)
def test_an_offer_is_declined_by_a_refusal_only(method: str, status: int) -> None:
    """What is none is the owner's mistake, and leaves the offer to be answered."""
    wire = Wire(bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up()
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now, method=method)
    wire.run(0.1)
    with pytest.raises(LocalError, match=f"from 300 to 699, .* not {status}"):
        wire.bob.stack.decline(at_bob, wire.now, status=status)
    wire.bob.stack.decline(at_bob, wire.now, status=406)
    wire.run(0.1)
    assert [told.response.status for told in wire.alice.told(CallUnchanged) if told.response] == [406]


def test_a_call_ends_that_nobody_answers_the_offer_of_a_prack_in() -> None:
    """RFC 3261 §12.2.1.2: the peer may have agreed, and then both would go on in sessions of their own."""
    wire = early(config=AUTOMATIC)
    wire.lose = lambda _, data: data.startswith(b"SIP/2.0 200") and b" PRACK\r\n" in data
    wire.alice.stack.change(1, NEXT, wire.now, method="PRACK")
    wire.run(40)
    assert len(wire.alice.told(CallUnchanged)) == 1
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.CANCELLED]
    wire.run(40)
    assert (len(wire.alice.stack), len(wire.bob.stack)) == (0, 0)
