"""Ports of media over the loopback, waited for in both ways, which keep the same contract."""

import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from importlib import import_module

import pytest
import trio
import trio.testing

from sipcore.endpoint.media.port import LEAST, KernelPorts, Port, Ports, TrioPorts, open_ports
from sipcore.errors import TransportFailure
from sipcore.resolve.target import SocketAddress
from sipcore.transports import ancillary

HOST = "127.0.0.1"
BUFFER = 64 * 1024
PACKET = bytes(range(1, 21))
KINDS = [
    pytest.param(lambda _: KernelPorts(), id="epoll", marks=pytest.mark.skipif(not ancillary.LINUX, reason="no epoll")),
    pytest.param(TrioPorts, id="trio"),
]


@dataclass
class Heard:
    """What a port tells."""

    packets: list[tuple[bytes, SocketAddress, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def port(self) -> Port:
        def take(data: bytes, remote: SocketAddress, at: float, _: float) -> None:
            self.packets.append((data, remote, at))

        return Port(
            SocketAddress(HOST, 0), BUFFER, take, self.failures.append, lambda _, what: self.faults.append(what)
        )


@asynccontextmanager
async def waited_for(kind: Callable[[trio.Nursery], Ports], port: Port) -> AsyncIterator[Ports]:
    """A port that is waited for."""
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            ports = kind(nursery)
            ports.add(port)

            async def watch() -> None:
                while True:
                    await ports.wait()
                    ports.take_untrusted(math.inf)

            nursery.start_soon(watch)
            yield ports
            nursery.cancel_scope.cancel()
        ports.remove(port)
        ports.close()
        port.close()


async def met(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # ports tell of packets, and of nothing else
        await trio.sleep(0.002)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_comes_is_taken_with_its_sender_and_its_time(kind: Callable[[trio.Nursery], Ports]) -> None:
    heard = Heard()
    port = heard.port()
    async with waited_for(kind, port):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            before = trio.current_time()
            for sock in (one, other, one):
                sock.sendto(PACKET, (HOST, port.local.port))
            await met(lambda: len(heard.packets) == 3)
            senders = [SocketAddress(HOST, sock.getsockname()[1]) for sock in (one, other, one)]
    assert [(data, remote) for data, remote, _ in heard.packets] == [(PACKET, sender) for sender in senders]
    assert all(before - 0.001 <= at <= trio.current_time() for *_, at in heard.packets)


@pytest.mark.skipif(not ancillary.LINUX, reason="no epoll")
async def test_what_comes_waits_for_what_is_due() -> None:
    heard = Heard()
    ports, port = KernelPorts(), heard.port()
    ports.add(port)
    with closing(port), closing(ports), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(2 * LEAST + 1):
            sock.sendto(PACKET, (HOST, port.local.port))
        taken = []
        while ports.take_untrusted(-math.inf):
            taken.append(len(heard.packets))
    assert taken == [LEAST, 2 * LEAST, 2 * LEAST + 1]


@pytest.mark.parametrize("kind", KINDS)
async def test_keep_alives_are_no_packets(kind: Callable[[trio.Nursery], Ports]) -> None:
    heard = Heard()
    port = heard.port()
    async with waited_for(kind, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (b"", b"\0\0\0\0", b"\r\n\r\n", PACKET):
                sock.sendto(data, (HOST, port.local.port))
            await met(lambda: heard.packets)
    assert [data for data, *_ in heard.packets] == [PACKET]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_port_that_is_not_waited_for_any_more(kind: Callable[[trio.Nursery], Ports]) -> None:
    heard, other = Heard(), Heard()
    port, kept = heard.port(), other.port()
    async with waited_for(kind, kept) as ports:
        ports.add(port)
        await trio.testing.wait_all_tasks_blocked()
        ports.remove(port)
        ports.remove(port)
        kept.send(PACKET, port.local)
        port.send(PACKET, kept.local)
        await met(lambda: other.packets)
        port.close()
    assert heard.packets == []


@pytest.mark.skipif(not ancillary.LINUX, reason="Linux has the error queue")
@pytest.mark.parametrize("kind", KINDS)
async def test_what_icmp_says_is_told(kind: Callable[[trio.Nursery], Ports]) -> None:
    heard = Heard()
    port, gone = heard.port(), Heard().port()
    gone.close()
    async with waited_for(kind, port):
        port.send(PACKET, gone.local)
        await met(lambda: heard.failures)
    assert "port unreachable" in heard.failures[0]


@pytest.mark.skipif(not ancillary.LINUX, reason="Linux has the error queue")
async def test_the_error_of_one_packet_does_not_stop_the_next() -> None:
    heard, other = Heard(), Heard()
    port, gone, there = heard.port(), Heard().port(), other.port()
    gone.close()
    async with waited_for(TrioPorts, there):
        port.send(PACKET, gone.local)
        port.send(PACKET, there.local)
        await met(lambda: other.packets)
    assert len(heard.failures) == 1
    port.close()


@pytest.mark.parametrize("error", [TypeError, ValueError, OverflowError])
async def test_what_python_refuses_fails_that_packet_alone(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: SocketAddress) -> tuple[str, int]:
        raise error("no address")

    with closing(Heard().port()) as port:
        monkeypatch.setattr("sipcore.endpoint.media.port.socket_name", refuse)
        with pytest.raises(TransportFailure, match="no address"):
            port.send(PACKET, SocketAddress(HOST, 9))


async def test_what_the_kernel_refuses() -> None:
    port = Heard().port()
    with pytest.raises(TransportFailure, match="65536 is no port"):  # that of RTCP beside the last one
        port.send(PACKET, SocketAddress(HOST, 65_536))
    with pytest.raises(TransportFailure):
        port.send(bytes(70_000), SocketAddress(HOST, 9))
    with pytest.raises(TransportFailure):
        port.send(PACKET, SocketAddress("fe80::1%nowhere", 9))
    port.close()
    with pytest.raises(OSError, match=r"assign|address"):
        Port(SocketAddress("192.0.2.1", 0), BUFFER, lambda *_: None, lambda _: None, lambda *_: None)


def broken_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have a function that ports use raise what it should never raise, once."""
    where, _, last = name.rpartition(".")
    work, left = getattr(import_module(where), last), [True]

    def broken(*args: object) -> object:
        if left:
            left.pop()
            raise KeyError("of a peer")
        return work(*args)

    monkeypatch.setattr(name, broken)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["_read_stamp", "socket_address"])
async def test_a_mistake_over_what_the_kernel_tells_costs_that_datagram(
    kind: Callable[[trio.Nursery], Ports], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    port, other = heard.port(), Heard().port()
    with closing(other):
        broken_once(monkeypatch, f"sipcore.endpoint.media.port.{name}")
        async with waited_for(kind, port):
            other.send(PACKET, port.local)
            await met(lambda: heard.faults)
            assert heard.packets == []
            other.send(PACKET, port.local)
            await met(lambda: heard.packets)
    assert heard.faults == ["what came with a datagram of media"]


@pytest.mark.skipif(not ancillary.LINUX, reason="Linux has the error queue")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_mistake_over_what_icmp_says_costs_nothing_else(
    kind: Callable[[trio.Nursery], Ports], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    port, gone, other = heard.port(), Heard().port(), Heard().port()
    gone.close()
    broken_once(monkeypatch, "sipcore.transports.ancillary.queued_failure")
    with closing(other):
        async with waited_for(kind, port):
            port.send(PACKET, gone.local)
            await met(lambda: heard.faults)
            other.send(PACKET, port.local)
            await met(lambda: heard.packets)
    assert (heard.faults, heard.failures) == (["what became of a datagram of media"], [])


async def test_what_an_owner_raises_over_a_packet_is_raised() -> None:
    def take(*_: object) -> None:
        raise ValueError("of the owner's")

    async def wait(port: Port) -> None:
        async with waited_for(TrioPorts, port):
            await trio.sleep_forever()

    port = Port(SocketAddress(HOST, 0), BUFFER, take, lambda _: None, lambda *_: None)
    with closing(port), closing(Heard().port()) as other:
        other.send(PACKET, port.local)
        with pytest.raises(ExceptionGroup) as caught:
            await wait(port)
    assert caught.group_contains(ValueError, match="of the owner's")


async def test_the_best_there_is() -> None:
    async with trio.open_nursery() as nursery:
        ports = open_ports(nursery)
        assert isinstance(ports, KernelPorts if ancillary.LINUX else TrioPorts)
        ports.close()
