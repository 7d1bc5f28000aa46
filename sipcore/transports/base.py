"""What the transports share: their configuration, whom they report to, and what an `errno` means to a user."""

import errno
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import field
from enum import Enum
from typing import Any, Protocol

from sipcore.deviation import Deviation
from sipcore.errors import FailureReason, LocalError, TransportFailure, require_counts, require_times
from sipcore.message.message import Request, Response
from sipcore.message.uri import MAX_PORT
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport, is_numeric
from sipcore.trace import Stamp, TraceRecord, WireTrace
from sipcore.value import maker, value

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes of kernel buffer asked for each UDP socket: some 2 s of 2,000 messages a second. The kernel caps it."""
IDLE_TIMEOUT = 300.0
"""Seconds without a message, and with no transaction under way, after which a connection is closed here: longer than
an INVITE rings without a word (RFC 3261 §16.6 step 11 has proxies wait for more than three minutes)."""
CONNECT_TIMEOUT = 10.0
"""Seconds for a connection, the handshakes of TLS and WebSocket included: four SYNs at 0, 1, 3 and 7 s have been sent
by then."""
MAX_CONNECTIONS = 1024
"""Connections that peers may hold open at once: the usual limit of descriptors of one process."""

MAX_INDEX_DIGITS = 9
"""Digits of an interface's number that are read: the kernel has 32 bits for it, which hold them all."""
WILDCARD_IPV4 = "0.0.0.0"  # noqa: S104  # the address that stands for all; nothing is bound to it by default
WILDCARD_IPV6 = "::"

_make_hop = maker(Hop)


class TlsVersion(Enum):
    """A version of TLS by its name. What stands before TLS 1.2 is for probing only (RFC 8996)."""

    TLS_1_0 = "TLSv1"
    TLS_1_1 = "TLSv1.1"
    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"


@value
class TlsConfig:
    """How TLS is spoken, as client and as server."""

    verify: bool = True
    """Whether a connection is refused when the peer's certificate chain or name is wrong (RFC 5922 §7.3). What is
    wrong is found out and kept in the session either way."""
    ca_file: str | None = None
    """Path of a PEM file with the trusted roots; with neither this nor `ca_data`, the system's roots are trusted."""
    ca_data: bytes = b""
    """Trusted roots as PEM, in addition to `ca_file`."""
    certificate: bytes = b""
    """The local certificate, then its intermediates, as PEM: a server must have one, a client shows it when asked."""
    key: bytes = field(default=b"", repr=False)
    """The private key of `certificate`, as unencrypted PEM."""
    require_client_certificate: bool = False
    """Whether a server refuses clients that show no valid certificate (RFC 5922 §7.4)."""
    minimum_version: TlsVersion = TlsVersion.TLS_1_2
    """The oldest version that is spoken; what is below 1.2 is for probing (RFC 8996)."""
    maximum_version: TlsVersion = TlsVersion.TLS_1_3
    """The newest one."""
    ciphers: str = ""
    """An OpenSSL cipher list; those of its names that begin with TLS_ are for TLS 1.3. The library chooses for versions
    that nothing is named for. With a minimum below TLS 1.2, and nothing named for that, its security level is lowered
    far enough for such peers."""
    group: str = ""
    """The one key exchange group to offer: P-256, P-384 or P-521; empty for the library's choice, whose first flight
    is some 1.2 kB larger than that of P-256 alone, which old peers may fail to put together."""
    resume: bool = True
    """Whether a client resumes the session of an earlier connection to the same peer (RFC 8446 §2.2), which spares both
    sides most of the handshake. What is told of the peer's certificates is then what was found when it showed them."""
    keylog: Callable[[bytes], None] | None = field(default=None, repr=False, compare=False)
    """Called with each line of an NSS key log, which lets a capture be decrypted: treat it as the secret it is."""


@value
class WsConfig:
    """What a client asks for when it opens a WebSocket (RFC 6455 §4.1)."""

    path: str = "/"
    """The path, with a query if need be, where a hop has none of its own. RFC 7118 leaves it to the server: `/` is
    usual, Asterisk has `/ws`."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Further header fields of the HTTP request, such as Origin, Cookie or Authorization (RFC 7118 §7)."""


Refusal = Callable[[SocketAddress, bool], str]
"""Why an address must not be reached, as in `it is private`, and empty for one that may be, given the address and
whether it is one of this machine. It is asked before anything is sent there, of the address itself: whatever named it,
DNS, a peer or an owner, and however often a name leads elsewhere. It must neither block nor raise."""


