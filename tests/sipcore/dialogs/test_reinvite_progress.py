"""Reliable 1xx to a re-INVITE (RFC 3262 §4), what they agree on, and what a refusal after that undoes (RFC 6141)."""

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.events import CallChanged, CallEnded, CallUnchanged
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_changes import direction
from tests.sipcore.wire import BOB, SDP, Side, Wire, description

WITHOUT_UPDATE = "INVITE, ACK, BYE, CANCEL, PRACK"


class Peer:
    """Somebody who is asked to hold by Alice or Bob, who are both ours, and answers as the test says."""

    def __init__(self, wire: Wire, who: str = "alice", *, offers: bool = True) -> None:
        call, at_bob = wire.up()
        self.wire = wire
        self.side: Side = wire.alice if who == "alice" else wire.bob
        self.call = call if who == "alice" else at_bob
        self.before = self.session
        wire.lose = lambda _, data: True
        body = self.side.stack.session(self.call).renewed(Direction.SENDONLY) if offers else b""
        self.side.stack.change(self.call, body, wire.now, method="INVITE")
        wire.pump()
        self.invite = self.last("INVITE")
        self._since = len(self.side.sent)

    @property
    def session(self) -> tuple[bytes, bytes]:
        session = self.side.stack.session(self.call)
        return session.local, session.remote

    def last(self, method: str) -> Request:
        sent = [parse_message(data) for _, data in self.side.sent]
        return [one for one in sent if isinstance(one, Request) and one.method == method][-1]

    @property
    def asked(self) -> list[Request | Response]:
        """What came of our side since the re-INVITE."""
        return [parse_message(data) for _, data in self.side.sent[self._since :]]

    def answer(
        self, request: Request, status: int, *fields: tuple[str, object], body: bytes = b"", after: float = 0.1
    ) -> None:
        told = [("Contact", f"<sip:{BOB}>"), *fields]
        response = build_response(request, status, fields=told, body=body, content_type=SDP if body else "")
        self.wire.deliver(self.side, bytes(response))
        self.wire.run(after)

    def progress(self, number: int, *, body: bytes = b"", status: int = 183) -> None:
        self.answer(self.invite, status, ("Require", "100rel"), ("RSeq", number), body=body)

    def pracks(self) -> list[tuple[str, bytes]]:
        """Each PRACK, once: what it acknowledges, and what it brings."""
        sent = {one.cseq.number: one for one in self.asked if isinstance(one, Request) and one.method == "PRACK"}
        return [(one.headers.get("RAck") or "", one.body) for one in sent.values()]


def answer_to(invite: Request, direction: Direction = Direction.RECVONLY) -> bytes:
    """An answer to what a re-INVITE offers."""
    offer = SessionDescription.parse(invite.body)
    answer = SessionDescription.parse(description(BOB))
    assert len(offer.media) == len(answer.media)
    return bytes(answer).replace(b"a=rtpmap", f"a={direction.value}\r\na=rtpmap".encode(), 1)


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_reliable_1xx_to_a_reinvite_gets_its_prack(who: str, acknowledges: bool) -> None:
    """However those to the first INVITE are dealt with: nobody is told of these who could."""
    peer = Peer(Wire(config=StackConfig(acknowledges=acknowledges)), who)
    number = peer.invite.cseq.number
    peer.progress(7)
    peer.progress(7)  # once more, since the PRACK was on its way
    peer.progress(9)  # before the one that goes before it
    peer.progress(8, body=answer_to(peer.invite))
    assert peer.pracks() == [(f"7 {number} INVITE", b""), (f"8 {number} INVITE", b"")]
    assert direction(peer.session[1]) is Direction.RECVONLY
    peer.answer(peer.last("PRACK"), 200)
    peer.answer(peer.invite, 200)  # the answer was in the 183
    assert [event.local for event in peer.side.told(CallChanged)] == [True]
    assert peer.asked[-1].start_line.startswith("ACK")
    assert direction(peer.session[1]) is Direction.RECVONLY


def test_each_reinvite_counts_its_1xx_anew() -> None:
    """RFC 3262 §3: the numbers belong to one transaction."""
    peer = Peer(Wire())
    peer.progress(900)
    peer.answer(peer.invite, 488)
    peer.side.stack.change(peer.call, peer.side.stack.session(peer.call).renewed(), peer.wire.now, method="INVITE")
    peer.wire.pump()
    peer.invite = peer.last("INVITE")
    peer.progress(3)
    assert [acknowledged.split()[0] for acknowledged, _ in peer.pracks()] == ["900", "3"]


@pytest.mark.parametrize("fields", [[("RSeq", 1)], [("Require", "100rel")], [("Require", "100rel"), ("RSeq", "x")]])
def test_what_is_not_reliable_gets_none(fields: list[tuple[str, object]]) -> None:
    peer = Peer(Wire())
    peer.answer(peer.invite, 183, *fields, body=answer_to(peer.invite))
    assert not peer.pracks()
    assert peer.session == peer.before


def test_a_100_gets_none_whatever_it_says() -> None:
    peer = Peer(Wire())
    peer.progress(1, status=100)
    assert not peer.pracks()


