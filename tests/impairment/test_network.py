"""The whole of it: namespaces of their own, real sockets in them, and the relay's process in between."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.impairment import namespace
from tests.impairment.boxes import Nat, SizeFilter
from tests.impairment.network import ROOT, Network, open_network
from tests.impairment.path import Impairment
from tests.impairment.switch import Report

pytestmark = pytest.mark.usefixtures("privileged")

PORT = 5060
OUT, BACK = ("alice", "bob"), ("bob", "alice")
MANY = 4000
PER_SECOND = 8000
"""What the relay has to carry: 1,000 calls a second of eight messages."""
PATIENCE = 30.0


class Peer:
    """A UDP socket in a site."""

    def __init__(self, network: Network, name: str, *, ipv6: bool = False) -> None:
        site = network[name]
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._socket = trio.socket.from_stdlib_socket(site.socket(family, socket.SOCK_DGRAM))
        self.place = (site.ipv6 if ipv6 else site.ipv4, PORT)

    async def open(self) -> "Peer":
        await self._socket.bind(self.place)
        return self

    async def send(self, other: "Peer", data: bytes = b"hello") -> None:
        await self._socket.sendto(data, other.place)

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        with trio.fail_after(PATIENCE):
            data, (host, port, *_) = await self._socket.recvfrom(65_536)
            return data, (host, port)

    async def hears_nothing(self) -> bool:
        with trio.move_on_after(0.1):
            await self._socket.recvfrom(65_536)
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@asynccontextmanager
async def pair(network: Network, *, ipv6: bool = False) -> AsyncIterator[tuple[Peer, Peer]]:
    peers = Peer(network, "alice", ipv6=ipv6), Peer(network, "bob", ipv6=ipv6)
    try:
        yield await peers[0].open(), await peers[1].open()
    finally:
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("ipv6", [False, True])
async def test_sites_reach_each_other_through_the_relay_only(ipv6: bool) -> None:
    async with open_network() as network, pair(network, ipv6=ipv6) as (alice, bob):
        await alice.send(bob)
        assert await bob.receive() == (b"hello", alice.place)
        await bob.send(alice, b"hi")
        assert await alice.receive() == (b"hi", bob.place)
        report = await network.report()
    assert {way: counts.delivered for way, counts in report.ways.items()} == {OUT: 1, BACK: 1}
    assert set(report.unroutable.values()) == {0}
    assert set(report.overrun.values()) == {0}


async def test_a_site_has_no_other_way_out() -> None:
    async with open_network() as network:
        interfaces = await network["alice"].run("ls", "/proc/self/ns")
        assert "net" in interfaces
        rows = (await network["alice"].run("cat", "/proc/self/net/dev")).splitlines()[2:]
        assert {row.split(":")[0].strip() for row in rows} == {"lo", namespace.INTERFACE}


async def test_three_sites() -> None:
    async with open_network("alice", "bob", "carol") as network:
        carol = await Peer(network, "carol").open()
        async with pair(network) as (alice, bob):
            for one, other in ((alice, carol), (carol, bob), (bob, alice)):
                await one.send(other)
                assert await other.receive() == (b"hello", one.place)
        carol.close()


async def test_the_seed_decides_which_packets_are_lost() -> None:
    async def arrived(seed: int) -> list[bytes]:
        async with open_network(seed=seed) as network, pair(network) as (alice, bob):
            assert network.seed == seed
            await network.impair(Impairment(loss=0.5), way=OUT)
            for number in range(100):
                await alice.send(bob, b"%d" % number)
            counts = (await settled(network)).ways[OUT]
            assert counts.delivered == 100 - counts.lost
            assert [passage.left is None for passage in await network.log(OUT)].count(True) == counts.lost
            return [(await bob.receive())[0] for _ in range(counts.delivered)]

    first = await arrived(1)
    assert 20 < len(first) < 80
    assert await arrived(1) == first
    assert await arrived(2) != first


async def settled(network: Network) -> Report:
    """The report when the relay has seen everything that was sent, and has nothing more under way."""
    report = await network.report()
    while True:
        await trio.sleep(0.05)
        before, report = report, await network.report()
        if before.ways == report.ways:
            return report


async def test_impairments_are_turned_on_and_off_at_run_time() -> None:
    async with open_network() as network, pair(network) as (alice, bob):
        await network.impair(Impairment(blocked=True), way=OUT)
        await alice.send(bob)
        assert await bob.hears_nothing()
        await bob.send(alice)
        await alice.receive()
        await network.impair(Impairment(delay=0.5, duplication=1.0))
        begin = trio.current_time()
        await alice.send(bob)
        assert [(await bob.receive())[0] for _ in range(2)] == [b"hello"] * 2
        assert trio.current_time() - begin >= 0.5
        await network.clean()
        begin = trio.current_time()
        await alice.send(bob)
        await bob.receive()
        assert trio.current_time() - begin < 0.5
        assert await bob.hears_nothing()
        assert (await network.report()).ways[OUT].blocked == 1


async def test_an_icmp_error_finds_its_way_back() -> None:
    async with open_network() as network:
        with network["alice"].socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((network["bob"].ipv4, PORT))
            sock.send(b"hello")
            await settled(network)
            with pytest.raises(ConnectionRefusedError):
                sock.recv(100, socket.MSG_DONTWAIT)


async def test_tcp_survives_a_bad_network() -> None:
    sent = os.urandom(200_000)
    async with open_network(seed=3) as network:
        await network.impair(Impairment(loss=0.02, reordering=0.05, held_back=0.002, duplication=0.05))
        with network["bob"].socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((network["bob"].ipv4, PORT))
            listener.listen()
            client = trio.socket.from_stdlib_socket(network["alice"].socket(socket.AF_INET, socket.SOCK_STREAM))
            with trio.fail_after(30):
                await client.connect((network["bob"].ipv4, PORT))
                accepted, _ = await trio.to_thread.run_sync(listener.accept)
                with accepted:
                    received = bytearray()
                    async with trio.open_nursery() as nursery, trio.SocketStream(client) as stream:
                        nursery.start_soon(stream.send_all, sent)
                        server = trio.SocketStream(trio.socket.from_stdlib_socket(accepted.dup()))
                        async with server:
                            while len(received) < len(sent):
                                received += await server.receive_some()
        assert bytes(received) == sent
        assert (await network.report()).ways[OUT].lost > 0


async def test_a_translator_and_a_filter_on_the_line() -> None:
    nat = Nat(preserves_ports=False)
    async with open_network(boxes={"alice": [nat], "bob": [SizeFilter(fragments=True)]}) as network:
        async with pair(network) as (alice, bob):
            await alice.send(bob)
            _, seen = await bob.receive()
            assert seen[0] == nat.public
            await bob._socket.sendto(b"back", seen)
            assert await alice.receive() == (b"back", bob.place)
            await alice.send(bob, bytes(3000))
            assert await bob.hears_nothing()
        report = await settled(network)
    assert report.ways[OUT].filtered == 3
    assert report.ways[OUT].delivered == 1


async def test_the_relay_carries_many() -> None:
    """Thousands of packets a second that meet every impairment: none is lost on its way to the relay."""
    async with open_network(seed=1) as network, pair(network) as (alice, bob):
        await network.impair(Impairment(0.1, 0.05, 0.05, held_back=0.01, delay=0.005, jitter=0.005))
        for _ in range(MANY // 100):
            for _ in range(100):
                await alice.send(bob, bytes(500))
            await trio.sleep(100 / PER_SECOND)
        report = await settled(network)
    assert report.ways[OUT].offered == MANY
    assert report.overrun["alice"] == 0


async def test_nothing_is_left_of_a_run_that_is_killed() -> None:
    command = [sys.executable, "-c", "from tests.impairment.test_network import wait_inside; wait_inside()"]
    run = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert run.stdout is not None
    with trio.fail_after(PATIENCE):
        assert await run.stdout.receive_some() == b"up\n"
        run.kill()
        assert await run.stdout.receive_some() == b"", "the relay had inherited the pipe, so it has ended too"
        await run.wait()


def wait_inside() -> None:
    """Have a network until killed."""

    async def wait() -> None:
        async with open_network():
            sys.stdout.write("up\n")
            sys.stdout.flush()
            await trio.sleep_forever()

    trio.run(wait)
