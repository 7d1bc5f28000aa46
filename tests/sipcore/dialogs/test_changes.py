"""Sessions that change: re-INVITE and UPDATE from either side, glare, hold and resume, and what is refused."""

from dataclasses import replace

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.reinvite_client import PATIENCE
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallChanged, CallEnded, CallFailed, CallOffered, CallUnchanged
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, SDP, Side, Wire, description

DECIDING = StackConfig(answers_offers=False)


def direction(body: bytes) -> Direction:
    read = SessionDescription.parse(body)
    return read.direction_of(read.media[0])


def hold(wire: Wire, side: Side, call: int, *, method: str = "") -> None:
    side.stack.change(call, side.stack.session(call).renewed(Direction.SENDONLY), wire.now, method=method)


def last(side: Side, start: str) -> Request | Response:
    """The last message with this start that a side sent."""
    return [one for one, text in zip(side.messages(), side.starts(), strict=True) if text == start][-1]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_either_side_holds_and_resumes(transport: Transport, method: str, who: str) -> None:
    wire = Wire(transport)
    numbers = dict(zip(("alice", "bob"), wire.up(), strict=True))
    side, other = (wire.alice, wire.bob) if who == "alice" else (wire.bob, wire.alice)
    call, at_other = numbers.pop(who), *numbers.values()
    hold(wire, side, call, method=method)
    wire.run(0.1)
    (changed,) = side.told(CallChanged)
    assert (changed.call, changed.local) == (call, True)
    assert direction(side.stack.session(call).local) is Direction.SENDONLY
    assert direction(side.stack.session(call).remote) is Direction.RECVONLY
    assert other.stack.session(at_other).remote == side.stack.session(call).local
    assert [event.local for event in other.told(CallChanged)] == [False]
    side.stack.change(call, side.stack.session(call).renewed(Direction.SENDRECV), wire.now, method=method)
    wire.run(0.1)
    assert direction(side.stack.session(call).remote) is Direction.SENDRECV
    versions = [SessionDescription.parse(body).origin.session_version for body in _bodies(side)]
    assert versions == [1, 2, 3]
    wire.alice.stack.hang_up(1, wire.now)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def _bodies(side: Side) -> list[bytes]:
    return list(dict.fromkeys(message.body for message in side.messages() if message.body))


def test_whoever_has_moved_says_so_in_every_answer() -> None:
    """RFC 3261 §12.2.1.1: a re-INVITE from another address gives its Contact, and so do the 2xx that follow."""
    wire = Wire(transport=Transport.TCP)  # whose connections are made anew
    call, at_bob = wire.up()
    wire.bob.address = SocketAddress("192.0.2.9", 5060)
    hold(wire, wire.bob, at_bob)
    wire.run(0.1)
    assert str(wire.alice.stack.peer(call)) == "sip:sipcore@192.0.2.9:5060;transport=tcp"
    hold(wire, wire.alice, call)
    wire.run(0.1)
    assert str(wire.alice.stack.peer(call)) == "sip:sipcore@192.0.2.9:5060;transport=tcp"


def test_a_change_moves_the_remote_target_and_counts_on() -> None:
    wire = Wire()
    call, _ = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.1)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert [message.cseq.number for message in wire.alice.messages()] == [1, 1, 2, 2, 3]
    reinvite = last(wire.alice, "INVITE")
    assert reinvite.headers.get("Contact") == wire.alice.messages()[0].headers.get("Contact") == f"<sip:alice@{ALICE}>"
    assert reinvite.headers.get("Allow")


def test_the_offer_that_crosses_another_is_tried_again_and_both_go_through() -> None:
    wire = Wire()
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    hold(wire, wire.bob, at_bob)
    wire.run(0.1)
    assert "491 INVITE" in wire.alice.starts()
    assert "491 INVITE" in wire.bob.starts()
    wire.run(6)
    assert [event.local for event in wire.alice.told(CallChanged)] == [False, True]
    assert [event.local for event in wire.bob.told(CallChanged)] == [True, False]
    assert direction(wire.alice.stack.session(call).remote) is Direction.INACTIVE
    versions = [SessionDescription.parse(body).origin.session_version for body in _bodies(wire.alice)]
    assert versions == sorted(versions)
    assert not wire.alice.told(CallUnchanged)


