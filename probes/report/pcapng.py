"""A capture file of recorded messages and packets, in pcapng, as Wireshark, tshark and sngrep open it.

The format is that of draft-ietf-opsawg-pcapng: a section header, one interface without link layer, then a packet each.
"""

import struct
from collections.abc import Iterable

from probes.report.packets import Packet

SECTION_HEADER, INTERFACE, ENHANCED_PACKET, SECRETS = 0x0A0D0D0A, 1, 6, 10
BYTE_ORDER = 0x1A2B3C4D
RAW_IP = 101
"""LINKTYPE_RAW: packets begin with their IP header."""
COMMENT, INTERFACE_NAME, RESOLUTION, APPLICATION = 1, 2, 9, 4
"""Option codes: of any block, of an interface (two), of a section."""
TLS_KEY_LOG = 0x544C534B
"""The kind of secrets that are a key log in the format of NSS."""
NANOSECONDS = 9
"""The resolution of times: a negative power of ten."""
WHOLE = 0
"""The snapshot length of an interface whose packets are never cut."""
UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFF
"""The length of a section that is not known when it begins."""


def pcapng(packets: Iterable[Packet], *, epoch_ns: int, application: str = "", key_log: bytes = b"") -> bytes:
    """The whole file. `epoch_ns` are the nanoseconds from 1970, UTC, to where the packets' times begin.

    `key_log` are the keys by which readers decrypt what is TLS in it; whoever has the file then reads all of it.
    """
    section = struct.pack("<IHHQ", BYTE_ORDER, 1, 0, UNKNOWN_LENGTH) + _option(APPLICATION, application.encode())
    interface = struct.pack("<HHI", RAW_IP, 0, WHOLE)
    interface += _option(INTERFACE_NAME, b"sip") + _option(RESOLUTION, bytes([NANOSECONDS]))
    blocks = [_block(SECTION_HEADER, section + _END), _block(INTERFACE, interface + _END)]
    if key_log:  # before the packets that it is for
        secrets = struct.pack("<II", TLS_KEY_LOG, len(key_log)) + _padded(key_log)
        blocks.append(_block(SECRETS, secrets))
    blocks += [_packet_block(packet, epoch_ns) for packet in packets]
    return b"".join(blocks)


def _packet_block(packet: Packet, epoch_ns: int) -> bytes:
    at = epoch_ns + round(packet.at * 10**NANOSECONDS)
    head = struct.pack("<IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(packet.data), len(packet.data))
    options = _option(COMMENT, packet.comment.encode()) + _END if packet.comment else b""
    return _block(ENHANCED_PACKET, head + _padded(packet.data) + options)


def _block(kind: int, content: bytes) -> bytes:
    """A block: its length stands before and behind it."""
    length = struct.pack("<I", len(content) + 12)
    return struct.pack("<I", kind) + length + content + length


def _option(code: int, content: bytes) -> bytes:
    return struct.pack("<HH", code, len(content)) + _padded(content) if content else b""


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)


_END = struct.pack("<HH", 0, 0)
