"""Capture files, packet by packet: pcap of either precision and byte order, and pcapng.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. What a file says of lengths is not believed beyond the
bytes that are there, and a file that ends in the middle of a packet is read as far as it goes.
"""

import struct
import zlib
from collections.abc import Iterator

from sipcore.errors import LocalError
from sipcore.value import value

MAX_PACKET = 1 << 18
"""Bytes of a packet: what capture programs take at most. A length beyond it is none, and what follows is lost."""
MAX_UNPACKED = 1 << 30
"""Bytes that a compressed file may have in it: a few of them may stand for any number."""
_GZIP = b"\x1f\x8b"
_PCAP = {b"\xa1\xb2\xc3\xd4": 1000, b"\xa1\xb2\x3c\x4d": 1}
"""The magic number, and the nanoseconds that the fraction of a time counts."""
_SECTION, _INTERFACE, _ENHANCED, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_TLS_KEY_LOG = 0x544C534B
"""The kind of secrets that are a key log of TLS (draft-ietf-opsawg-pcapng §4.7)."""
_SECTION_BYTES = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDER = 0x1A2B3C4D
_OPTION_END, _RESOLUTION, _OFFSET = 0, 9, 14


@value
class CapturedPacket:
    """A packet: nanoseconds since 1970, UTC, the kind of its link layer (LINKTYPE_…), its bytes, and how many more it
    had that were not captured.
    """

    at_ns: int
    link: int
    data: bytes
    omitted: int = 0


class CaptureError(LocalError):
    """A file is no capture."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section="draft-ietf-opsawg-pcapng §4.1")


def unpacked(data: bytes) -> bytes:
    """The content of a file that is compressed with gzip (RFC 1952), as far as it goes where its end is missing; of any
    other file, what it is. Raises CaptureError for one that cannot be unpacked, or is too large.
    """
    if data[:2] != _GZIP:
        return data
    whole, left = bytearray(), data
    try:
        while left[:2] == _GZIP:  # a file may have several parts, each compressed by itself
            part = zlib.decompressobj(zlib.MAX_WBITS | 16)
            whole += part.decompress(left, MAX_UNPACKED + 1 - len(whole))
            if len(whole) > MAX_UNPACKED:
                raise CaptureError(
                    f"it unpacks to more than {MAX_UNPACKED >> 20} MiB: cut it into several, with editcap"
                )
            left = part.unused_data
    except zlib.error as error:
        raise CaptureError(f"it is compressed with gzip, and cannot be unpacked: {error}") from None
    return bytes(whole)


def read_packets(data: bytes) -> Iterator[CapturedPacket]:
    """Every packet of a capture file. Raises CaptureError when it is none."""
    if data[:4] in _PCAP:
        return _read_pcap(data, ">", _PCAP[data[:4]])
    if data[3::-1] in _PCAP:
        return _read_pcap(data, "<", _PCAP[data[3::-1]])
    if data[:4] == _SECTION_BYTES:
        return _read_pcapng(data)
    if data[:2] == _GZIP:
        raise CaptureError("compressed; see `unpacked`")
    raise CaptureError("neither a capture (pcap or pcapng) nor the JSON of test calls")


def read_key_log(data: bytes) -> bytes:
    """The key logs of TLS that are in a capture file itself, one behind the other; those of a pcapng file alone can be.

    They are secret.
    """
    logs = []
    for order, kind, body in _blocks(data) if data[:4] == _SECTION_BYTES else ():
        if kind == _SECRETS and len(body) >= 8:
            what, length = struct.unpack_from(f"{order}II", body)
            if what == _TLS_KEY_LOG:
                logs.append(body[8 : 8 + length] + b"\n")
    return b"".join(logs)


def _read_pcap(data: bytes, order: str, unit: int) -> Iterator[CapturedPacket]:
    if len(data) < 24:
        return
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
    head = struct.Struct(f"{order}IIII")
    at = 24
    while at + head.size <= len(data):
        seconds, fraction, captured, length = head.unpack_from(data, at)
        at += head.size
        if captured > MAX_PACKET or at + captured > len(data):
            return
        at_ns, omitted = seconds * 10**9 + fraction * unit, max(length - captured, 0)
        yield CapturedPacket(at_ns, link, data[at : at + captured], omitted)
        at += captured


def _blocks(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """The blocks of a pcapng file: byte order, kind, and body; as far as they can be told apart."""
    order = "<"
    at = 0
    while at + 12 <= len(data):
        if data[at : at + 4] == _SECTION_BYTES:  # the same bytes in either order; what follows tells which it is
            order = "<" if struct.unpack_from("<I", data, at + 8)[0] == _BYTE_ORDER else ">"
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if length < 12 or length % 4 or at + length > len(data):
            return
        yield order, kind, data[at + 8 : at + length - 4]
        at += length


def _read_pcapng(data: bytes) -> Iterator[CapturedPacket]:
    interfaces = list[_Interface]()
    for order, kind, body in _blocks(data):
        if kind == _SECTION:
            interfaces = []
        elif kind == _INTERFACE and len(body) >= 8:
            interfaces.append(_Interface.parse(body, order))
        elif kind == _ENHANCED and len(body) >= 20:
            number, high, low, captured, length = struct.unpack_from(f"{order}5I", body)
            if number < len(interfaces) and captured <= len(body) - 20:
                interface = interfaces[number]
                at_ns, omitted = interface.time(high << 32 | low), max(length - captured, 0)
                yield CapturedPacket(at_ns, interface.link, body[20 : 20 + captured], omitted)


@value
class _Interface:
    """Where packets were captured: its link layer, units of time in a second, and seconds to be added."""

    link: int
    units: int = 10**6
    offset: int = 0

    @classmethod
    def parse(cls, body: bytes, order: str) -> "_Interface":
        (link,) = struct.unpack_from(f"{order}H", body)
        units, offset = 10**6, 0
        at = 8
        while at + 4 <= len(body):
            code, length = struct.unpack_from(f"{order}HH", body, at)
            content = body[at + 4 : at + 4 + length]
            if code == _OPTION_END:
                break
            if code == _RESOLUTION and len(content) == 1:
                exponent = content[0] & 0x7F
                units = 2**exponent if content[0] & 0x80 else 10 ** min(exponent, 18)
            elif code == _OFFSET and len(content) == 8:
                (offset,) = struct.unpack(f"{order}q", content)
            at += 4 + (length + 3) // 4 * 4
        return cls(link, units, offset)

    def time(self, count: int) -> int:
        """Nanoseconds since 1970 of a time as the interface counts it."""
        return count * 10**9 // self.units + self.offset * 10**9