def test_the_owner_of_the_call_id_waits_longer() -> None:
    for seed in range(20):
        wire = Wire(seed=seed)
        call, at_bob = wire.up()
        hold(wire, wire.alice, call)
        hold(wire, wire.bob, at_bob)
        began = wire.now
        wire.run(6)
        first = {
            who: next(when for when, data in side.sent if when > began and data.startswith(b"INVITE"))
            for who, side in (("alice", wire.alice), ("bob", wire.bob))
        }
        assert 2.1 <= round(first["alice"] - began, 6) <= 4.0 + 0.03
        assert 0 <= first["bob"] - began <= 2.0 + 0.03


def test_a_change_that_is_refused_leaves_everything_as_it_was() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    before = wire.alice.stack.session(call).local
    hold(wire, wire.alice, call)
    wire.run(0.1)
    (offered,) = wire.bob.told(CallOffered)
    assert offered.call == at_bob
    wire.bob.stack.decline(at_bob, wire.now)
    wire.run(0.1)
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert unchanged.response
    assert unchanged.response.status == 488
    assert wire.alice.stack.session(call).local == before
    assert not wire.alice.told(CallEnded)
    hold(wire, wire.alice, call)  # and the next one may be sent
    wire.run(0.1)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallChanged)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_the_owner_may_answer_offers_itself(method: str) -> None:
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call, method=method)
    wire.run(0.1)
    assert not wire.alice.told(CallChanged)
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallChanged)
    assert wire.alice.stack.session(call).remote == description(BOB)


def test_a_change_while_another_is_decided_on_gets_500_with_retry_after() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, _ = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.1)
    reinvite = last(wire.alice, "INVITE")
    again = reinvite.with_header("CSeq", "9 INVITE").with_header("Via", f"SIP/2.0/UDP {ALICE};branch=z9hG4bKother")
    wire.deliver(wire.bob, bytes(again))
    refusal = last(wire.bob, "500 INVITE")
    assert 0 <= int(refusal.headers.get("Retry-After") or -1) <= 10


def test_only_one_change_at_a_time() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, _ = wire.up()
    hold(wire, wire.alice, call)
    with pytest.raises(LocalError, match="on its way"):
        hold(wire, wire.alice, call)


def test_hanging_up_ends_a_change_that_is_on_its_way() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.1)
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(0.1)
    assert "487 INVITE" in wire.bob.starts()
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]
    assert wire.alice.told(CallUnchanged)
    with pytest.raises(LocalError):
        wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(100)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_2xx_that_is_lost_comes_again_and_so_does_its_ack() -> None:
    lost: list[bytes] = []

    def lose(_: int, data: bytes) -> bool:
        if data.startswith(b"ACK") and b"CSeq: 2 ACK" in data and len(lost) < 2:
            lost.append(data)
            return True
        return False

    wire = Wire(lose=lose)
    call, _ = wire.up()
    hold(wire, wire.alice, call)
    wire.run(3)
    acks = [data for _, data in wire.alice.sent if data.startswith(b"ACK") and b"CSeq: 2" in data]
    assert len(acks) == 3
    assert len(set(acks)) == 1
    assert wire.bob.starts().count("200 INVITE") == 4  # one of them the first INVITE's


def test_a_reinvite_whose_ack_never_comes_ends_the_call() -> None:
    wire = Wire(lose=lambda _, data: data.startswith(b"ACK") and b"CSeq: 2 ACK" in data)
    call, _ = wire.up()
    hold(wire, wire.alice, call)
    wire.run(40)
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.NO_ACK]
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.REMOTE_HANG_UP]