def test_the_offer_of_a_1xx_is_answered_in_its_prack() -> None:
    peer = Peer(Wire(), offers=False)
    offer = description(BOB).replace(b"a=rtpmap", b"a=sendonly\r\na=rtpmap", 1)
    peer.progress(1, body=offer)
    ((_, answer),) = peer.pracks()
    assert direction(answer) is Direction.RECVONLY
    assert peer.session == (answer, offer)
    peer.answer(peer.last("PRACK"), 200)
    peer.answer(peer.invite, 200)
    assert [event.local for event in peer.side.told(CallChanged)] == [True]
    assert not peer.last("ACK").body


def test_an_offer_in_a_1xx_that_cannot_be_read_ends_the_call() -> None:
    peer = Peer(Wire(), offers=False)
    peer.progress(1, body=b"v=?")
    assert not peer.pracks()
    peer.answer(peer.last("BYE"), 200)
    assert [event.reason for event in peer.side.told(CallEnded)] == [EndReason.NO_ANSWER]


@pytest.mark.parametrize("after_update", [False, True])
@pytest.mark.parametrize("status", [486, 487, 500])
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_refusal_undoes_what_a_1xx_had_agreed_on_and_the_peer_is_offered_what_was_before(
    method: str, status: int, after_update: bool
) -> None:
    """RFC 6141 §3.3: "these state changes include" those of all transactions within the re-INVITE; §3.4."""
    wire = Wire()
    peer = Peer(wire)
    allow = [("Allow", WITHOUT_UPDATE)] if method == "INVITE" else []
    peer.progress(1, body=answer_to(peer.invite))
    peer.answer(peer.last("PRACK"), 200, *allow)
    if after_update:  # the peer changes it once more
        update = wire.bob.stack.session(1).renewed(Direction.INACTIVE)
        wire.bob.stack.change(1, update, wire.now, method="UPDATE")
        wire.lose = lambda _, data: not data.startswith((b"UPDATE", b"SIP/2.0 200"))
        wire.run(0.1)
        wire.lose = lambda _, data: True
        assert direction(peer.session[0]) is Direction.INACTIVE
    assert peer.session != peer.before
    peer.answer(peer.invite, status, *allow)
    assert peer.session == peer.before
    (unchanged,) = peer.side.told(CallUnchanged)
    assert unchanged.response is not None
    assert unchanged.response.status == status
    restoring = peer.last(method)
    assert restoring.cseq.number > peer.invite.cseq.number
    assert direction(restoring.body) is Direction.SENDRECV
    peer.answer(restoring, 488)  # which the peer has no reason for, and is not asked for again
    wire.run(40)
    assert len(peer.side.told(CallUnchanged)) == 2
    assert peer.last(method).cseq.number == restoring.cseq.number
    assert peer.session == peer.before
    assert not peer.side.told(CallEnded)


def test_a_refusal_of_what_no_1xx_had_agreed_on_needs_no_more() -> None:
    peer = Peer(Wire())
    peer.progress(1)
    peer.answer(peer.invite, 488)
    assert {one.cseq.method for one in peer.asked} == {"PRACK", "ACK"}


def test_what_is_tried_again_after_a_491_comes_out_of_what_was_in_force_before() -> None:
    peer = Peer(Wire())
    peer.progress(1, body=answer_to(peer.invite))
    peer.answer(peer.invite, 491)
    assert peer.session == peer.before
    peer.wire.run(5)
    again = peer.last("INVITE")
    assert direction(again.body) is Direction.SENDONLY
    peer.answer(again, 200, body=answer_to(again))
    assert [event.local for event in peer.side.told(CallChanged)] == [True]


def test_an_early_session_that_is_refused_an_update_is_not_undone() -> None:
    """Only a re-INVITE undoes what went through in it."""
    wire = Wire()
    call = wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    wire.lose = lambda _, data: data.startswith(b"UPDATE")
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(Direction.SENDONLY), wire.now)
    wire.pump()
    sent = len(wire.alice.sent)
    update = parse_message(wire.alice.sent[-1][1])
    assert isinstance(update, Request)
    wire.deliver(wire.alice, bytes(build_response(update, 488)))
    wire.run(5)
    assert wire.alice.stack.session(call).remote == description(BOB)
    assert len(wire.alice.sent) == sent


@pytest.mark.parametrize("statuses", [(100,), (180,), ()])
def test_a_peer_that_cancels_nothing_is_not_gone_for_all_that(statuses: tuple[int, ...]) -> None:
    """RFC 3261 §9.1: the re-INVITE is considered cancelled; one that nothing at all came for tells of a dialog gone."""
    peer = Peer(Wire())
    for status in statuses:
        peer.answer(peer.invite, status)
    peer.side.stack.withdraw(peer.call, peer.wire.now)
    peer.wire.run(33)
    (unchanged,) = peer.side.told(CallUnchanged)
    assert unchanged.failure is not None
    peer.wire.run(40)
    ended = [] if statuses else [EndReason.GONE]
    assert [event.reason for event in peer.side.told(CallEnded)] == ended


def test_who_has_answered_an_attempt_before_may_still_be_gone_by_the_next() -> None:
    peer = Peer(Wire())
    peer.answer(peer.invite, 100)
    peer.answer(peer.invite, 491)
    peer.wire.run(4.5)
    assert peer.last("INVITE").cseq.number > peer.invite.cseq.number
    peer.side.stack.withdraw(peer.call, peer.wire.now)
    peer.wire.run(80)
    assert [event.reason for event in peer.side.told(CallEnded)] == [EndReason.GONE]
