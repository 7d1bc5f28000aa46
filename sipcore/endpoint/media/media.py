"""Media on sockets: pairs of ports, one timer that paces the streams of all of them, and one look at what has come.

While packets flow, the ports are looked at whenever something is sent: the kernel's stamps tell when each packet came,
so that nothing is lost by it, and a thousand packets a second cost no thousand wake-ups. When nothing came, the kernel
wakes.

async with open_media() as media:
    with media.open("192.0.2.1") as line:            # line.address goes into the session description
        line.start(MediaPlan(remote, PCMU))          # once the peer's description is known
        await trio.sleep(5)
        line.finish()
        print(line.result(await line.listen()))
"""

import errno
import heapq
import math
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType

import trio

from sipcore.endpoint.faults import Faults
from sipcore.endpoint.media.alarm import Alarm, new_alarm
from sipcore.endpoint.media.port import Port, Ports, open_ports
from sipcore.errors import FailureReason, LocalError, SipError, TransportFailure, own_fault
from sipcore.media.listen import Heard
from sipcore.media.plan import MediaPlan, prepare
from sipcore.media.report import MediaEvent, MediaResult
from sipcore.media.rtp import kind_of
from sipcore.media.session import Component, Datagram, MediaSession, Output
from sipcore.media.total import MediaPart, total_of
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.tokens import RandomBytes
from sipcore.trace import Direction, FaultTrace, WireTrace
from sipcore.transports.base import Refusal
from sipcore.transports.gate import Gate, gate_of

PORT_ATTEMPTS = 20
"""Half of all free ports are odd: one run in a million finds no even one."""
RECEIVE_BUFFER = 256 * 1024
"""Bytes of kernel buffer for each port: a second of voice ten times over."""
MAX_EARLY = 256
"""Datagrams kept that come before the peer's description has been read: five seconds of early media."""
GRAIN = 0.001
"""Seconds between two wake-ups: what is due in between leaves together, so that many streams cost few of them."""

MAX_FAULTS = 16
"""Mistakes of this program that one line tells of; all are counted. A peer may send any number of what meets one."""
MAX_PARTS = 32
"""Streams of one line, one after the other, that are measured apart: of more, the first ones are taken together."""
PAUSE = 0.1
"""Seconds after which a line is served again whose timer has met a mistake and would meet it again at once."""

OnEvent = Callable[[MediaEvent], None]
OnFault = Callable[[FaultTrace], None]
OnPacket = Callable[[WireTrace], None]


