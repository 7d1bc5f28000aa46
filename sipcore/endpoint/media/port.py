"""The UDP ports of media, and one place to wait for all of them: no task for each, and one look for many packets.

A port takes one datagram at a time, stamped by the kernel. `open_ports` gives the best way to wait that there is here.
"""

import errno
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

import trio

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import SocketAddress
from sipcore.transports import ancillary as kernel
from sipcore.transports.ancillary import SO_TIMESTAMPNS, TIMESPEC
from sipcore.transports.base import REFUSALS, failure_of, socket_address, socket_name
from sipcore.transports.gate import Gate
from sipcore.transports.udp import MAX_STAMP_AGE, both_clocks

ROOM = 2048
"""Bytes of a datagram that are read: more than one of media has, which nobody would cut into fragments."""
ANCILLARY = 128
"""Bytes of room for what the kernel tells beside a datagram: a stamp and a count, each with its header."""
MAX_KEEP_ALIVE = 4
"""Bytes of what keeps a way through a NAT open (RFC 6263 §4.1): nothing, or a few zeros; it is no packet of media."""
MAX_ERRORS = 16
"""Entries of the error queue that are read in a row: it is full of the same, if it is full."""
LEAST = 4
"""Datagrams that are taken in a row: what is due may wait a tenth of a millisecond for it, and what comes is not left
to wait for good by what is sent."""
ROUNDS = 16
"""How often in a row the ports are looked at, one datagram from each at a time: a third of a second of media."""

_read_stamp = TIMESPEC.unpack

Receive = Callable[[bytes, SocketAddress, float, float], None]
Unreachable = Callable[[str], None]
NoteFault = Callable[[Exception, str], None]


class Port:
    """A bound UDP port. `receive` is called with each datagram, where it is from, when it came and what time it is now,
    `unreachable` with what the network says of one that was sent, and `note_fault` with a mistake of this program over
    what the kernel told of either (see `faults`). What is sent passes the `gate`. Raises OSError as the kernel does.
    """

    def __init__(
        self,
        address: SocketAddress,
        buffer: int,
        receive: Receive,
        unreachable: Unreachable,
        note_fault: NoteFault,
        gate: Gate | None = None,
    ) -> None:
        self._receive = receive
        self._unreachable = unreachable
        self._note_fault = note_fault
        self._gate = gate
        self._socket = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            if address.is_ipv6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind(socket_name(address))
            self.local = socket_address(self._socket.getsockname())
            kernel.enable(self._socket, wildcard=False)
        except BaseException:
            self._socket.close()
            raise
        self._sends_to: SocketAddress | None = None
        self._sends_as: tuple[Any, ...] = ()
        self._heard_as: tuple[Any, ...] = ()
        self._heard_from = self.local

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def send(self, data: bytes, remote: SocketAddress) -> None:
        """Send a datagram. Raises TransportFailure when the gate or the kernel refuses it; a full buffer refuses, too,
        since media that waits comes too late.
        """
        try:
            if remote is not self._sends_to:
                if self._gate is not None:
                    self._gate.require_datagram(remote)
                self._sends_as = socket_name(remote)
                self._sends_to = remote
            self._socket.sendto(data, self._sends_as)
        except BlockingIOError:
            raise TransportFailure(FailureReason.UNREACHABLE, f"udp {remote}: the kernel's buffer is full") from None
        except REFUSALS as error:
            # It may be what an earlier datagram met, told to whoever uses the port next; its details are in the queue.
            self._drain_errors()
            self._send_again(data, remote, error)

    def take_untrusted(self, now: float, wall: int) -> None:
        """Take one datagram, if there is one; `now` is the time on trio's clock at `wall` ns of the time of day."""
        try:
            data, ancillary, _, name = self._socket.recvmsg(ROOM, ANCILLARY)
        except OSError:  # nothing, or an error that waits: an entry in the queue makes a port readable all by itself
            self._drain_errors()
            return
        if len(data) <= MAX_KEEP_ALIVE and not data.strip(b"\r\n\0"):
            return
        at = now
        try:
            for _, kind, told in ancillary:
                if kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = _read_stamp(told)
                    age = (wall - seconds * 1_000_000_000 - nanoseconds) * 1e-9
                    if -MAX_STAMP_AGE < age < MAX_STAMP_AGE:  # else the time of day was set in between
                        at = now - age
            if name != self._heard_as:
                self._heard_as, self._heard_from = name, socket_address(name)
        except Exception as error:  # noqa: BLE001  # see Faults
            self._note_fault(error, "what came with a datagram of media")
            return
        self._receive(data, self._heard_from, at, now)

    def _send_again(self, data: bytes, remote: SocketAddress, first: Exception) -> None:
        try:
            self._socket.sendto(data, socket_name(remote))
        except REFUSALS as error:
            full = isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.ENOBUFS)
            raise failure_of(first if full else error, f"udp {remote}") from error

    def _drain_errors(self) -> None:
        for _ in range(MAX_ERRORS if kernel.LINUX else 0):
            try:
                _, ancillary, _, name = self._socket.recvmsg(0, kernel.ANCILLARY_SIZE, kernel.MSG_ERRQUEUE)
            except OSError:
                return
            failure = None
            try:
                failure = kernel.queued_failure(ancillary, socket_address(name))
            except Exception as error:  # noqa: BLE001  # see Faults
                self._note_fault(error, "what became of a datagram of media")
            if failure is not None:
                self._unreachable(failure.message)


