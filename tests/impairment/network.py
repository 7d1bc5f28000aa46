"""A bad network for a test: sites that reach each other through the relay, and nobody else.

    async with open_network(seed=7) as network:
        await network.impair(Impairment(loss=0.1, delay=0.02))
        await network["alice"].run("ping", "-c1", network["bob"].ipv4)
        await network.clean()
        print(await network.report())

Sites have addresses of documentation (RFC 5737, RFC 3849), each of a net of its own; processes run in them by
`Namespace.command`, and sockets are opened in them by `Namespace.socket`.
"""

import random
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import trio

from tests.impairment import namespace, relay
from tests.impairment.boxes import Box
from tests.impairment.namespace import Namespace
from tests.impairment.path import PERFECT, Impairment, Passage
from tests.impairment.relay import Ask, AskLog, Command, Impair, Setup
from tests.impairment.switch import Report, Site, Way

ROOT = Path(__file__).parents[2]
NETS_IPV4 = ("192.0.2", "198.51.100", "203.0.113")
"""RFC 5737. A translator's public address, by default the last but one of the third, is taken by no site."""
START_RELAY = "from tests.impairment import relay; relay.main()"
"""Not `-m`: what is sent to the relay is of classes that it must know by the same names."""
PATIENCE = 30.0
"""Seconds for the relay to start, to answer or to end: hundreds of times what it needs."""


class Network:
    """Sites by name, and the relay between them. Made by `open_network`."""

    def __init__(self, seed: int, sites: Mapping[str, Namespace], control: trio.socket.SocketType) -> None:
        self.seed = seed
        self._sites = sites
        self._control = control

    def __getitem__(self, name: str) -> Namespace:
        return self._sites[name]

    async def impair(self, impairment: Impairment, *, way: Way | None = None) -> None:
        """Make one way, or all, as bad as this, for packets that leave from now on."""
        await self.order(Impair(impairment, way))

    async def clean(self) -> None:
        """Turn all impairments off."""
        await self.impair(PERFECT)

    async def report(self) -> Report:
        """What has happened to the packets so far: what results are to be compared with."""
        report = await self.order(Ask())
        return replace(report, overrun={name: site.overrun() for name, site in self._sites.items()})

    async def log(self, way: Way) -> list[Passage]:
        """What became of the packets of one way, of the first LOGGED of them: in the order in which that was known."""
        passages: list[Passage] = []
        while page := (await self.order(AskLog(way, len(passages)))).log:
            passages += page
        return passages

    async def order(self, command: Command) -> Report:
        """Have the relay carry out a command."""
        with trio.fail_after(PATIENCE):
            await self._control.send(relay.encode(command))
            data = await self._control.recv(relay.MAX_COMMAND)
        if not data:
            raise RuntimeError("the relay has ended")
        answer = relay.decode(data)
        assert isinstance(answer, Report)
        return answer


@asynccontextmanager
async def open_network(
    *names: str, seed: int | None = None, boxes: Mapping[str, Sequence[Box]] | None = None
) -> AsyncIterator[Network]:
    """A network of sites with these names, at most three, by default alice and bob; perfect to begin with.

    `boxes` stand on the lines of sites, the nearest to the site first. The same seed gives the nth packet of each way
    the same fate. Needs what `namespace.check_available` does.
    """
    names = names or ("alice", "bob")
    seed = random.randrange(2**32) if seed is None else seed
    with ExitStack() as held:
        sites = {}
        for number, (name, net) in enumerate(zip(names, NETS_IPV4[: len(names)], strict=True), start=1):
            sites[name] = namespace.make(name, f"{net}.1", f"2001:db8:{number}::1")
            held.callback(sites[name].close)
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here, there = held.enter_context(ends[0]), held.enter_context(ends[1])
        passed = [there.fileno(), *(site.device for site in sites.values())]
        command = [sys.executable, "-c", START_RELAY, *map(str, passed)]
        process = await trio.lowlevel.open_process(command, pass_fds=passed, cwd=ROOT)
        there.close()
        try:
            network = Network(seed, sites, trio.socket.from_stdlib_socket(here))
            standing = [
                Site(name, (site.ipv4, site.ipv6), tuple((boxes or {}).get(name, ()))) for name, site in sites.items()
            ]
            await network.order(Setup(tuple(standing), seed))
            yield network
        finally:
            here.close()
            with trio.CancelScope(shield=True):
                await _end(process)


async def _end(process: trio.Process) -> None:
    """Wait for the relay, which ends with its control socket."""
    with trio.move_on_after(PATIENCE):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
