"""The capture file, block by block."""

import struct

from probes.report.packets import Packet
from probes.report.pcapng import (
    BYTE_ORDER,
    COMMENT,
    ENHANCED_PACKET,
    INTERFACE,
    RAW_IP,
    SECRETS,
    SECTION_HEADER,
    TLS_KEY_LOG,
    pcapng,
)


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    """Type and content of each block; its length stands before and behind it, and is a multiple of four."""
    found = []
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4) == (length,)
        found.append((kind, data[8 : length - 4]))
        data = data[length:]
    return found


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        code, length = struct.unpack_from("<HH", data)
        if code:
            found[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return found


def test_an_empty_capture_has_its_section_and_interface() -> None:
    section, interface = blocks(pcapng([], epoch_ns=0, application="sipprobe"))
    assert section[0] == SECTION_HEADER
    assert struct.unpack_from("<IHHQ", section[1]) == (BYTE_ORDER, 1, 0, 2**64 - 1)
    assert options(section[1][16:]) == {4: b"sipprobe"}
    assert interface[0] == INTERFACE
    assert struct.unpack_from("<HHI", interface[1]) == (RAW_IP, 0, 0)
    assert options(interface[1][8:]) == {2: b"sip", 9: b"\x09"}


def test_a_packet_is_whole_and_at_its_nanosecond() -> None:
    epoch_ns = 1_700_000_000_000_000_001
    *_, plain, told = blocks(pcapng([Packet(1.5, b"12345"), Packet(2.0, b"1234", "höher")], epoch_ns=epoch_ns))
    assert plain[0] == told[0] == ENHANCED_PACKET
    interface, high, low, captured, length = struct.unpack_from("<IIIII", plain[1])
    assert (interface, captured, length) == (0, 5, 5)
    assert (high << 32) + low == epoch_ns + 1_500_000_000
    assert plain[1][20:] == b"12345\0\0\0"
    assert options(told[1][24:]) == {COMMENT: "höher".encode()}


def test_keys_stand_before_the_packets_that_they_are_for() -> None:
    found = blocks(pcapng([Packet(1.0, b"1")], epoch_ns=0, key_log=b"CLIENT_RANDOM 1 2\n"))
    assert [kind for kind, _ in found] == [SECTION_HEADER, INTERFACE, SECRETS, ENHANCED_PACKET]
    assert struct.unpack_from("<II", found[2][1]) == (TLS_KEY_LOG, 18)
    assert found[2][1][8:] == b"CLIENT_RANDOM 1 2\n\0\0"
