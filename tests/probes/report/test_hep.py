"""HEP packets, taken apart by the specification's own layout."""

import ipaddress
import struct

import pytest

from probes.report.hep import MAX_PAYLOAD, Chunk, hep
from sipcore.resolve.target import Flow, SocketAddress, Transport
from tests.probes.report.recorded import BUSY, INVITE, RECORDS, SECRET, START, received, sent

EPOCH_NS = 1_700_000_000_123_456_789


def chunks(packet: bytes) -> dict[Chunk, bytes]:
    assert packet[:4] == b"HEP3"
    assert struct.unpack_from("!H", packet, 4) == (len(packet),)
    found = {}
    at = 6
    while at < len(packet):
        vendor, kind, length = struct.unpack_from("!HHH", packet, at)
        assert vendor == 0
        found[Chunk(kind)] = packet[at + 6 : at + length]
        at += length
    assert at == len(packet)
    return found


def test_a_request_over_ipv4() -> None:
    (packet,) = hep([sent(0.5)], epoch_ns=EPOCH_NS, agent=7)
    found = chunks(packet)
    assert (found[Chunk.FAMILY], found[Chunk.IP_PROTOCOL], found[Chunk.PROTOCOL]) == (b"\x02", b"\x11", b"\x01")
    assert ipaddress.ip_address(found[Chunk.SOURCE_IPV4]) == ipaddress.ip_address("192.0.2.1")
    assert ipaddress.ip_address(found[Chunk.DESTINATION_IPV4]) == ipaddress.ip_address("192.0.2.2")
    assert struct.unpack("!HH", found[Chunk.SOURCE_PORT] + found[Chunk.DESTINATION_PORT]) == (40000, 5060)
    at_ns = EPOCH_NS + int((START + 0.5) * 10**9)
    assert struct.unpack("!II", found[Chunk.SECONDS] + found[Chunk.MICROSECONDS]) == (
        at_ns // 10**9,
        at_ns % 10**9 // 1000,
    )
    assert struct.unpack("!I", found[Chunk.AGENT]) == (7,)
    assert found[Chunk.CORRELATION] == b"a@192.0.2.1"
    assert len(found[Chunk.PAYLOAD]) == len(INVITE)
    assert SECRET.encode() not in packet
    assert Chunk.KEY not in found


def test_a_response_over_ipv6_and_tls() -> None:
    flow = Flow(Transport.TLS, SocketAddress("2001:db8::1", 40000), SocketAddress("2001:db8::2", 5061), 1)
    (packet,) = hep([received(0.0, BUSY, flow)], epoch_ns=0, agent=0, key="s3cret")
    found = chunks(packet)
    assert (found[Chunk.FAMILY], found[Chunk.IP_PROTOCOL]) == (b"\x0a", b"\x06")
    assert ipaddress.ip_address(found[Chunk.SOURCE_IPV6]) == ipaddress.ip_address("2001:db8::2")
    assert found[Chunk.KEY] == b"s3cret"


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"x" * (MAX_PAYLOAD + 9)], ids=["empty", "garbage", "long"])
def test_what_is_not_sip_has_no_correlation(data: bytes) -> None:
    (packet,) = hep([received(0.0, data)], epoch_ns=0, agent=0)
    found = chunks(packet)
    assert found[Chunk.PAYLOAD] == data[:MAX_PAYLOAD]
    assert Chunk.CORRELATION not in found


def test_only_messages_are_sent() -> None:
    assert len(list(hep(RECORDS, epoch_ns=0, agent=0))) == 3
