"""From captured packets to what applications sent: datagrams, and the bytes of connections in their order.

Link layers (https://www.tcpdump.org/linktypes.html), IPv4 (RFC 791) and IPv6 (RFC 8200) with their fragments, UDP
(RFC 768) and TCP (RFC 9293). What is cut off, or lacks a fragment, is left out. Everything kept for later has a limit.
"""

import ipaddress
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from probes.capture.files import CapturedPacket
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.value import value

MAX_FRAGMENTED = 1024
"""Packets that wait for fragments; beyond it the oldest is given up."""
MAX_CONNECTIONS = 65_536
"""Directions of connections that are followed; beyond it the oldest is forgotten."""
MAX_TUNNELS = 4
"""Tunnels in one another that are looked into."""
MAX_AHEAD = 256
"""Segments that wait for one which was sent before them; beyond it that one counts as not captured."""
MAX_WAIT_NS = 3 * 10**9
"""The same by time: what was lost on the way is sent again by then (RFC 6298 §2), and what is not was not captured."""
READ_LINKS = frozenset({0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276})
"""The kinds of link layers that are read here (LINKTYPE_…)."""
_ETHERTYPES = frozenset({0x0800, 0x86DD})
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
"""EtherTypes of VLAN tags, behind which the next one stands (IEEE 802.1Q)."""
_PPPOE, _MPLS = 0x8864, 0x8847
_PPP_HEAD = b"\xff\x03"
_PPP = {0x0021: 0x0800, 0x0057: 0x86DD}
_VERSIONS = {4: 0x0800, 6: 0x86DD}
"""EtherTypes by the protocols of PPP (RFC 1332, RFC 5072), and by the version in the packet itself."""
_UDP, _TCP, _GRE = 17, 6, 47
_IN_IP = frozenset({4, 41})
"""Protocols that are IP itself (RFC 2003, RFC 4213 §3)."""
_BRIDGED, _ERSPAN = 0x6558, 0x88BE
"""What GRE says of Ethernet frames in it; the latter is how switches send what they mirror."""
_VXLAN_PORT, _VXLAN = (4789).to_bytes(2), b"\x08\0\0\0"
"""RFC 7348 §5: where VXLAN goes, and how it begins; clouds send so what they mirror."""
_EXTENSIONS = frozenset({0, 43, 60})
"""Extension headers of IPv6 that are skipped: hop-by-hop, routing, destination (RFC 8200 §4.1)."""
_FRAGMENT = 44
_SYN = 0x02
Way = tuple[SocketAddress, SocketAddress]
"""From where to where."""


@value
class Missed:
    """What of a capture nobody can read: how many packets are `cut` off, by the length that whoever captured them
    allowed for (`snaplen`), and of the others how many have a link layer that is not read here, by its kind.
    """

    cut: int = 0
    links: tuple[tuple[int, int], ...] = ()


@value
class Datagram:
    """What one UDP datagram carried, or one message of a WebSocket, as `transport` tells."""

    at_ns: int
    source: SocketAddress
    destination: SocketAddress
    data: bytes
    transport: Transport = Transport.UDP


@value
class Segment:
    """The next bytes of one direction of a connection, the first ones where it `begins` with them. With `gap`, bytes
    before them were not captured. `transport` tells what they were taken out of.
    """

    at_ns: int
    source: SocketAddress
    destination: SocketAddress
    data: bytes
    gap: bool = False
    begins: bool = False
    transport: Transport = Transport.TCP


def missed(packets: Iterable[CapturedPacket]) -> Missed:
    """What nobody can read of them."""
    cut, links = 0, Counter[int]()
    for packet in packets:
        if packet.omitted:
            cut += 1
        elif packet.link not in READ_LINKS:
            links[packet.link] += 1
    return Missed(cut, tuple(sorted(links.items())))


def read_payloads(packets: Iterable[CapturedPacket]) -> Iterator[Datagram | Segment]:
    """What applications sent, in the order of capture."""
    fragments, connections = _Fragments(), _Connections()
    for packet in packets:
        found = _innermost(packet, fragments)
        if found is None:
            continue
        protocol, source, destination, payload = found
        if protocol == _UDP and len(payload) >= 8:
            ports = struct.unpack_from("!HHH", payload)
            yield Datagram(
                packet.at_ns,
                SocketAddress(source, ports[0]),
                SocketAddress(destination, ports[1]),
                payload[8 : max(ports[2], 8)],
            )
        elif protocol == _TCP and len(payload) >= 20:
            yield from connections.take(packet.at_ns, source, destination, payload)
    yield from connections.finish()


def _innermost(packet: CapturedPacket, fragments: "_Fragments") -> "_Packet | None":
    """The IP packet in a captured one, out of all tunnels; None where there is none yet, or it cannot be read."""
    content, found = _network_layer(packet), None
    for _ in range(MAX_TUNNELS + 1):
        found = fragments.take(content)
        content = _tunnelled(found) if found is not None else b""
        if not content:
            break
    return found


