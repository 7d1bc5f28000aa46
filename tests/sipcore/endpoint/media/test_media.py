"""Media over sockets of the loopback. Times are real, and short."""

import math
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
import trio
import trio.testing

from sipcore.endpoint.media import media as module
from sipcore.endpoint.media.alarm import TrioAlarm
from sipcore.endpoint.media.dtls import DtlsHandshake, DtlsIdentity
from sipcore.endpoint.media.media import Line, Media, open_media
from sipcore.endpoint.media.port import Port
from sipcore.errors import LocalError
from sipcore.media.keys import AEAD_AES_128_GCM, keys_of, new_crypto
from sipcore.media.plan import MediaPlan
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.rtp import pack
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMU, Codec
from sipcore.trace import Direction, WireTrace
from tests.machine import needs_ipv6

HOST = "127.0.0.1"
EVENTS = Codec(101, "telephone-event", 8000)


@asynccontextmanager
async def two_lines(host: str = HOST) -> AsyncIterator[tuple[Line, Line, list[MediaEvent]]]:
    """Two lines, and what the first one tells."""
    told: list[MediaEvent] = []
    with trio.fail_after(20):
        async with open_media() as media:
            with media.open(host, told.append) as alice, media.open(host) as bob:
                yield alice, bob, told


def plans(alice: Line, bob: Line) -> tuple[MediaPlan, MediaPlan]:
    return (
        MediaPlan(bob.address, PCMU, EVENTS, rtcp_interval=0.1),
        MediaPlan(alice.address, PCMU, EVENTS, rtcp_interval=0.1, echo=True),
    )


async def until(line: Line, packets: int) -> None:
    """Wait for so many packets."""
    await met(lambda: (received := line.result().received) is not None and received.packets >= packets)


async def met(condition: Callable[[], object]) -> None:
    """Wait until a condition is met, which is looked at now and then: lines tell of few things as they happen."""
    while not condition():  # noqa: ASYNC110  # see above
        await trio.sleep(0.01)


@pytest.mark.parametrize("host", [HOST, pytest.param("::1", marks=needs_ipv6)])
async def test_a_call_that_is_echoed(host: str) -> None:
    async with two_lines(host) as (alice, bob, told):
        one, other = plans(alice, bob)
        alice.start(one)
        bob.start(other)
        alice.press("7")
        await until(alice, 60)
        alice.finish()
        result = alice.result(await alice.listen())
        assert result.received is not None
        assert result.received.lost == 0
        assert result.control.round_trips
        assert [key.key for key in result.keys] == ["7"]
        assert result.heard is not None
        assert result.heard.echo is not None
        assert [event.kind for event in told][:2] == [MediaEventKind.FIRST_SENT, MediaEventKind.FIRST_RECEIVED]
        await trio.sleep(0.05)
        assert bob.result().control.goodbye


async def test_whoever_asks_is_told_of_every_packet() -> None:
    wire: list[WireTrace] = []
    with trio.fail_after(20):
        async with open_media(on_packet=wire.append) as media, open_media() as others:
            with media.open(HOST) as alice, others.open(HOST) as bob:
                one, other = plans(alice, bob)
                alice.start(one)
                bob.start(other)
                await until(alice, 5)
                alice.finish()
                result, local = alice.result(), alice.address.port
    rtp = [each for each in wire if each.flow.local.port == local]
    sent = [each for each in rtp if each.direction is Direction.SENT]
    assert result.received is not None
    assert (len(sent), len(rtp) - len(sent)) == (result.sent.packets, result.received.packets)
    assert {each.flow.local.port for each in wire} == {local, local + 1}
    assert all(before.at <= after.at for before, after in pairwise(sent))
    assert all(each.data[0] >> 6 == 2 for each in wire)


async def test_ports_are_even_and_in_a_row() -> None:
    async with two_lines() as (alice, bob, _):
        assert alice.address.port % 2 == bob.address.port % 2 == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
            other.bind((HOST, alice.address.port + 1))


async def test_ports_are_given_back() -> None:
    async with open_media() as media:
        line = media.open(HOST)
        line.close()
        await trio.testing.wait_all_tasks_blocked()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, line.address.port))


async def test_no_two_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORT_ATTEMPTS", 0)
    async with open_media() as media:
        with pytest.raises(OSError, match="two free ports"):
            media.open(HOST)


