"""Which addresses a trunk's calls may come from. Whatever cannot be read lets nobody in."""

import ipaddress
from collections.abc import Iterable, Iterator

from probes.trunks.problem import Problem, error, warning
from sipcore.errors import quoted

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LEAST_PREFIX = {4: 16, 6: 32}
"""Bits of a block, by the version of IP: one with fewer is larger than any carrier's."""
_GIVE = "give an address, or a block such as 192.0.2.0/28"


def admits(allowed: Iterable[str], source: str) -> bool:
    """Whether a call from an address is let in by a list: by none that is empty, or whose entries are none."""
    try:
        address = _plain(ipaddress.ip_address(source))
    except ValueError:
        return False
    return any(address in network for network in networks(allowed))


def networks(allowed: Iterable[str]) -> tuple[Network, ...]:
    """The blocks of a list, without what is none."""
    read = (_read(each) for each in allowed)
    return tuple(found for found in read if not isinstance(found, str))


def admission_problems(allowed: tuple[str, ...], field: str) -> Iterator[Problem]:
    """What is odd about a list."""
    seen: list[tuple[str, Network]] = []
    for number, each in enumerate(allowed):
        place = f"{field}.{number}"
        found = _read(each)
        if isinstance(found, str):
            yield error("allowed-address", place, f"{quoted(each[:64])} {found}", _cure(each))
            continue
        if not found.prefixlen:
            yield error("allowed-any", place, f"{each} is every address there is", _GIVE)
        elif found.network_address.is_multicast or found.network_address.is_unspecified:
            yield error("allowed-address", place, f"{each} is nobody's address", _GIVE)
        elif found.prefixlen < LEAST_PREFIX[found.version]:
            cause = f"{each} has {found.num_addresses:,} addresses"
            yield warning("allowed-wide", place, cause, "give the blocks that their SBCs are in")
        for other, network in seen:
            if network.version == found.version and found.overlaps(network):
                yield warning("allowed-twice", place, f"{each} overlaps with {other}", "leave one of them out")
                break
        seen.append((each, found))


def _read(text: str) -> Network | str:
    """A block of addresses, or what is wrong with a text that is none."""
    address, slash, prefix = text.partition("/")
    if slash and not (prefix.isascii() and prefix.isdigit()):
        return "has no length of its prefix behind the slash"
    if "%" in address:
        return "has a zone, which means something on one machine only"
    try:
        network = ipaddress.ip_network(text, strict=False)
        own = ipaddress.ip_address(address)
    except ValueError:
        return "is no IP address, nor a block of them"
    if own != network.network_address:
        return f"has bits beyond its prefix of {network.prefixlen}"
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        return "is an IPv4 address as IPv6 carries it"
    return network


def _cure(text: str) -> str:
    """What to write in place of what cannot be read."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        is_name = not text.replace("/", "").replace(".", "").isdigit() and ":" not in text
        more = "; a name would be compared with what the caller writes himself" if is_name else ""
        return _GIVE + more
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None:
        return f"give {mapped}" + (f"/{network.prefixlen - 96}" if 96 <= network.prefixlen < 128 else "")
    if "%" in text:
        return _GIVE
    address = text.partition("/")[0]
    return f"give {network} for the block" + (f", or {address}" if address != str(network) else "")


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address as such, also where a socket for both families shows it as one of IPv6."""
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