@pytest.mark.parametrize("status", [481, 408])
def test_a_peer_that_does_not_know_the_dialog_ends_the_call(status: int) -> None:
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.1)
    wire.bob.stack.decline(at_bob, wire.now, status=status)
    wire.run(0.1)
    assert wire.alice.told(CallUnchanged)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_change_that_could_not_be_sent_leaves_the_call_up(method: str) -> None:
    """RFC 3261 §8.1.3.1: a failure of the transport counts as a 503, which ends no dialog."""
    wire = Wire(Transport.TCP)
    call, _ = wire.up()
    wire.lose = lambda _, data: data.startswith(method.encode())
    hold(wire, wire.alice, call, method=method)
    wire.pump()
    reset = TransportFailure(FailureReason.RESET, "reset")
    wire.alice.stack.flow_failed(Flow(Transport.TCP, ALICE, BOB), reset, wire.now)
    wire.run(40)
    assert [event.failure for event in wire.alice.told(CallUnchanged)] == [reset]
    hold(wire, wire.alice, call, method="UPDATE" if method == "INVITE" else "INVITE")
    wire.run(0.1)
    assert wire.alice.told(CallChanged)
    assert not wire.alice.told(CallEnded)


def test_a_reinvite_without_an_offer_gets_one_and_answers_it_in_the_ack() -> None:
    wire = Wire()
    call, at_bob = wire.up()
    wire.alice.stack.change(call, b"", wire.now)
    wire.run(0.1)
    assert last(wire.bob, "200 INVITE").body
    assert last(wire.alice, "ACK").body
    assert wire.bob.told(CallChanged)
    assert wire.alice.told(CallChanged)
    assert wire.bob.stack.session(at_bob).remote == last(wire.alice, "ACK").body


def test_an_offer_in_the_2xx_that_cannot_be_read_is_acknowledged_and_ends_the_call() -> None:
    wire = Wire()
    call, _ = wire.up()
    wire.alice.stack.change(call, b"", wire.now)
    wire.pump()
    wire.deliver(wire.alice, unreadable(wire))
    assert not last(wire.alice, "ACK").body
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert unchanged.response is not None
    assert unchanged.response.status == 200
    assert wire.alice.starts()[-1] == "BYE"
    wire.run(100)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.NO_ANSWER]
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def unreadable(wire: Wire) -> bytes:
    """A 2xx to Alice's INVITE inside the call with a session description that is none."""
    invite = last(wire.alice, "INVITE")
    assert isinstance(invite, Request)
    return bytes(build_response(invite, 200, fields=[("Contact", f"<sip:{BOB}>")], body=b"v=0\r\n", content_type=SDP))


def test_streams_that_are_new_are_refused_and_the_known_one_goes_on() -> None:
    wire = Wire()
    call, _ = wire.up()
    session = wire.alice.stack.session(call)
    offer = SessionDescription.parse(session.local)
    video = replace(offer.media[0], media="video", port=40002)
    wire.alice.stack.change(call, session.next_offer(offer.with_media(1, video)), wire.now)
    wire.run(0.1)
    answer = SessionDescription.parse(wire.alice.stack.session(call).remote)
    assert [media.port for media in answer.media] == [40000, 0]


def test_an_offer_that_leaves_nothing_is_refused() -> None:
    wire = Wire()
    call, _ = wire.up()
    text = description(ALICE).replace(b"RTP/AVP 0 101", b"RTP/AVP 8").replace(b"a=rtpmap:0 PCMU/8000\r\n", b"")
    wire.alice.stack.change(call, text, wire.now)
    wire.run(0.1)
    assert wire.bob.starts()[-1] == "488 INVITE"
    assert wire.alice.told(CallUnchanged)


