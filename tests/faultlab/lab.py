"""The discovery fault lab: peers and a name server at bob's, discovery at alice's, and the bad network between them."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from probes.destination import Destination
from probes.discovery.outcome import Discovery
from probes.discovery.run import DiscoveryConfig, discover
from probes.findings.finding import Finding, Severity
from sipcore.resolve.target import SocketAddress
from sipcore.transports.base import TlsConfig
from sipcore.transports.lookup import LookupConfig
from tests.faultlab.boxes import Address
from tests.faultlab.peers import Listener, running
from tests.impairment.boxes import Box
from tests.impairment.namespace import INTERFACE, Namespace
from tests.impairment.network import Network, open_network
from tests.impairment.path import PERFECT, Impairment
from tests.interop.lab import POLL_SECONDS, process, program
from tests.interop.nameserver import SERVER

ALICE, BOB = "192.0.2.1", "198.51.100.1"
BOB6 = "2001:db8:2::1"
PRIVATE = "10.9.8.7"
"""Another address of bob's, which a path of its own leads to, as through a tunnel."""
DNS_PORT, SECOND_PORT = 53, 5300
"""Where the two name servers listen."""
ZONE, BROKEN_ZONE = "sip.test", "broken.test"
TIMEOUT = 1.2
"""Seconds for each answer: two requests over UDP are sent by then, and an inconspicuous one."""
SEED = 3261
START_SECONDS = 10.0
LANES = 4
"""Networks for the usual cases, which they take between them."""
NETWORKS = 6
"""Networks at the same time. A discovery waits for answers nine tenths of its time, so that six of them, their relays
and name servers take one of two cores; all that run share one interpreter, and would answer later beyond that.
"""
T = TypeVar("T")
Each = TypeVar("Each")
Boxes = tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One setup: who listens, what is asked for, and what must be found; a healthy one finds nothing but notices.

    `zone` are the records of the case, below a name of its own, which `DOMAIN` stands for in them and in the target.
    `zone_elsewhere` are those of the second name server. `make_boxes` makes what stands on alice's line, `at_alice` are
    commands of `ip` to be run there first. `expected` is the code that must come first, "" for healthy; `also` are
    those that must be found too, and never come first by themselves.
    """

    name: str
    target: str
    listeners: tuple[Listener, ...]
    expected: str = ""
    zone: str = ""
    zone_elsewhere: str = ""
    also: tuple[str, ...] = ()
    make_boxes: Callable[[], Boxes] = tuple
    at_alice: tuple[str, ...] = ()
    impairment: Impairment = PERFECT
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def fault(self) -> bool:
        return bool(self.expected)

    @property
    def in_usual_network(self) -> bool:
        return self.make_boxes is tuple and not self.at_alice


@dataclass(frozen=True, slots=True)
class Outcome:
    """What discovery found in a case."""

    case: Case
    found: Discovery

    @property
    def first(self) -> Finding | None:
        return self.found.findings[0] if self.found.findings else None

    @property
    def right(self) -> bool:
        """Whether the fault's finding is the first, or, without a fault, nothing above a notice was found."""
        if self.case.fault:
            codes = {finding.code for finding in self.found.findings}
            return self.first is not None and self.first.code == self.case.expected and codes.issuperset(self.case.also)
        return all(finding.severity is Severity.NOTICE for finding in self.found.findings)

    def __str__(self) -> str:
        codes = ", ".join(f"{one.severity.value[0].upper()} {one.code}" for one in self.found.findings) or "nothing"
        mark = "ok " if self.right else "BAD"
        expected = self.case.expected or "(healthy)"
        return f"{mark} {self.case.name:<28} {expected:<32} {self.found.duration:5.2f} s  {codes}"


def asking(*resolvers: SocketAddress) -> dict[str, object]:
    """The part of a configuration that says whom to ask."""
    return {"lookup": LookupConfig(nameservers=resolvers, timeout=0.4, lifetime=0.8, hosts_file="")}


async def run_cases(
    cases: Sequence[Case], folder: Path, ca: bytes, tell: Callable[[Outcome], None] = lambda _: None
) -> list[Outcome]:
    """Play some cases, and what is wrong once more by itself: a busy machine looks like a bad network. Needs root."""
    outcomes = await _play_all(cases, folder / "first", ca, tell)
    for case in [one.case for one in outcomes.values() if not one.right]:
        outcomes |= await _play_all([case], folder / f"again-{case.name}", ca, tell)
    return [outcomes[case.name] for case in cases]


