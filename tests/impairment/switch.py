"""The relay without its sockets: packets come in from sites, and leave for others when their way lets them.

Switch.receive(site, packet, now)      next_departure() -> when to come back      drain(now) -> [(site, packet)]
"""

from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count

from tests.impairment import packet as ip
from tests.impairment.boxes import Box
from tests.impairment.path import Departure, Impairment, Passage, Path, Statistics

Way = tuple[str, str]
"""From one site, to another."""


@dataclass(frozen=True, slots=True)
class Site:
    """One end: its addresses, and the boxes on its line, the nearest first."""

    name: str
    addresses: tuple[str, ...]
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What happened to the packets so far.

    `swallowed` are those of each site that its own boxes dropped, `unroutable` those for no site, such as the
    multicasts that kernels greet each other with. `overrun` is what the kernel dropped before the relay could read it.
    `log` is what was asked for of one way's.
    """

    ways: dict[Way, Statistics]
    swallowed: dict[str, int] = field(default_factory=dict)
    unroutable: dict[str, int] = field(default_factory=dict)
    overrun: dict[str, int] = field(default_factory=dict)
    log: tuple[Passage, ...] = ()


class Switch:
    """Carries packets between sites, each way with an impairment and a seed of its own."""

    def __init__(self, sites: tuple[Site, ...], seed: int) -> None:
        self._sites = sites
        self._routes: dict[bytes, int] = {}
        for number, site in enumerate(sites):
            for address in (*site.addresses, *(address for box in site.boxes for address in box.addresses)):
                self._routes[ip.packed(address)] = number
        self._paths = {
            (source, target): Path(f"{seed} {sites[source].name} {sites[target].name}")
            for source in range(len(sites))
            for target in range(len(sites))
            if source != target
        }
        self._under_way: list[tuple[float, int, Departure, Path, int, bytes, float]] = []
        self._order = count()
        self._swallowed = [0] * len(sites)
        self._unroutable = [0] * len(sites)

    def impair(self, impairment: Impairment, way: Way | None = None) -> None:
        """Make one way, or all of them, as bad as this, for packets that come from now on."""
        for numbers, path in self._paths.items():
            if way in (None, self._names(numbers)):
                path.impairment = impairment

    def report(self) -> Report:
        """What happened so far."""
        ways = {self._names(numbers): replace(path.statistics) for numbers, path in self._paths.items()}
        names = [site.name for site in self._sites]
        swallowed = dict(zip(names, self._swallowed, strict=True))
        return Report(ways, swallowed, dict(zip(names, self._unroutable, strict=True)))

    def log(self, way: Way) -> list[Passage]:
        """What became of the packets of one way, in the order in which that was known."""
        return next(path.log for numbers, path in self._paths.items() if self._names(numbers) == way)

    def receive(self, source: int, packet: bytes, now: float) -> None:
        """Take a packet that a site sends."""
        going: bytes | None = packet
        for box in self._sites[source].boxes:
            going = box.outbound(packet, now)
            if going is None:
                self._swallowed[source] += 1
                return
            packet = going
        target = self._routes.get(ip.destination(packet))
        path = self._paths.get((source, target)) if target is not None else None
        if path is None or target is None:
            self._unroutable[source] += 1
            return
        departures = path.offer(len(packet), now)
        if not departures:
            path.note(packet, now, None)
        for departure in departures:
            heappush(self._under_way, (departure.due, next(self._order), departure, path, target, packet, now))

    def next_departure(self) -> float | None:
        """When the next packet leaves."""
        return self._under_way[0][0] if self._under_way else None

    def drain(self, now: float) -> list[tuple[int, bytes]]:
        """The packets that have left by now, each with the number of the site that it is for."""
        left = []
        while self._under_way and self._under_way[0][0] <= now:
            _, _, departure, path, target, packet, came = heappop(self._under_way)
            path.leave(departure)
            coming = self._let_in(target, packet, now)
            path.note(packet, came, None if coming is None else now)
            if coming is None:
                path.statistics.filtered += 1
            else:
                path.statistics.delivered += 1
                left.append((target, coming))
        return left

    def _let_in(self, target: int, packet: bytes, now: float) -> bytes | None:
        coming: bytes | None = packet
        for box in reversed(self._sites[target].boxes):
            if coming is not None:
                coming = box.inbound(coming, now)
        return coming

    def _names(self, numbers: tuple[int, int]) -> Way:
        return self._sites[numbers[0]].name, self._sites[numbers[1]].name
