"""Captures of calls that were made up: their messages and their media, as a capture file has them."""

import struct

from probes.capture.files import CapturedPacket
from sipcore.media.reception import ReportBlock
from sipcore.media.rtcp import Report
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


def pcap(packets: list[CapturedPacket]) -> bytes:
    """The packets as a file."""
    head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    return head + b"".join(
        struct.pack("<IIII", one.at_ns // 10**9, one.at_ns % 10**9, len(one.data), len(one.data)) + one.data
        for one in sorted(packets, key=lambda one: one.at_ns)
    )
