"""The few facts of IP that lie on the relay's way: addresses, ports, fragments and checksums.

IPv4 (RFC 791) and IPv6 (RFC 8200, whose extension headers are not looked into but for the fragment's), with UDP
(RFC 768) and TCP (RFC 9293) in IPv4. Packets come from the kernel, so they are well formed.
"""

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

TCP = socket.IPPROTO_TCP
UDP = socket.IPPROTO_UDP
_FRAGMENT_HEADER = 44
_MORE_FRAGMENTS, _OFFSET = 0x2000, 0x1FFF


@dataclass(frozen=True, slots=True)
class Place:
    """An IPv4 address, packed, and a port of UDP or TCP."""

    host: bytes
    port: int

    @classmethod
    def parse(cls, host: str, port: int) -> "Place":
        return cls(packed(host), port)

    def __bytes__(self) -> bytes:
        return self.host + struct.pack("!H", self.port)

    def __str__(self) -> str:
        return f"{ip_address(self.host)}:{self.port}"


def packed(host: str) -> bytes:
    """An address of either family as packets have it."""
    return ip_address(host).packed


def is_ipv4(packet: bytes) -> bool:
    return packet[0] >> 4 == 4


def destination(packet: bytes) -> bytes:
    """The address that a packet is for."""
    return packet[16:20] if is_ipv4(packet) else packet[24:40]


def is_fragment(packet: bytes) -> bool:
    """Whether a packet is a part of a larger one."""
    return is_later_fragment(packet) or (
        bool(_flags(packet) & _MORE_FRAGMENTS) if is_ipv4(packet) else packet[6] == _FRAGMENT_HEADER
    )


def is_later_fragment(packet: bytes) -> bool:
    """Whether a packet of IPv4 is a part without the ports, which stand in the first."""
    return is_ipv4(packet) and bool(_flags(packet) & _OFFSET)


def ports(packet: bytes) -> tuple[Place, Place] | None:
    """Who sent a packet of UDP or TCP over IPv4, and for whom; None for what has no ports in it."""
    if not is_ipv4(packet) or packet[9] not in (TCP, UDP) or is_later_fragment(packet):
        return None
    source, target = struct.unpack_from("!HH", packet, _header(packet))
    return Place(packet[12:16], source), Place(packet[16:20], target)


def datagram(packet: bytes) -> tuple[bytes, ...]:
    """What the fragments of one datagram of IPv4 have in common: addresses, protocol, identification."""
    return packet[12:16], packet[16:20], packet[9:10], packet[4:6]


def readdressed(packet: bytes, *, source: Place | None = None, target: Place | None = None) -> bytes:
    """A packet of UDP or TCP over IPv4 with another source or destination, and checksums to match (RFC 1624)."""
    header, has_ports = _header(packet), not is_later_fragment(packet)
    changed = bytearray(packet)
    for place, host_at, port_at in ((source, 12, header), (target, 16, header + 2)):
        if place is not None:
            changed[host_at : host_at + 4] = place.host
            if has_ports:
                struct.pack_into("!H", changed, port_at, place.port)
    hosts = _sum(changed[12:20]) - _sum(packet[12:20])
    _adjust(changed, 10, hosts)
    if not has_ports:
        return bytes(changed)
    both = hosts + _sum(changed[header : header + 4]) - _sum(packet[header : header + 4])
    if packet[9] == TCP:
        _adjust(changed, header + 16, both)
    elif packet[header + 6 : header + 8] != b"\0\0":  # zero: the sender made no checksum
        _adjust(changed, header + 6, both)
        if changed[header + 6 : header + 8] == b"\0\0":
            changed[header + 6 : header + 8] = b"\xff\xff"
    return bytes(changed)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 over data that has its right one in it."""
    return ~_folded(_sum(data + b"\0" * (len(data) % 2))) & 0xFFFF


def _flags(packet: bytes) -> int:
    return packet[6] << 8 | packet[7]


def _header(packet: bytes) -> int:
    return 4 * (packet[0] & 15)


def _sum(data: bytes | bytearray) -> int:
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def _folded(total: int) -> int:
    return total % 0xFFFF or (0xFFFF if total else 0)


def _adjust(packet: bytearray, at: int, difference: int) -> None:
    (old,) = struct.unpack_from("!H", packet, at)
    struct.pack_into("!H", packet, at, ~_folded((~old & 0xFFFF) + difference) & 0xFFFF)
