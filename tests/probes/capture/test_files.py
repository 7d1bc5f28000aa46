"""Capture files of every kind, whole and broken."""

import gzip
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.capture import files
from probes.capture.files import CapturedPacket, CaptureError, read_key_log, read_packets, unpacked
from probes.capture.network import Missed, missed
from probes.report.packets import Packet
from probes.report.pcapng import pcapng
from tests.probes.capture.captures import block, pcap

SECTION = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)


def interface(link: int = 101, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link, 0, 0) + options, order)


def enhanced(data: bytes, time: int, number: int = 0, order: str = "<") -> bytes:
    head = struct.pack(f"{order}5I", number, time >> 32, time & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data, order)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)], ids=["micro", "nano"])
def test_pcap_of_either_precision_and_order(order: str, magic: int, unit: int) -> None:
    found = list(read_packets(pcap(b"ab", b"cde", order=order, magic=magic, link=1)))
    assert found == [CapturedPacket(1000 * 10**9, 1, b"ab"), CapturedPacket(1001 * 10**9 + unit, 1, b"cde")]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_pcapng_of_either_order(order: str) -> None:
    section = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    data = section + interface(1, order=order) + enhanced(b"abc", 1_000_001, order=order)
    assert list(read_packets(data)) == [CapturedPacket(1_000_001_000, 1, b"abc")]


@pytest.mark.parametrize(
    ("option", "at_ns"),
    [
        (struct.pack("<HHB3x", 9, 1, 9), 512),
        (struct.pack("<HHB3x", 9, 1, 3), 512_000_000),
        (struct.pack("<HHB3x", 9, 1, 0x80 | 9), 10**9),  # of a second's 512th parts
        (struct.pack("<HHq", 14, 8, 5), 512_000 + 5 * 10**9),
        (struct.pack("<HH", 0, 0) + struct.pack("<HHB3x", 9, 1, 9), 512_000),  # behind the end of the options
    ],
)
def test_units_and_offsets_of_an_interface(option: bytes, at_ns: int) -> None:
    data = block(0x0A0D0D0A, SECTION) + interface(options=option) + enhanced(b"a", 512)
    assert [packet.at_ns for packet in read_packets(data)] == [at_ns]


def test_what_was_cut_off_is_told() -> None:
    cut = struct.pack("<IIII", 1, 0, 2, 1500) + b"ab"
    whole = struct.pack("<IIII", 1, 0, 2, 2) + b"ab"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 2, 1)
    assert [packet.omitted for packet in read_packets(head + cut + whole)] == [1498, 0]
    section = block(0x0A0D0D0A, SECTION) + interface(1)
    shortened = block(6, struct.pack("<5I", 0, 0, 0, 3, 60) + b"abc")
    found = [missed(read_packets(data)) for data in (head + cut + whole, section + shortened, head + whole)]
    assert found == [Missed(cut=1), Missed(cut=1), Missed()]


def test_link_layers_that_are_not_read_are_told() -> None:
    section = block(0x0A0D0D0A, SECTION) + interface(1) + interface(147) + interface(105)
    packets = [enhanced(b"a", 0, number) for number in (0, 1, 2, 1)]
    assert missed(read_packets(section + b"".join(packets))) == Missed(links=((105, 1), (147, 2)))
    shortened = block(6, struct.pack("<5I", 1, 0, 0, 3, 60) + b"abc")
    assert missed(read_packets(section + shortened)) == Missed(cut=1)  # each packet is told of once


def test_each_section_has_interfaces_of_its_own() -> None:
    first = block(0x0A0D0D0A, SECTION) + interface(1) + interface(113) + enhanced(b"a", 0, 1)
    data = (
        first + block(0x0A0D0D0A, SECTION) + interface(101) + enhanced(b"b", 0) + enhanced(b"c", 0, 1) + block(99, b"x")
    )
    assert [(packet.link, packet.data) for packet in read_packets(data)] == [(113, b"a"), (101, b"b")]


def test_what_we_write_is_read() -> None:
    written = pcapng([Packet(0.5, b"abc", "told"), Packet(1.0, b"d")], epoch_ns=10**18)
    assert list(read_packets(written)) == [
        CapturedPacket(10**18 + 500_000_000, 101, b"abc"),
        CapturedPacket(10**18 + 10**9, 101, b"d"),
    ]


def test_the_key_logs_in_a_file() -> None:
    assert read_key_log(pcapng([Packet(0.5, b"abc")], epoch_ns=0, key_log=b"one\n")) == b"one\n\n"
    for order in "<>":
        section = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
        secrets = [
            block(10, struct.pack(f"{order}II", kind, len(log)) + log, order)
            for kind, log in ((0x544C534B, b"one"), (0x57474B4C, b"of WireGuard"), (0x544C534B, b"two, later"))
        ]
        data = section + secrets[0] + secrets[1] + interface(order=order) + secrets[2] + block(10, b"\0" * 7, order)
        assert read_key_log(data) == b"one\ntwo, later\n"
        assert list(read_packets(data)) == []
    for nothing in (pcap(b"abc"), b"", b"\x0a\x0d\x0d\x0a"):
        assert read_key_log(nothing) == b""


@pytest.mark.parametrize(
    "whole", [pcap(b"abc", b"def"), pcapng([Packet(0.0, b"abc"), Packet(0.0, b"def")], epoch_ns=0)]
)
def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(whole: bytes) -> None:
    for size in range(4, len(whole)):
        found = [packet.data for packet in read_packets(whole[:size])]
        assert found in ([], [b"abc"], [b"abc", b"def"])
    assert len(list(read_packets(whole))) == 2


@pytest.mark.parametrize(
    ("data", "told"), [(b"", "neither"), (b"INVITE sip:a SIP/2.0", "neither"), (b"\x1f\x8b\x08", "compressed")]
)
def test_what_is_no_capture_is_told(data: bytes, told: str) -> None:
    with pytest.raises(CaptureError, match=told):
        read_packets(data)


@given(st.binary(max_size=400), st.sampled_from([pcap(b"abcd")[:24], block(0x0A0D0D0A, SECTION) + interface(), b""]))
def test_any_bytes_are_read_or_refused(data: bytes, begin: bytes) -> None:
    try:
        assert all(len(packet.data) <= len(data) for packet in read_packets(begin + data))
    except CaptureError:
        assert not begin


def test_a_compressed_file_is_unpacked() -> None:
    whole = pcap(b"abc", b"def")
    packed = gzip.compress(whole)
    assert unpacked(whole) is whole
    assert unpacked(packed) == whole
    assert unpacked(gzip.compress(whole[:30]) + gzip.compress(whole[30:]) + b"\0\0") == whole
    for size in range(2, len(packed)):
        assert whole.startswith(unpacked(packed[:size]))


@pytest.mark.parametrize("data", [b"\x1f\x8b\x09" + bytes(20), gzip.compress(b"abc")[:-8] + bytes(8)])
def test_what_cannot_be_unpacked_is_told(data: bytes) -> None:
    with pytest.raises(CaptureError, match="cannot be unpacked"):
        unpacked(data)


def test_a_file_of_a_few_bytes_does_not_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", 1 << 20)
    assert len(unpacked(gzip.compress(bytes(1 << 20)))) == 1 << 20
    for bomb in (gzip.compress(bytes((1 << 20) + 1)), gzip.compress(bytes(1 << 19)) * 3):
        with pytest.raises(CaptureError, match="more than 1 MiB"):
            unpacked(bomb)