def _tunnelled(packet: "_Packet") -> bytes:
    """The IP packet that another one carries; empty where it carries none."""
    protocol, _, _, data = packet
    if protocol in _IN_IP:
        return data
    if protocol == _UDP and data[2:4] == _VXLAN_PORT and data[8:12] == _VXLAN:
        return _in_frame(data, 16)
    if protocol != _GRE or len(data) < 4 or data[0] & 0x40 or data[1] & 7:  # routed, or another version
        return b""
    # RFC 2784 §2.1, RFC 2890 §2: a checksum, a key and a number, each where its bit is set.
    at = 4 + 4 * sum(bool(data[0] & bit) for bit in (0x80, 0x20, 0x10))
    kind = int.from_bytes(data[2:4])
    if kind == _ERSPAN:  # without a number, it has no header of its own
        return _in_frame(data, at + 8 * bool(data[0] & 0x10))
    return _in_frame(data, at) if kind == _BRIDGED else _behind(kind, data, at)


def _in_frame(data: bytes, at: int) -> bytes:
    """The IP packet in the Ethernet frame at a place; empty where there is none."""
    return _behind(int.from_bytes(data[at + 12 : at + 14]), data, at + 14)


def _network_layer(packet: CapturedPacket) -> bytes:
    """The IP packet in a captured one; empty where there is none."""
    data = packet.data
    match packet.link:
        case 0 | 108:  # NULL, LOOP: the address family, in an order that does not matter here
            return data[4:]
        case 12 | 14 | 101 | 228 | 229:  # RAW, as some systems number it too, and IP alone
            return data
        case 1:
            return _in_frame(data, 0)
        case 9 | 50:  # PPP, alone or as in HDLC: with address and control (RFC 1662 §3.1), or without
            at = 2 if data[:2] == _PPP_HEAD else 0
            return _behind(_PPP.get(int.from_bytes(data[at : at + 2]), 0), data, at + 2)
        case 51:
            return _behind(_PPPOE, data, 0)
        case 113:
            return _behind(int.from_bytes(data[14:16]), data, 16)
        case 276:
            return _behind(int.from_bytes(data[0:2]), data, 20)
    return b""


def _behind(kind: int, data: bytes, at: int) -> bytes:
    """The IP packet in what an EtherType of that `kind` announces at a place; empty where there is none."""
    while at < len(data):
        if kind in _ETHERTYPES:
            return data[at:]
        if kind in _TAGS:
            kind, at = int.from_bytes(data[at + 2 : at + 4]), at + 4
        elif kind == _PPPOE:  # a header of six bytes, and the protocol of PPP (RFC 2516 §4, RFC 1661 §2)
            kind, at = _PPP.get(int.from_bytes(data[at + 6 : at + 8]), 0), at + 8
        elif kind == _MPLS:  # RFC 3032 §2.1: labels of four bytes, of which the last one is marked
            while at + 4 <= len(data) and not data[at + 2] & 1:
                at += 4
            at += 4
            kind = _VERSIONS.get(data[at] >> 4, 0) if at < len(data) else 0
        else:
            return b""
    return b""


_Packet = tuple[int, str, str, bytes]
"""Protocol, source and destination host, and content of an IP packet."""


@dataclass(slots=True)
class _Pieces:
    """The fragments of one packet so far, by their offset; `size` is known once the last has come."""

    parts: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None
    protocol: int = 0

    def whole(self) -> bytes | None:
        """The content, once nothing lacks of it."""
        content = bytearray()
        for offset in sorted(self.parts):
            if offset > len(content):
                return None
            content[offset : offset + len(self.parts[offset])] = self.parts[offset]
        return bytes(content) if self.size is not None and len(content) >= self.size else None


