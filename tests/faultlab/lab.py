"""The discovery fault lab: peers and a name server at bob's, discovery at alice's, and the bad network between them."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
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
from tests.faultlab.peers import Listener, running
from tests.impairment.boxes import Box
from tests.impairment.namespace import Namespace
from tests.impairment.network import Network, open_network
from tests.impairment.path import PERFECT, Impairment
from tests.interop.lab import POLL_SECONDS, process, program
from tests.interop.nameserver import SERVER

ALICE, BOB = "192.0.2.1", "198.51.100.1"
BOB6 = "2001:db8:2::1"
ZONE, BROKEN_ZONE = "sip.test", "broken.test"
TIMEOUT = 1.2
"""Seconds for each answer: two requests over UDP are sent by then, and an inconspicuous one."""
SEED = 3261
START_SECONDS = 10.0
T = TypeVar("T")
Boxes = tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One setup: who listens, what is asked for, and what must be found; a healthy one finds nothing but notices.

    `zone` are the records of the case, below a name of its own, which `DOMAIN` stands for in them and in the target.
    `make_boxes` makes what stands on alice's line. `expected` is the code that must come first, "" for healthy.
    """

    name: str
    target: str
    listeners: tuple[Listener, ...]
    expected: str = ""
    zone: str = ""
    make_boxes: Callable[[], Boxes] = tuple
    impairment: Impairment = PERFECT
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def fault(self) -> bool:
        return bool(self.expected)


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
            return self.first is not None and self.first.code == self.case.expected
        return all(finding.severity is Severity.NOTICE for finding in self.found.findings)

    def __str__(self) -> str:
        codes = ", ".join(f"{one.severity.value[0].upper()} {one.code}" for one in self.found.findings) or "nothing"
        mark = "ok " if self.right else "BAD"
        expected = self.case.expected or "(healthy)"
        return f"{mark} {self.case.name:<28} {expected:<32} {self.found.duration:5.2f} s  {codes}"


async def run_cases(
    cases: Sequence[Case], folder: Path, ca: bytes, tell: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Play some cases, those with the same boxes in one network; needs root."""
    outcomes: dict[str, Outcome] = {}
    for number, group in enumerate(_grouped(cases)):
        boxes = {"alice": group[0].make_boxes()}
        async with open_network("alice", "bob", seed=SEED, boxes=boxes) as network:
            place = folder / f"nsd-{number}"
            place.mkdir()
            have_everything_told(network["bob"])
            async with _name_server(network["bob"], place, group):
                for case in group:
                    outcome = await _play(network, case, ca)
                    outcomes[case.name] = outcome
                    if tell is not None:
                        tell(outcome)
    return [outcomes[case.name] for case in cases]


def _grouped(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases without boxes together, the others each by itself: boxes have a state."""
    plain = [case for case in cases if case.make_boxes is tuple]
    return [*([plain] if plain else []), *([case] for case in cases if case.make_boxes is not tuple)]


async def _play(network: Network, case: Case, ca: bytes) -> Outcome:
    target = case.target.replace("DOMAIN", f"{case.name}.{ZONE}")
    lookup = LookupConfig(nameservers=(SocketAddress(BOB, 53),), timeout=0.4, hosts_file="")
    settings: dict[str, object] = {"timeout": TIMEOUT, "tls": TlsConfig(ca_data=ca), "lookup": lookup}
    config = DiscoveryConfig(**(settings | dict(case.config)))  # type: ignore[arg-type]
    await network.impair(case.impairment, way=("bob", "alice"))

    async def look() -> Discovery:
        with trio.fail_after(30):
            return await discover(Destination.parse(target), config)

    with running(network["bob"], case.listeners):
        found = await trio.to_thread.run_sync(_inside, network["alice"], look)
    return Outcome(case, found)


def _inside(site: Namespace, function: Callable[[], Awaitable[T]]) -> T:
    """Run something of trio in a thread that is inside a site; every socket that it opens is there."""
    with site.entered():
        return trio.run(function)


def have_everything_told(site: Namespace) -> None:
    """Let the kernel of a site refuse as often as it has to: usually it tells of closed UDP ports once a second."""
    with site.entered():
        Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")


@asynccontextmanager
async def _name_server(site: Namespace, folder: Path, cases: Sequence[Case]) -> AsyncIterator[None]:
    """NSD at a site's address, with the records of all cases in one zone, and a zone that has no file."""
    zone = folder / "zone"
    head = f"$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A {BOB}\n"
    zone.write_text(head + "".join(case.zone.replace("DOMAIN", case.name) for case in cases))
    stanzas = [(ZONE, zone), (BROKEN_ZONE, folder / "missing")]
    text = "".join(f'zone:\n  name: "{name}"\n  zonefile: "{path}"\n' for name, path in stanzas)
    (folder / "nsd.conf").write_text(SERVER.format(folder=folder) + f"  ip-address: {site.ipv4}@53\n" + text)
    with _started(site, folder) as running_server:
        with trio.fail_after(START_SECONDS):
            while not await trio.to_thread.run_sync(_inside, site, _is_up):
                if running_server.poll() is not None:
                    raise RuntimeError((folder / "output.log").read_text())
                await trio.sleep(POLL_SECONDS)
        yield


@contextmanager
def _started(site: Namespace, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [program("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]
    with process(site.command(*command), folder) as started:
        yield started


async def _is_up() -> bool:
    try:
        stream = await trio.open_tcp_stream(BOB, 53)
    except OSError:
        return False
    await stream.aclose()
    return True
