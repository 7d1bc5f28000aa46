"""Recorded messages as IP packets again, for captures: what was on the wire, but for what TLS hid.

Messages over UDP become the datagrams that they were. Those over connections become TCP segments that are made up: an
opening handshake where the connection is first met, and the messages in order, acknowledged as they come. What went
through TLS or a WebSocket stands there in the clear, under the port of plain SIP, since programs that read captures
take the real ports for TLS and HTTP; a comment tells the real one. Where the bytes of a TLS connection were kept, they
stand there instead, as they were, in segments that are made up as well.
"""

import ipaddress
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from probes.report.safe_text import cover_lines
from sipcore.resolve.target import DEFAULT_PORT, Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace, TraceRecord, WireTrace
from sipcore.value import value

UDP, TCP = 17, 6
"""Protocol numbers (RFC 768, RFC 9293 §3.1)."""
MAX_SEGMENT = 65_000
"""Bytes of a message in one TCP segment, so that the packet stays below the 65,535 of its length field."""
HOPS = 64
"""The time to live that packets are given; the real one is not known."""
SYN, PSH, ACK = 0x02, 0x08, 0x10
WINDOW = 65_535
HANDSHAKE_GAP = 1e-6
"""Seconds between the made-up packets that open a connection."""


_covered_key = re.compile(rb"(\na=crypto:[0-9]{1,9} [A-Z0-9_]{1,64} inline:)(\*+)").sub


@value
class Packet:
    """An IP packet: seconds on the monotonic clock, its bytes, and what a reader should know of it."""

    at: float
    data: bytes
    comment: str = ""


def packets(records: Iterable[TraceRecord], wire: Sequence[WireTrace] = ()) -> list[Packet]:
    """The packets of all messages among `records`, in their order, credentials and keys covered.

    `wire` are the datagrams of media, as they were, and what was kept of TLS connections: a message that went over one
    of those is not there in the clear.
    """
    hidden = {_Ends(each.flow.local, each.flow.remote) for each in wire if each.flow.transport.secure}
    clear = _of_messages(records, hidden)
    if not wire:
        return list(clear)
    return sorted([*clear, *_of_wire(wire)], key=lambda packet: packet.at)


def _of_wire(wire: Iterable[WireTrace]) -> Iterator[Packet]:
    """Datagrams, and the bytes of TLS. Those of other connections hold credentials that nobody has covered."""
    connections: dict[Flow, _Connection] = {}
    for record in wire:
        sent = record.direction is Direction.SENT
        ends = _Ends(record.flow.local, record.flow.remote)
        if record.flow.transport is Transport.UDP:
            yield Packet(record.at, ends.datagram(record.data, sent=sent))
        elif record.flow.transport.secure:
            connection, comment = connections.get(record.flow), ""
            if connection is None:
                connection, comment = connections.setdefault(record.flow, _Connection(ends)), _reading(record.flow)
                yield from connection.open(record.at, here=_opened_here(record.flow))
            yield from connection.carry(record.at, record.data, sent=sent, comment=comment)


def _of_messages(records: Iterable[TraceRecord], hidden: "set[_Ends]") -> Iterator[Packet]:
    connections: dict[_Ends, _Connection] = {}
    for record in records:
        if not isinstance(record, MessageTrace):
            continue
        if record.flow.transport.secure and _Ends(record.flow.local, record.flow.remote) in hidden:
            continue
        data = capturable(record.data)
        sent = record.direction is Direction.SENT
        if record.flow.transport is Transport.UDP:
            ends = _Ends(record.flow.local, record.flow.remote)
            yield Packet(record.at, ends.datagram(data, sent=sent), _comment(record))
            continue
        ends = _plain_ends(record.flow)
        if ends.turned in connections:  # what is told by neither end, out of a capture, has a flow for each direction
            ends, sent = ends.turned, not sent
        connection = connections.get(ends)
        if connection is None:
            connection = connections[ends] = _Connection(ends)
            yield from connection.open(record.at, here=_opened_here(record.flow))
        yield from connection.carry(record.at, data, sent=sent, comment=_comment(record))


def capturable(data: bytes) -> bytes:
    """A covered message as captures and collectors take it: in the place of a key for SRTP stands one of all zeros.

    Readers decode what is called a key, and take a message for malformed in which they cannot.
    """
    return _covered_key(lambda found: found[1] + b"A" * len(found[2]), covered(data))


def covered(data: bytes) -> bytes:
    """A message with its credentials and media keys covered, each character by another, so that lengths stay."""
    text = data.decode("utf-8", "surrogateescape")
    return cover_lines(text).encode("utf-8", "surrogateescape")


