"""Media over sockets of the loopback. Times are real, and short."""

import math
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing

from sipcore.endpoint.media import media as module
from sipcore.endpoint.media.alarm import TrioAlarm
from sipcore.endpoint.media.dtls import DtlsHandshake, DtlsIdentity
from sipcore.endpoint.media.media import Line, Media, open_media
from sipcore.endpoint.media.port import Port
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.media.control import Controller
from sipcore.media.ice import IceCredentials, LiteAgent
from sipcore.media.keys import AEAD_AES_128_GCM, keys_of, new_crypto
from sipcore.media.listen import Recording
from sipcore.media.plan import MediaPlan
from sipcore.media.receiver import Receiver
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.rtp import RtpPacket, pack
from sipcore.media.sender import Sender
from sipcore.media.session import MediaSession
from sipcore.media.srtp import SrtpSession
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMU, Codec
from sipcore.trace import Direction, FaultTrace, WireTrace
from tests.conftest import Injected
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


class InjectedKeyError(KeyError, Injected):
    """A mistake that quotes what it was met over."""


def broken_once(monkeypatch: pytest.MonkeyPatch, where: object, name: str, left: int = 1) -> list[Exception]:
    """Have a function raise what it should never raise, so many times; gives those that are left."""
    work, errors = getattr(where, name), list[Exception]([InjectedKeyError("of a peer")] * left)

    def broken(*args: Any, **named: Any) -> Any:  # noqa: ANN401  # whatever it takes and gives
        if errors:
            raise errors.pop()
        return work(*args, **named)

    monkeypatch.setattr(where, name, broken)
    return errors


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (RtpPacket, "parse"),
        (Receiver, "add"),
        (Controller, "receive_untrusted"),
        (Controller, "take_due"),
        (Receiver, "watch"),
        (Sender, "take_due"),
        (Sender, "note_sent"),
        (Sender, "_next"),
        (MediaSession, "handle_timeout"),
    ],
    ids=str,
)
async def test_a_mistake_costs_the_packet_that_it_was_made_over(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> None:
    faults: list[FaultTrace] = []
    errors = broken_once(monkeypatch, where, name)
    with trio.fail_after(20):
        async with open_media() as media:
            with media.open(HOST, None, faults.append) as alice, media.open(HOST, None, faults.append) as bob:
                one, other = plans(alice, bob)
                alice.start(one)
                bob.start(other)
                await met(lambda: not errors)
                before = alice.result().sent.packets
                await met(lambda: alice.result().sent.packets > before + 40)  # 0.8 s: everything has come round again
                await until(alice, 40)
                results = [alice.result(), bob.result()]
                assert media.faults == 1
    (fault,) = faults
    assert (fault.error, "broken in tests" in fault.place) == ("InjectedKeyError", True)
    assert sorted(result.unexpected.faults for result in results) == [0, 1]
    assert all(result.control.received for result in results)


@pytest.mark.parametrize("kind", ["stun", "dtls", "srtp", "srtcp"])
async def test_a_mistake_over_what_secures_media(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    faults: list[FaultTrace] = []
    first, second = (keys_of(new_crypto(AEAD_AES_128_GCM, 1, secrets.token_bytes)) for _ in range(2))
    with trio.fail_after(20), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((HOST, 0))
        async with open_media() as media:
            with media.open(HOST, None, faults.append) as alice:
                plan = MediaPlan(SocketAddress(*peer.getsockname()), PCMU)
                if kind == "dtls":
                    here, there = DtlsIdentity.make(), DtlsIdentity.make()
                    handshake = DtlsHandshake(here, [there.fingerprint], client=False)
                    alice.start(replace(plan, rtcp_mux=True, handshake=handshake))
                    errors, sent = broken_once(monkeypatch, DtlsHandshake, "receive_untrusted"), b"\x16\xfe\xfd"
                elif kind == "stun":
                    alice.start(replace(plan, ice=IceCredentials("ufrag", "password")))
                    errors, sent = broken_once(monkeypatch, LiteAgent, "answer_untrusted"), b"\0\1\0\0"
                else:
                    alice.start(replace(plan, keys=(first, second)))
                    errors = broken_once(monkeypatch, SrtpSession, "unprotect_untrusted")
                    sent = b"\x80\0" if kind == "srtp" else b"\x80\xc8"
                peer.sendto(sent + bytes(20), (HOST, alice.address.port))
                await met(lambda: not errors)
                peer.sendto(sent + bytes(20), (HOST, alice.address.port))
                await trio.sleep(0.1)
                result = alice.result()
    assert [fault.what for fault in faults] == [
        f"{ {'srtp': 'rtp', 'srtcp': 'rtcp'}.get(kind, kind) } from {plan.remote}"
    ]
    assert result.unexpected.faults == 1


async def test_a_mistake_that_is_made_each_time_is_told_of_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[FaultTrace] = []
    broken_once(monkeypatch, MediaSession, "handle_timeout", 1000)
    async with open_media() as media:
        with media.open(HOST, None, faults.append) as alice, media.open(HOST) as bob:
            alice.start(plans(alice, bob)[0])
            await trio.sleep(0.35)
            assert media.faults in (2, 3, 4)  # and not one in each millisecond
            broken_once(monkeypatch, RtpPacket, "parse", 1000)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                for _ in range(2 * module.MAX_FAULTS):
                    peer.sendto(pack(0, 1, 0, 1, bytes(160)), (HOST, alice.address.port))
            await met(lambda: alice.result().unexpected.faults >= 2 * module.MAX_FAULTS)
    assert len(faults) == module.MAX_FAULTS


async def test_a_mistake_at_the_end_keeps_neither_ports_nor_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_lines() as (alice, bob, _):
        alice.start(plans(alice, bob)[0])
        bob.start(plans(alice, bob)[1])
        await until(alice, 20)
        broken_once(monkeypatch, MediaSession, "finish")
        broken_once(monkeypatch, Recording, "assemble")
        alice.finish()
        assert await alice.listen() is None
        alice.close()
        assert alice.result().unexpected.faults == 2
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, alice.address.port))


