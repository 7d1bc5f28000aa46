"""Captures of calls that were made up: their messages and their media, as a capture file has them."""

import struct
from collections.abc import Sequence
from itertools import zip_longest

from probes.capture.files import CapturedPacket
from sipcore.media.reception import ReportBlock
from sipcore.media.rtcp import Goodbye, Report
from sipcore.resolve.target import SocketAddress
from tests.probes.calls.judge.said import ALICE, BOB
from tests.probes.capture.captures import ipv4

MEDIA = SocketAddress("192.0.2.1", 4000), SocketAddress("198.51.100.1", 5000)
EPOCH = 1_700_000_000 * 10**9


def packet(at: float, source: SocketAddress, target: SocketAddress, data: bytes) -> CapturedPacket:
    """A datagram, captured so many seconds after the call began."""
    payload = struct.pack("!HHHH", source.port, target.port, 8 + len(data), 0) + data
    content = ipv4(17, payload, source=source.host, target=target.host)
    return CapturedPacket(EPOCH + round(at * 1e9), 101, content)


def signalling(*said: tuple[bool, str], pace: float = 0.1) -> list[CapturedPacket]:
    """Messages, one after the other."""
    return [
        packet(number * pace, ALICE if sent else BOB, BOB if sent else ALICE, text.encode())
        for number, (sent, text) in enumerate(said)
    ]


def rtp(*, sent: bool, count: int = 60, begin: float = 0.3, every: int = 1, kind: int = 0) -> list[CapturedPacket]:
    """A stream, of which `every` so many packets were captured."""
    source, target = MEDIA if sent else MEDIA[::-1]
    return [
        packet(
            begin + 0.02 * number,
            source,
            target,
            struct.pack("!BBHII", 0x80, kind, number, 160 * number, 1 + sent) + b"\xff" * 160,
        )
        for number in range(0, count, every)
    ]


def report(at: float, lost: int | None) -> CapturedPacket:
    """A report of the callee: with a block, or without one."""
    blocks = () if lost is None else (ReportBlock(2, 0, lost, 60, 0),)
    source, target = MEDIA[1], MEDIA[0]
    beside = SocketAddress(source.host, source.port + 1), SocketAddress(target.host, target.port + 1)
    return packet(at, *beside, bytes(Report(1, None, blocks)))


def goodbye(at: float) -> CapturedPacket:
    """RTCP of the callee without any report, as some send it at the beginning and at the end."""
    return packet(at, MEDIA[1], MEDIA[0], bytes(Goodbye((1,))))


def keys(*, sent: bool, count: int = 8, begin: float = 0.3) -> list[CapturedPacket]:
    """The packets of a key that is held for a while (RFC 4733 §2.5): all of one timestamp."""
    source, target = MEDIA if sent else MEDIA[::-1]
    return [
        packet(
            begin + 0.02 * number,
            source,
            target,
            struct.pack("!BBHII", 0x80, 101, number, 0, 1 + sent) + struct.pack("!BBH", 5, 10, 160 * number),
        )
        for number in range(count)
    ]


def pcap(packets: list[CapturedPacket], lengths: Sequence[int] = ()) -> bytes:
    """The packets as a file; `lengths` are those that they had before they were cut off, in order of time."""
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    return head + b"".join(
        struct.pack("<IIII", one.at_ns // 10**9, one.at_ns % 10**9, len(one.data), length or len(one.data)) + one.data
        for one, length in zip_longest(sorted(packets, key=lambda one: one.at_ns), lengths, fillvalue=0)
        if isinstance(one, CapturedPacket)
    )