class Media:
    """The streams of a process, or of a part of it. Made by `open_media`."""

    def __init__(
        self, alarm: Alarm, ports: Ports, random_bytes: RandomBytes, on_packet: OnPacket | None = None
    ) -> None:
        self._alarm = alarm
        self.on_packet = on_packet
        """Is told of each datagram that left or came, once it has; None where nobody asks."""
        self._random_bytes = random_bytes
        self.ports = ports
        self.lines: set[Line] = set()
        """Those that are open."""
        self.listening = trio.Lock()
        """One line at a time listens: each takes its time of what the others are paced by."""
        self.noted = Faults()
        """The mistakes of this program."""
        self._due: list[tuple[float, int, Line]] = []
        self._count = 0
        self._awake_from = 0.0
        self._set_to = math.inf
        """When the alarm rings next; minus infinity while it has rung, for then it is set at the end of the turn."""
        self._quiet = trio.Event()

    @property
    def faults(self) -> int:
        """How often this program has made a mistake of its own over media, each of which has cost one packet, as in
        `Endpoint.faults`.
        """
        return self.noted.count

    def open(
        self,
        host: str,
        on_event: OnEvent | None = None,
        on_fault: OnFault | None = None,
        refusal: Refusal | None = None,
    ) -> "Line":
        """Bind an even port and the next one (RFC 3550 §11). Raises OSError where there are none.

        `on_fault` is told of the first MAX_FAULTS mistakes of this program over what comes to the line, or is due.
        Nothing is sent where `refusal` says why not.
        """
        tell, note = on_event or (lambda _: None), on_fault or (lambda _: None)
        return Line(self, host, self._random_bytes, tell, note, gate_of(refusal))

    def schedule(self, line: "Line", at: float) -> None:
        """Come back to a line at that time."""
        self._count += 1
        heapq.heappush(self._due, (at, self._count, line))
        if at < self._set_to:
            self._set(at)

    async def pace(self) -> None:
        """Send what is due, and take what has come, until cancelled."""
        while True:
            await self._alarm.wait()
            while not self._turn():
                await trio.lowlevel.checkpoint()

    def _turn(self) -> bool:
        """Send what is due, take what has come, and set the alarm; False where it is time for the next turn by then."""
        self._awake_from, self._set_to = trio.current_time(), -math.inf
        self._serve(self._awake_from)
        soonest = self._due[0][0] if self._due else math.inf
        more = not self._quiet.is_set() and self._take(max(soonest, self._awake_from + GRAIN))
        now = trio.current_time()
        if more and soonest <= now:
            return False
        self._set(min(soonest, now + GRAIN) if more else soonest)
        return True

    async def watch(self) -> None:
        """See that what comes is taken while nothing is sent, until cancelled."""
        while True:
            await self.ports.wait()
            self._quiet = trio.Event()
            if self._take(math.inf) and (soon := trio.current_time() + GRAIN) < self._set_to:
                self._set(soon)
            await self._quiet.wait()

    def _take(self, until: float) -> bool:
        """Take what has come, until a time; whether there was something, and it is to be looked for more soon."""
        if self.ports.take_untrusted(until):
            return True
        self._quiet.set()
        return False

    def _set(self, at: float) -> None:
        self._set_to = max(at, self._awake_from + GRAIN)
        self._alarm.set(self._set_to)

    def _serve(self, now: float) -> None:
        """Send what is due by now. What comes due meanwhile has to wait for what has come in."""
        begin = now
        while self._due and self._due[0][0] <= begin:
            at, _, line = heapq.heappop(self._due)
            if line.due == at:  # else it has been scheduled anew since
                line.handle_timeout(now)
                now = trio.current_time()