class _Fragments:
    """Puts fragmented packets together (RFC 791 §3.2, RFC 8200 §4.5)."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[object, ...], _Pieces] = {}

    def take(self, data: bytes) -> _Packet | None:
        """The packet that is whole with `data`; None where there is none yet, or it cannot be read."""
        if len(data) >= 20 and data[0] >> 4 == 4:
            return self._take_v4(data)
        if len(data) >= 40 and data[0] >> 4 == 6:
            return self._take_v6(data)
        return None

    def _take_v4(self, data: bytes) -> _Packet | None:
        head = (data[0] & 15) * 4
        # The length is 0 where the network card was to cut the packet into segments.
        length = int.from_bytes(data[2:4]) or len(data)
        if head < 20 or length < head or length > len(data):
            return None
        source, destination = (str(ipaddress.IPv4Address(data[at : at + 4])) for at in (12, 16))
        flags = int.from_bytes(data[6:8])
        offset, more = (flags & 0x1FFF) * 8, bool(flags & 0x2000)
        content = data[head:length]
        if not offset and not more:
            return data[9], source, destination, content
        key = (source, destination, data[9], data[4:6])
        return self._piece(key, data[9], offset, content, more=more, hosts=(source, destination))

    def _take_v6(self, data: bytes) -> _Packet | None:
        source, destination = (str(ipaddress.IPv6Address(data[at : at + 16])) for at in (8, 24))
        kind, at = data[6], 40
        end = 40 + int.from_bytes(data[4:6]) if data[4:6] != b"\0\0" else len(data)
        if end > len(data):
            return None
        while kind in _EXTENSIONS and at + 8 <= end:
            kind, at = data[at], at + 8 + data[at + 1] * 8
        if kind != _FRAGMENT:
            return kind, source, destination, data[at:end]
        if at + 8 > end:
            return None
        flags = int.from_bytes(data[at + 2 : at + 4])
        key = (source, destination, data[at + 4 : at + 8])
        content = data[at + 8 : end]
        return self._piece(key, data[at], flags & 0xFFF8, content, more=bool(flags & 1), hosts=(source, destination))

    def _piece(
        self, key: tuple[object, ...], protocol: int, offset: int, content: bytes, *, more: bool, hosts: tuple[str, str]
    ) -> _Packet | None:
        pieces = self._waiting.get(key)
        if pieces is None:
            if len(self._waiting) >= MAX_FRAGMENTED:
                del self._waiting[next(iter(self._waiting))]
            pieces = self._waiting[key] = _Pieces(protocol=protocol)
        pieces.parts[offset] = content
        if not more:
            pieces.size = offset + len(content)
        whole = pieces.whole()
        if whole is None:
            return None
        del self._waiting[key]
        return pieces.protocol, *hosts, whole


@dataclass(slots=True)
class _Direction:
    """One direction of a connection: the sequence number that is next, and what came before its turn."""

    following: int
    first: int | None = None
    """The sequence number of the first byte, which the SYN told."""
    begins: bool = False
    """Whether that byte is still to come."""
    ahead: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """By their sequence numbers: when they came, in nanoseconds, and what they are."""

    @property
    def since_ns(self) -> int:
        """Since when something waits."""
        return min(came_ns for came_ns, _ in self.ahead.values())


class _Connections:
    """Puts the segments of connections into their order (RFC 9293 §3.4); what was sent again is taken once."""

    def __init__(self) -> None:
        self._directions: dict[Way, _Direction] = {}

    def take(self, at_ns: int, source_host: str, destination_host: str, payload: bytes) -> Iterator[Segment]:
        """The bytes whose turn it is with this segment."""
        source_port, destination_port, sequence = struct.unpack_from("!HHI", payload)
        head, flags = (payload[12] >> 4) * 4, payload[13]
        data = payload[head:] if head >= 20 else b""
        source, destination = SocketAddress(source_host, source_port), SocketAddress(destination_host, destination_port)
        key = (source, destination)
        if flags & _SYN:
            self._open(key, (sequence + 1) % 2**32)
            return
        if not data:
            return
        direction = self._directions.get(key) or self._follow(key, sequence)
        direction.ahead.setdefault(sequence, (at_ns, data))
        yield from self._in_order(key, direction, at_ns)
        while direction.ahead and (len(direction.ahead) > MAX_AHEAD or at_ns - direction.since_ns > MAX_WAIT_NS):
            yield from self._skip(key, direction)

    def finish(self) -> Iterator[Segment]:
        """Where something still waits, what was sent before it was not captured."""
        for key, direction in self._directions.items():
            while direction.ahead:
                yield from self._skip(key, direction)

    def _in_order(self, key: Way, direction: _Direction, at_ns: int, *, gap: bool = False) -> Iterator[Segment]:
        """What has its turn, at that time or when it came, whichever is later."""
        while (piece := self._next_piece(direction)) is not None:
            came_ns, data = piece
            at_ns = max(at_ns, came_ns)
            yield Segment(at_ns, *key, data, gap, direction.begins)
            gap = direction.begins = False

    def _skip(self, key: Way, direction: _Direction) -> Iterator[Segment]:
        """Go on behind what was not captured."""
        direction.following = min(direction.ahead, key=lambda at: (at - direction.following) % 2**32)
        return self._in_order(key, direction, direction.ahead[direction.following][0], gap=True)

    def _open(self, key: Way, first: int) -> None:
        """Begin anew with a SYN, unless it is that of this connection, sent or captured again."""
        known = self._directions.get(key)
        if known is None or known.first != first:
            direction = self._follow(key, first)
            direction.first, direction.begins = first, True

    def _follow(self, key: Way, sequence: int) -> _Direction:
        if len(self._directions) >= MAX_CONNECTIONS and key not in self._directions:
            del self._directions[next(iter(self._directions))]
        direction = self._directions[key] = _Direction(sequence)
        return direction

    @staticmethod
    def _next_piece(direction: _Direction) -> tuple[int, bytes] | None:
        """The bytes at `following`, without those that were there before; None while they lack."""
        for sequence in sorted(direction.ahead, key=lambda at: (direction.following - at) % 2**32):
            behind = (direction.following - sequence) % 2**32
            if behind > 2**31:
                return None
            came_ns, data = direction.ahead.pop(sequence)
            if behind < len(data):
                direction.following = (sequence + len(data)) % 2**32
                return came_ns, data[behind:]
        return None