def test_a_2xx_after_the_hang_up_is_acknowledged() -> None:
    wire = Wire()
    call, _ = wire.up()
    hold(wire, wire.alice, call)
    wire.pump()
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert wire.alice.starts().count("ACK") == 2
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_change_before_the_call_is_answered_is_an_update() -> None:
    wire = Wire()
    call = wire.call()
    wire.run(0.1)
    at_bob = 1
    wire.bob.stack.ring(at_bob, 183, wire.now, body=description(BOB), content_type="application/sdp")
    wire.run(0.1)
    with pytest.raises(LocalError, match="UPDATE"):
        wire.alice.stack.change(call, b"", wire.now, method="INVITE")
    hold(wire, wire.alice, call)
    wire.run(0.1)
    assert wire.alice.starts() == ["INVITE", "PRACK", "UPDATE"]
    assert wire.alice.told(CallChanged)
    wire.bob.stack.accept(at_bob, wire.now)
    wire.run(0.1)
    assert direction(wire.alice.stack.session(call).remote) is Direction.RECVONLY


def test_an_update_without_an_offer_leaves_the_one_that_is_decided_on_alone() -> None:
    """A refresh of the session, for example: it is answered at once, and the offer still waits for its answer."""
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call, method="UPDATE")
    wire.run(0.1)
    offer = last(wire.alice, "UPDATE")
    via = f"SIP/2.0/UDP {ALICE};branch=z9hG4bKrefresh"
    refresh = offer.with_header("CSeq", "9 UPDATE").with_header("Via", via).with_body(b"")
    wire.deliver(wire.bob, bytes(refresh))
    assert wire.bob.starts()[-1] == "200 UPDATE"
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(0.1)
    assert [event.local for event in wire.alice.told(CallChanged)] == [True]
    assert wire.alice.stack.session(call).remote == description(BOB)


def test_nothing_can_be_changed_in_a_call_that_is_hung_up() -> None:
    """Neither from here, nor by the peer: the dialog is gone once the BYE is sent, but for a BYE that crosses it."""
    wire = Wire(lose=lambda _, data: data.startswith(b"BYE") and str(BOB).encode() in data[:50])
    call, at_bob = wire.up()
    wire.alice.stack.hang_up(call, wire.now)
    with pytest.raises(LocalError, match="over"):
        wire.alice.stack.change(call, b"", wire.now)
    hold(wire, wire.bob, at_bob)
    wire.run(0.1)
    assert "481 INVITE" in wire.alice.starts()
    assert [event.reason for event in wire.bob.told(CallEnded)] == [EndReason.GONE]
    wire.lose = lambda _, data: False
    wire.run(100)  # Alice's BYE comes through at last, to a call that Bob has ended meanwhile
    assert "200 BYE" in wire.bob.starts()
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.LOCAL_HANG_UP]
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_a_change_that_comes_after_the_refusal_is_none_of_the_calls_business() -> None:
    late: list[bytes] = []

    def lose(_: int, data: bytes) -> bool:
        if data.startswith(b"UPDATE") and not late:
            late.append(data)
            return True
        return False

    wire = Wire(lose=lose)
    call = wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 183, wire.now, body=description(BOB), content_type="application/sdp")
    wire.run(0.1)
    hold(wire, wire.bob, 1)
    wire.pump()
    wire.bob.stack.reject(1, 486, wire.now)
    wire.run(0.1)
    assert late
    wire.run(10)
    assert "481 UPDATE" in wire.alice.starts()
    assert [event.call for event in wire.alice.told(CallFailed)] == [call]
    assert not wire.alice.told(CallChanged)


