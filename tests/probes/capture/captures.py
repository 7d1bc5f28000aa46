"""Capture files and packets made by hand, byte by byte, for the readers."""

import struct

from sipcore.resolve.target import SocketAddress

A, B = SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 5080)


def pcap(*packets: bytes, link: int = 101, order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return head + b"".join(
        struct.pack(f"{order}IIII", 1000 + number, number, len(data), len(data)) + data
        for number, data in enumerate(packets)
    )


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def ipv4(
    protocol: int, content: bytes, *, source: str = A.host, target: str = B.host, mark: int = 0, flags: int = 0
) -> bytes:
    hosts = bytes(map(int, source.split("."))) + bytes(map(int, target.split(".")))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), mark, flags, 64, protocol, 0) + hosts + content


def ipv6(kind: int, content: bytes) -> bytes:
    hosts = bytes.fromhex("20010db8") + b"\0" * 11 + b"\x01" + bytes.fromhex("20010db8") + b"\0" * 11 + b"\x02"
    return struct.pack("!IHBB", 6 << 28, len(content), kind, 64) + hosts + content


def udp(data: bytes) -> bytes:
    return struct.pack("!HHHH", A.port, B.port, 8 + len(data), 0) + data


def tcp(sequence: int, data: bytes = b"", flags: int = 0x18) -> bytes:
    return struct.pack("!HHIIBBHHH", A.port, B.port, sequence % 2**32, 0, 5 << 4, flags, 1, 0, 0) + data
