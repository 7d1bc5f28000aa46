"""The audio of a call, from offer and answer to media, over the loopback. Times are real, and short."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from sipcore.endpoint.media.leg import Leg
from sipcore.endpoint.media.media import open_media
from sipcore.errors import LocalError
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.terms import Encryption, Keying, Wishes
from sipcore.sdp.attributes import G722, PCMA, PCMU, Direction
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.modify import directed
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
