"""Media to addresses that must not be reached: whatever a peer describes, or sends from, nothing gets there.

127.0.0.1 is allowed here, and 127.0.0.2 is not. Each case is told without the policy as well, by which something does
get there: the case would see it.
"""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
import trio

from sipcore.endpoint.media.leg import Leg
from sipcore.endpoint.media.media import open_media
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.rtp import RtpPacket
from sipcore.media.stun import Attr, StunMessage, StunType
from sipcore.media.terms import Encryption, Keying, Wishes
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.description import SessionDescription
from sipcore.transports.base import Refusal
from tests.sipcore.endpoint.media.test_leg import tokens
from tests.sipcore.endpoint.test_reach import ALLOWED, POLICIES, REFUSED, judged, refusal

LATE = 0.15
"""Seconds in which several packets were sent, and have arrived."""


class Ports:
    """Two ports in a row of an address, as a peer has them for media."""

    def __init__(self, host: str) -> None:
        self.sockets: list[socket.socket] = []
        while len(self.sockets) < 2:
            self.close()
            first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            first.bind((host, 0))
            self.host, self.port = first.getsockname()
            self.sockets = [first]
            with suppress(OSError, OverflowError):
                second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.sockets.append(second)
                second.bind((host, self.port + 1))
                continue
            self.close()
        for sock in self.sockets:
            sock.setblocking(False)

    def close(self) -> None:
        while self.sockets:
            self.sockets.pop().close()

    def touched(self) -> list[str]:
        """Which of the two something has come to."""
        came = []
        for name, sock in zip(("RTP", "RTCP"), self.sockets, strict=True):
            with suppress(BlockingIOError):
                sock.recv(65535)
                came.append(name)
        return came


@contextmanager
def ports(host: str) -> Iterator[Ports]:
    there = Ports(host)
    try:
        yield there
    finally:
        there.close()


@asynccontextmanager
async def calling(
    wishes: Wishes, policy: Refusal | None
) -> AsyncIterator[tuple[Leg, SessionDescription, list[MediaEvent]]]:
    """Somebody who has made an offer, an answer to it, and what is told of the media."""
    told: list[MediaEvent] = []
    with trio.fail_after(20):
        async with open_media() as media:
            with (
                Leg(media, ALLOWED, wishes, tokens(), told.append, refusal=policy, rtcp_interval=0.05) as leg,
                Leg(media, ALLOWED, wishes, tokens()) as other,
            ):
                yield leg, SessionDescription.parse(bytes(other.answer(leg.offer()))), told


def led(answer: SessionDescription, place: Ports, *attributes: str) -> SessionDescription:
    """The answer with its media at a place, whose owner waits for a handshake if there is one."""
    lines = str(answer.with_media(0, answer.media[0].replace(port=place.port))).splitlines()
    lines = [f"c=IN IP4 {place.host}" if line.startswith("c=") else line for line in lines]
    lines = ["a=setup:passive" if line.startswith("a=setup:") else line for line in lines]
    return SessionDescription.parse("".join(f"{line}\r\n" for line in (*lines, *(f"a={each}" for each in attributes))))


@POLICIES
@pytest.mark.parametrize(
    "wishes",
    [Wishes((PCMU,)), Wishes((PCMU,), Encryption.REQUIRE), Wishes((PCMU,), Encryption.REQUIRE, Keying.DTLS)],
    ids=["plain", "sdes", "dtls"],
)
async def test_nothing_goes_to_where_a_description_leads(wishes: Wishes, policy: Refusal | None) -> None:
    with ports(REFUSED) as place:
        async with calling(wishes, policy) as (leg, answer, told):
            leg.start(led(answer, place))
            await trio.sleep(LATE)
            leg.line.finish()
        assert judged(place.touched(), policy)
    withheld = [event.detail for event in told if event.kind is MediaEventKind.NOT_ALLOWED]
    assert bool(withheld) is (policy is not None)
    assert all(each.startswith(f"udp {REFUSED}:") for each in withheld)
    assert len(withheld) == len(set(withheld))


@POLICIES
async def test_nor_do_reports_alone(policy: Refusal | None) -> None:
    with ports(REFUSED) as place, ports(ALLOWED) as good:
        async with calling(Wishes((PCMU,)), policy) as (leg, answer, _):
            leg.start(led(answer, good, f"rtcp:{place.port + 1} IN IP4 {REFUSED}"))
            await trio.sleep(LATE)
            leg.line.finish()
        assert "RTP" in good.touched()
        assert judged(place.touched(), policy)


@POLICIES
async def test_a_change_of_the_session_does_not_move_media_there(policy: Refusal | None) -> None:
    with ports(REFUSED) as place, ports(ALLOWED) as good:
        async with calling(Wishes((PCMU,)), policy) as (leg, answer, _):
            leg.start(led(answer, good))
            await trio.sleep(LATE)
            assert "RTP" in good.touched()
            leg.start(led(answer, place))
            await trio.sleep(LATE)
        assert judged(place.touched(), policy)


@POLICIES
async def test_media_is_not_sent_to_where_it_comes_from(policy: Refusal | None) -> None:
    """Symmetric RTP (RFC 4961) would have it go there."""
    packet = RtpPacket(0, 1, 0, 7, bytes(160))
    with ports(REFUSED) as place, ports(ALLOWED) as silent:
        async with calling(Wishes((PCMU,)), policy) as (leg, answer, _):
            leg.start(led(answer, silent))
            place.sockets[0].sendto(bytes(packet), (ALLOWED, leg.line.address.port))
            await trio.sleep(LATE)
        assert judged(place.touched(), policy)


async def test_media_from_an_allowed_address_is_answered_though_a_refused_one_was_described() -> None:
    """As behind a translator whose private address stands in the description."""
    packet = RtpPacket(0, 1, 0, 7, bytes(160))
    with ports(REFUSED) as place, ports(ALLOWED) as real:
        async with calling(Wishes((PCMU,)), refusal) as (leg, answer, _):
            leg.start(led(answer, place))
            real.sockets[0].sendto(bytes(packet), (ALLOWED, leg.line.address.port))
            await trio.sleep(LATE)
        assert place.touched() == []
        assert "RTP" in real.touched()


@POLICIES
@pytest.mark.parametrize("component", [0, 1])
async def test_checks_of_ice_are_not_answered_there(component: int, policy: Refusal | None) -> None:
    with ports(REFUSED) as place, ports(ALLOWED) as silent:
        async with calling(Wishes((PCMU,), ice=True), policy) as (leg, answer, _):
            leg.start(led(answer, silent, "ice-ufrag:abcd", "ice-pwd:abcdefghijklmnopqrstuv"))
            assert leg.agreed is not None
            local = leg.agreed.plan.ice
            assert local is not None
            user = f"{local.ufrag}:abcd".encode()
            check = StunMessage(StunType.REQUEST, bytes(12), ((Attr.USERNAME, user), (Attr.USE_CANDIDATE, b"")))
            to = (ALLOWED, leg.line.address.port + component)
            place.sockets[component].sendto(check.encode(local.password), to)
            await trio.sleep(LATE)
        assert judged(place.touched(), policy)
