"""Two media sessions joined by a list and a clock: no sockets, no time, chance by seed."""

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sipcore.media.plan import MediaPlan
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.session import Component, Datagram, MediaSession
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import Codec

ALICE = SocketAddress("192.0.2.1", 40000)
BOB = SocketAddress("198.51.100.1", 50000)
EVENTS = Codec(101, "telephone-event", 8000, fmtp="0-15")
EPOCH = 1_700_000_000.0

Path = Callable[[bytes, float], Sequence[float]]
"""What becomes of a datagram sent at a time: the times at which it, or its copies, arrive."""


def wire(delay: float = 0.01) -> Path:
    """A path that delays."""
    return lambda _, now: [now + delay]


def lossy(share: float, delay: float = 0.01, jitter: float = 0.0, seed: int = 1) -> Path:
    """A path that loses packets of media at random, delays and jitters."""
    chance = random.Random(seed)
    return lambda data, now: (
        [] if len(data) > 100 and chance.random() < share else [now + delay + chance.random() * jitter]
    )


@dataclass
class Side:
    """One end: its session, its address, and what it was told."""

    session: MediaSession
    address: SocketAddress
    events: list[MediaEvent] = field(default_factory=list)
    sent: list[Datagram] = field(default_factory=list)

    @property
    def kinds(self) -> list[MediaEventKind]:
        return [event.kind for event in self.events]


class Talk:
    """Alice and Bob, and the network in between."""

    def __init__(
        self, alice: MediaPlan, bob: MediaPlan, there: Path | None = None, back: Path | None = None, seed: int = 1
    ) -> None:
        self.now = 100.0
        self._paths = {ALICE: there or wire(), BOB: back or wire()}
        self._under_way: list[tuple[float, int, SocketAddress, SocketAddress, Component, bytes]] = []
        self._count = 0
        self.translated: dict[SocketAddress, SocketAddress] = {}
        """What a translator makes of source addresses."""
        chance = random.Random(seed)
        self.alice = Side(MediaSession(alice, chance.randbytes, self.now, EPOCH), ALICE)
        self.bob = Side(MediaSession(bob, chance.randbytes, self.now, EPOCH), BOB)
        self._collect()

    def run(self, seconds: float) -> None:
        """Let time go by."""
        end = self.now + seconds
        while True:
            times = [each.session.next_timeout() for each in (self.alice, self.bob)]
            times += [self._under_way[0][0]] if self._under_way else []
            due = min((time for time in times if time is not None), default=math.inf)
            if due > end:
                break
            self.now = max(self.now, due)
            self._step()
        self.now = end

    def finish(self) -> None:
        """Both hang up."""
        for side in (self.alice, self.bob):
            side.session.finish(self.now)
        self._collect()

    def _step(self) -> None:
        while self._under_way and self._under_way[0][0] <= self.now:
            at, _, source, target, component, data = heapq.heappop(self._under_way)
            side = self.alice if target.host == ALICE.host else self.bob
            side.session.receive_untrusted(component, data, source, at, self.now)
        for side in (self.alice, self.bob):
            due = side.session.next_timeout()
            if due is not None and due <= self.now:
                side.session.handle_timeout(self.now)
        self._collect()

    def _collect(self) -> None:
        for side in (self.alice, self.bob):
            for output in side.session.drain():
                if isinstance(output, MediaEvent):
                    side.events.append(output)
                else:
                    side.sent.append(output)
                    self._post(side, output)

    def _post(self, side: Side, datagram: Datagram) -> None:
        source = side.address
        if datagram.component is Component.RTCP:
            source = SocketAddress(source.host, source.port + 1)
        source = self.translated.get(source, source)
        arrives_as = Component.RTP if datagram.remote.port % 2 == 0 else Component.RTCP
        for at in self._paths[side.address](datagram.data, self.now):
            self._count += 1
            heapq.heappush(self._under_way, (at, self._count, source, datagram.remote, arrives_as, datagram.data))