async def _play_all(
    cases: Sequence[Case], folder: Path, ca: bytes, tell: Callable[[Outcome], None]
) -> dict[str, Outcome]:
    """Play some cases, each group in a network of its own, several at once."""
    outcomes: dict[str, Outcome] = {}

    async def play(group: list[Case]) -> None:
        boxes = {"alice": group[0].make_boxes(), "bob": (Address(PRIVATE),)}
        async with (
            open_network("alice", "bob", seed=SEED, boxes=boxes) as network,
            _prepared(network, folder / f"network-{group[0].name}", group),
        ):
            for case in group:
                outcome = outcomes[case.name] = await _play(network, case, ca)
                tell(outcome)

    await at_once(NETWORKS, _grouped(cases), play)
    return outcomes


def _grouped(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases in usual networks, one after the other in each, and the others each by itself: boxes have a state."""
    usual = [case for case in cases if case.in_usual_network]
    lanes = [usual[first::LANES] for first in range(LANES)]
    return [*(lane for lane in lanes if lane), *([case] for case in cases if not case.in_usual_network)]


async def at_once(most: int, things: Iterable[Each], do: Callable[[Each], Awaitable[None]]) -> None:
    """Do something with each of some things, in their order, with so many at the same time."""
    free = trio.Semaphore(most)

    async def do_one(thing: Each) -> None:
        try:
            await do(thing)
        finally:
            free.release()

    async with trio.open_nursery() as nursery:
        for thing in things:
            await free.acquire()  # here, since a nursery begins with any of the tasks that wait to be started
            nursery.start_soon(do_one, thing)


async def _play(network: Network, case: Case, ca: bytes) -> Outcome:
    target = case.target.replace("DOMAIN", f"{case.name}.{ZONE}")
    settings: dict[str, object] = {"timeout": TIMEOUT, "tls": TlsConfig(ca_data=ca)}
    settings |= asking(SocketAddress(BOB, DNS_PORT))
    config = DiscoveryConfig(**(settings | dict(case.config)))  # type: ignore[arg-type]
    await network.impair(case.impairment, way=("bob", "alice"))

    async def look() -> Discovery:
        with trio.fail_after(30):
            return await discover(Destination.parse(target), config)

    with running(network["bob"], case.listeners):
        found = await trio.to_thread.run_sync(inside, network["alice"], look)
    return Outcome(case, found)


def inside(site: Namespace, function: Callable[[], Awaitable[T]]) -> T:
    """Run something of trio in a thread that is inside a site; every socket that it opens is there."""
    with site.entered():
        return trio.run(function)


def have_everything_told(site: Namespace) -> None:
    """Let the kernel of a site refuse as often as it has to: usually it tells of closed UDP ports once a second."""
    with site.entered():
        Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")


@asynccontextmanager
async def _prepared(network: Network, folder: Path, cases: Sequence[Case]) -> AsyncIterator[None]:
    """Addresses, routes and name servers as these cases want them."""
    alice, bob = network["alice"], network["bob"]
    have_everything_told(bob)
    await bob.run("ip", "address", "add", f"{PRIVATE}/32", "dev", INTERFACE)
    for line in cases[0].at_alice:
        await alice.run("ip", *line.split())
    zones = {DNS_PORT: [(case.name, case.zone) for case in cases]}
    zones |= {SECOND_PORT: [(case.name, case.zone_elsewhere) for case in cases]}
    async with AsyncExitStack() as servers:
        for port, parts in zones.items():
            place = folder / f"nsd-{port}"
            place.mkdir(parents=True)
            records = "".join(zone.replace("DOMAIN", name) for name, zone in parts)
            await servers.enter_async_context(_name_server(bob, place, port, records))
        yield


@asynccontextmanager
async def _name_server(site: Namespace, folder: Path, port: int, records: str) -> AsyncIterator[None]:
    """NSD at a site's addresses, with the records of all cases in one zone, and a zone that has no file."""
    zone = folder / "zone"
    zone.write_text(f"$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A {BOB}\n{records}")
    stanzas = [(ZONE, zone), (BROKEN_ZONE, folder / "missing")]
    text = "".join(f"  ip-address: {address}@{port}\n" for address in (site.ipv4, site.ipv6))
    text += "".join(f'zone:\n  name: "{name}"\n  zonefile: "{path}"\n' for name, path in stanzas)
    (folder / "nsd.conf").write_text(SERVER.format(folder=folder) + text)
    with _started(site, folder) as running_server:
        with trio.fail_after(START_SECONDS):
            while not await trio.to_thread.run_sync(inside, site, partial(_is_up, port)):
                if running_server.poll() is not None:
                    raise RuntimeError((folder / "output.log").read_text())
                await trio.sleep(POLL_SECONDS)
        yield


@contextmanager
def _started(site: Namespace, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [program("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]
    with process(site.command(*command), folder) as started:
        yield started


async def _is_up(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream(BOB, port)
    except OSError:
        return False
    await stream.aclose()
    return True
