"""Packets as a kernel makes them, for tests of what the relay does to them."""

import struct

from tests.impairment import packet as ip
from tests.impairment.packet import TCP, UDP, Place

ALICE = Place.parse("192.0.2.1", 5060)
BOB = Place.parse("198.51.100.1", 5060)
CAROL = Place.parse("198.51.100.2", 5060)


def udp(
    source: Place = ALICE, target: Place = BOB, data: bytes = b"hello", *, more: bool = False, summed: bool = True
) -> bytes:
    """A datagram over IPv4; with `more`, the first part of one."""
    segment = bytearray(struct.pack("!HHHH", source.port, target.port, 8 + len(data), 0) + data)
    if summed:
        struct.pack_into("!H", segment, 6, ip.checksum(pseudo(source, target, UDP, len(segment)) + segment) or 0xFFFF)
    return ipv4(source, target, UDP, bytes(segment), 0x2000 if more else 0)


def rest(source: Place = ALICE, target: Place = BOB, data: bytes = b"more") -> bytes:
    """A later part of a datagram that `udp` made with `more`."""
    return ipv4(source, target, UDP, data, 1)


def tcp(source: Place = ALICE, target: Place = BOB, data: bytes = b"") -> bytes:
    """A segment over IPv4."""
    segment = bytearray(struct.pack("!HHIIBBHHH", source.port, target.port, 1, 2, 5 << 4, 0x10, 1000, 0, 0) + data)
    struct.pack_into("!H", segment, 16, ip.checksum(pseudo(source, target, TCP, len(segment)) + segment))
    return ipv4(source, target, TCP, bytes(segment), 0)


def ipv4(source: Place, target: Place, protocol: int, segment: bytes, fragment: int = 0) -> bytes:
    """A packet of IPv4 around a segment."""
    fields = (0x45, 0, 20 + len(segment), 77, fragment, 64, protocol, 0, source.host, target.host)
    header = bytearray(struct.pack("!BBHHHBBH4s4s", *fields))
    struct.pack_into("!H", header, 10, ip.checksum(bytes(header)))
    return bytes(header) + segment


def ipv6(source: str, target: str, following: int = UDP, segment: bytes = b"") -> bytes:
    """A packet of IPv6 around a segment."""
    head = struct.pack("!IHBB", 6 << 28, len(segment), following, 64)
    return head + ip.packed(source) + ip.packed(target) + segment


def is_sound(packet: bytes) -> bool:
    """Whether the checksums of a whole packet of UDP or TCP over IPv4 are right."""
    places = ip.ports(packet)
    assert places is not None
    segment = packet[20:]
    unsummed = packet[9] == UDP and segment[6:8] == b"\0\0"
    whole = pseudo(*places, packet[9], len(segment)) + segment
    return ip.checksum(packet[:20]) == 0 and (unsummed or ip.checksum(whole) == 0)


def pseudo(source: Place, target: Place, protocol: int, length: int) -> bytes:
    """The header that a checksum of UDP or TCP covers besides the segment."""
    return source.host + target.host + struct.pack("!BBH", 0, protocol, length)
