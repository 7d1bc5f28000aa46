"""Media on sockets: pairs of ports, and one timer that paces the streams of all of them.

async with open_media() as media:
    with media.open("192.0.2.1") as line:            # line.address goes into the session description
        line.start(MediaPlan(remote, PCMU))          # once the peer's description is known
        await trio.sleep(5)
        line.finish()
        print(line.result())
"""

import errno
import heapq
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from types import TracebackType

import trio

from sipcore.deviation import Deviation
from sipcore.endpoint.media.alarm import Alarm, new_alarm
from sipcore.errors import LocalError, TransportFailure
from sipcore.media.listen import Heard
from sipcore.media.report import MediaEvent, MediaResult
from sipcore.media.session import Component, Datagram, MediaPlan, MediaSession, prepare
from sipcore.resolve.target import Flow, SocketAddress
from sipcore.tokens import RandomBytes
from sipcore.trace import Stamp, TraceRecord
from sipcore.transports.udp import UdpSocket

PORT_ATTEMPTS = 20
"""Half of all free ports are odd: one run in a million finds no even one."""
RECEIVE_BUFFER = 256 * 1024
"""Bytes of kernel buffer for each port: a second of voice ten times over."""
MAX_EARLY = 256
"""Datagrams kept that come before the peer's description has been read: five seconds of early media."""
GRAIN = 0.0005
"""Seconds between two wake-ups: what is due in between leaves together, so that many streams cost few of them."""

OnEvent = Callable[[MediaEvent], None]