class Line:
    """The two ports of one stream, bound until `close`. `address` is where RTP is received, RTCP at the next port."""

    def __init__(
        self,
        media: Media,
        host: str,
        random_bytes: RandomBytes,
        on_event: OnEvent,
        on_fault: OnFault,
        gate: Gate | None,
    ) -> None:
        self._media = media
        self._random_bytes = random_bytes
        self._on_event = on_event
        self._on_fault = on_fault
        self._gate = gate
        self._faults = 0
        self._put_off: list[Output] | None = None
        """What is to be sent and told once `guarding` is over; None outside of it."""
        self._over: list[MediaPart] = []
        """The streams that others took the place of."""
        self._began = 0.0
        self.due: float | None = None
        self.session: MediaSession | None = None
        self._early: deque[tuple[Component, bytes, SocketAddress, float]] = deque(maxlen=MAX_EARLY)
        self._closed = False
        self._served_from = -math.inf
        """When it is served next at the soonest."""
        self._rtp, self._rtcp = _bind(host, self, gate)
        self.address = self._rtp.local
        media.lines.add(self)
        for port in (self._rtp, self._rtcp):
            media.ports.add(port)

    def start(self, plan: MediaPlan, *, again: bool = False) -> None:
        """Send and receive as the descriptions have agreed; `again` as another stream, whose measures are a part of
        their own.

        Raises LocalError when it was started before.
        """
        if self.session is not None and not again:
            raise LocalError("the media of this line has begun", section="RFC 3264 §8")
        prepare(plan)
        now = trio.current_time()
        session = MediaSession(plan, self._random_bytes, now, time.time() - now)
        if self.session is not None:
            self._over.append(MediaPart(self._began, self.session.plan, self.session.result(now)))
            if len(self._over) > MAX_PARTS:
                first, second = self._over[:2]
                self._over[:2] = [replace(first, measured=total_of([first.measured, second.measured]))]
        self._began, self.session = now, session
        self._check(plan, now)
        for component, data, remote, at in self._early:
            self._receive(session, component, data, remote, at, now)
        self._early.clear()
        self._flush()
        self._reschedule()

    def move(self, plan: MediaPlan) -> None:
        """Go on with a plan that differs in where the peer wants media, and whether, only (RFC 3264 §8.4).

        Raises LocalError before the start.
        """
        now = trio.current_time()
        self._check(plan, now)
        self._started.move(plan, now)
        self._flush()
        self._reschedule()

    def _check(self, plan: MediaPlan, now: float) -> None:
        """See whether the peer's description leads to where nothing may be sent, so that nothing counts as sent."""
        if self._gate is not None and plan.sends and plan.remote.port:
            try:
                self._gate.require_datagram(plan.remote)
            except TransportFailure as failure:
                self._started.withhold(plan.remote, failure.message, now)

    @contextmanager
    def guarding(self, what: str) -> Iterator[None]:
        """Do what a peer has brought about, such as `start` and `move`; `what` is named where a mistake is told.

        A mistake of this program counts as one over a packet does, and TransportFailure is raised in its place. What is
        to be sent and told waits until the end of it, since what a listener of the owner raises is no such mistake.
        """
        self._put_off = put_off = list[Output]()
        try:
            yield
        except SipError:
            raise
        except Exception as error:  # noqa: BLE001  # see Faults
            self.note_fault(error, what)
            raise own_fault() from None
        finally:
            self._put_off = None
            self._put(put_off)

    def press(self, keys: str) -> None:
        """Send keys as telephone events. Raises LocalError for what is none, or where events were not agreed on."""
        self._started.press(keys)

    def finish(self) -> None:
        """Say goodbye; what comes until `close` is counted as too late."""
        if self.session is not None:
            try:
                self.session.finish(trio.current_time())
            except Exception as error:  # noqa: BLE001  # see Faults
                self.note_fault(error, "the end of the stream")
            self._flush()

    async def listen(self) -> Heard | None:
        """What was heard of late; see `MediaSession.listen`. Raises LocalError before the start.

        The other lines are served in between.
        """
        steps = self._started.listening()
        async with self._media.listening:
            while True:
                try:
                    next(steps)
                except StopIteration as stopped:
                    heard: Heard | None = stopped.value
                    return heard
                except Exception as error:  # noqa: BLE001  # see Faults
                    self.note_fault(error, "the sound that came")
                    return None
                await trio.lowlevel.checkpoint()

    def result(self, heard: Heard | None = None) -> MediaResult:
        """The measures of all streams so far, with what was `heard`. Raises LocalError before the start."""
        measured = total_of([part.measured for part in self.parts(heard)])
        return replace(measured, unexpected=replace(measured.unexpected, faults=self._faults))

    def parts(self, heard: Heard | None = None) -> tuple[MediaPart, ...]:
        """The same of each stream, where one took the place of another; what was `heard` is of the last one."""
        session = self._started
        return (*self._over, MediaPart(self._began, session.plan, session.result(trio.current_time(), heard)))

    def close(self) -> None:
        """Give the ports back."""
        if self._closed:
            return
        self.finish()
        self._closed = True
        self.due = None
        self._media.lines.discard(self)
        for port in (self._rtp, self._rtcp):
            self._media.ports.remove(port)
            port.close()

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

    def handle_timeout(self, now: float) -> None:
        """Send what is due."""
        session = self.session
        if session is not None:
            try:
                session.handle_timeout(now)
            except Exception as error:  # noqa: BLE001  # see Faults
                self.note_fault(error, "what was due")
                self._served_from = now + PAUSE if (session.next_timeout() or now) <= now else now
            if outputs := session.drain():
                self._put(outputs)
            self._reschedule()

    # Called by the ports

    def receive_untrusted(
        self, component: Component, data: bytes, remote: SocketAddress, at: float, now: float
    ) -> None:
        """Take a datagram that came `at` to the port of a component."""
        on_packet = self._media.on_packet
        if on_packet is not None:
            on_packet(WireTrace(at, Direction.RECEIVED, self._flow(component, remote), data))
        session = self.session
        if session is None:
            self._early.append((component, data, remote, at))
            return
        self._receive(session, component, data, remote, at, now)
        if outputs := session.drain():
            self._put(outputs)
        if session.plan.handshake is not None:
            self._reschedule()

    def _receive(
        self, session: MediaSession, component: Component, data: bytes, remote: SocketAddress, at: float, now: float
    ) -> None:
        """Have the session take a datagram; one over which this program makes a mistake is lost, and nothing else."""
        try:
            session.receive_untrusted(component, data, remote, at, now)
        except Exception as error:  # noqa: BLE001  # see Faults
            self.note_fault(error, f"{kind_of(data).value} from {remote}")

    def note_fault(self, error: Exception, what: str) -> None:
        """This program has made a mistake over what came to the line, or is due."""
        self._faults += 1
        told = self._media.noted.record(error, what, trio.current_time())
        if self._faults <= MAX_FAULTS:
            self._on_fault(told)

    def unreachable(self, why: str) -> None:
        """A datagram did not get there."""
        if self.session is not None:
            self._note_unreachable(self.session, why)
            self._flush()

    def _note_unreachable(self, session: MediaSession, why: str) -> None:
        try:
            session.unreachable(why, trio.current_time())
        except Exception as error:  # noqa: BLE001  # see Faults
            self.note_fault(error, "a packet that did not get there")

    def _flush(self) -> None:
        self._put(self._started.drain())

    def _put(self, outputs: Sequence[Output]) -> None:
        """Send and tell what a session has put out."""
        if self._put_off is not None:
            self._put_off += outputs
            return
        on_packet = self._media.on_packet
        for output in outputs:
            if isinstance(output, Datagram):
                port = self._rtp if output.component is Component.RTP else self._rtcp
                at = trio.current_time() if on_packet is not None else 0.0
                try:
                    port.send(output.data, output.remote)
                except TransportFailure as failure:
                    if failure.reason is FailureReason.NOT_ALLOWED:
                        self._started.withhold(output.remote, failure.message, trio.current_time())
                    else:
                        self._note_unreachable(self._started, failure.message)
                    continue
                if on_packet is not None:
                    flow = self._flow(output.component, output.remote)
                    on_packet(WireTrace(at, Direction.SENT, flow, output.data))
            else:
                self._on_event(output)

    def _flow(self, component: Component, remote: SocketAddress) -> Flow:
        return Flow(Transport.UDP, (self._rtp if component is Component.RTP else self._rtcp).local, remote)

    def _reschedule(self) -> None:
        at = self._started.next_timeout()
        if at is None or self._closed:
            return
        at = max(at, self._served_from)
        if at != self.due:
            self.due = at
            self._media.schedule(self, at)


