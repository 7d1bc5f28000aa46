"""What may stand on the line of a site: boxes that change packets, or swallow them.

A box is an object of a class that the relay can import; it is handed over with its state before the first packet.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from tests.impairment import packet as ip
from tests.impairment.packet import Place

FRAGMENTED = 64
"""Datagrams whose fragments a translator remembers at once."""
FIRST_PORT = 40_000
"""Where a translator begins that gives ports of its own."""


class Box(Protocol):
    """Something on the line between a site and the rest. None for a packet that goes no further."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses that the box answers for, besides those of the site."""

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        """A packet that the site sends."""

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        """A packet for the site."""


@dataclass(slots=True)
class SizeFilter:
    """Drops what is larger than `limit` bytes, headers of IP included, and with `fragments` what is in parts."""

    limit: int = 65_535
    fragments: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        return None if len(packet) > self.limit or (self.fragments and ip.is_fragment(packet)) else packet

    inbound = outbound


@dataclass(slots=True)
class ContentFilter:
    """Drops what the site sends with `needle` in it: one message of an exchange that others depend on."""

    needle: bytes

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        return None if self.needle in packet else packet

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        return packet


@dataclass(slots=True)
class _Mapping:
    inside: Place
    outside: Place
    used: float
    peers: set[Place] = field(default_factory=set)


_MappingKey = tuple[int, Place]
"""Protocol and place: inside for the outbound table, outside for the inbound one."""


@dataclass(slots=True)
class Nat:
    """A translator of addresses and ports for UDP and TCP over IPv4 (RFC 4787). IPv6 passes, ICMP does not.

    The mapping of a place inside does not depend on the peer, and lets in only the peers that were sent to. With
    `preserves_ports` it keeps the port that is used inside, as long as no other place has it. It is forgotten when it
    was not used outbound for `lifetime` seconds.
    """

    public: str = "203.0.113.254"
    preserves_ports: bool = True
    lifetime: float = 30.0
    _by_inside: dict[_MappingKey, _Mapping] = field(default_factory=dict)
    _by_outside: dict[_MappingKey, _Mapping] = field(default_factory=dict)
    _fragments: OrderedDict[tuple[bytes, ...], Place] = field(default_factory=OrderedDict)
    _next_port: int = FIRST_PORT

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.public,)

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        places = ip.ports(packet)
        if places is None:
            known = self._of_first(packet)
            return ip.readdressed(packet, source=known) if known else self._other(packet)
        source, target = places
        mapping = self._mapping(packet[9], source, now)
        mapping.used = now
        mapping.peers.add(target)
        self._remember(packet, mapping.outside)
        return ip.readdressed(packet, source=mapping.outside)

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        places = ip.ports(packet)
        if places is None:
            known = self._of_first(packet)
            return ip.readdressed(packet, target=known) if known else self._other(packet)
        source, target = places
        mapping = self._by_outside.get((packet[9], target))
        if mapping is None or source not in mapping.peers or now > mapping.used + self.lifetime:
            return None
        self._remember(packet, mapping.inside)
        return ip.readdressed(packet, target=mapping.inside)

    @staticmethod
    def _other(packet: bytes) -> bytes | None:
        return None if ip.is_ipv4(packet) else packet

    def _mapping(self, protocol: int, inside: Place, now: float) -> _Mapping:
        mapping = self._by_inside.get((protocol, inside))
        if mapping is not None and now <= mapping.used + self.lifetime:
            return mapping
        if mapping is not None:
            del self._by_outside[protocol, mapping.outside]
        mapping = _Mapping(inside, self._free(protocol, inside.port), now)
        self._by_inside[protocol, inside] = self._by_outside[protocol, mapping.outside] = mapping
        return mapping

    def _free(self, protocol: int, wanted: int) -> Place:
        outside = Place.parse(self.public, wanted)
        while not self.preserves_ports or (protocol, outside) in self._by_outside:
            outside, self._next_port = Place.parse(self.public, self._next_port), self._next_port + 1
            if (protocol, outside) not in self._by_outside:
                break
        return outside

    def _of_first(self, packet: bytes) -> Place | None:
        """What the first fragment was rewritten to, which the later ones of the same datagram follow."""
        return self._fragments.get(ip.datagram(packet)) if ip.is_later_fragment(packet) else None

    def _remember(self, packet: bytes, place: Place) -> None:
        if ip.is_fragment(packet):
            self._fragments[ip.datagram(packet)] = place
            if len(self._fragments) > FRAGMENTED:
                self._fragments.popitem(last=False)
