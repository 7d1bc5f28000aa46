"""RTCP packets: RFC 3550 §6. Reports, descriptions and goodbyes are read; other types are kept as they came."""

import struct
from collections.abc import Sequence
from enum import IntEnum

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LocalError, ParseError
from sipcore.media.reception import ReportBlock
from sipcore.value import value

MAX_REPORTS = 31
"""RFC 3550 §6.4.1: the count has five bits."""
MAX_TEXT = 255
"""RFC 3550 §6.5: the length of an item's text has eight bits."""
NTP_EPOCH = 2208988800
"""Seconds from 1900, where NTP begins, to 1970 (RFC 3550 §4)."""

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")
_CNAME = 1


class PacketType(IntEnum):
    """RFC 3550 §12.1."""

    SR = 200
    RR = 201
    SDES = 202
    BYE = 203
    APP = 204


@value
class SenderInfo:
    """What a sender says of its own stream (RFC 3550 §6.4.1): `ntp` is 32.32 fixed point, `rtp` the timestamp then."""

    ntp: int
    rtp: int
    packets: int
    octets: int


@value
class Report:
    """A receiver report, or, with `sender`, a sender report (RFC 3550 §6.4). `extension` is the profile's own part."""

    ssrc: int
    sender: SenderInfo | None = None
    blocks: tuple[ReportBlock, ...] = ()
    extension: bytes = b""

    def __bytes__(self) -> bytes:
        """The packet. Raises LocalError for more than MAX_REPORTS blocks."""
        if len(self.blocks) > MAX_REPORTS:
            raise LocalError(f"a report has at most {MAX_REPORTS} blocks", section="RFC 3550 §6.4.1")
        body = struct.pack("!I", self.ssrc)
        if self.sender is not None:
            sent = self.sender
            body += _SENDER.pack(sent.ntp, sent.rtp & _WORD, sent.packets & _WORD, sent.octets & _WORD)
        body += b"".join(map(_write_block, self.blocks)) + self.extension
        return _frame(PacketType.RR if self.sender is None else PacketType.SR, len(self.blocks), body)


@value
class Description:
    """SDES: the sources that a participant sends, each with its canonical name (RFC 3550 §6.5.1)."""

    names: tuple[tuple[int, str], ...]

    def __bytes__(self) -> bytes:
        """The packet. Raises LocalError for a name of more than MAX_TEXT bytes."""
        body = b""
        for ssrc, name in self.names:
            text = name.encode()
            if len(text) > MAX_TEXT:
                raise LocalError(f"a canonical name has at most {MAX_TEXT} bytes", section="RFC 3550 §6.5")
            chunk = struct.pack("!IBB", ssrc, _CNAME, len(text)) + text
            body += chunk + bytes(4 - len(chunk) % 4)  # at least one zero ends the items
        return _frame(PacketType.SDES, len(self.names), body)


@value
class Goodbye:
    """BYE: these sources send no more (RFC 3550 §6.6)."""

    ssrcs: tuple[int, ...]
    reason: str = ""

    def __bytes__(self) -> bytes:
        """The packet."""
        body = struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs)
        if self.reason:
            text = self.reason.encode()[:MAX_TEXT]
            body += bytes([len(text)]) + text
            body += bytes(-len(body) % 4)
        return _frame(PacketType.BYE, len(self.ssrcs), body)


@value
class Other:
    """A packet of a type, such as feedback (RFC 4585) or extended reports (RFC 3611), that is not looked into."""

    type: int
    count: int
    body: bytes

    def __bytes__(self) -> bytes:
        return _frame(self.type, self.count, self.body)


Packet = Report | Description | Goodbye | Other


def parse_rtcp(data: bytes, notes: Notes | None = None) -> tuple[Packet, ...]:
    """Read the packets of one datagram (RFC 3550 §A.2). Raises ParseError."""
    packets: list[Packet] = []
    start = 0
    while start < len(data):
        if len(data) - start < _HEADER.size:
            tolerate(notes, Deviation.RTCP_TRAILING_OCTETS)
            break
        first, kind, words = _HEADER.unpack_from(data, start)
        end = start + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            raise ParseError("the version or length of an RTCP packet is wrong", section="RFC 3550 §A.2")
        body = data[start + 4 : end]
        if first & 0x20:
            body = _without_padding(body)
        packets.append(_read(kind, first & 31, body))
        start = end
    if not packets:
        raise ParseError("an RTCP datagram is empty", section="RFC 3550 §6.1")
    if not isinstance(packets[0], Report):
        tolerate(notes, Deviation.RTCP_WITHOUT_REPORT)
    return tuple(packets)