async def test_a_mistake_over_what_a_peer_wants_leaves_media_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[FaultTrace] = []
    with trio.fail_after(20):
        async with open_media() as media:
            with media.open(HOST, None, faults.append) as alice, media.open(HOST) as bob:
                one, other = plans(alice, bob)
                alice.start(one)
                bob.start(other)
                await until(alice, 5)
                broken_once(monkeypatch, module, "MediaSession")
                with pytest.raises(TransportFailure) as caught, alice.guarding("the descriptions in force"):
                    alice.start(one, again=True)
                await until(alice, 10)
                assert len(alice.parts()) == 1
                assert (media.faults, alice.result().unexpected.faults) == (1, 1)
                with pytest.raises(LocalError), alice.guarding("the same"):  # which the owner or the peer has made
                    alice.start(one)
                assert media.faults == 1
    (fault,) = faults
    assert caught.value.reason is FailureReason.FAULT
    assert (fault.what, fault.error) == ("the descriptions in force", "InjectedKeyError")


async def test_what_a_listener_raises_over_what_a_peer_wants_is_no_mistake_of_ours() -> None:
    def broken(_: object) -> None:
        raise KeyError("of the owner's")

    with trio.fail_after(20):
        async with open_media() as media:
            with media.open(HOST, broken) as alice, media.open(HOST) as bob:
                bob.start(plans(bob, alice)[0])
                await met(lambda: len(alice._early) > 2)
                with pytest.raises(KeyError, match="of the owner's"), alice.guarding("the descriptions in force"):
                    alice.start(plans(alice, bob)[0])
                assert media.faults == 0


@pytest.mark.parametrize("listener", ["event", "packet"])
async def test_what_an_owners_listener_raises_is_no_mistake_of_ours(listener: str) -> None:
    def broken(_: object) -> None:
        raise KeyError("of the owner's")

    async def call() -> None:
        async with open_media(on_packet=broken if listener == "packet" else None) as media:
            with media.open(HOST, broken if listener == "event" else None) as alice, media.open(HOST) as bob:
                alice.start(plans(alice, bob)[0])
                await trio.sleep_forever()

    with trio.fail_after(20), pytest.raises(ExceptionGroup) as caught:
        await call()
    assert caught.group_contains(KeyError, match="of the owner's", depth=1)
