"""The audio of a call, from offer and answer to media, over the loopback. Times are real, and short."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from sipcore.endpoint.media.leg import Leg, capability_of
from sipcore.endpoint.media.media import MAX_PARTS, open_media
from sipcore.errors import LocalError, ParseError
from sipcore.media import voice
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.terms import Encryption, Keying, Wishes
from sipcore.sdp.attributes import G722, PCMA, PCMU, Codec, Setup
from sipcore.sdp.codecs import CODECS
from sipcore.sdp.description import MediaDescription, SessionDescription
from sipcore.sdp.modify import directed
from sipcore.sdp.negotiation import choose
from sipcore.sdp.terms import Direction
from sipcore.tokens import Tokens

HOST = "127.0.0.1"
PACKETS = 5


def tokens() -> Tokens:
    return Tokens(bytes)


@asynccontextmanager
async def two_legs(one: Wishes, other: Wishes) -> AsyncIterator[tuple[Leg, Leg, list[MediaEvent]]]:
    told: list[MediaEvent] = []
    with trio.fail_after(20):
        async with open_media() as media:
            with (
                Leg(media, HOST, one, tokens(), told.append) as alice,
                Leg(media, HOST, other, tokens(), echo=True) as bob,
            ):
                yield alice, bob, told


async def until(leg: Leg, packets: int) -> None:
    """Wait for so many packets, looking now and then: lines tell of few things as they happen."""
    while (received := leg.line.result().received) is None or received.packets < packets:  # noqa: ASYNC110  # see above
        await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("encryption", "keying", "expected"),
    [
        (Encryption.DISABLE, Keying.SDES, Keying.NONE),
        (Encryption.ALLOW, Keying.SDES, Keying.SDES),
        (Encryption.REQUIRE, Keying.SDES, Keying.SDES),
        (Encryption.REQUIRE, Keying.DTLS, Keying.DTLS),
    ],
)
async def test_media_flows_as_agreed(encryption: Encryption, keying: Keying, expected: Keying) -> None:
    async with two_legs(Wishes((PCMU, PCMA), encryption, keying), Wishes((PCMA,), Encryption.ALLOW)) as (
        alice,
        bob,
        _,
    ):
        offer = SessionDescription.parse(bytes(alice.offer()))
        answer = SessionDescription.parse(bytes(bob.answer(offer)))
        assert bob.start(offer).keying is alice.start(answer).keying is expected
        await until(alice, PACKETS)
        result = alice.line.result()
        assert result.codec == "PCMA"
        assert bool(result.suite) is (expected is not Keying.NONE)


@pytest.mark.parametrize(("caller", "callee"), [(True, True), (True, False), (False, True)])
async def test_an_answer_does_ice_where_both_want_it(caller: bool, callee: bool) -> None:
    async with two_legs(Wishes((PCMU,), ice=caller), Wishes((PCMU,), ice=callee)) as (alice, bob, _):
        offer = SessionDescription.parse(bytes(alice.offer()))
        answer = SessionDescription.parse(bytes(bob.answer(offer)))
        lines = str(answer)
        assert [lines.count(each) for each in ("a=ice-lite", "a=candidate:")] == [
            int(caller and callee),
            2 * (caller and callee),
        ]
        assert (bob.start(offer).plan.ice is not None) is (caller and callee)


async def test_the_same_description_again_changes_nothing() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, _):
        answer = bob.answer(alice.offer())
        alice.start(answer)
        session = alice.line.session
        assert alice.start(answer) == alice.agreed
        assert alice.line.session is session


async def test_another_address_moves_the_stream_and_keeps_its_measures() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, _):
        offer = alice.offer()
        answer = bob.answer(offer)
        elsewhere = answer.with_media(0, answer.media[0].replace(port=9))
        alice.start(elsewhere)
        session = alice.line.session
        bob.start(offer)
        alice.start(answer)
        await until(alice, PACKETS)
        assert alice.line.session is session


async def test_another_codec_is_another_stream() -> None:
    async with two_legs(Wishes((PCMU, PCMA)), Wishes((PCMU, PCMA))) as (alice, bob, _):
        answer = bob.answer(alice.offer())
        alice.start(answer)
        session = alice.line.session
        other = answer.with_media(0, answer.media[0].replace(formats=("8",), attributes=()))
        assert alice.start(other).plan.codec == PCMA
        assert alice.line.session is not session


async def test_a_change_that_adds_a_stream_is_followed_by_what_was_answered_to_it() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, _):
        offer = alice.offer()
        answer = bob.answer(offer)
        alice.start(answer)
        video = MediaDescription("video", 5000, "RTP/AVP", ("96",))
        change = answer.with_media(0, answer.media[0].replace(port=9)).with_media(1, video)
        said = offer.with_media(1, video.replace(port=0))
        with pytest.raises(ParseError):
            alice.start(change)
        assert alice.start(change, said).plan.remote.port == 9
        assert alice.local == said


async def test_keys_are_told_once_they_were_sent() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, told):
        offer = alice.offer()
        alice.start(bob.answer(offer))
        bob.start(offer)
        alice.line.press("5")
        while MediaEventKind.KEY_RECEIVED not in [event.kind for event in told]:  # noqa: ASYNC110  # see above
            await trio.sleep(0.01)
        assert [event.detail for event in told if event.kind is MediaEventKind.KEY_SENT] == ["5"]
        assert alice.line.result().sent.keys == "5"


async def test_what_cannot_be_answered() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((G722,))) as (alice, bob, _):
        offer = alice.offer()
        with pytest.raises(LocalError, match="no codec that is known here"):
            bob.answer(offer)
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,), Encryption.REQUIRE)) as (alice, bob, _):
        offer = alice.offer()
        with pytest.raises(LocalError, match="encryption is to require"):
            bob.answer(offer)


async def test_nothing_begins_before_there_is_a_description() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, _):
        offer = alice.offer()
        with pytest.raises(LocalError, match="nothing was offered"):
            bob.start(offer)


async def fail() -> None:
    async with open_media():
        raise LocalError("mine", section="RFC 3264 §5")


async def test_an_error_inside_comes_out_as_it_is() -> None:
    with pytest.raises(LocalError, match="mine"):
        await fail()


async def test_a_peer_that_holds_pauses_the_stream_and_keeps_its_measures() -> None:
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, told):
        offer = alice.offer()
        answer = bob.answer(offer)
        bob.start(offer)
        alice.start(answer)
        await until(alice, PACKETS)
        session = alice.line.session
        alice.start(directed(answer, Direction.SENDONLY))
        assert [event.kind for event in told][-1] is MediaEventKind.HELD
        sent = alice.line.result().sent.packets
        await trio.sleep(0.1)
        assert alice.line.result().sent.packets == sent
        alice.start(answer)
        await until(alice, sent + PACKETS)
        assert alice.line.session is session


async def test_rtcp_has_a_handshake_of_its_own_without_rtcp_mux() -> None:
    wishes = Wishes((PCMU,), Encryption.REQUIRE, Keying.DTLS)
    async with two_legs(wishes, Wishes((PCMU,), Encryption.ALLOW)) as (alice, bob, told):
        offer = alice.offer()
        media = offer.media[0]
        two_ports = offer.with_media(0, media.without_attribute("rtcp-mux"))
        answer = bob.answer(two_ports)
        assert not alice.start(answer).plan.rtcp_mux
        assert not bob.start(two_ports).plan.rtcp_mux
        await until(alice, PACKETS)
        alice.line.finish()
        while not bob.line.result().control.goodbye:  # noqa: ASYNC110  # see above
            await trio.sleep(0.01)
        assert MediaEventKind.SECURITY_FAILED not in [event.kind for event in told]


@pytest.mark.parametrize("codec", [G722, CODECS["opus"]], ids=lambda codec: codec.encoding)
async def test_who_answers_speaks_as_well(codec: Codec) -> None:
    """As with an offer that comes in the response, and is answered in the ACK."""
    async with two_legs(Wishes((codec, PCMU)), Wishes((PCMU, codec))) as (alice, bob, _):
        offer = SessionDescription.parse(bytes(bob.offer()))  # by the side that sends back what comes
        (choice,) = choose(offer, [capability_of(Wishes((codec,)))])
        answer = SessionDescription.parse(bytes(alice.answer(offer, choice)))
        bob.start(answer)
        plan = alice.start(offer).plan
        assert plan.events is not None
        assert (plan.codec.encoding, plan.events.clock_rate) == (codec.encoding, codec.clock_rate)
        await until(alice, 40)
        heard = await alice.line.listen()
        assert heard is not None
        assert heard.echo is not None
        assert heard.echo.delay < 0.1


async def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "_library", lambda: None)
    async with two_legs(Wishes((PCMU, G722)), Wishes((PCMU, G722))) as (alice, bob, _):
        with pytest.raises(LocalError, match="pip install"):
            alice.offer()
        offer = bob.offer()  # who only sends back what comes needs no codec
        assert alice.answer(offer).media[0].codecs[0] == PCMU
        (choice,) = choose(offer, [capability_of(Wishes((G722,)))])
        with pytest.raises(LocalError, match="pip install"):
            alice.answer(offer, choice)


DTLS = Wishes((PCMU,), Encryption.REQUIRE, Keying.DTLS)


def with_setup(description: SessionDescription, setup: str) -> SessionDescription:
    return SessionDescription.parse(re.sub(rb"a=setup:\w+", b"a=setup:" + setup.encode(), bytes(description)))


async def test_a_handshake_that_is_postponed_is_begun_by_a_later_offer() -> None:
    """RFC 4145 §4.1, RFC 5763 §5: until then nothing flows, in the clear least of all."""
    async with two_legs(DTLS, Wishes((PCMU,), Encryption.ALLOW)) as (alice, bob, told):
        offer = alice.offer()
        held = with_setup(offer, "holdconn")
        answer = bob.answer(held)
        assert answer.media[0].setup is Setup.HOLDCONN
        for leg, description in ((alice, answer), (bob, held)):
            agreed = leg.start(description)
            assert (agreed.keying, agreed.dtls, agreed.plan.sends) == (Keying.DTLS, None, False)
        await trio.sleep(0.3)
        results = [leg.line.result() for leg in (alice, bob)]
        assert [(result.sent.packets, result.control.sent, result.one_way) for result in results] == [(0, 0, False)] * 2
        assert told == []
        later = with_setup(answer, "active")
        assert alice.start(later, offer).dtls is not None
        assert bob.start(offer, later).dtls is not None
        await until(alice, PACKETS)
        assert alice.line.result().suite


async def test_a_handshake_that_is_postponed_once_it_is_done_keeps_its_keys() -> None:
    async with two_legs(DTLS, Wishes((PCMU,), Encryption.ALLOW)) as (alice, bob, told):
        offer = alice.offer()
        answer = bob.answer(offer)
        bob.start(offer)
        alice.start(answer)
        await until(alice, PACKETS)
        session, packets = alice.line.session, alice.line.result().sent.packets
        alice.start(with_setup(answer, "holdconn"), with_setup(offer, "holdconn"))
        assert [event.kind for event in told][-1] is MediaEventKind.HELD
        alice.start(answer, offer)
        await until(alice, packets + PACKETS)
        assert alice.line.session is session


async def test_a_change_of_where_keys_come_from_is_another_stream() -> None:
    """RFC 8842 §5.1: another certificate is another association."""
    async with two_legs(Wishes((PCMU,), Encryption.ALLOW, Keying.DTLS), Wishes((PCMU,), Encryption.ALLOW)) as (
        alice,
        bob,
        _,
    ):
        answer = bob.answer(alice.offer())
        other = re.sub(rb"(a=fingerprint:sha-256 )(..)", lambda found: found[1] + b"A" + found[2][1:], bytes(answer))
        other = other if other != bytes(answer) else re.sub(rb"(a=fingerprint:sha-256 )..", rb"\1BB", other)
        sessions = []
        for said in (answer.with_media(0, answer.media[0].without_attribute("fingerprint")), answer, answer):
            alice.start(said)
            sessions.append(alice.line.session)
        alice.start(SessionDescription.parse(other))
        sessions.append(alice.line.session)
        assert [session is not None and session.plan.handshake is not None for session in sessions] == [
            False,
            True,
            True,
            True,
        ]
        assert [sessions.index(session) for session in sessions] == [0, 1, 1, 3]


async def test_the_result_covers_all_streams_of_a_call_that_is_changed() -> None:
    """RFC 3264 §8.3.2: another codec is another stream, and what was measured of the first one counts."""
    async with two_legs(Wishes((PCMU, PCMA)), Wishes((PCMU, PCMA))) as (alice, bob, _):
        offer = alice.offer()
        answer = bob.answer(offer)
        bob.start(offer)
        alice.start(answer)
        await until(alice, PACKETS)
        before = alice.line.result()
        other = answer.with_media(0, answer.media[0].replace(formats=("8",), attributes=()))
        bob.start(offer, other)
        alice.start(other)
        await until(alice, before.sources[0].packets + 2 * PACKETS)
        first, second = alice.line.parts()
        total = alice.line.result()
        assert [part.plan.codec for part in (first, second)] == [PCMU, PCMA]
        assert second.began > first.began
        assert first.measured.sent.packets >= before.sent.packets
        assert total.sent.packets == first.measured.sent.packets + second.measured.sent.packets
        assert total.sources[0].packets == sum(part.measured.sources[0].packets for part in (first, second))
        for number in range(2 * MAX_PARTS):
            alice.start((answer, other)[number % 2])
        assert len(alice.line.parts()) == MAX_PARTS + 1
        assert alice.line.result().sent.packets >= total.sent.packets


async def test_a_peer_that_gives_the_stream_up_gets_nothing_until_it_wants_it_back() -> None:
    """RFC 3264 §8.2."""
    async with two_legs(Wishes((PCMU,)), Wishes((PCMU,))) as (alice, bob, _):
        offer = SessionDescription.parse(bytes(alice.offer()))
        answer = SessionDescription.parse(bytes(bob.answer(offer)))
        bob.start(offer)
        alice.start(answer)
        await until(alice, PACKETS)
        given_up = answer.with_media(0, answer.media[0].replace(port=0))
        agreed = alice.start(given_up, offer.with_media(0, offer.media[0].replace(port=0)))
        assert (agreed.plan.sends, agreed.plan.receives) == (False, False)
        sent = alice.line.result().sent.packets
        await trio.sleep(0.2)
        assert alice.line.result().sent.packets == sent
        assert alice.start(answer, offer).plan.sends
        await trio.sleep(0.2)
        assert alice.line.result().sent.packets > sent
