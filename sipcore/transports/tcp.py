"""Connections: TCP, with TLS and WebSocket by the layers between the socket and the messages. RFC 3261 §18, RFC 5626.

A connection is two tasks, one that reads and one that writes. What is sent is queued and leaves with everything else
that was queued in the same turn of the scheduler, in one system call and, with TLS, in one record. Nothing that a peer
does, or fails to do, reaches beyond its own connection: each way of stalling has a named limit.
"""

import errno
import socket
import sys
from collections import deque

import trio

if sys.platform != "win32":
    import resource

from sipcore.errors import FailureReason, ParseError, TransportFailure, own_fault
from sipcore.message.framing import Ping, Unfinished
from sipcore.resolve.target import Flow, Hop, SocketAddress
from sipcore.trace import FlowTrace, Stamp
from sipcore.transports.base import REFUSALS, Sink, failure_of, socket_address, socket_family, socket_name
from sipcore.transports.gate import Gate
from sipcore.transports.layers import Engine, Framing

RECEIVE_SIZE = 64 * 1024
"""Bytes read at once: 150 messages."""
MAX_QUEUE = 1024 * 1024
"""Bytes that wait for a peer that reads slowly, the kernel's own buffer not counted."""
MESSAGE_TIMEOUT = 32.0
"""Seconds for a message that has begun to become complete: 64 × T1, after which no transaction waits for it."""
WRITE_TIMEOUT = 32.0
"""Seconds that a peer may read nothing while something waits to be sent to it: 64 × T1, as above."""
PONG_TIMEOUT = 10.0
"""Seconds for the answer to a ping (RFC 5626 §4.4.1)."""
SHARE_OF_PEERS = 3 / 4
"""Of the descriptors of this process: what peers may take up with connections. Without one that is free no request
leaves, not even over UDP, whose route is asked of a socket, and no call has ports for its media."""
BACKLOG = 128
"""Connections that the kernel completes before they are accepted."""


