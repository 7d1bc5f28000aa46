"""Which addresses this host may be made to talk to by somebody who is not its operator: a caller of an API, a peer.

policy = ReachPolicy.of(allow=["10.0.0.0/8"])
policy.refusal(SocketAddress("10.1.2.3", 5060))     # "": it may be reached
policy.refusal(SocketAddress("127.0.0.1", 5060))    # "it is loopback"

What is judged is the address that is about to be sent or connected to, whatever led there: a name may lead elsewhere
the next time that it is looked up. The tables are those of IANA for special purposes (RFC 6890) as of now, and not
those of the Python that runs this. Of IPv6 only what is global unicast today may be reached, 2000::/3 (RFC 4291 §2.4),
less what has a special purpose in it.
"""

import ipaddress
from collections.abc import Iterable
from typing import Self

from sipcore.errors import LocalError, quoted
from sipcore.resolve.target import SocketAddress, has_zone, is_host_address, without_zone
from sipcore.transports.base import Refusal
from sipcore.value import value

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _table(rows: dict[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(block), what) for block, what in rows.items())


_V4 = _table(
    {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared (RFC 6598), where Alibaba has its metadata",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "the host below a machine of Azure",
        "169.254.0.0/16": "link-local, where clouds have their metadata",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "for protocols (RFC 6890), where Oracle has its metadata",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }
)
_V6 = _table(
    {
        "::/128": "unspecified",
        "::1/128": "loopback",
        "fc00::/7": "private, where clouds have their metadata",
        "fe80::/10": "link-local",
        "fec0::/10": "site-local",
        "ff00::/8": "multicast",
        "64:ff9b:1::/48": "translated to IPv4 by a local prefix (RFC 8215)",
        "2001::/23": "for protocols (RFC 6890)",
        "2001:db8::/32": "for documentation",
        "3fff::/20": "for documentation",
    }
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LEADING = (_NAT64, ipaddress.IPv6Network("2002::/16"))
"""Networks of IPv6 that lead to IPv4: whatever may be reached there may be reached so, too."""
_CARRYING = (_NAT64, ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"))
"""Networks whose last 32 bits are an IPv4 address: NAT64, and two that are not in use any more (RFC 4291 §2.5.5.1, RFC
2765 §2.1), which are refused unless somebody allows them."""
_SECTION = "RFC 6890 §2"


@value
class ReachPolicy:
    """Public addresses may be reached, and what the operator of this host allows besides, less what he refuses.

    A network that is refused is so whatever is allowed. What no host has, addresses of groups, broadcast and the
    unspecified one, is never reached.
    """

    allow: tuple[Network, ...] = ()
    """Networks that may be reached although they are not public."""
    refuse: tuple[Network, ...] = ()
    """Networks that may not be reached although they are."""
    own_ports: frozenset[int] = frozenset()
    """Ports at which this program serves others itself: they are not reached at an address of this machine, even one
    that is allowed."""

    @classmethod
    def of(cls, allow: Iterable[str] = (), refuse: Iterable[str] = (), own_ports: Iterable[int] = ()) -> Self:
        """A policy from networks as text: `10.0.0.0/8`, `2001:db8::/32`, or one address. Raises LocalError."""
        return cls(tuple(map(network, allow)), tuple(map(network, refuse)), frozenset(own_ports))

    def refusal(self, remote: SocketAddress, is_own: bool = False) -> str:  # as transports call it
        """Why an address is not reached, as in `it is private`; empty for one that may be.

        `is_own` is whether it is known to be an address of this machine. An IPv6 address that leads to an IPv4 address
        is judged by that: mapped (RFC 4291 §2.5.5.2), 6to4 (RFC 3056), or by the prefix of NAT64 (RFC 6052 §2.1).
        """
        try:
            address = ipaddress.ip_address(without_zone(remote.host))
        except ValueError:
            return "it is no IP address"
        why = self._why(address, remote.port, is_own=is_own)
        if not why and has_zone(remote.host) and not _is_in(address, self.allow):
            return "it has a zone, so it is link-local"
        return why

    def _why(self, address: _Address, port: int, *, is_own: bool) -> str:
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if (is_own or address.is_loopback) and port in self.own_ports:
            return "this program itself serves there"
        if _is_in(address, self.refuse):
            return "the operator of this host refuses its network"
        carried = _carried(address)
        if carried is not None:
            why = self._why(carried, port, is_own=is_own)
            if why or any(address in block for block in _LEADING):
                return why
        if not is_host_address(str(address)):
            return _special(address) or "it is no host's"
        if _is_in(address, self.allow):
            return ""
        return _special(address) or ("it is an address of this machine" if is_own else "")


PUBLIC = ReachPolicy()
"""Public addresses, and nothing else."""


def refusal_of(policy: ReachPolicy | None) -> Refusal | None:
    """What transports ask before they reach an address; None without a policy, which lets all of them be reached."""
    return policy.refusal if policy is not None else None


def network(text: str) -> Network:
    """A network, or one address, as an operator writes it. Raises LocalError for what is none."""
    try:
        read = ipaddress.ip_network(text, strict=False)
    except ValueError:
        hint = "write it as 10.0.0.0/8 or 2001:db8::/32"
        raise LocalError(f"{quoted(text)} is no network: {hint}", section=_SECTION) from None
    written = text.partition("/")[0]
    if isinstance(read, ipaddress.IPv6Network) and (
        "%" in written or (read.overlaps(_MAPPED) and read.prefixlen >= 96)
    ):
        hint = "write IPv4 networks as such, and none with a zone"
        raise LocalError(f"{quoted(text)} matches no address that is judged: {hint}", section=_SECTION)
    if ipaddress.ip_address(written) != read.network_address:
        hint = f"write {read}, or {written} for the one address"
        raise LocalError(f"{quoted(text)} has bits set behind its prefix: {hint}", section=_SECTION)
    return read


def _carried(address: _Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address in an IPv6 address, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in block for block in _CARRYING) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _special(address: _Address) -> str:
    """Why an address is not public; empty where it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return _named_in(address, _V4)
    return _named_in(address, _V6) or ("" if address in _GLOBAL_UNICAST else "it is not global")


def _named_in(address: _Address, table: tuple[tuple[Network, str], ...]) -> str:
    return next((f"it is {what}" for block, what in table if address in block), "")


def _is_in(address: _Address, networks: tuple[Network, ...]) -> bool:
    return any(address in block for block in networks)