class Ports(Protocol):
    """Many ports, waited for together."""

    def add(self, port: Port) -> None:
        """Wait for this one, too."""

    def remove(self, port: Port) -> None:
        """Do not wait for it any more; it is still open."""

    async def wait(self) -> None:
        """Return when something has come to one of them."""

    def take_untrusted(self, until: float) -> bool:
        """Take what has come until there is no more, or until that time of trio's clock; whether there was anything.

        The clock is read after each LEAST datagrams, which are taken however late it is.
        """

    def close(self) -> None:
        """Give back what it holds, the ports aside."""


class KernelPorts:
    """Ports that Linux's epoll waits for: however many there are, one look tells which of them have something."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._ports: dict[int, Port] = {}
        self._ready: list[tuple[int, int]] = []
        """What the last look has told, as far as nothing was taken from it yet."""

    def add(self, port: Port) -> None:
        """See `Ports`."""
        self._ports[port.fileno()] = port
        self._poll.register(port.fileno(), select.EPOLLIN)

    def remove(self, port: Port) -> None:
        """See `Ports`."""
        if self._ports.pop(port.fileno(), None) is not None:
            self._poll.unregister(port.fileno())

    async def wait(self) -> None:
        """See `Ports`."""
        await trio.lowlevel.wait_readable(self._poll.fileno())

    def take_untrusted(self, until: float) -> bool:
        """See `Ports`."""
        taken = 0
        for _ in range(ROUNDS):
            if not self._ready:
                self._ready = self._poll.poll(0)
            if not self._ready:
                break
            now, wall = both_clocks()
            while self._ready:
                port = self._ports.get(self._ready.pop()[0])
                if port is not None:  # what came before may have closed it
                    port.take_untrusted(now, wall)
                taken += 1
                if not taken % LEAST and trio.current_time() >= until:
                    return True
        return taken > 0

    def close(self) -> None:
        """See `Ports`."""
        self._poll.close()


class TrioPorts:
    """Ports with a task for each, on any system."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._waiting: dict[Port, trio.CancelScope] = {}

    def add(self, port: Port) -> None:
        """See `Ports`."""
        self._waiting[port] = trio.CancelScope()
        self._nursery.start_soon(self._serve, port, self._waiting[port])

    def remove(self, port: Port) -> None:
        """See `Ports`."""
        scope = self._waiting.pop(port, None)
        if scope is not None:
            scope.cancel()
            trio.lowlevel.notify_closing(port.fileno())

    async def wait(self) -> None:
        """See `Ports`: the tasks see to it."""
        await trio.sleep_forever()

    def take_untrusted(self, until: float) -> bool:  # noqa: ARG002  # its tasks take what comes
        """See `Ports`."""
        return False

    def close(self) -> None:
        """See `Ports`."""

    async def _serve(self, port: Port, scope: trio.CancelScope) -> None:
        with scope:
            while True:
                try:
                    await trio.lowlevel.wait_readable(port.fileno())
                except (trio.ClosedResourceError, ValueError):
                    return  # it was closed while it was waited for
                port.take_untrusted(*both_clocks())


def open_ports(nursery: trio.Nursery) -> Ports:
    """The best way to wait for ports that there is here; `nursery` is for systems where that takes tasks."""
    return KernelPorts() if hasattr(select, "epoll") else TrioPorts(nursery)