@value
class TransportConfig:
    """What `open_transports` opens, and its limits. Times are in seconds, sizes in bytes.

    Raises LocalError for times and limits that are none.
    """

    bind: tuple[tuple[Transport, SocketAddress], ...] = ()
    """Where to receive from the start: UDP sockets are bound, stream transports listen. Port 0 takes a free one."""
    receive_buffer: int = RECEIVE_BUFFER
    """Bytes of kernel buffer asked for each UDP socket. `Transports.short_of_buffer` tells where it grants fewer."""
    idle_timeout: float = IDLE_TIMEOUT
    """Without a message for so long, and with nothing awaited over it, a connection is closed here."""
    connect_timeout: float = CONNECT_TIMEOUT
    """For a connection, the handshakes of TLS and WebSocket included."""
    max_connections: int = MAX_CONNECTIONS
    """How many connections peers may hold open at once; further ones are closed. So are those that come while three
    quarters of the descriptors that this process may have are in use, whatever for (not on Windows)."""
    tls: TlsConfig = field(default_factory=TlsConfig)
    """Roots, certificates and versions of all connections with TLS."""
    ws: WsConfig = field(default_factory=WsConfig)
    """What WebSockets are opened with."""
    on_wire: Callable[[WireTrace], None] | None = field(default=None, repr=False, compare=False)
    """Called with the bytes of each connection as they were on the wire, encrypted where they are.

    What it raises ends the endpoint's block."""
    refusal: Refusal | None = field(default=None, repr=False)
    """Says why nothing is sent to an address, and no connection opened; without one, any address is reached."""

    def __post_init__(self) -> None:
        require_times(self, "idle_timeout", "connect_timeout")
        require_counts(self, "receive_buffer", "max_connections")


class Sink(Protocol):
    """Whom the transports report to. Called synchronously from their tasks: it must neither block nor raise."""

    def received(
        self,
        data: bytes,
        flow: Flow,
        stamp: Stamp,
        notes: tuple[Deviation, ...],
        message: Request | Response | None = None,
    ) -> None:
        """One datagram, or one framed message. `notes` are what the framing tolerated: always empty for datagrams.

        `message` is what `data` says, where the framing has read it already.
        """

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        """A connection ended that was not closed by `Transports.close`: once for each. Nothing can be sent on it.

        For UDP: keep-alives show that the way is another one, or that nobody is there (RFC 5626 §4.4.2).
        """

    def is_awaited(self, flow: Flow) -> bool:
        """Whether something is under way over a connection, so that it is not closed for being idle."""

    def listening(self, transport: Transport, at: SocketAddress) -> None:
        """Peers can connect to this address, which may be a wildcard, from now on."""

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:
        """ICMP told that a datagram sent to `remote` did not get there (RFC 3261 §18.4)."""

    def fault(self, error: Exception, what: str) -> None:
        """A mistake of this program was met over what a peer has sent, which only that connection or datagram pays for:
        it has been given up. `what` tells which it was.
        """

    def trace(self, record: TraceRecord) -> None:
        """Something happened to a connection: opened, accepted, secured, upgraded, closed or failed. Messages are not
        traced here: their owner knows more about them."""


FAILURES: dict[int, tuple[FailureReason, str]] = {
    errno.ECONNREFUSED: (FailureReason.REFUSED, "nothing listens there"),
    errno.ECONNRESET: (FailureReason.RESET, "the peer reset the connection"),
    errno.ECONNABORTED: (FailureReason.RESET, "the connection was aborted"),
    errno.EPIPE: (FailureReason.RESET, "the peer had closed the connection"),
    errno.ETIMEDOUT: (FailureReason.TIMED_OUT, "the peer stopped answering"),
    errno.EHOSTUNREACH: (FailureReason.UNREACHABLE, "no route to the host"),
    errno.EHOSTDOWN: (FailureReason.UNREACHABLE, "the host is down"),
    errno.ENETUNREACH: (FailureReason.UNREACHABLE, "no route to the network"),
    errno.ENETDOWN: (FailureReason.UNREACHABLE, "the network interface is down"),
    errno.EADDRNOTAVAIL: (FailureReason.UNREACHABLE, "no local address leads there"),
    errno.EAFNOSUPPORT: (FailureReason.UNREACHABLE, "this machine does not speak that address family"),
    errno.EINVAL: (FailureReason.UNREACHABLE, "the local address does not lead there"),
    errno.EPERM: (FailureReason.PROHIBITED, "the local firewall forbids it"),
    errno.EACCES: (FailureReason.PROHIBITED, "a firewall forbids it, or it is a broadcast address"),
    errno.EMFILE: (FailureReason.UNREACHABLE, "this process has no descriptor left: raise its limit of open files"),
    errno.ENFILE: (FailureReason.UNREACHABLE, "this machine has no descriptor left: too many files are open on it"),
    errno.ENOBUFS: (FailureReason.UNREACHABLE, "this machine has no buffer left for it"),
    errno.ENOMEM: (FailureReason.UNREACHABLE, "this machine has no memory left for it"),
    errno.EMSGSIZE: (FailureReason.TOO_LARGE, "the datagram is too large"),
}
"""What the kernel's refusals mean. The one table: whatever is not in it counts as unreachable."""


EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the kernel says when this process, or this machine, has no descriptor or memory left: it tells nothing of a
peer, and passes."""
OWN_SIDE = EXHAUSTED | {errno.EPERM, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENETDOWN}
"""What it says for other reasons that are this machine's."""


REFUSALS = (OSError, TypeError, ValueError, OverflowError)
"""What a socket raises for an address: the kernel's refusals, and Python's own, which come before the kernel has seen
it. Either is a failure of that address alone."""


def failure_of(error: Exception, where: object) -> TransportFailure:
    """The failure that one of REFUSALS stands for; `where` is what was tried, as in `udp 192.0.2.1:5060`."""
    number, told = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    reason, text = FAILURES.get(number or 0, (FailureReason.UNREACHABLE, told or str(error)))
    return TransportFailure(reason, f"{where}: {text}")


def closed() -> LocalError:
    """The error of whoever uses an endpoint, or its sockets, before or after their block."""
    return LocalError("the endpoint is closed: use it inside its block", section="RFC 3261 §18")


def was_closed() -> TransportFailure:
    """The failure of whatever is still awaited of an endpoint, or of its sockets, when their block ends."""
    return TransportFailure(FailureReason.CLOSED, "the endpoint was closed")


def with_local(hop: Hop, local: SocketAddress) -> Hop:
    """The hop with its local end."""
    return _make_hop(hop.transport, hop.remote, local, hop.tls_name, hop.why, hop.path, hop.accepted)


def socket_address(name: tuple[Any, ...]) -> SocketAddress:
    """The address that Python's `socket` gives as a tuple, with the zone of a link-local one in its host."""
    host, port = name[0], name[1]
    if len(name) == 4 and name[3] and "%" not in host:
        host = f"{host}%{name[3]}"
    return SocketAddress(host, port)


def socket_name(address: SocketAddress) -> tuple[Any, ...]:
    """The tuple that Python's `socket` wants for an address.

    Raises one of REFUSALS for a zone that does not exist, a port beyond all ports, and a name: `socket` would look that
    up, and have everything wait for it.
    """
    host, port = address.host, address.port
    if not 0 <= port <= MAX_PORT:
        raise OSError(f"{port} is no port")
    if not is_numeric(host):
        raise OSError(f"{host} is no address")
    if "%" not in host:  # asked for with each datagram, where even the call of `has_zone` counts
        return (host, port)
    host, _, zone = host.partition("%")
    return (host, port, 0, interface_index(zone))


def interface_index(zone: str) -> int:
    """The number of the interface that the zone of a link-local address names, 0 for none. Raises one of REFUSALS."""
    if not zone.isdecimal():
        return socket.if_nametoindex(zone) if zone else 0
    index = int(zone) if len(zone) <= MAX_INDEX_DIGITS else 0
    if not index:
        raise OSError("no such interface")
    return index


def numbered(address: SocketAddress) -> SocketAddress:
    """The same with its zone as the kernel tells it, so that one address equals itself: by the interface's number, and
    none where an address has the same meaning on all of them. Raises one of REFUSALS.
    """
    host, percent, zone = address.host.partition("%")
    if not percent:
        return address
    index = interface_index(zone)
    return SocketAddress(f"{host}%{index}" if ipaddress.IPv6Address(host).is_link_local else host, address.port)


def socket_family(address: SocketAddress) -> socket.AddressFamily:
    """The family of sockets that can send to an address."""
    return socket.AF_INET6 if address.is_ipv6 else socket.AF_INET


def route_host(where: Hop | Flow) -> str:
    """The local address that the kernel sends from to a remote one: what a connected socket, that sends nothing, has.

    Raises TransportFailure when there is no route.
    """
    try:
        with socket.socket(socket_family(where.remote), socket.SOCK_DGRAM) as sock:
            sock.connect(socket_name(where.remote))
            return socket_address(sock.getsockname()).host
    except REFUSALS as error:
        raise failure_of(error, f"{where.transport.value.lower()} {where.remote}") from error
