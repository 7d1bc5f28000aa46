"""What happens to packets on one way from one site to another, decided by a seeded source of chance.

Nothing here waits: a packet and the time go in, and the times at which it, or its copies, come out at the other end.
"""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Impairment:
    """How bad a way is. Shares are from 0 to 1, times in seconds; the default is a perfect wire."""

    loss: float = 0.0
    duplication: float = 0.0
    """Share of the packets that get through twice."""
    reordering: float = 0.0
    """Share of the packets, and of the copies, that are held back, so that those behind overtake them."""
    held_back: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    """Up to so much more delay. It keeps the order, as a queue does."""
    bandwidth: float | None = None
    """Bits a second, headers of IP included."""
    queue: float = 0.2
    """How long a packet may wait for its turn where the bandwidth is limited; it is dropped beyond that."""
    blocked: bool = False

    def __post_init__(self) -> None:
        for share in (self.loss, self.duplication, self.reordering):
            if not 0 <= share <= 1:
                raise ValueError(f"{share} is no share")
        if min(self.held_back, self.delay, self.jitter, self.queue) < 0:
            raise ValueError("packets cannot leave before they come")
        if self.bandwidth is not None and self.bandwidth <= 0:
            raise ValueError("a way without bandwidth is a blocked one")


PERFECT = Impairment()
LOGGED = 10_000
"""Packets of each way that are logged, from the first on: more than the streams of any test that looks at them have."""
HEAD = 64
"""Octets of each that are kept: headers of IP and UDP, and those of RTP or RTCP."""


@dataclass(slots=True)
class Statistics:
    """What really happened on one way, in packets. `offered` is the sum of `lost`, `blocked`, `crowded_out`, `filtered`
    and `delivered`, less `duplicated`, once nothing is under way any more.
    """

    offered: int = 0
    octets: int = 0
    """All of the packets that were offered, headers of IP included."""
    lost: int = 0
    blocked: int = 0
    crowded_out: int = 0
    """Dropped since the queue before a narrow way was full."""
    duplicated: int = 0
    reordered: int = 0
    """Overtaken by a packet that came later; copies do not count."""
    filtered: int = 0
    """Dropped by a box at the far end."""
    delivered: int = 0
    """Handed to the far end, copies included."""

    @property
    def loss(self) -> float:
        """The share that was lost."""
        return self.lost / self.offered if self.offered else 0.0

    @property
    def duplication(self) -> float:
        """The share of what was not lost that got through twice."""
        passed = self.offered - self.lost - self.blocked - self.crowded_out
        return self.duplicated / passed if passed else 0.0


@dataclass(frozen=True, slots=True)
class Departure:
    """When a packet leaves at the far end. `number` counts those offered from 1; that of a copy is 0."""

    due: float
    number: int


@dataclass(frozen=True, slots=True)
class Passage:
    """What really became of a packet, or of its copy: when it was read, and when written, on the relay's own clock.

    `left` is None for one that was dropped. `head` is its beginning.
    """

    came: float
    left: float | None
    head: bytes


@dataclass(slots=True)
class Path:
    """One way. `impairment` may be changed at any time, for the packets that come after that."""

    seed: str
    impairment: Impairment = PERFECT
    statistics: Statistics = field(default_factory=Statistics)
    log: list[Passage] = field(default_factory=list)
    _random: random.Random = field(init=False)
    _number: int = 0
    _overtaken_by: int = 0
    _last_due: float = 0.0
    _free_at: float = 0.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def offer(self, size: int, now: float) -> list[Departure]:
        """Take a packet of `size` bytes: gives one departure, two if it is duplicated, none if it is dropped.

        Five numbers are drawn for each packet, whatever it meets, so what happens to the nth is a matter of the seed.
        """
        draw = self._random.random
        lost, copied, held, copy_held, jitter = draw(), draw(), draw(), draw(), draw()
        bad, counts = self.impairment, self.statistics
        self._number += 1
        counts.offered += 1
        counts.octets += size
        if bad.blocked:
            counts.blocked += 1
            return []
        if lost < bad.loss:
            counts.lost += 1
            return []
        sent = now
        if bad.bandwidth is not None:
            begin = max(now, self._free_at)
            if begin - now > bad.queue:
                counts.crowded_out += 1
                return []
            sent = self._free_at = begin + 8 * size / bad.bandwidth
        self._last_due = max(self._last_due, sent + bad.delay + jitter * bad.jitter)
        departures = [Departure(self._last_due + (bad.held_back if held < bad.reordering else 0.0), self._number)]
        if copied < bad.duplication:
            counts.duplicated += 1
            departures.append(Departure(self._last_due + (bad.held_back if copy_held < bad.reordering else 0.0), 0))
        return departures

    def leave(self, departure: Departure) -> None:
        """Note that a packet has left, in the order in which packets do."""
        if departure.number > self._overtaken_by:
            self._overtaken_by = departure.number
        elif departure.number:
            self.statistics.reordered += 1

    def note(self, packet: bytes, came: float, left: float | None) -> None:
        """Log what became of a packet."""
        if len(self.log) < LOGGED:
            self.log.append(Passage(came, left, packet[:HEAD]))
