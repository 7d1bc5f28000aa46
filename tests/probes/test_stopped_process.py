"""Every probe in a process that is stopped for a moment now and then, as on a busy machine or a laptop that sleeps:
some of what it waits for is over when it comes to wait, and that is not to end it.
"""

import random
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

import probes
from probes.sweep.ranges import Range
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.lookup import LookupConfig
from tests.probes.discovery.network import HOST, silent, tcp, udp

SEEDS = range(8)
CHANCE = 0.04
"""How likely a halt before a step of a task is."""
LONGEST = 0.6
"""Seconds of a halt at most, of the one that the probes wait for an answer."""
TIMEOUT = 1.0
TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS)


class Halts(trio.abc.Instrument):
    """Has a clock go on by more than anybody expects, before some steps of tasks."""

    def __init__(self, clock: MockClock, seed: int) -> None:
        self.clock = clock
        self.chance = random.Random(seed)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.chance.random() < CHANCE:
            self.clock.jump(self.chance.uniform(0, LONGEST))


class Scene:
    """Somebody who answers over every transport, and silence over UDP and TCP."""

    def __init__(self, answering: probes.Responder, silent_udp: int, silent_tcp: int) -> None:
        self.answering = answering
        self.silent_udp, self.silent_tcp = silent_udp, silent_tcp

    def port(self, transport: Transport) -> int:
        return self.answering.address(transport).port

    @property
    def lookup(self) -> LookupConfig:
        """Of a name server that is silent."""
        resolvers = (SocketAddress(HOST, self.silent_udp),)
        return LookupConfig(nameservers=resolvers, timeout=TIMEOUT / 3, lifetime=TIMEOUT / 2, hosts_file="")


async def stay_silent(stream: trio.abc.Stream) -> None:
    """Accept, and say nothing."""
    async for _ in stream:
        pass


async def discover(scene: Scene) -> None:
    """All at once: everything that answers or does not, each silence by itself, and a name that is not told."""
    ports = (*(address.port for _, address in scene.answering.addresses), scene.silent_udp, scene.silent_tcp)
    config = partial(probes.DiscoveryConfig, timeout=TIMEOUT, lookup=scene.lookup)
    runs = {
        HOST: config(ports=ports, challenge=True, deep=True, invite=True),
        f"tls://{HOST}:{scene.silent_tcp}": config(),
        f"udp://{HOST}:{scene.silent_udp}": config(invite=True),
        f"tls://{HOST}:{scene.port(Transport.TLS)}": config(deep=True),
        "sip.test": config(),
    }
    async with trio.open_nursery() as nursery:
        for target, settings in runs.items():
            nursery.start_soon(probes.discover, target, settings)


async def report(scene: Scene) -> None:
    """TLS servers that answer and do not, and a name server that does not."""
    resolvers = (SocketAddress(HOST, scene.silent_udp),)
    async with trio.open_nursery() as nursery:
        for port in (scene.port(Transport.TLS), scene.silent_tcp):
            config = probes.TlsReportConfig(timeout=TIMEOUT / 2, deadline=TIMEOUT)
            nursery.start_soon(probes.report_tls, f"tls://{HOST}:{port}", config)
        asked = probes.DnsReportConfig(resolvers, timeout=TIMEOUT / 2, pause=TIMEOUT / 3, deadline=TIMEOUT)
        nursery.start_soon(probes.report_dns, "sip.test", asked)


async def call(scene: Scene) -> None:
    """Calls that are answered and refused, offers, and registrations."""
    for transport in (Transport.UDP, Transport.TCP):
        for user in ("echo", "busy"):
            uri = f"sip:{user}@{scene.answering.address(transport)};transport={transport.value.lower()}"
            target = probes.Destination.parse(uri)
            await probes.place_call(probes.CallScript(target, hold=TIMEOUT / 3))
    here = probes.Destination.parse(f"sip:echo@{scene.answering.address(Transport.UDP)}")
    await probes.probe_codecs(probes.CodecProbe(here, timeout=TIMEOUT))
    for port in (scene.port(Transport.UDP), scene.silent_udp):
        someone = probes.Destination.parse(f"sip:alice@{HOST}:{port}")
        await probes.probe_registration(probes.RegistrationProbe(someone, timeout=TIMEOUT))


async def watch(scene: Scene) -> None:
    """A trunk whose routes answer, are silent, and cannot be found; pings and a sweep."""
    here = probes.Destination.parse(f"sip:echo@{scene.answering.address(Transport.UDP)}")
    targets = {
        "silent": f"sip:{HOST}:{scene.silent_udp}",
        "tls": f"tls://{HOST}:{scene.silent_tcp}",
        "unknown": "sip.test",
    }
    routes = tuple(probes.Route(name, probes.Destination.parse(target)) for name, target in targets.items())
    routes += (probes.Route("good", here, call=probes.CallScript(here, hold=TIMEOUT / 10)),)
    rules = probes.Rules(interval=TIMEOUT, retry=TIMEOUT, timeout=TIMEOUT / 2)
    watching = probes.Watch([probes.Trunk("acme", routes, rules)], ignore, probes.WatchConfig(lookup=scene.lookup))
    with trio.move_on_after(10 * TIMEOUT):
        await watching.run()
    await probes.Pings(str(here), probes.PingConfig(interval=TIMEOUT / 10, count=5), ignore).run()
    swept = probes.Targets([Range.parse("127.0.0.0/29")], [scene.port(Transport.UDP), scene.silent_udp])
    await probes.Sweep(swept, probes.SweepConfig(deadline=TIMEOUT / 2), ignore).run()


def ignore(_: object) -> None:
    """Take whatever is told."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", [discover, report, call, watch])
def test_it_comes_to_its_end(what: Callable[[Scene], Awaitable[None]], seed: int) -> None:
    async def play() -> None:
        loopback = [(transport, SocketAddress(HOST, 0)) for transport in TRANSPORTS]
        async with (
            probes.open_responder(probes.Persona(), loopback) as answering,
            udp(silent) as silent_udp,
            tcp(stay_silent) as silent_tcp,
        ):
            await what(Scene(answering, silent_udp, silent_tcp))

    clock = MockClock(autojump_threshold=0.02)
    trio.run(play, clock=clock, instruments=[Halts(clock, seed)])
