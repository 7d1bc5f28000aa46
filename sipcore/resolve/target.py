"""Where a message goes: transports, addresses, hops and flows. RFC 3261 §18, RFC 3263 §4.

A `Hop` is a decision (send there, so, because); a `Flow` is a fact (this connection, or this pair of datagram
addresses, exists and can be sent on).
"""

import ipaddress
from functools import lru_cache

from sipcore.value import Member, value

DEFAULT_PORT = 5060
"""RFC 3261 §19.1.2: UDP, TCP, and SCTP."""
DEFAULT_TLS_PORT = 5061
"""RFC 3261 §19.1.2: TLS over TCP."""
NOBODYS = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound to them
"""The unspecified address of each family. DNS, or a hosts file, says it of names that it blocks. What is sent there
comes to this machine itself, which would answer for somebody else (RFC 1122 §3.2.1.3, RFC 4291 §2.5.2)."""
_BROADCAST = "255.255.255.255"
MAX_KNOWN = 4096
"""Hosts of which it is remembered whether they are addresses, and how IPv6 addresses are spelled: finding out takes
longer than sending a datagram."""


_DEFAULT_PORTS = {"TLS": DEFAULT_TLS_PORT, "WS": 80, "WSS": 443}


class Transport(Member):
    """A transport by its name in Via (RFC 3261 §18.1.1, RFC 7118 §5.2)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    reliable: bool
    """Whether the transport itself retransmits (RFC 3261 §17: timers A, E and G stay off then)."""
    secure: bool
    """Whether a sips URI may be sent over it."""
    websocket: bool
    """Whether messages are carried in a WebSocket (RFC 7118)."""
    default_port: int
    """The port where none is written (RFC 3261 §19.1.2; RFC 7118 §5.2 for 80 and 443)."""

    def __init__(self, name: str) -> None:
        # Kept, since every message asks for them, and what reads a member from its Enum takes CPython 3.11 0.2 µs.
        self.reliable = name != "UDP"
        self.secure = name in ("TLS", "WSS")
        self.websocket = name in ("WS", "WSS")
        self.default_port = _DEFAULT_PORTS.get(name, DEFAULT_PORT)


@value
class SocketAddress:
    """An IP address in text form, without brackets, and a port.

    However an IPv6 address is given, it is spelled as RFC 5952 §4 recommends, so that one address equals itself. One
    that an IPv4 address is mapped to, as programs tell it whose sockets are for both, is that IPv4 address (RFC 4291
    §2.5.5.2): a socket for IPv6 alone does not reach it, and whoever has no IPv6 cannot read it in a Via.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if ":" in self.host:
            object.__setattr__(self, "host", _recommended(self.host))

    @property
    def is_ipv6(self) -> bool:
        """Whether `host` is an IPv6 address."""
        return ":" in self.host

    @property
    def is_loopback(self) -> bool:
        """Whether the address never leaves this machine."""
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


@value
class Hop:
    """One place to send to: how, from where, and why it was chosen.

    `local` is None until the kernel or the connection has told which local address is used. `tls_name` is the name
    that was asked for: the peer's certificate must carry it (RFC 5922 §4), and it goes out as SNI and as the Host of a
    WebSocket. `why` is a sentence for people. `path` is the one that a WebSocket is opened at (RFC 6455 §3), "" the
    one that is configured. `accepted` is whether it leads back along a connection that the peer opened.
    """

    transport: Transport
    remote: SocketAddress
    local: SocketAddress | None = None
    tls_name: str | None = None
    why: str = ""
    path: str = ""
    accepted: bool = False

    def __str__(self) -> str:
        return f"{self.transport.value.lower()} {self.remote}{self.path}"


@value
class Flow:
    """A connection, or a pair of datagram addresses, that messages arrive on and can be sent back over.

    `serial` tells two connections between the same addresses apart; it is 0 for UDP. `tls_name` and `path` are those of
    the hop that the connection was opened to; one that the peer opened has neither, and is `accepted`.
    """

    transport: Transport
    local: SocketAddress
    remote: SocketAddress
    serial: int = 0
    tls_name: str | None = None
    path: str = ""
    accepted: bool = False

    @property
    def hop(self) -> Hop:
        """The hop that leads back along this flow, and once it is gone, to the same peer by a new one."""
        why = "the flow that it came on"
        return Hop(self.transport, self.remote, self.local, self.tls_name, why, self.path, self.accepted)


@value
class Target:
    """What is to be located by RFC 3263 §4: the URI's scheme, host, port and transport, `maddr` already applied.

    `host` is a domain name or an IP address without brackets. `secure` is whether the scheme is `sips`. For a response
    (RFC 3263 §5) it is the sent-by of the topmost Via with the transport that the Via names.
    """

    host: str
    port: int | None = None
    transport: Transport | None = None
    secure: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether `host` is an IP address, so that nothing needs to be looked up."""
        return is_numeric(self.host)

    def __str__(self) -> str:
        scheme = "sips" if self.secure else "sip"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        transport = "" if self.transport is None else f";transport={self.transport.value.lower()}"
        return f"{scheme}:{host}{port}{transport}"


def without_zone(host: str) -> str:
    """An address as others are told of it: in Via, Contact and descriptions there is no zone (RFC 3261 §25.1)."""
    return host.partition("%")[0]


def in_zone_of(local: SocketAddress, told: SocketAddress) -> SocketAddress:
    """An address that a peer has told: a link-local one is on the link that `local` is on (RFC 4007 §6), since nobody
    can tell a zone.
    """
    zone = local.host.partition("%")[2]
    if not zone or has_zone(told.host) or not told.is_ipv6 or not ipaddress.IPv6Address(told.host).is_link_local:
        return told
    return SocketAddress(f"{told.host}%{zone}", told.port)


def goes_over(to: Hop | Flow, flow: Flow) -> bool:
    """Whether what is sent to a prepared hop goes over `flow`: several connections may lead to one peer, each from a
    local address of its own. Datagrams come back whichever way the peer takes.
    """
    if to.transport is not flow.transport or to.remote != flow.remote:
        return False
    return to.local == flow.local or not flow.transport.reliable


def is_transport(name: str) -> bool:
    """Whether a URI's transport parameter names a transport that this side has."""
    return name.upper() in Transport.__members__


@lru_cache(MAX_KNOWN)
def is_numeric(host: str) -> bool:
    """Whether `host` is an IP address (one of IPv6 with a zone after `%` at most) and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(MAX_KNOWN)
def is_host_address(host: str) -> bool:
    """Whether an IP address may be a host's: it is neither the unspecified one (NOBODYS), nor of a group (RFC 5771, RFC
    4291 §2.7), nor broadcast (RFC 919 §7). Nobody is located at another one by what DNS, or a peer, says.
    """
    address = SocketAddress(host.partition("%")[0], 0).host
    return address not in (*NOBODYS, _BROADCAST) and not ipaddress.ip_address(address).is_multicast


def has_zone(host: str) -> bool:
    """Whether there is a zone after an address (RFC 4007 §11). It is the name of an interface of whoever wrote it and
    means nothing to anybody else (§6), so none is taken from peers or out of DNS.
    """
    return "%" in host


@lru_cache(MAX_KNOWN)
def _recommended(host: str) -> str:
    """An IPv6 address in its one spelling, with its zone as it is; a mapped one as IPv4; anything else unchanged."""
    address, percent, zone = host.partition("%")
    try:
        read = ipaddress.IPv6Address(address)
    except ValueError:
        return host
    return f"{read}{percent}{zone}" if read.ipv4_mapped is None else str(read.ipv4_mapped)
