"""UDP: one bound socket, drained when it is readable and sent on directly. RFC 3261 §18.1.1, §18.2.1 and §18.4.

Neither trio's sockets nor a task for each datagram stand between the kernel and the sink: they would cost four times
what the system calls do. Datagrams are stamped by the kernel as they arrive; the stamps, which are wall-clock time,
are moved onto trio's clock. Asking for the stamp of one that is sent takes 10 µs, three times as long as sending it, so
the kernel tells it of one in two milliseconds; between them, the time is the one before the system call and what lay
between the two of late. ICMP errors are read from the socket's error queue the moment they come. STUN on the same
socket (RFC 5626 §8) is told from SIP by its first byte.
"""

import errno
import secrets
import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from sipcore.errors import TransportFailure
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Stamp
from sipcore.transports import ancillary as kernel
from sipcore.transports.base import (
    REFUSALS,
    WILDCARD_IPV4,
    WILDCARD_IPV6,
    Sink,
    failure_of,
    socket_address,
    socket_name,
)
from sipcore.value import maker

if TYPE_CHECKING:
    from sipcore.transports.bindings import Bindings

MAX_DATAGRAM = 65535
"""Bytes: no UDP datagram is larger."""
BATCH = 64
"""Datagrams taken before other tasks get their turn: about half a millisecond of work."""
MAX_QUEUE = 256
"""Datagrams kept while the kernel's send buffer is full. What exceeds it is dropped, as the network would."""
MAX_REMOTES = 4096
"""Flows remembered so as not to be made again for each datagram; forgotten all at once beyond that."""
MAX_KEEP_ALIVE = 4
"""Bytes of the keep-alives that NAT traversal sends over UDP: CRLFCRLF, CRLF, or zeros."""
FIRST_OF_SIP = 4
"""No SIP message begins with a byte below, and every STUN message does (RFC 5626 §8)."""
CLOCK_READING = 5e-6
"""Seconds that reading the clocks may take: three times what it takes undisturbed."""
CLOCK_READINGS = 4
"""How often the clocks are read at most, when something comes between."""
STAMP_PAUSE = 2e-3
"""Seconds between two datagrams whose stamps the kernel is asked for: at most 0.5 % of the time is spent on it."""
SMOOTHING = 1 / 8
"""Weight of the latest in the mean of how long after the clock was read a datagram left, as RFC 6298 §2 has it."""
MAX_DELAY = 50e-6
"""Seconds: what left later had another process's turn in between, which is not to be expected of the next."""
MAX_STAMP_AGE = 10.0
"""Seconds. A kernel stamp that is older, or from the future, tells that the wall clock was set in between."""

_make_stamp = maker(Stamp)


