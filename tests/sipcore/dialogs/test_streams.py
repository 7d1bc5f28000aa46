"""Streams that come and go: how many an offer has to have, whatever was refused or added before (RFC 3264 §8)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sipcore.errors import LocalError
from sipcore.events import CallChanged, CallUnchanged
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, Side, Wire, description

TIMED = StackConfig(extensions=("timer",), session_interval=90)
DECIDING = StackConfig(extensions=("timer",), answers_offers=False)


def streams(address: SocketAddress, count: int) -> SessionDescription:
    """What one side wants: so many streams of the same kind."""
    one = SessionDescription.parse(description(address))
    return one.replace(media=tuple(replace(one.media[0], port=40000 + 2 * index) for index in range(count)))


def offers(side: Side) -> list[SessionDescription]:
    """The session descriptions that a side has sent, each once."""
    bodies = dict.fromkeys(message.body for message in side.messages() if message.body)
    return [SessionDescription.parse(body) for body in bodies]


def without_update(data: bytes) -> bytes:
    """A message of someone who does not tell of UPDATE."""
    return b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(b"Allow:"))


def add_stream(wire: Wire, at_bob: int) -> None:
    """Bob refuses what he is asked as his own change is on its way, and adds a stream with that."""
    stack = wire.bob.stack
    stack.decline(at_bob, wire.now, status=491)
    wire.run(0.1)
    stack.change(at_bob, stack.session(at_bob).next_offer(streams(BOB, 2)), wire.now)
    wire.run(10)


def keep(wire: Wire, call: int) -> None:
    """Alice waits for her session timer."""
    wire.run(45)


def hold(wire: Wire, call: int) -> None:
    stack = wire.alice.stack
    stack.change(call, stack.session(call).renewed(Direction.SENDONLY), wire.now)
    wire.run(0.1)


@pytest.mark.parametrize("change", [keep, hold])
def test_a_change_that_goes_out_again_keeps_the_stream_that_the_peer_has_added(
    change: Callable[[Wire, int], None],
) -> None:
    """Her second try must not have fewer streams than she has agreed to by then, nor fail for that."""
    wire = Wire(config=TIMED, bobs_config=DECIDING, alter=without_update)
    call, at_bob = wire.up()
    change(wire, call)
    add_stream(wire, at_bob)
    assert [event.local for event in wire.alice.told(CallChanged)] == [False]
    wire.bob.stack.answer(at_bob, wire.bob.stack.session(at_bob).local, wire.now)
    wire.run(1)
    assert [event.local for event in wire.alice.told(CallChanged)] == [False, True]
    sent = offers(wire.alice)
    assert len(sent[-1].media) == 2
    assert [each.origin.session_version for each in sent] == list(range(1, len(sent) + 1))


def test_a_stream_that_a_change_adds_is_asked_for_again_beside_that_of_the_peer() -> None:
    """What she wants in the place of a stream goes there: a stream may become another (RFC 3264 §8.3)."""
    wire = Wire(bobs_config=DECIDING)
    call, at_bob = wire.up()
    wanted = wire.alice.stack.session(call).next_offer(streams(ALICE, 2))
    wire.alice.stack.change(call, wanted, wire.now, method="INVITE")
    wire.run(0.1)
    wire.bob.stack.decline(at_bob, wire.now, status=491)
    wire.run(0.1)
    session = wire.bob.stack.session(at_bob)
    wire.bob.stack.change(at_bob, session.next_offer(streams(BOB, 3)), wire.now)
    wire.run(10)
    assert [stream.port for stream in offers(wire.alice)[-1].media] == [40000, 40002, 0]


REFUSED: dict[str, Callable[[Wire, int, int], object]] = {
    "a refresh": lambda wire, call, at_bob: wire.run(50),
    "an offer asked for": lambda wire, call, at_bob: wire.bob.stack.change(at_bob, b"", wire.now, method="INVITE"),
    "hold": lambda wire, call, at_bob: hold(wire, call),
    "a change": lambda wire, call, at_bob: wire.alice.stack.change(
        call, wire.alice.stack.session(call).next_offer(streams(ALICE, 1)), wire.now
    ),
}


@pytest.mark.parametrize("then", REFUSED)
def test_an_offer_that_was_refused_leaves_no_stream_behind(then: str) -> None:
    """RFC 3261 §14.1: the session goes on as if it had never been made; only its version is not used again."""
    wire = Wire(config=TIMED, bobs_config=DECIDING, alter=without_update)
    call, at_bob = wire.up()
    wire.alice.stack.change(call, wire.alice.stack.session(call).next_offer(streams(ALICE, 2)), wire.now)
    wire.run(0.1)
    wire.bob.stack.decline(at_bob, wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallUnchanged)
    REFUSED[then](wire, call, at_bob)
    wire.run(1)
    sent = offers(wire.alice)
    assert [(len(each.media), each.origin.session_version) for each in sent] == [(1, 1), (2, 2), (1, 3)]


def test_what_was_agreed_on_stays_even_after_a_bigger_offer() -> None:
    wire = Wire(bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up()
    session = wire.alice.stack.session(call)
    for count, agreed in ((2, True), (3, False)):
        wire.alice.stack.change(call, session.next_offer(streams(ALICE, count)), wire.now)
        wire.run(0.1)
        if agreed:
            wire.bob.stack.answer(at_bob, wire.bob.stack.session(at_bob).next_offer(streams(BOB, count)), wire.now)
        else:
            wire.bob.stack.decline(at_bob, wire.now)
        wire.run(0.1)
    with pytest.raises(LocalError, match="2 streams cannot become 1"):
        session.next_offer(streams(ALICE, 1))
    assert len(SessionDescription.parse(session.next_offer(streams(ALICE, 2))).media) == 2


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("known", [b"", b"m=audio 40000 RTP/AVP 0 101\r\n"])
def test_an_offer_that_no_answer_can_be_written_to_is_refused(method: str, known: bytes) -> None:
    """Its names would have to stand in the answer, and must not (RFC 8866 §9); it hurts nobody but its sender."""
    wire = Wire()
    call, at_bob = wire.up()
    before = wire.alice.stack.session(call).local
    offer = description(BOB).partition(b"m=")[0] + known + b"m=au:dio 40002 RTP/AVP 0\r\n"
    wire.bob.stack.change(at_bob, offer, wire.now, method=method)
    wire.run(1)
    assert wire.alice.starts()[-1] == f"488 {method}"
    assert wire.alice.stack.session(call).local == before
    assert wire.bob.told(CallUnchanged)


def ports(side: Side, call: int) -> tuple[list[int], list[int]]:
    """What is in force here and there, stream by stream."""
    session = side.stack.session(call)
    described = [SessionDescription.parse(body) for body in (session.local, session.remote)]
    here, there = ([stream.port for stream in each.media] for each in described)
    return here, there


def offer_ports(wire: Wire, at_bob: int, method: str, *ports: int) -> None:
    """Bob offers his streams with these ports."""
    session = wire.bob.stack.session(at_bob)
    wanted = streams(BOB, len(ports))
    media = [stream.replace(port=port) for stream, port in zip(wanted.media, ports, strict=True)]
    wire.bob.stack.change(at_bob, session.next_offer(wanted.replace(media=tuple(media))), wire.now, method=method)
    wire.run(0.1)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_peer_may_give_the_only_stream_up_and_want_it_back(method: str) -> None:
    """RFC 3264 §6: what is offered with port 0 is answered with port 0. The call stays, without media."""
    wire = Wire()
    call, at_bob = wire.up()
    before = wire.alice.stack.session(call).local
    offer_ports(wire, at_bob, method, 0)
    assert wire.alice.starts()[-1] == f"200 {method}"
    assert [event.local for event in wire.alice.told(CallChanged)] == [False]
    assert ports(wire.alice, call) == ([0], [0])
    offer_ports(wire, at_bob, method, 0)  # as a refresh of the session says it again
    assert wire.alice.starts()[-1] == f"200 {method}"
    offer_ports(wire, at_bob, method, 40010)
    assert ports(wire.alice, call) == ([40000], [40010])
    again = SessionDescription.parse(wire.alice.stack.session(call).local)
    assert again.media == SessionDescription.parse(before).media
    versions = [each.origin.session_version for each in offers(wire.alice)]
    assert versions == sorted(set(versions))


def test_a_peer_may_give_one_of_several_streams_up_and_want_it_back() -> None:
    wire = Wire(bobs_config=StackConfig(answers_offers=False))
    call, at_bob = wire.up(
        offer=bytes(streams(ALICE, 2)),
        answer=bytes(streams(BOB, 2)),
    )
    for told, answered in (((0, 40002), [0, 40002]), ((40000, 0), [40000, 0]), ((40000, 40002), [40000, 40002])):
        offer_ports(wire, at_bob, "INVITE", *told)
        assert ports(wire.alice, call) == (answered, list(told))


def test_what_this_side_has_given_up_the_peer_does_not_get_back_by_offering_it() -> None:
    wire = Wire()
    call, at_bob = wire.up(offer=bytes(streams(ALICE, 2)), answer=bytes(streams(BOB, 2)))
    offer_ports(wire, at_bob, "INVITE", 40000, 0)
    offer_ports(wire, at_bob, "INVITE", 40000, 40002)
    stack = wire.alice.stack
    wanted = streams(ALICE, 2)
    wanted = wanted.with_media(1, wanted.media[1].replace(port=0))
    stack.change(call, stack.session(call).next_offer(wanted), wire.now)
    wire.run(0.1)
    assert ports(wire.alice, call) == ([40000, 0], [40000, 0])
    offer_ports(wire, at_bob, "INVITE", 40000, 40002)
    assert ports(wire.alice, call) == ([40000, 0], [40000, 40002])


def ask_for_offer(wire: Wire, at_bob: int) -> None:
    """Bob sends a re-INVITE without an offer, and gives the stream up once more in its ACK."""
    wire.bob.stack.change(at_bob, b"", wire.now)
    wire.run(0.1)


@pytest.mark.parametrize(
    "between",
    [
        lambda wire, call, at_bob: wire.run(50),
        lambda wire, call, at_bob: hold(wire, call),
        lambda wire, call, at_bob: ask_for_offer(wire, at_bob),
    ],
    ids=["refresh", "hold", "delayed offer"],
)
def test_a_peer_may_want_a_stream_back_after_other_offers(between: Callable[[Wire, int, int], None]) -> None:
    """What this side says of a stream that the peer has given up gives up no more of it."""
    wire = Wire(config=TIMED, alter=without_update)
    call, at_bob = wire.up()
    hold(wire, call)
    offer_ports(wire, at_bob, "INVITE", 0)
    between(wire, call, at_bob)
    assert ports(wire.alice, call)[1] == [0]
    offer_ports(wire, at_bob, "INVITE", 40010)
    assert ports(wire.alice, call) == ([40000], [40010])
    again = SessionDescription.parse(wire.alice.stack.session(call).local)
    assert again.direction_of(again.media[0]) is Direction.SENDONLY


def test_who_asks_for_an_offer_gets_the_stream_offered_that_it_has_given_up() -> None:
    """RFC 3261 §14.2: as in a new call."""
    wire = Wire()
    call, at_bob = wire.up()
    before = SessionDescription.parse(wire.alice.stack.session(call).local)
    offer_ports(wire, at_bob, "INVITE", 0)
    wire.bob.stack.change(at_bob, b"", wire.now)
    wire.run(0.1)
    assert offers(wire.alice)[-1].media == before.media


def test_what_refuses_an_offer_follows_what_was_sent_before() -> None:
    """RFC 3264 §8: its o= line is the same, and its version is the next one. Alice wants an offer, and no stream."""
    wire = Wire()
    call, _ = wire.up()
    session = wire.alice.stack.session(call)
    gone = streams(ALICE, 1)
    gone = gone.replace(media=(gone.media[0].replace(port=0),))
    for body in (session.next_offer(gone), b""):
        wire.alice.stack.change(call, body, wire.now)
        wire.run(0.1)
    assert wire.alice.starts()[-1] == "ACK"
    first, _, last = (each.origin for each in offers(wire.alice))
    assert last == replace(first, session_version=first.session_version + 2)
    assert ports(wire.alice, call) == ([0], [40000])