@pytest.mark.parametrize("bob_lives", [True, False])
def test_a_reinvite_that_got_a_1xx_and_then_nothing_ends_with_the_call(bob_lives: bool) -> None:
    """Its client transaction has no timer of its own any more, and its 2xx is not repeated once the call is over."""
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.3)
    assert wire.bob.starts()[-1] == "100 INVITE"
    if bob_lives:
        wire.lose = lambda _, data: data.startswith(b"SIP/2.0 200") and b"CSeq: 2 INVITE" in data
        wire.bob.stack.answer(at_bob, description(BOB), wire.now)
        wire.bob.stack.hang_up(at_bob, wire.now)
    else:
        wire.lose = lambda _, data: True
        wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert wire.alice.starts().count("CANCEL") == (1 if bob_lives else 11)
    assert len(wire.alice.told(CallEnded)) == 1
    assert len(wire.alice.stack) == 0
    assert len(wire.bob.stack) == 0 or not bob_lives


def test_a_reinvite_that_got_a_1xx_and_then_nothing_is_cancelled_in_the_end() -> None:
    """The refusal is lost, however often it is sent: whoever asked is not left waiting for good."""
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.3)
    assert wire.bob.starts()[-1] == "100 INVITE"
    wire.lose = lambda _, data: data.startswith(b"SIP/2.0 488")
    wire.bob.stack.decline(at_bob, wire.now)
    wire.run(64 * 0.5 + PATIENCE + 1)
    assert wire.alice.starts()[-1] == "CANCEL"
    assert not wire.alice.told(CallUnchanged)
    wire.run(64 * 0.5)
    assert wire.alice.told(CallUnchanged)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.GONE]


def test_a_peer_that_goes_on_saying_that_it_decides_is_waited_for() -> None:
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    hold(wire, wire.alice, call)
    wire.run(0.3)
    invite = last(wire.alice, "INVITE")
    assert isinstance(invite, Request)
    for _ in range(4):
        wire.deliver(wire.alice, bytes(build_response(invite, 180)))
        wire.run(PATIENCE)
    assert "CANCEL" not in wire.alice.starts()
    wire.bob.stack.answer(at_bob, description(BOB), wire.now)
    wire.run(1)
    assert wire.alice.told(CallChanged)


def test_the_ack_of_a_reinvite_comes_again_whole_after_the_first_invite_is_over() -> None:
    """Timer M of the first INVITE ends in between (RFC 6026 section 7.2)."""
    wire = Wire()
    call, _ = wire.up()
    wire.run(31)
    wire.lose = lambda _, data: data.startswith(b"ACK") and wire.now < 33
    wire.alice.stack.change(call, b"", wire.now)
    wire.run(10)
    acks = [one for one in wire.alice.messages() if isinstance(one, Request) and one.method == "ACK"]
    again = [ack for ack in acks if ack.cseq.number == 2]
    assert len(again) > 2
    assert {ack.body for ack in again} == {again[0].body}
    assert again[0].body


@pytest.mark.parametrize("which", [0, 1])
def test_a_2xx_that_comes_again_answers_no_later_change(which: int) -> None:
    """RFC 3261 §13.2.2.4: it gets the ACK that it got before, although another re-INVITE was acknowledged since."""
    wire = Wire()
    call, _ = wire.up()
    alice = wire.alice.stack
    for body in (b"", alice.session(call).renewed(Direction.SENDONLY)):
        alice.change(call, body, wire.now)
        wire.run(0.1)
    acks = [one for one in wire.alice.messages() if one.start_line.startswith("ACK")][1:]
    again = [one for one in wire.bob.messages() if isinstance(one, Response) and one.cseq.method == "INVITE"][1:]
    resumed = alice.session(call).renewed(Direction.SENDRECV)
    alice.change(call, resumed, wire.now)
    for _ in range(2):
        wire.deliver(wire.alice, bytes(again[which]))
        late = wire.alice.messages()[-1]
        assert (late.start_line, late.cseq, late.body) == (acks[which].start_line, acks[which].cseq, acks[which].body)
    assert len(wire.alice.told(CallChanged)) == 2
    assert alice.changing(call) is not None
    wire.run(0.1)
    assert len(wire.alice.told(CallChanged)) == 3
    assert alice.session(call).local == resumed
    assert direction(alice.session(call).remote) is Direction.SENDRECV
