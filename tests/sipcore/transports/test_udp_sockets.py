"""Which UDP socket a datagram leaves by, and from which local address."""

import errno
import os

import pytest
import trio
from trio.testing import MockClock

from sipcore.errors import TransportFailure
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transports import udp_sockets
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import open_transports
from sipcore.transports.udp import UdpSocket
from tests.sipcore.transports.recorder import LOOPBACK, Recorder
from tests.sipcore.transports.test_connections import ANY, bound

UDP = Transport.UDP


async def test_udp_is_prepared_at_once_and_bound_when_first_needed(recorder: Recorder) -> None:
    async with open_transports(TransportConfig(), recorder) as transports:
        assert transports.local_address(UDP) is None
        remote = SocketAddress("127.0.0.1", 5060)
        hop = transports.prepared(Hop(UDP, remote))
        assert hop is not None
        assert hop.local == SocketAddress("127.0.0.1", bound(transports).port)
        assert await transports.prepare(hop) == hop
        assert transports.prepared(Hop(UDP, SocketAddress("127.0.0.2", 5060))) is not None
        assert len(transports._udp.opened) == 1


@pytest.mark.parametrize(
    ("bind", "remote", "wanted", "expected"),
    [
        (["127.0.0.1"], "127.0.0.1", None, ("127.0.0.1", 0)),
        (["0.0.0.0"], "127.0.0.1", None, ("127.0.0.1", 0)),
        (["127.0.0.2", "127.0.0.1"], "127.0.0.1", None, ("127.0.0.1", 1)),
        (["127.0.0.2", "0.0.0.0"], "127.0.0.1", None, ("127.0.0.1", 1)),
        (["127.0.0.2"], "127.0.0.1", None, ("127.0.0.2", 0)),
        (["127.0.0.2", "127.0.0.3"], "127.0.0.1", "127.0.0.3", ("127.0.0.3", 1)),
        (["0.0.0.0"], "127.0.0.1", "127.0.0.3", ("127.0.0.3", 0)),
    ],
)
async def test_the_socket_is_the_one_that_leads_there(
    recorder: Recorder, bind: list[str], remote: str, wanted: str | None, expected: tuple[str, int]
) -> None:
    config = TransportConfig(bind=tuple((UDP, SocketAddress(host, 0)) for host in bind))
    async with open_transports(config, recorder) as transports:
        local = SocketAddress(wanted, 0) if wanted else None
        hop = await transports.prepare(Hop(UDP, SocketAddress(remote, 5060), local))
        host, index = expected
        assert hop.local == SocketAddress(host, transports._udp.opened[index].local.port)
        assert len(transports._udp.opened) == len(bind)


async def test_a_socket_of_the_loopback_is_not_used_for_the_world(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_sockets, "route_host", lambda _: "192.0.2.9")
    async with open_transports(TransportConfig(bind=((UDP, LOOPBACK),)), recorder) as transports:
        hop = await transports.prepare(Hop(UDP, SocketAddress("198.51.100.1", 5060)))
        assert hop.local is not None
        assert hop.local.host == "192.0.2.9"
        assert hop.local.port == transports._udp.opened[1].local.port
        assert transports._udp.opened[1].wildcard


async def test_a_socket_that_cannot_be_bound_fails_what_was_to_go_by_it(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor is left, say: it must not end whoever looks for a way."""

    def none_left(*_: object, **__: object) -> UdpSocket:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with open_transports(TransportConfig(), recorder) as transports:
        hop = Hop(UDP, SocketAddress("127.0.0.1", 5060), LOOPBACK)
        with monkeypatch.context() as context:
            context.setattr(udp_sockets, "UdpSocket", none_left)
            with pytest.raises(TransportFailure, match=r"udp from 127\.0\.0\.1: this process has no descriptor left"):
                transports.prepared(hop)
        assert transports.prepared(hop) is not None


async def test_a_route_is_remembered_for_a_while(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    asked: list[str] = []

    def route(where: Hop | Flow) -> str:
        asked.append(where.remote.host)
        return "127.0.0.1"

    monkeypatch.setattr(udp_sockets, "route_host", route)
    monkeypatch.setattr(udp_sockets, "MAX_ROUTES", 3)
    async with open_transports(TransportConfig(), recorder) as transports:
        hop = Hop(UDP, SocketAddress("127.0.0.2", 5060))
        for _ in range(3):
            assert transports.prepared(hop) is not None
        assert len(asked) == 1
        await trio.sleep(udp_sockets.ROUTE_LIFETIME)
        transports.prepared(hop)
        assert len(asked) == 2
        for number in range(9):
            transports.prepared(Hop(UDP, SocketAddress(f"127.0.1.{number}", 5060)))
            assert len(transports._udp._routes) <= 3


async def test_a_better_socket_is_taken_at_once(recorder: Recorder) -> None:
    async with open_transports(TransportConfig(bind=((UDP, ANY),)), recorder) as transports:
        hop = Hop(UDP, SocketAddress("127.0.0.1", 5060))
        first = await transports.prepare(hop)
        better = transports.bind(UDP, LOOPBACK)
        assert transports.prepared(hop) != first
        assert (await transports.prepare(hop)).local == better