def _plain_ends(flow: Flow) -> "_Ends":
    """Both ends of a connection; the served port is that of plain SIP where it would be taken for something else."""
    local, remote = flow.local, flow.remote
    if flow.transport is Transport.TCP:
        return _Ends(local, remote)
    if _opened_here(flow):
        return _Ends(local, SocketAddress(remote.host, DEFAULT_PORT))
    return _Ends(SocketAddress(local.host, DEFAULT_PORT), remote)


def _opened_here(flow: Flow) -> bool:
    """Whether this end opened the connection: whose port is the higher one, as those are that a kernel chooses."""
    return flow.local.port >= flow.remote.port


def _reading(flow: Flow) -> str:
    """How to have Wireshark look into TLS, whose port alone tells it that SIP is in there; empty where it does."""
    port = _served(flow).port
    if flow.transport is not Transport.TLS or port == Transport.TLS.default_port:
        return ""
    return f"SIP is in it: Decode As, TLS port {port}, SIP (tshark -d tls.port=={port},sip)"


def _served(flow: Flow) -> SocketAddress:
    """Which end of a connection was connected to."""
    return flow.remote if _opened_here(flow) else flow.local


def _comment(record: MessageTrace) -> str:
    told = []
    if record.flow.transport not in (Transport.UDP, Transport.TCP):
        served = _served(record.flow)
        told.append(f"{record.flow.transport.value}, port {served.port} on the wire, shown in the clear")
    if record.attempt:
        told.append(f"retransmission {record.attempt}")
    return "; ".join(told)


@dataclass(slots=True)
class _Connection:
    """A TCP connection as it is told: how many bytes each end has sent."""

    ends: "_Ends"
    sent: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def open(self, at: float, *, here: bool) -> Iterator[Packet]:
        """The three packets of RFC 9293 §3.5, just before the first message; `here` tells which end begins."""
        for number, (sent, flags) in enumerate(((here, SYN), (not here, SYN | ACK), (here, ACK))):
            yield Packet(at - (3 - number) * HANDSHAKE_GAP, self._segment(b"", flags, sent=sent))
            if flags & SYN:
                self.sent[sent] += 1

    def carry(self, at: float, data: bytes, *, sent: bool, comment: str) -> Iterator[Packet]:
        """The segments of one message."""
        for begin in range(0, len(data), MAX_SEGMENT):
            piece = data[begin : begin + MAX_SEGMENT]
            yield Packet(at, self._segment(piece, PSH | ACK, sent=sent), comment)
            self.sent[sent] += len(piece)

    def _segment(self, data: bytes, flags: int, *, sent: bool) -> bytes:
        """A TCP segment without options (RFC 9293 §3.1) in its packet."""
        source, destination = self.ends.ports(sent=sent)
        acknowledged = self.sent[not sent] if flags & ACK else 0
        head = struct.pack(
            "!HHIIBBHHH",
            source,
            destination,
            self.sent[sent] % 2**32,
            acknowledged % 2**32,
            5 << 4,
            flags,
            WINDOW,
            0,
            0,
        )
        return self.ends.packet(TCP, head + data, 16, sent=sent)


@value
class _Ends:
    """Two ends of a conversation, this one first."""

    local: SocketAddress
    remote: SocketAddress

    @property
    def turned(self) -> "_Ends":
        """The same as the other end has it."""
        return _Ends(self.remote, self.local)

    def ports(self, *, sent: bool) -> tuple[int, int]:
        """Source and destination port."""
        return (self.local.port, self.remote.port) if sent else (self.remote.port, self.local.port)

    def datagram(self, data: bytes, *, sent: bool) -> bytes:
        """A UDP datagram (RFC 768) in its packet."""
        return self.packet(UDP, struct.pack("!HHHH", *self.ports(sent=sent), 8 + len(data), 0) + data, 6, sent=sent)

    def packet(self, protocol: int, content: bytes, checksum_at: int, *, sent: bool) -> bytes:
        """An IP packet (RFC 791, RFC 8200) around `content`, whose checksum is filled in."""
        hosts = (self.local.host, self.remote.host) if sent else (self.remote.host, self.local.host)
        source, destination = (ipaddress.ip_address(host.partition("%")[0]) for host in hosts)
        pseudo = source.packed + destination.packed
        if source.version == 4:
            pseudo += struct.pack("!BBH", 0, protocol, len(content))
        else:
            pseudo += struct.pack("!IHBB", len(content), 0, 0, protocol)
        checksum = struct.pack("!H", _checksum(pseudo + content) or 0xFFFF)
        content = content[:checksum_at] + checksum + content[checksum_at + 2 :]
        if source.version == 6:
            return struct.pack("!IHBB", 6 << 28, len(content), protocol, HOPS) + pseudo[:32] + content
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 0, 0x4000, HOPS, protocol, 0) + pseudo[:8]
        return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + content


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