class Media:
    """The streams of a process, or of a part of it. Made by `open_media`."""

    def __init__(self, nursery: trio.Nursery, alarm: Alarm, random_bytes: RandomBytes) -> None:
        self._nursery = nursery
        self._alarm = alarm
        self._random_bytes = random_bytes
        self._due: list[tuple[float, int, Line]] = []
        self._count = 0
        self._awake_from = 0.0
        self._set_to = float("inf")

    def open(self, host: str, on_event: OnEvent | None = None) -> "Line":
        """Bind an even port and the next one (RFC 3550 §11). Raises OSError where there are none."""
        line = Line(self, host, self._random_bytes, on_event or (lambda _: None))
        self._nursery.start_soon(line.run)
        return line

    def schedule(self, line: "Line", at: float) -> None:
        """Come back to a line at that time."""
        self._count += 1
        heapq.heappush(self._due, (at, self._count, line))
        if at < self._set_to:
            self._set(at)

    async def run(self) -> None:
        """Pace until cancelled."""
        while True:
            await self._alarm.wait()
            self._awake_from, self._set_to = trio.current_time(), float("inf")
            self._serve(self._awake_from)
            if self._due:
                self._set(self._due[0][0])

    def _set(self, at: float) -> None:
        self._set_to = max(at, self._awake_from + GRAIN)
        self._alarm.set(self._set_to)

    def _serve(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at, _, line = heapq.heappop(self._due)
            if line.due == at:  # else it has been scheduled anew since
                line.handle_timeout(now)
                now = trio.current_time()


class Line:
    """The two ports of one stream, bound until `close`. `address` is where RTP is received, RTCP at the next port."""

    def __init__(self, media: Media, host: str, random_bytes: RandomBytes, on_event: OnEvent) -> None:
        self._media = media
        self._random_bytes = random_bytes
        self._on_event = on_event
        self._sockets = _bind(host, self)
        self.address = self._sockets[Component.RTP].local
        self.due: float | None = None
        self.session: MediaSession | None = None
        self._early: deque[tuple[Component, bytes, SocketAddress, float]] = deque(maxlen=MAX_EARLY)
        self._scope = trio.CancelScope()

    def start(self, plan: MediaPlan, *, again: bool = False) -> None:
        """Send and receive as the descriptions have agreed; `again` as another stream, whose measures begin anew.

        Raises LocalError when it was started before.
        """
        if self.session is not None and not again:
            raise LocalError("the media of this line has begun", section="RFC 3264 §8")
        prepare(plan)
        now = trio.current_time()
        self.session = MediaSession(plan, self._random_bytes, now, time.time() - now)
        for component, data, remote, at in self._early:
            self.session.receive_untrusted(component, data, remote, at, now)
        self._early.clear()
        self._flush()
        self._reschedule()

    def move(self, plan: MediaPlan) -> None:
        """Go on with a plan that differs in where the peer wants media only. Raises LocalError before the start."""
        self._started.move(plan)

    def press(self, keys: str) -> None:
        """Send keys as telephone events. Raises LocalError for what is none, or where events were not agreed on."""
        self._started.press(keys)

    def finish(self) -> None:
        """Say goodbye; what comes until `close` is counted as too late."""
        if self.session is not None:
            self.session.finish(trio.current_time())
            self._flush()

    def listen(self) -> Heard | None:
        """What was heard of late; see `MediaSession.listen`. Raises LocalError before the start."""
        return self._started.listen()

    def result(self, heard: Heard | None = None) -> MediaResult:
        """The measures so far, with what was `heard`. Raises LocalError before the start."""
        return self._started.result(trio.current_time(), heard)

    def close(self) -> None:
        """Give the ports back."""
        self.finish()
        self.due = None
        self._scope.cancel()

    def __enter__(self) -> "Line":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _started(self) -> MediaSession:
        if self.session is None:
            raise LocalError("the media of this line has not begun", section="RFC 3264 §5.1")
        return self.session

    # Called by Media

    async def run(self) -> None:
        """Receive until closed."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for udp in self._sockets.values():
                        nursery.start_soon(udp.run)
        finally:
            self.due = None
            for udp in self._sockets.values():
                udp.close()

    def handle_timeout(self, now: float) -> None:
        """Send what is due."""
        if self.session is not None:
            self.session.handle_timeout(now)
            self._flush()
            self._reschedule()

    # Called by the ports

    def receive_untrusted(self, component: Component, data: bytes, remote: SocketAddress, at: float) -> None:
        """Take a datagram."""
        session = self.session
        if session is None:
            self._early.append((component, data, remote, at))
            return
        session.receive_untrusted(component, data, remote, at, trio.current_time())
        self._flush()
        if session.plan.handshake is not None:
            self._reschedule()

    def unreachable(self, why: str) -> None:
        """A datagram did not get there."""
        if self.session is not None:
            self.session.unreachable(why, trio.current_time())
            self._flush()

    def _flush(self) -> None:
        session = self._started
        for output in session.drain():
            if isinstance(output, Datagram):
                try:
                    self._sockets[output.component].send(output.data, output.remote)
                except TransportFailure as failure:
                    session.unreachable(failure.message, trio.current_time())
            else:
                self._on_event(output)

    def _reschedule(self) -> None:
        at = self._started.next_timeout()
        if at is not None and at != self.due:
            self.due = at
            self._media.schedule(self, at)


class _Port:
    """One of a line's ports (`transports.base.Sink`)."""

    def __init__(self, line: Line, component: Component) -> None:
        self._line = line
        self._component = component

    def received(self, data: bytes, flow: Flow, stamp: Stamp, notes: Sequence[Deviation]) -> None:  # noqa: ARG002  # a Sink
        """A datagram came."""
        self._line.receive_untrusted(self._component, data, flow.remote, stamp.at)

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:  # noqa: ARG002  # a Sink
        """A datagram did not get there."""
        self._line.unreachable(failure.message)

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        """There are no connections."""

    def trace(self, record: TraceRecord) -> None:
        """Nor are there any to tell of."""


def _bind(host: str, line: Line) -> dict[Component, UdpSocket]:
    """An even port and the next one."""
    for _ in range(PORT_ATTEMPTS):
        with ExitStack() as bound:
            rtp = UdpSocket(SocketAddress(host, 0), RECEIVE_BUFFER, _Port(line, Component.RTP), sent_stamps=False)
            bound.callback(rtp.close)
            if rtp.local.port % 2:
                continue
            try:
                above = SocketAddress(host, rtp.local.port + 1)
                rtcp = UdpSocket(above, RECEIVE_BUFFER, _Port(line, Component.RTCP), sent_stamps=False)
            except OSError:
                continue
            bound.pop_all()
            return {Component.RTP: rtp, Component.RTCP: rtcp}
    raise OSError(errno.EADDRINUSE, "no two free ports in a row for media")


@asynccontextmanager
async def open_media(
    random_bytes: RandomBytes = secrets.token_bytes, alarm: Alarm | None = None
) -> AsyncIterator[Media]:
    """Media for a block, at the end of which its lines are closed. An `alarm` is for other clocks than the real one."""
    alarm = alarm or new_alarm()
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            media = Media(nursery, alarm, random_bytes)
            nursery.start_soon(media.run)
            try:
                yield media
            except Exception as error:  # noqa: BLE001  # carried past the nursery, which would wrap it in a group
                failure = error
            finally:
                nursery.cancel_scope.cancel()
    finally:
        alarm.close()
    if failure is not None:
        raise failure
