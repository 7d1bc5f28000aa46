"""Messages as HEP 3 packets, for Homer and other collectors (the HEP/EEP specification of the SIPCAPTURE project)."""

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum

from probes.report.packets import capturable
from sipcore.errors import ParseError
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Transport
from sipcore.trace import Direction, MessageTrace, TraceRecord

MAGIC = b"HEP3"
GENERIC = 0
"""The vendor of chunks that the specification defines."""
SIP = 1
"""The captured protocol."""
MAX_PAYLOAD = 64_000
"""Bytes of a message in one packet, which is sent over UDP; of what is longer, collectors show this much."""
_IP_PROTOCOLS = {Transport.UDP: 17}
_TCP = 6
_FAMILIES = {4: 2, 6: 10}
"""AF_INET and AF_INET6 as Linux numbers them, which the specification follows."""


class Chunk(IntEnum):
    """The generic chunks that are sent."""

    FAMILY = 1
    IP_PROTOCOL = 2
    SOURCE_IPV4 = 3
    DESTINATION_IPV4 = 4
    SOURCE_IPV6 = 5
    DESTINATION_IPV6 = 6
    SOURCE_PORT = 7
    DESTINATION_PORT = 8
    SECONDS = 9
    MICROSECONDS = 10
    PROTOCOL = 11
    AGENT = 12
    KEY = 14
    PAYLOAD = 15
    CORRELATION = 17


_ADDRESSES = {
    4: (Chunk.SOURCE_IPV4, Chunk.DESTINATION_IPV4),
    6: (Chunk.SOURCE_IPV6, Chunk.DESTINATION_IPV6),
}


def hep(records: Iterable[TraceRecord], *, epoch_ns: int, agent: int, key: str = "") -> Iterator[bytes]:
    """A packet for each message among `records`, credentials covered.

    `epoch_ns` is as in `pcapng`. `agent` is the number that the collector knows this prober by, `key` what it wants as
    authentication, if anything.
    """
    for record in records:
        if isinstance(record, MessageTrace):
            yield _packet(record, epoch_ns, agent, key)


def _packet(record: MessageTrace, epoch_ns: int, agent: int, key: str) -> bytes:
    ends = record.flow.local, record.flow.remote
    source, destination = ends if record.direction is Direction.SENT else ends[::-1]
    hosts = [ipaddress.ip_address(end.host.partition("%")[0]) for end in (source, destination)]
    version = hosts[0].version
    addresses = (
        (Chunk.SOURCE_IPV4, Chunk.DESTINATION_IPV4) if version == 4 else (Chunk.SOURCE_IPV6, Chunk.DESTINATION_IPV6)
    )
    seconds, nanoseconds = divmod(epoch_ns + round(record.at * 10**9), 10**9)
    chunks = [
        _chunk(Chunk.FAMILY, struct.pack("!B", _FAMILIES[version])),
        _chunk(Chunk.IP_PROTOCOL, struct.pack("!B", _IP_PROTOCOLS.get(record.flow.transport, _TCP))),
        *(_chunk(kind, host.packed) for kind, host in zip(addresses, hosts, strict=True)),
        _chunk(Chunk.SOURCE_PORT, struct.pack("!H", source.port)),
        _chunk(Chunk.DESTINATION_PORT, struct.pack("!H", destination.port)),
        _chunk(Chunk.SECONDS, struct.pack("!I", seconds)),
        _chunk(Chunk.MICROSECONDS, struct.pack("!I", nanoseconds // 1000)),
        _chunk(Chunk.PROTOCOL, struct.pack("!B", SIP)),
        _chunk(Chunk.AGENT, struct.pack("!I", agent)),
    ]
    if key:
        chunks.append(_chunk(Chunk.KEY, key.encode()))
    correlation = _call_id(record.data)
    if correlation:
        chunks.append(_chunk(Chunk.CORRELATION, correlation.encode("utf-8", "surrogateescape")))
    chunks.append(_chunk(Chunk.PAYLOAD, capturable(record.data)[:MAX_PAYLOAD]))
    content = b"".join(chunks)
    return MAGIC + struct.pack("!H", len(MAGIC) + 2 + len(content)) + content


def _chunk(kind: Chunk, content: bytes) -> bytes:
    return struct.pack("!HHH", GENERIC, kind, 6 + len(content)) + content


def _call_id(data: bytes) -> str:
    """What the messages of one call have in common; "" where it cannot be read."""
    try:
        return parse_message(data).call_id
    except ParseError:
        return ""