class Connection:
    """An established connection. `run` works it until it ends, `send` and `close` are immediate.

    `early` are plain bytes that came together with the end of the handshakes.
    """

    def __init__(
        self,
        sock: socket.socket,
        flow: Flow,
        hop: Hop,
        sink: Sink,
        framing: Framing,
        *,
        idle_timeout: float,
        engine: Engine | None = None,
        early: bytes = b"",
    ) -> None:
        self.flow = flow
        self.hop = hop
        self.engine = engine
        self._socket = sock
        self._sink = sink
        self._idle_timeout = idle_timeout
        self._early = early
        self._framing = framing
        self._scope = trio.CancelScope()
        self._failure: TransportFailure | None = None
        self._closing = False
        self.usable = True
        """Whether something can still be sent on it."""
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._unsent = b""
        self._unwritable: TransportFailure | None = None
        """What the kernel told when nothing could be written any more."""
        self._wake = trio.Event()
        self._partial_since: float | None = None
        self._pong_due: float | None = None
        self._bounded = False
        """Whether the deadline is that of a message or a pong, not of being idle."""

    @property
    def unfinished(self) -> Unfinished | None:
        """The message that the peer has begun and not ended, also once the connection is gone."""
        return self._framing.unfinished

    def check(self) -> None:
        """Raise why nothing can be sent on it any more, once that is so: a TransportFailure."""
        if not self.usable:
            raise self._failure or TransportFailure(FailureReason.CLOSED, f"{self.hop}: the connection was closed here")

    def send(self, data: bytes) -> None:
        """Queue a message. Raises TransportFailure when the connection is gone, or its peer does not keep up."""
        self.check()
        self._enqueue(self._framing.message(data))

    def ping(self) -> None:
        """Ask whether the peer is there (RFC 5626 §4.4.1): without an answer in PONG_TIMEOUT the connection fails."""
        self.check()
        self._enqueue(self._framing.ping())
        if self._pong_due is None:
            self._pong_due = trio.current_time() + PONG_TIMEOUT
        self._extend()

    def close(self) -> None:
        """End the connection in order, without a report to the sink; what is queued leaves if the kernel has room."""
        self._closing = True
        self.usable = False
        self._scope.cancel()

    async def run(self) -> None:
        """Read and write until the connection ends, then report why and close the socket."""
        self._extend()
        try:
            await self._work()
            while self._is_kept():
                self._scope = trio.CancelScope()
                self._extend()
                await self._work()
            if self._failure is None and not self._closing:
                text = f"{self.hop}: closed here, idle for {self._idle_timeout:g} s"
                self._failure = self._overdue() or TransportFailure(FailureReason.CLOSED, text)
        except Exception as error:  # noqa: BLE001  # see Sink.fault
            self._failure = own_fault()
            self._sink.fault(error, str(self.hop))
        finally:
            self._finish()

    async def _work(self) -> None:
        """Read and write until the connection ends or its deadline has come, which loses nothing."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
                nursery.cancel_scope.cancel()

    def _is_kept(self) -> bool:
        """Whether it goes on after its deadline: something is under way, which it has to last for (RFC 3261 §18), and
        the peer is not to blame for the silence.
        """
        if self._failure is not None or self._closing or self._unsent or self._overdue() is not None:
            return False
        return self._sink.is_awaited(self.flow)

    def _enqueue(self, data: bytes) -> None:
        if self._queued + len(data) > MAX_QUEUE:
            raise TransportFailure(
                FailureReason.TIMED_OUT, f"{self.hop}: the peer reads too slowly, {self._queued} bytes wait for it"
            )
        self._queue.append(data)
        self._queued += len(data)
        self._wake.set()

    def _finish(self) -> None:
        self.usable = False
        self._flush()
        self._socket.close()
        failure = self._failure
        event = "closed" if failure is None or failure.reason is FailureReason.CLOSED else "failed"
        self._sink.trace(FlowTrace(trio.current_time(), self.hop, event, failure.message if failure else ""))
        if failure is not None:
            self._sink.flow_failed(self.flow, failure)

    def _flush(self) -> None:
        """Hand the kernel what is queued, as far as it takes it at once."""
        try:
            self._queue.append(self._framing.close())
            data = self._unsent + self._take_queue()
            if self.engine is not None:
                self.engine.close()
                data += self.engine.outgoing()
            if data:
                self._socket.send(data)
        except (OSError, TransportFailure):
            return  # the peer is gone, or does not read: it is being left anyway
        except Exception as error:  # noqa: BLE001  # see Sink.fault
            self._sink.fault(error, str(self.hop))

    async def _read(self) -> None:
        """Read until the connection ends, and keep why it did."""
        try:
            early, self._early = self._early, b""
            await self._take_untrusted(early)
            if self.engine is not None and self.engine.closed:  # the peer said so with the end of its handshake
                self._fail(self._ending())
            while self.usable:
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    data = self._socket.recv(RECEIVE_SIZE)
                except BlockingIOError:
                    continue
                if not data:
                    self._fail(self._unwritable or self._ending())
                elif self.engine is None:
                    await self._take_untrusted(data)
                else:
                    plain = self.engine.receive(data)
                    self._wake.set()
                    await self._take_untrusted(plain)
                    if self.engine.closed:
                        self._fail(self._ending())
        except OSError as error:
            self._fail(failure_of(error, self.hop))
        except ParseError as error:
            garbage = TransportFailure(FailureReason.GARBAGE, f"{self.hop}: {error.message}", section=error.section)
            garbage.__cause__ = error
            self._fail(garbage)
        except TransportFailure as failure:
            self._fail(failure)

    async def _take_untrusted(self, data: bytes) -> None:
        """Take plain bytes, so many at a time that other tasks get their turn in between; all of them, even if the
        deadline comes meanwhile.
        """
        turn = self._framing.turn
        stamp = Stamp(trio.current_time())
        self._take_turn_untrusted(data[:turn], stamp)
        for begin in range(turn, len(data), turn):
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._take_turn_untrusted(data[begin : begin + turn], stamp)

    def _take_turn_untrusted(self, data: bytes, stamp: Stamp) -> None:
        """Cut plain bytes into frames, and hand the messages on."""
        framing, received, flow = self._framing, self._sink.received, self.flow
        framing.receive(data)
        for frame in framing.frames():
            if not self.usable:
                break
            if isinstance(frame, tuple):
                data, notes, message = frame
                self._partial_since = None
                received(data, flow, stamp, notes, message)
            elif isinstance(frame, Ping):
                self._enqueue(framing.pong())
            else:
                self._pong_due = None
        if not framing.partial:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = stamp.at
        self._extend()
        if framing.ending:
            self._fail(self._ending())

    async def _write(self) -> None:
        """Send what is queued, all of it at once, each time that something is."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            try:
                self._unsent = self._take_queue()
                while self._unsent:
                    await self._send_some()
            except OSError as error:
                # The reader meets the end too, once it has read what the peer said last. Why is told once, to who asks
                # first: only after an orderly close the kernel says EPIPE.
                self._unwritable = failure_of(error, self.hop) if error.errno != errno.EPIPE else None
                return
            except TransportFailure as failure:
                self._fail(failure)
            self._extend()

    async def _send_some(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            with trio.move_on_after(WRITE_TIMEOUT) as stalled:
                await trio.lowlevel.wait_writable(self._socket)
            if stalled.cancelled_caught:
                raise TransportFailure(FailureReason.TIMED_OUT, f"{self.hop}: the peer reads nothing") from None
        else:
            self._unsent = self._unsent[sent:]

    def _take_queue(self) -> bytes:
        """The bytes to put on the wire: everything queued, joined, through the engine if there is one."""
        data = b"".join(self._queue)
        self._queue.clear()
        self._queued = 0
        if self.engine is None:
            return data
        if data:
            self.engine.send(data)
        return self.engine.outgoing()

    def _fail(self, failure: TransportFailure) -> None:
        """End the connection; the first failure is the one that counts."""
        if self.usable:
            self._failure = (self.engine.explain(failure) if self.engine else failure).kept()
        self.usable = False
        self._scope.cancel()

    def _ending(self) -> TransportFailure:
        how = f" ({self._framing.ending})" if self._framing.ending else ""
        half = " in the middle of a message" if self._framing.partial else ""
        return TransportFailure(FailureReason.CLOSED, f"{self.hop}: the peer closed the connection{how}{half}")

    def _extend(self) -> None:
        """Move the deadline to when the connection is idle, or a stalled message or a missing pong ends it."""
        deadline = trio.current_time() + self._idle_timeout
        bounds = [self._pong_due] if self._pong_due is not None else []
        if self._partial_since is not None:
            bounds.append(self._partial_since + MESSAGE_TIMEOUT)
        # Moving a deadline costs as much as a message; being idle a sixteenth too short does no harm.
        slack = 0.0 if bounds or self._bounded else self._idle_timeout / 16
        self._bounded = bool(bounds)
        deadline = min([deadline, *bounds])
        if not 0 <= deadline - self._scope.deadline <= slack:
            self._scope.deadline = deadline

    def _overdue(self) -> TransportFailure | None:
        """What the peer owes and did not give in time."""
        now = trio.current_time()
        if self._pong_due is not None and now >= self._pong_due:
            return TransportFailure(
                FailureReason.TIMED_OUT, f"{self.hop}: no answer to a ping", section="RFC 5626 §4.4.1"
            )
        if self._partial_since is not None and now >= self._partial_since + MESSAGE_TIMEOUT:
            return TransportFailure(
                FailureReason.TIMED_OUT, f"{self.hop}: a message was begun and not ended", section="RFC 3261 §18.3"
            )
        return None


async def open_socket(hop: Hop, gate: Gate | None) -> socket.socket:
    """Connect to a hop, from its local host if it has one. Raises TransportFailure, and NotAllowed where the gate does
    not let it through.
    """
    if gate is not None:
        gate.require(hop)
    sock = socket.socket(socket_family(hop.remote), socket.SOCK_STREAM)
    try:
        _prepare(sock)
        if hop.local is not None:
            sock.bind(socket_name(SocketAddress(hop.local.host, 0)))
        try:
            sock.connect(socket_name(hop.remote))
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "") from None
        name = sock.getsockname()
        if name[1] == hop.remote.port and name == sock.getpeername():
            # Nobody listens at a port of this machine, and the kernel took that very one for this end: TCP connects a
            # socket to itself then (RFC 9293 §3.5), which would answer its own requests.
            raise OSError(errno.ECONNREFUSED, "")
    except REFUSALS as error:
        sock.close()
        raise failure_of(error, hop) from error
    except BaseException:
        sock.close()
        raise
    return sock


def listen(address: SocketAddress) -> socket.socket:
    """A socket that accepts connections at `address`. Raises OSError."""
    sock = socket.socket(socket_family(address), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(socket_name(address))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def accept(listener: socket.socket) -> tuple[socket.socket, SocketAddress]:
    """The next connection that a listening socket has, and its peer. Raises OSError, BlockingIOError if it has none."""
    sock, name = listener.accept()
    try:
        _prepare(sock)
    except BaseException:
        sock.close()
        raise
    return sock, socket_address(name)


def crowds_out(sock: socket.socket) -> bool:
    """Whether a connection that was accepted has one of the last descriptors, which this side needs itself.

    The kernel gives the lowest number that is free, so it tells how many are in use, whatever for.
    """
    if sys.platform == "win32":
        return False
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit != resource.RLIM_INFINITY and sock.fileno() >= limit * SHARE_OF_PEERS


def _prepare(sock: socket.socket) -> None:
    """Make a stream socket ready for use: messages are joined here, so the kernel need not wait for more of them."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
