"""RTP packets: the fields of RFC 3550 §5.1 in both directions, and whatever else a port is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError, ParseError
from sipcore.media.rtp import MAX_PACKET, Kind, RtpPacket, kind_of, pack

CASES = [
    (RtpPacket(0, 1, 160, 0xDEADBEEF, b"\xff\xfe"), "80000001000000a0deadbeeffffe"),
    (RtpPacket(101, 0xFFFF, 0xFFFFFFFF, 1, b"", marker=True), "80e5ffffffffffff00000001"),
    (RtpPacket(8, 2, 3, 4, b"x", csrcs=(5, 6)), "820800020000000300000004000000050000000678"),
    (RtpPacket(8, 2, 3, 4, b"x", extension=(0xBEDE, b"\x10\xff\0\0")), "900800020000000300000004bede000110ff000078"),
    (RtpPacket(8, 2, 3, 4, b"x", padding=3), "a0080002000000030000000478000003"),
    (
        RtpPacket(8, 2, 3, 4, b"", csrcs=(9,), extension=(1, b""), padding=1),
        "b10800020000000300000004000000090001000001",
    ),
]


@pytest.mark.parametrize(("packet", "wire"), CASES)
def test_both_directions(packet: RtpPacket, wire: str) -> None:
    assert bytes(packet) == bytes.fromhex(wire)
    assert RtpPacket.parse(bytes.fromhex(wire)) == packet


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "80000001000000a0deadbe",
        "40000001000000a0deadbeef",
        "81000001000000a0deadbeef",
        "90000001000000a0deadbeef",
        "90000001000000a0deadbeef00010001",
        "a0000001000000a0deadbeef00",
        "a0000001000000a0deadbeef02",
        "80" * (MAX_PACKET + 1),
    ],
)
def test_what_is_none(wire: str) -> None:
    with pytest.raises(ParseError):
        RtpPacket.parse(bytes.fromhex(wire))


@pytest.mark.parametrize(
    "wrong", [{"payload_type": 128}, {"csrcs": (0,) * 16}, {"padding": 256}, {"extension": (0, b"abc")}]
)
def test_what_cannot_be_sent(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        RtpPacket(**{"payload_type": 0, "sequence": 0, "timestamp": 0, "ssrc": 0, **wrong})  # type: ignore[arg-type]


@given(st.binary(max_size=64) | st.binary(max_size=60).map(lambda rest: b"\xb3" + rest))
def test_any_bytes(data: bytes) -> None:
    kind_of(data)
    try:
        packet = RtpPacket.parse(data)
    except ParseError:
        return
    again = RtpPacket.parse(bytes(packet))
    assert again == packet
    if packet.padding < 2:  # what stands in the padding is nothing
        assert bytes(packet) == data


@given(st.integers(0, 127), st.integers(0, 2**17), st.integers(0, 2**33), st.binary(max_size=20), st.booleans())
def test_numbers_are_taken_modulo_their_size(kind: int, sequence: int, timestamp: int, load: bytes, mark: bool) -> None:
    packet = RtpPacket.parse(pack(kind, sequence, timestamp, 7, load, marker=mark))
    assert packet == RtpPacket(kind, sequence % 2**16, timestamp % 2**32, 7, load, mark)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ("", Kind.KEEP_ALIVE),
        ("00", Kind.KEEP_ALIVE),
        ("0d0a", Kind.KEEP_ALIVE),
        ("0d0a0d0a", Kind.KEEP_ALIVE),
        ("0d0a80", Kind.UNKNOWN),
        ("80", Kind.UNKNOWN),
        ("0001", Kind.STUN),
        ("16fe", Kind.DTLS),
        ("8000", Kind.RTP),
        ("80df", Kind.RTCP),
        ("80c8", Kind.RTCP),
        ("80e0", Kind.RTP),
        ("7f00", Kind.UNKNOWN),
        ("ff00", Kind.UNKNOWN),
    ],
)
def test_kinds(start: str, kind: Kind) -> None:
    assert kind_of(bytes.fromhex(start)) is kind
