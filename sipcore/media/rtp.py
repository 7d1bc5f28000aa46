"""RTP packets (RFC 3550 §5.1), and what else comes to the same port (RFC 5761 §4, RFC 7983 §7)."""

import struct
from enum import Enum

from sipcore.errors import LocalError, ParseError
from sipcore.value import maker, value

HEADER = 12
"""Bytes of the fixed header (RFC 3550 §5.1)."""
VERSION = 2
MAX_PACKET = 1500
"""Bytes: what one Ethernet frame carries. Voice takes a few hundred; what is larger is no packet of a call."""
SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32

_PLAIN = VERSION << 6
"""The first byte of a packet without padding, extension or contributing sources."""
_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_KEEP_ALIVE = b"\r\n\0 "
"""What keep-alives are made of that are no packets of anything."""
_RTCP_TYPES = range(192, 224)
"""RFC 5761 §4: the second byte of RTCP, which RTP avoids by not using payload types 64 to 95 with it."""


class Kind(Enum):
    """What a datagram on a media port is, by its first bytes."""

    STUN = "stun"
    DTLS = "dtls"
    RTP = "rtp"
    RTCP = "rtcp"
    KEEP_ALIVE = "keep-alive"
    """Nothing, or next to it, so that a translator remembers the way (RFC 6263 §4.1)."""
    UNKNOWN = "unknown"


def kind_of(data: bytes) -> Kind:
    """Tell what a datagram is (RFC 7983 §7), and RTP from RTCP by the second byte (RFC 5761 §4)."""
    kind = _BY_FIRST_BYTE[data[0]] if len(data) > 1 else Kind.UNKNOWN
    if kind is Kind.UNKNOWN:
        return kind if data.strip(_KEEP_ALIVE) else Kind.KEEP_ALIVE
    return Kind.RTCP if kind is Kind.RTP and data[1] in _RTCP_TYPES else kind


_BY_FIRST_BYTE = [Kind.UNKNOWN] * 256
_BY_FIRST_BYTE[:4] = [Kind.STUN] * 4
_BY_FIRST_BYTE[20:64] = [Kind.DTLS] * 44
_BY_FIRST_BYTE[128:192] = [Kind.RTP] * 64


@value
class RtpPacket:
    """One RTP packet (RFC 3550 §5.1). `timestamp` counts ticks of the codec's clock rate.

    `extension` is the profile's number and the data, whole words of it; `padding` the bytes at the end that are none
    of the payload, the last of them counting itself (0 for none).
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None
    padding: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.payload_type < 128 or len(self.csrcs) > 15 or not 0 <= self.padding < 256:
            raise LocalError("a field of an RTP packet is out of its range", section="RFC 3550 §5.1")
        if self.extension is not None and len(self.extension[1]) % 4:
            raise LocalError("a header extension is whole words", section="RFC 3550 §5.3.1")

    @classmethod
    def parse(cls, data: bytes) -> "RtpPacket":
        """Read a datagram. Raises ParseError for whatever RFC 3550 §A.1 calls invalid."""
        if not HEADER <= len(data) <= MAX_PACKET:
            raise ParseError(f"an RTP packet has {HEADER} to {MAX_PACKET} bytes, not {len(data)}", section=_SECTION)
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first == _PLAIN:  # no padding, no extension, no contributing sources: nearly all there are
            return _make(second & 127, sequence, timestamp, ssrc, data[HEADER:], second > 127)
        if first >> 6 != VERSION:
            raise ParseError(f"RTP of version {first >> 6}", section=_SECTION)
        start = HEADER + 4 * (first & 15)
        if len(data) < start:
            raise ParseError("the contributing sources do not fit", section=_SECTION)
        csrcs = struct.unpack_from(f"!{first & 15}I", data, HEADER)
        extension = None
        if first & 0x10:
            extension, start = _read_extension(data, start)
        padding = data[-1] if first & 0x20 else 0
        if first & 0x20 and not 1 <= padding <= len(data) - start:
            raise ParseError("the padding does not fit", section=_SECTION)
        payload = data[start : len(data) - padding]
        return _make(second & 127, sequence, timestamp, ssrc, payload, second > 127, csrcs, extension, padding)

    def __bytes__(self) -> bytes:
        """The datagram. Numbers that count on are taken modulo their size."""
        if not self.csrcs and self.extension is None and not self.padding:
            return pack(self.payload_type, self.sequence, self.timestamp, self.ssrc, self.payload, marker=self.marker)
        first = VERSION << 6 | len(self.csrcs) | (0x20 if self.padding else 0) | (0 if self.extension is None else 0x10)
        second = self.payload_type | (128 if self.marker else 0)
        fixed = _FIXED.pack(first, second, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc)
        sources = struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)
        extension = b""
        if self.extension is not None:
            profile, content = self.extension
            extension = _EXTENSION.pack(profile, len(content) // 4) + content
        padding = bytes(self.padding - 1) + bytes([self.padding]) if self.padding else b""
        return fixed + sources + extension + self.payload + padding


def pack(payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False) -> bytes:
    """An ordinary packet: what `bytes(RtpPacket(...))` gives, in a third of the time."""
    second = payload_type | 128 if marker else payload_type
    return _FIXED.pack(_PLAIN, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def _read_extension(data: bytes, start: int) -> tuple[tuple[int, bytes], int]:
    """The header extension at `start`, and where the payload begins (RFC 3550 §5.3.1)."""
    if len(data) < start + 4:
        raise ParseError("the header extension does not fit", section="RFC 3550 §5.3.1")
    profile, words = _EXTENSION.unpack_from(data, start)
    end = start + 4 + 4 * words
    if len(data) < end:
        raise ParseError("the header extension does not fit", section="RFC 3550 §5.3.1")
    return (profile, data[start + 4 : end]), end


_SECTION = "RFC 3550 §5.1"
_make = maker(RtpPacket)