def compound(packets: Sequence[Packet]) -> bytes:
    """One datagram out of packets (RFC 3550 §6.1)."""
    return b"".join(map(bytes, packets))


def ntp_of(wall: float) -> int:
    """A time of day, in seconds since 1970, as 32.32 fixed point since 1900 (RFC 3550 §4)."""
    return round((wall + NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def middle(ntp: int) -> int:
    """The middle 32 bits, by which a sender report is referred to (LSR, RFC 3550 §6.4.1)."""
    return ntp >> 16 & _WORD


def round_trip(block: ReportBlock, arrival: int) -> float | None:
    """Seconds to the peer and back, told by a block that arrived at the middle bits `arrival` (RFC 3550 §6.4.1).

    None when the block refers to no sender report, or to one from the future.
    """
    if not block.last_report:
        return None
    units = (arrival - block.last_report - block.delay) & _WORD
    return None if units >= 1 << 31 else units / 65536


_WORD = 0xFFFFFFFF


def _frame(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _write_block(block: ReportBlock) -> bytes:
    loss = block.fraction_lost << 24 | block.lost & 0xFFFFFF
    return _BLOCK.pack(block.ssrc, loss, block.highest, block.jitter, block.last_report, block.delay)


def _without_padding(body: bytes) -> bytes:
    padding = body[-1] if body else 0
    if not 4 <= padding <= len(body) or padding % 4:
        raise ParseError("the padding of an RTCP packet does not fit", section="RFC 3550 §6.4.1")
    return body[:-padding]


def _read(kind: int, count: int, body: bytes) -> Packet:
    if kind in (PacketType.SR, PacketType.RR):
        return _read_report(kind == PacketType.SR, count, body)
    if kind == PacketType.SDES:
        return _read_description(count, body)
    if kind == PacketType.BYE:
        return _read_goodbye(count, body)
    return Other(kind, count, body)


def _read_report(is_sender: bool, count: int, body: bytes) -> Report:
    start = 4 + (_SENDER.size if is_sender else 0)
    end = start + _BLOCK.size * count
    if len(body) < end:
        raise ParseError("a report is cut short", section="RFC 3550 §6.4")
    sender = SenderInfo(*_SENDER.unpack_from(body, 4)) if is_sender else None
    blocks = tuple(_read_block(body, offset) for offset in range(start, end, _BLOCK.size))
    return Report(int.from_bytes(body[:4], "big"), sender, blocks, body[end:])


def _read_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, offset)
    lost = loss & 0xFFFFFF
    return ReportBlock(ssrc, loss >> 24, lost - (lost >> 23 << 24), highest, jitter, last_report, delay)


def _read_description(count: int, body: bytes) -> Description:
    names = []
    place = 0
    for _ in range(count):
        if len(body) < place + 5:
            raise ParseError("a description is cut short", section="RFC 3550 §6.5")
        ssrc, name = int.from_bytes(body[place : place + 4], "big"), ""
        place += 4
        while place < len(body) and body[place]:
            length = body[place + 1] if place + 1 < len(body) else MAX_TEXT
            if len(body) < place + 2 + length:
                raise ParseError("an item is cut short", section="RFC 3550 §6.5")
            if body[place] == _CNAME:
                name = body[place + 2 : place + 2 + length].decode("utf-8", "replace")
            place += 2 + length
        place += 4 - place % 4  # the zeros that end the items go on to the next word
        names.append((ssrc, name))
    return Description(tuple(names))


def _read_goodbye(count: int, body: bytes) -> Goodbye:
    if len(body) < 4 * count:
        raise ParseError("a goodbye is cut short", section="RFC 3550 §6.6")
    reason = b""
    if len(body) > 4 * count:
        length = body[4 * count]
        reason = body[4 * count + 1 : 4 * count + 1 + length]
    return Goodbye(struct.unpack_from(f"!{count}I", body), reason.decode("utf-8", "replace"))