class UdpSocket:
    """A bound UDP socket. `run` receives until cancelled, `send` is immediate, `close` gives the socket back.

    `local` is the bound address, a wildcard included; `receive_buffer` are the bytes that the kernel granted, which may
    be fewer than were asked for; `dropped` counts the datagrams that the kernel had no room for, `unsent` those that
    were dropped here because its send buffer stayed full.
    """

    def __init__(
        self,
        address: SocketAddress,
        receive_buffer: int,
        sink: Sink,
        *,
        sent_stamps: bool = True,
        keep_alives: bool = False,
    ) -> None:
        """Bind. Raises OSError as the kernel does.

        Without `sent_stamps` the kernel is never asked when a datagram left: media goes out so evenly that it would be
        asked for each, and nobody needs to know. With `keep_alives`, STUN is dealt with here and not handed on: what
        comes is SIP otherwise.
        """
        self._sink = sink
        self._clock = trio.current_time
        self._socket = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.receive_buffer = kernel.granted_buffer(self._socket)
            if address.is_ipv6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind(socket_name(address))
            self.local = socket_address(self._socket.getsockname())
            self.wildcard = self.local.host in (WILDCARD_IPV4, WILDCARD_IPV6)
            kernel.enable(self._socket, wildcard=self.wildcard)
            stamps = sent_stamps and kernel.enable_sent_stamps(self._socket)
            self._stamp_next = 0.0 if stamps else float("inf")
        except BaseException:
            self._socket.close()
            raise
        self.dropped = 0
        self.unsent = 0
        self._delay = 0.0
        self._flows: dict[tuple[Any, bytes], Flow] = {}
        self._queue: deque[tuple[bytes, SocketAddress, SocketAddress | None]] = deque()
        self._queued = trio.Event()
        self._bindings: Bindings | None = None
        self._first_expected = FIRST_OF_SIP if keep_alives else 0
        self._asked = trio.Event()

    async def run(self) -> None:
        """Receive, and send what had to wait, until cancelled."""
        self._clock = trio.lowlevel.current_clock().current_time  # without looking up whose clock it is each time
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_queued)
            nursery.start_soon(self._repeat_pings)
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    self._drain_untrusted()
                except Exception as error:  # noqa: BLE001  # see Sink.fault
                    self._sink.fault(error, f"a datagram to {self.local}")

    def close(self) -> None:
        """Close the socket, once `run` has ended."""
        self._socket.close()

    def send(self, data: bytes, remote: SocketAddress, local: SocketAddress | None = None) -> float:
        """Send one datagram, from `local` where the socket is bound to no address of its own; returns when it left.

        Raises TransportFailure when the kernel refuses it.
        """
        now = self._clock()
        stamped = now >= self._stamp_next
        if self._queue:
            self._enqueue(data, remote, local)
            return now
        try:
            if stamped or self.wildcard:
                self._send_now(data, remote, local, (kernel.STAMPED,) if stamped else ())
            else:  # as `_send_now` would, of which nearly each datagram needs no more
                self._socket.sendto(data, socket_name(remote))
        except BlockingIOError:
            self._enqueue(data, remote, local)
        except REFUSALS:
            # It may be an ICMP error that an earlier datagram met, told to whoever uses the socket next: its details
            # are in the error queue, and this datagram was not looked at.
            self._drain_errors()
            self._send_again(data, remote, local)
        else:
            if stamped:
                return self._left_at(now)
        return now + self._delay

    def ping(self, flow: Flow) -> None:
        """Ask the other end of a flow whether it is alive, by STUN; the sink is told of a flow that is not.

        Raises TransportFailure when the kernel refuses to send.
        """
        data = self._keep_alives().ask(flow, secrets.token_bytes(12), self._clock())
        if data:
            self.send(data, flow.remote, flow.local)
            self._asked.set()

    def _left_at(self, begin: float) -> float:
        """When the datagram left that was begun to be sent at `begin`: by the kernel's stamp, if it gives one."""
        stamp = self._drain_errors()
        now, wall = both_clocks()
        self._stamp_next = now + STAMP_PAUSE
        left = now - (wall - stamp) * 1e-9 if stamp is not None else 0.0
        if not begin <= left <= now:  # another one's, or the wall clock was set
            return begin + self._delay
        if left - begin <= MAX_DELAY:
            self._delay += (left - begin - self._delay) * SMOOTHING
        return left

    def _send_now(
        self,
        data: bytes,
        remote: SocketAddress,
        local: SocketAddress | None,
        ancillary: tuple[tuple[int, int, bytes], ...] = (),
    ) -> None:
        if local is not None and self.wildcard and local.host != self.local.host:
            ancillary += kernel.sent_from(local.host)
        if ancillary:
            self._socket.sendmsg((data,), ancillary, 0, socket_name(remote))
        else:
            self._socket.sendto(data, socket_name(remote))

    def _send_again(self, data: bytes, remote: SocketAddress, local: SocketAddress | None) -> None:
        try:
            self._send_now(data, remote, local)
        except BlockingIOError:
            self._enqueue(data, remote, local)
        except REFUSALS as error:
            if isinstance(error, OSError) and error.errno == errno.ENOBUFS:
                self.unsent += 1
                return
            raise failure_of(error, f"udp {remote}") from error

    def _enqueue(self, data: bytes, remote: SocketAddress, local: SocketAddress | None) -> None:
        if len(self._queue) >= MAX_QUEUE:
            self.unsent += 1
            return
        self._queue.append((data, remote, local))
        self._queued.set()

    async def _send_queued(self) -> None:
        while True:
            await self._queued.wait()
            self._queued = trio.Event()
            while self._queue:
                await trio.lowlevel.wait_writable(self._socket)
                data, remote, local = self._queue[0]
                try:
                    self._send_again(data, remote, local)
                except TransportFailure as failure:
                    self._sink.unreachable(remote, failure.kept())
                self._queue.popleft()

    async def _repeat_pings(self) -> None:
        await self._asked.wait()
        bindings = self._keep_alives()
        while True:
            self._asked = trio.Event()
            for flow, what in bindings.handle_timeout(self._clock()):
                try:
                    if isinstance(what, TransportFailure):
                        raise what
                    self.send(what, flow.remote, flow.local)
                except TransportFailure as failure:
                    self._sink.flow_failed(flow, failure.kept())
            due = bindings.next_timeout()
            with trio.move_on_at(float("inf") if due is None else due):
                await self._asked.wait()

    def _keep_alives(self) -> "Bindings":
        """Those of this socket; STUN is loaded with the first."""
        if self._bindings is None:
            from sipcore.transports.bindings import Bindings

            self._bindings = Bindings()
        return self._bindings

    def _take_stun_untrusted(self, data: bytes, flow: Flow) -> None:
        outcome = self._keep_alives().receive_untrusted(data, flow)
        if isinstance(outcome, bytes):
            with suppress(TransportFailure):
                self.send(outcome, flow.remote, flow.local)
        elif outcome is not None:
            self._sink.flow_failed(*outcome)

    def _drain_untrusted(self) -> None:
        """Take what has come, and hand it on with its stamps."""
        now, wall = both_clocks()
        receive, received = self._socket.recvmsg, self._sink.received
        for taken in range(BATCH):
            try:
                data, ancillary, _, name = receive(MAX_DATAGRAM, kernel.ANCILLARY_SIZE)
            except BlockingIOError:
                if not taken:
                    self._drain_errors()  # an entry there makes the socket readable all by itself
                return
            except OSError:
                self._drain_errors()
                continue
            stamp, packet_info = None, b""
            for level, kind, value in ancillary:
                if kind == kernel.SO_TIMESTAMPNS:
                    seconds, nanoseconds = kernel.TIMESPEC.unpack(value)
                    stamp = _mapped(wall - seconds * 1_000_000_000 - nanoseconds, now)
                elif kind == kernel.SO_RXQ_OVFL and level == socket.SOL_SOCKET:
                    (self.dropped,) = kernel.DROP_COUNT.unpack(value)
                elif level != socket.SOL_SOCKET:
                    packet_info = value
            if len(data) <= MAX_KEEP_ALIVE and not data.strip(b"\r\n\0"):
                continue
            flow = self._flows.get((name, packet_info)) or self._make_flow(name, packet_info)
            if data[0] < self._first_expected:
                self._take_stun_untrusted(data, flow)
                continue
            received(data, flow, stamp or Stamp(self._clock()), ())

    def _make_flow(self, name: tuple[Any, ...], packet_info: bytes) -> Flow:
        if len(self._flows) >= MAX_REMOTES:
            self._flows.clear()
        local = self.local
        if packet_info:
            local = SocketAddress(kernel.local_host(packet_info), local.port)
        flow = self._flows[name, packet_info] = Flow(Transport.UDP, local, socket_address(name))
        return flow

    def _drain_errors(self) -> int | None:
        """Report what the error queue holds (RFC 3261 §18.4); returns the last stamp of a datagram that was sent."""
        stamp = None
        for _ in range(BATCH if kernel.LINUX else 0):
            try:
                _, ancillary, _, name = self._socket.recvmsg(0, kernel.ANCILLARY_SIZE, kernel.MSG_ERRQUEUE)
            except OSError:
                break
            sent = kernel.sent_stamp(ancillary)
            if sent is not None:
                stamp = sent
                continue
            remote = socket_address(name)
            failure = kernel.queued_failure(ancillary, remote)
            if failure is not None:
                self._sink.unreachable(remote, failure)
        return stamp


def both_clocks() -> tuple[float, int]:
    """The same moment on trio's clock (seconds) and on the wall clock (nanoseconds).

    Another process may get the processor between two readings, and every stamp mapped with such a pair would be off by
    its turn: of several pairs that one is taken which took least.
    """
    least, now, wall = float("inf"), 0.0, 0
    for _ in range(CLOCK_READINGS):
        before, read, after = trio.current_time(), time.time_ns(), trio.current_time()
        if after - before < least:
            least, now, wall = after - before, (before + after) / 2, read
        if least <= CLOCK_READING:
            break
    return now, wall


def _mapped(age: int, now: float) -> Stamp | None:
    """A kernel stamp on trio's clock: `age` nanoseconds before `now`; None where the wall clock cannot be trusted."""
    seconds = age * 1e-9
    return _make_stamp(now - seconds, True) if -MAX_STAMP_AGE < seconds < MAX_STAMP_AGE else None