def _bind(host: str, line: Line, gate: Gate | None) -> tuple[Port, Port]:
    """An even port and the next one."""
    for _ in range(PORT_ATTEMPTS):
        with ExitStack() as bound:
            take = partial(line.receive_untrusted, Component.RTP)
            rtp = Port(SocketAddress(host, 0), RECEIVE_BUFFER, take, line.unreachable, line.note_fault, gate)
            bound.callback(rtp.close)
            if rtp.local.port % 2:
                continue
            above = SocketAddress(host, rtp.local.port + 1)
            take = partial(line.receive_untrusted, Component.RTCP)
            try:
                rtcp = Port(above, RECEIVE_BUFFER, take, line.unreachable, line.note_fault, gate)
            except OSError:
                continue
            bound.pop_all()
            return rtp, rtcp
    raise OSError(errno.EADDRINUSE, "no two free ports in a row for media")


@asynccontextmanager
async def open_media(
    random_bytes: RandomBytes = secrets.token_bytes, alarm: Alarm | None = None, on_packet: OnPacket | None = None
) -> AsyncIterator[Media]:
    """Media for a block, at the end of which its lines are closed. An `alarm` is for other clocks than the real one,
    `on_packet` for who wants to see every datagram.
    """
    failure: BaseException | None = None
    with ExitStack() as held:
        alarm = alarm or new_alarm()
        held.callback(alarm.close)
        async with trio.open_nursery() as nursery:
            ports = open_ports(nursery)
            held.callback(ports.close)
            media = Media(alarm, ports, random_bytes, on_packet)
            nursery.start_soon(media.pace)
            nursery.start_soon(media.watch)
            try:
                yield media
            except Exception as error:  # noqa: BLE001  # carried past the nursery, which would wrap it in a group
                failure = error
            finally:
                for line in list(media.lines):
                    line.close()
                nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