async def test_with_keys_of_a_description() -> None:
    async with two_lines() as (alice, bob, _):
        one, other = plans(alice, bob)
        first, second = (keys_of(new_crypto(AEAD_AES_128_GCM, 1, secrets.token_bytes)) for _ in range(2))
        alice.start(replace(one, keys=(first, second)))
        bob.start(replace(other, keys=(second, first)))
        await until(alice, 5)
        assert alice.result().suite == "AEAD_AES_128_GCM"


async def test_with_a_handshake() -> None:
    async with two_lines() as (alice, bob, told):
        one, other = plans(alice, bob)
        here, there = DtlsIdentity.make(), DtlsIdentity.make()
        bob.start(replace(other, rtcp_mux=True, handshake=DtlsHandshake(there, [here.fingerprint], client=False)))
        alice.start(replace(one, rtcp_mux=True, handshake=DtlsHandshake(here, [there.fingerprint], client=True)))
        await until(alice, 5)
        assert alice.result().suite == "AES_CM_128_HMAC_SHA1_80"
        assert told[0].kind is MediaEventKind.SECURED


async def test_a_handshake_with_somebody_else() -> None:
    async with two_lines() as (alice, bob, told):
        one, other = plans(alice, bob)
        here, there = DtlsIdentity.make(), DtlsIdentity.make()
        bob.start(replace(other, handshake=DtlsHandshake(there, [here.fingerprint], client=False)))
        alice.start(replace(one, handshake=DtlsHandshake(here, [here.fingerprint], client=True)))
        await met(lambda: alice.result().security_failure)
        assert told[0].kind is MediaEventKind.SECURITY_FAILED
        assert alice.result().sent.packets == 0


async def test_what_comes_early_is_kept() -> None:
    async with two_lines() as (alice, bob, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((HOST, 0))
            for number in range(5):
                peer.sendto(pack(0, number, 160 * number, 1, bytes(160)), (HOST, alice.address.port))
            await trio.sleep(0.05)
            alice.start(MediaPlan(SocketAddress(*peer.getsockname()), PCMU))
        received = alice.result().received
        assert received is not None
        assert received.packets == 5
        bob.close()


async def test_nothing_listens_there() -> None:
    async with two_lines() as (alice, bob, told):
        target = bob.address
        bob.close()
        await trio.testing.wait_all_tasks_blocked()
        alice.start(MediaPlan(target, PCMU))
        await met(lambda: MediaEventKind.UNREACHABLE in [event.kind for event in told])
        assert alice.result().sent.refused > 0


async def test_what_is_asked_too_early_or_twice() -> None:
    async with two_lines() as (alice, bob, _):
        for ask in (alice.result, lambda: alice.press("1")):
            with pytest.raises(LocalError):
                ask()
        with pytest.raises(LocalError):
            await alice.listen()
        alice.finish()
        alice.unreachable("nothing was sent")
        alice.handle_timeout(0.0)
        alice.start(plans(alice, bob)[0])
        with pytest.raises(LocalError):
            alice.start(plans(alice, bob)[0])


async def test_many_lines_have_one_timer() -> None:
    with trio.fail_after(20):
        async with open_media() as media:
            lines = [media.open(HOST) for _ in range(20)]
            for number, line in enumerate(lines):
                line.start(MediaPlan(lines[number ^ 1].address, PCMU))
            for line in lines:
                await until(line, 10)
            assert isinstance(media, Media)
            for line in lines:
                line.close()


class Flood:
    """Ports to which ever more comes: whatever time there is goes by with taking it."""

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self._clock = clock

    def add(self, port: Port) -> None:
        """See `Ports`."""

    def remove(self, port: Port) -> None:
        """See `Ports`."""

    def close(self) -> None:
        """See `Ports`."""

    async def wait(self) -> None:
        """See `Ports`."""
        await trio.lowlevel.checkpoint()

    def take_untrusted(self, until: float) -> bool:
        """See `Ports`."""
        self._clock.jump(max(0.0001, until - trio.current_time()) if until < math.inf else 0.0001)
        return True


async def test_what_is_due_leaves_in_time_though_ever_more_comes(autojump_clock: trio.testing.MockClock) -> None:
    media = Media(TrioAlarm(), Flood(autojump_clock), secrets.token_bytes)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((HOST, 0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(media.pace)
            nursery.start_soon(media.watch)
            with media.open(HOST) as line:
                line.start(MediaPlan(SocketAddress(*peer.getsockname()), PCMU))
                await trio.sleep(2.0)
                sent = line.result().sent
            nursery.cancel_scope.cancel()
    assert sent.packets in (100, 101)
    assert sent.latest <= 2 * module.GRAIN
