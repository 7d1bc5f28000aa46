"""Packets of every link layer, fragments, and connections whose segments come in any order."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.capture import network
from probes.capture.files import CapturedPacket
from probes.capture.network import READ_LINKS, Datagram, Segment, read_payloads
from sipcore.resolve.target import SocketAddress
from tests.probes.capture.captures import A, B, ipv4, ipv6, tcp, udp


def payloads(*packets: bytes, link: int = 101) -> list[Datagram | Segment]:
    return list(read_payloads(CapturedPacket(number, link, data) for number, data in enumerate(packets)))


def streamed(*segments: bytes) -> list[tuple[bytes, bool]]:
    found = payloads(*(ipv4(6, segment) for segment in segments))
    assert all(isinstance(each, Segment) and (each.source, each.destination) == (A, B) for each in found)
    return [(each.data, isinstance(each, Segment) and each.gap) for each in found]


MACS = b"\x02" * 12
PACKET = ipv4(17, udp(b"hello"))


LINKS = [
    (0, b"\x02\0\0\0"),
    (14, b""),
    (108, b"\0\0\0\x02"),
    (229, b""),
    (1, MACS + b"\x08\x00"),
    (1, MACS + b"\x81\x00\x00\x05\x08\x00"),
    (1, MACS + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
    (12, b""),
    (101, b""),
    (113, b"\0" * 14 + b"\x08\x00"),
    (228, b""),
    (1, MACS + b"\x88\x64\x11\x00\x00\x01\x00\x23\x00\x21"),  # PPPoE
    (1, MACS + b"\x81\x00\x00\x05\x88\x64\x11\x00\x00\x01\x00\x23\x00\x21"),
    (1, MACS + b"\x88\x47\x00\x01\x10\xff\x00\x01\x11\xff"),  # MPLS, two labels
    (113, b"\0" * 14 + b"\x81\x00\x00\x05\x08\x00"),
    (9, b"\xff\x03\x00\x21"),  # PPP
    (9, b"\x00\x21"),
    (50, b"\xff\x03\x00\x21"),
    (51, b"\x11\x00\x00\x01\x00\x23\x00\x21"),  # PPPoE, without Ethernet
    (276, b"\x81\x00" + b"\0" * 18 + b"\x00\x05\x08\x00"),
    (276, b"\x08\x00" + b"\0" * 18),
]


def test_all_that_are_read_are_in_the_table() -> None:
    assert {link for link, _ in LINKS} == READ_LINKS


@pytest.mark.parametrize(("link", "before"), LINKS)
def test_every_link_layer(link: int, before: bytes) -> None:
    assert payloads(before + PACKET, link=link) == [Datagram(0, A, B, b"hello")]


@pytest.mark.parametrize(
    ("link", "packet"),
    [
        (1, MACS + b"\x08\x06" + PACKET),  # ARP
        (1, MACS + b"\x88\x64\x11\x00\x00\x01\x00\x23\xc0\x21" + PACKET),  # LCP of PPP
        (1, MACS + b"\x88\x47" + b"\0" * 12),
        (1, MACS + b"\x88\x47\x00\x01\x11\xff"),
        (9, b"\xff\x03\xc0\x21" + PACKET),
        (9, b""),
        (51, b"\x11\x00\x00\x01\x00\x23\xc0\x21" + PACKET),
        (113, b"\0" * 16 + PACKET),
        (276, b"\0" * 20 + PACKET),
        (147, PACKET),
        (101, b""),
        (101, PACKET[:19]),
        (101, PACKET[:-1]),
        (101, ipv4(1, b"x" * 20)),
        (101, b"\x75" + PACKET[1:]),
        (101, b"\x44" + PACKET[1:]),
    ],
)
def test_what_cannot_be_read_is_left_out(link: int, packet: bytes) -> None:
    assert payloads(packet, link=link) == []


FRAME = MACS + b"\x08\x00" + PACKET
VXLAN = struct.pack("!HHHH", 60_000, 4789, 16 + len(FRAME), 0) + b"\x08\0\0\0\0\0\x07\0" + FRAME
TUNNELS = [
    ipv4(4, PACKET),
    ipv6(4, PACKET),
    ipv4(47, b"\0\0\x08\0" + PACKET),
    ipv4(47, b"\xb0\0\x08\0" + b"\0" * 12 + PACKET),  # with a checksum, a key and a number
    ipv4(47, b"\x20\0\x65\x58" + b"\0" * 4 + FRAME),
    ipv4(47, b"\x10\0\x88\xbe" + b"\0" * 12 + FRAME),  # ERSPAN II
    ipv4(47, b"\0\0\x88\xbe" + FRAME),  # ERSPAN I
    ipv4(17, VXLAN),
    ipv4(4, ipv4(17, VXLAN)),
]


@pytest.mark.parametrize("packet", TUNNELS)
def test_what_is_in_a_tunnel_is_read(packet: bytes) -> None:
    assert payloads(packet) == [Datagram(0, A, B, b"hello")]


def test_ipv6_in_a_tunnel() -> None:
    (found,) = payloads(ipv4(41, ipv6(17, udp(b"hello"))))
    assert found.source == SocketAddress("2001:db8::1", 5060)


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(47, b"\0\0\x08"),
        ipv4(47, b"\0\0\x08\0"),
        ipv4(47, b"\x40\0\x08\0" + PACKET),  # routed by its source
        ipv4(47, b"\0\x01\x88\x0b" + PACKET),  # PPTP
        ipv4(47, b"\x10\0\x88\xbe" + b"\0" * 9),
        ipv4(4, PACKET[:-1]),
    ],
)
def test_what_is_in_a_tunnel_and_cannot_be_read_is_left_out(packet: bytes) -> None:
    assert payloads(packet) == []


def test_tunnels_have_an_end() -> None:
    packet = PACKET
    for _ in range(network.MAX_TUNNELS):
        packet = ipv4(4, packet)
    assert payloads(packet) == [Datagram(0, A, B, b"hello")]
    assert payloads(ipv4(4, packet)) == []


def test_what_goes_to_the_port_of_vxlan_and_is_none_is_told_as_it_is() -> None:
    report = b"\x80\xc9\x00\x01" + b"\0" * 4
    (found,) = payloads(ipv4(17, struct.pack("!HHHH", 4789, 4789, 16, 0) + report))
    assert found.data == report


def test_what_follows_a_packet_is_no_part_of_it() -> None:
    assert payloads(PACKET + b"\0" * 9) == [Datagram(0, A, B, b"hello")]  # Ethernet pads short frames


def test_ipv6_with_extension_headers() -> None:
    hop_by_hop = bytes([17, 0]) + b"\0" * 6
    (found,) = payloads(ipv6(0, hop_by_hop + udp(b"hello")))
    assert (found.source, found.data) == (SocketAddress("2001:db8::1", 5060), b"hello")


def test_fragments_in_any_order() -> None:
    data = bytes(range(256)) * 8
    whole = udp(data)
    pieces = [
        ipv4(17, whole[at : at + 512], mark=7, flags=at // 8 | (0x2000 if at + 512 < len(whole) else 0))
        for at in range(0, len(whole), 512)
    ]
    random.Random(1).shuffle(pieces)
    other = ipv4(17, whole[:512], mark=8, flags=0x2000)
    (found,) = payloads(other, *pieces)
    assert found.data == data


def test_fragments_of_ipv6() -> None:
    whole = udp(b"x" * 100)
    pieces = [struct.pack("!BBHI", 17, 0, at | (at + 64 < len(whole)), 9) + whole[at : at + 64] for at in (64, 0)]
    (found,) = payloads(*(ipv6(44, piece) for piece in pieces))
    assert found.data == b"x" * 100


def test_no_more_packets_wait_for_fragments_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MAX_FRAGMENTED", 2)
    whole = udp(b"x" * 8)
    first = [ipv4(17, whole[:8], mark=mark, flags=0x2000) for mark in (1, 2, 3)]
    rest = [ipv4(17, whole[8:], mark=mark, flags=1) for mark in (3, 2)]
    assert len(payloads(*first, *rest)) == 2
    assert payloads(*first, ipv4(17, whole[8:], mark=1, flags=1)) == []


def test_segments_in_order_out_of_order_and_again() -> None:
    assert streamed(tcp(99, flags=2), tcp(100, b"abc"), tcp(103, b"de")) == [(b"abc", False), (b"de", False)]
    assert streamed(tcp(99, flags=2), tcp(103, b"de"), tcp(100, b"abc")) == [(b"abc", False), (b"de", False)]
    assert streamed(tcp(99, flags=2), tcp(100, b"abc"), tcp(100, b"abcd")) == [(b"abc", False), (b"d", False)]
    assert streamed(tcp(7, b"abc"), tcp(10, b"de"), tcp(7, b"abc")) == [(b"abc", False), (b"de", False)]


def test_the_first_bytes_of_a_connection_are_told() -> None:
    found = payloads(
        *(
            ipv4(6, segment)
            for segment in (
                *(tcp(99, flags=2), tcp(99, flags=2), tcp(100, b"abc"), tcp(99, flags=2), tcp(103, b"de")),
                *(tcp(499, flags=2), tcp(500, b"f")),  # the same ports again
                tcp(501, b"g"),
            )
        )
    )
    told = [(each.data, isinstance(each, Segment) and each.begins) for each in found]
    assert told == [(b"abc", True), (b"de", False), (b"f", True), (b"g", False)]
    (middle,) = payloads(ipv4(6, tcp(7, b"abc")))
    assert isinstance(middle, Segment)
    assert not middle.begins


def test_sequence_numbers_begin_again_at_zero() -> None:
    first = 2**32 - 2
    assert streamed(tcp(first - 1, flags=2), tcp(first + 3, b"de"), tcp(first, b"abc")) == [
        (b"abc", False),
        (b"de", False),
    ]


def test_what_was_not_captured_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MAX_AHEAD", 2)
    found = streamed(tcp(99, flags=2), tcp(105, b"f"), tcp(106, b"g"), tcp(107, b"h"))
    assert found == [(b"f", True), (b"g", False), (b"h", False)]


def test_what_waits_behind_a_gap_at_the_end_is_read_and_was_sent_when_it_came() -> None:
    segments = tcp(99, flags=2), tcp(100, b"a"), tcp(104, b"e"), tcp(102, b"c"), tcp(103, b"d"), tcp(107, b"h")
    found = payloads(*(ipv4(6, segment) for segment in segments))
    told = [(each.at_ns, each.data, isinstance(each, Segment) and each.gap) for each in found]
    assert told == [(1, b"a", False), (3, b"c", True), (4, b"d", False), (4, b"e", False), (5, b"h", True)]


@pytest.mark.parametrize("wait", [network.MAX_WAIT_NS, network.MAX_WAIT_NS + 1])
def test_a_gap_is_not_waited_for_longer_than_what_was_lost_takes(wait: int) -> None:
    sent = (0, tcp(99, flags=2)), (1, tcp(101, b"b")), (1 + wait, tcp(102, b"c")), (2 + wait, tcp(100, b"a"))
    found = list(read_payloads(CapturedPacket(at, 101, ipv4(6, segment)) for at, segment in sent))
    told = [(each.at_ns, each.data) for each in found]
    late = [(1, b"b"), (1 + wait, b"c")]
    assert told == (late if wait > network.MAX_WAIT_NS else [(2 + wait, each) for each in (b"a", b"b", b"c")])


def test_the_oldest_connection_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MAX_CONNECTIONS", 1)
    other = ipv4(6, tcp(5, b"x"), source="192.0.2.9")
    assert len(payloads(ipv4(6, tcp(1, b"a")), other, ipv4(6, tcp(9, b"b")))) == 3


@given(st.binary(min_size=1, max_size=60), st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_a_stream_comes_out_as_it_was(data: bytes, begin: int, chance: random.Random) -> None:
    cuts = sorted(chance.choices(range(len(data) + 1), k=5))
    pieces = [(at, data[at:end]) for at, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if end > at]
    sent = [tcp(begin + at, piece) for at, piece in pieces + chance.sample(pieces, len(pieces) // 2)]
    chance.shuffle(sent)
    assert b"".join(piece for piece, _ in streamed(tcp(begin - 1, flags=2), *sent)) == data


@given(st.binary(max_size=80), st.sampled_from([0, 1, 101, 113, 276]), st.sampled_from([b"\x45", b"\x60", b""]))
def test_any_bytes_are_read(data: bytes, link: int, begin: bytes) -> None:
    for packet in (data, begin + data, ipv4(6, data), ipv4(17, data), ipv6(44, data), ipv6(0, data)):
        payloads(packet, link=link)
        payloads(packet)
