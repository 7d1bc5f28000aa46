"""Discovery inside somebody else's program: several at once, and given up at any time."""

import gc
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from probes.destination import Destination, DestinationError
from probes.discovery.events import AttemptEnded, Concluded
from probes.discovery.outcome import Discovery
from probes.discovery.run import DiscoveryConfig, discover, open_discovery
from sipcore.errors import LocalError
from sipcore.resolve.target import Transport
from sipcore.transports.lookup import LookupConfig
from tests.probes.discovery.network import HOST, Respond, free_port, name_server, ok, saying, silent, tcp, tls, udp
from tests.sipcore.transports.authority import issue

MOMENTS = (0.0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 2.0)
"""Seconds after which a discovery is given up: before its first question, among its attempts, habits and calls."""


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


def named(banner: str) -> Respond:
    return lambda data: ok(data, f"Server: {banner}")


async def test_two_at_once_keep_apart(clock: MockClock) -> None:
    found: dict[int, Discovery] = {}

    async def look(port: int) -> None:
        where = Destination(HOST, port=port, transport=Transport.UDP)
        found[port] = await discover(where, DiscoveryConfig(deep=True))

    async with udp(named("Asterisk PBX 20.1.0")) as one, udp(named("kamailio (5.6.3 (x86_64/linux))")) as other:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for port in (one, other, one):
                    nursery.start_soon(look, port)
    systems = [found[port].system for port in (one, other)]
    assert [system.product for system in systems if system is not None] == ["Asterisk", "Kamailio"]
    for port, discovery in found.items():
        (attempt,) = discovery.attempts
        assert attempt.hop.remote.port == port


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[tuple[Destination, DiscoveryConfig]]:
    """A name whose server answers over UDP and TLS, is silent on one port and refuses another."""
    async with (
        udp(ok) as port,
        tls(saying(ok), issue("pbx"), folder) as secure,
        tcp(saying(silent)) as mute,
        name_server({"A pbx.example": [HOST]}) as resolver,
    ):
        lookup = LookupConfig(nameservers=(resolver,), hosts_file="")
        ports = (port, secure, mute, free_port())
        yield Destination("pbx.example"), DiscoveryConfig(ports=ports, lookup=lookup, deep=True, invite=True)


def left() -> tuple[int, int]:
    """How many tasks there are, and how many sockets are open."""
    gc.collect()
    sockets = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one of the directory itself is gone by now
            sockets += str(one.readlink()).startswith("socket:")
    return trio.lowlevel.current_statistics().tasks_living, sockets


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux shows what a process has open")
async def test_given_up_at_any_time_nothing_is_left(clock: MockClock, tmp_path: Path) -> None:
    async with everything(tmp_path) as (destination, config):
        await discover(destination, config)  # whatever is loaded once is loaded now
        await trio.sleep(1)  # until the peers have closed their ends
        before = left()
        for moment in MOMENTS:
            with trio.move_on_after(moment):
                await discover(destination, config)
            await trio.sleep(1)
            assert left() == before, moment


async def test_a_block_that_is_left_early_gives_up(clock: MockClock, tmp_path: Path) -> None:
    async with everything(tmp_path) as (destination, config):
        await discover(destination, config)
        await trio.sleep(1)
        before = left()
        async with open_discovery(destination, config) as events:
            async for event in events:
                if isinstance(event, AttemptEnded):
                    break
        await trio.sleep(1)
        assert left() == before


async def stumble(target: str, over: BaseException) -> None:
    async with open_discovery(target) as events:
        async for _ in events:
            raise over


@pytest.mark.parametrize("over", [KeyError("x"), KeyboardInterrupt(), SystemExit(3)])
async def test_what_goes_wrong_in_a_block_comes_out_as_it_is(over: BaseException, clock: MockClock) -> None:
    async with udp(ok) as port:
        with pytest.raises(type(over)):  # and no group of it
            await stumble(f"{HOST}:{port}", over)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
async def test_a_time_that_nothing_fits_into_is_refused(seconds: float) -> None:
    with pytest.raises(LocalError, match="give a number above 0"):
        await discover(HOST, DiscoveryConfig(timeout=seconds))


async def test_who_reads_slowly_slows_nothing_down(clock: MockClock) -> None:
    async with udp(ok) as port, open_discovery(f"udp://{HOST}:{port}") as events:
        await trio.sleep(60)
        told = [event async for event in events]
    assert isinstance(told[-1], Concluded)
    assert told[-1].discovery.duration < 5
    assert told[-1].discovery.answered


async def test_a_mistake_is_told_at_once() -> None:
    with pytest.raises(DestinationError):
        await discover("not a host")
    with pytest.raises(LocalError, match="a sips URI goes over TLS only"):
        await discover("sips:example.com", DiscoveryConfig(transports=(Transport.UDP,)))
