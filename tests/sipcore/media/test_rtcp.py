"""RTCP: packets in both directions, hostile bytes, and the round trip of the RFC's own example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LocalError, ParseError
from sipcore.media.reception import ReportBlock
from sipcore.media.rtcp import (
    Description,
    Goodbye,
    Other,
    Packet,
    Report,
    SenderInfo,
    compound,
    middle,
    ntp_of,
    parse_rtcp,
    round_trip,
)

BLOCK = ReportBlock(7, 64, -2, 0x10005, 12, 0xB7052000, 0x00054000)
CASES: list[tuple[Packet, str]] = [
    (Report(1), "80c9000100000001"),
    (
        Report(1, SenderInfo(0xB44DB705_20000000, 160, 3, 480)),
        "80c8000600000001b44db70520000000000000a000000003000001e0",
    ),
    (Report(1, None, (BLOCK,)), "81c90007000000010000000740fffffe000100050000000cb705200000054000"),
    (Report(1, None, (), b"more"), "80c90002000000016d6f7265"),
    (Description(((1, "ab"),)), "81ca0003000000010102616200000000"),
    (Description(((1, "abc"),)), "81ca0003000000010103616263000000"),
    (Description(((1, ""), (2, "x"))), "82ca000400000001010000000000000201017800"),
    (Goodbye((1, 2)), "82cb00020000000100000002"),
    (Goodbye((1,), "bye"), "81cb00020000000103627965"),
    (Goodbye(()), "80cb0000"),
    (Other(206, 1, bytes(8)), "81ce00020000000000000000"),
]


@pytest.mark.parametrize(("packet", "wire"), CASES)
def test_both_directions(packet: Packet, wire: str) -> None:
    assert bytes(packet).hex() == wire
    assert parse_rtcp(bytes.fromhex(wire), []) == (packet,)


def test_a_compound() -> None:
    packets = (Report(1), Description(((1, "me"),)), Goodbye((1,), "done"))
    assert parse_rtcp(compound(packets)) == packets


@pytest.mark.parametrize(
    ("wire", "notes"),
    [
        ("81cb000100000001", [Deviation.RTCP_WITHOUT_REPORT]),
        ("80c900010000000100", [Deviation.RTCP_TRAILING_OCTETS]),
        ("a0c900020000000100000004", []),
    ],
)
def test_what_is_tolerated(wire: str, notes: Notes) -> None:
    found: Notes = []
    parse_rtcp(bytes.fromhex(wire), found)
    assert found == notes
    if notes:
        with pytest.raises(ParseError):
            parse_rtcp(bytes.fromhex(wire))


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "40c9000100000001",
        "80c9000200000001",
        "80c90000",
        "81c9000100000001",
        "80c8000100000001",
        "a0c900010000000000",
        "a0c9000100000003",
        "a0c90000",
        "81ca0000",
        "81ca000200000001010a6162",
        "81cb0000",
    ],
)
def test_what_is_none(wire: str) -> None:
    with pytest.raises(ParseError):
        parse_rtcp(bytes.fromhex(wire), [])


@given(
    st.binary(max_size=80)
    | st.builds(
        lambda kind, count, body: bytes([0x80 | count, kind, 0, len(body) // 4]) + body,
        st.integers(200, 207),
        st.integers(0, 31),
        st.binary(max_size=40).map(lambda body: body[: len(body) & ~3]),
    )
)
def test_any_bytes(data: bytes) -> None:
    try:
        parse_rtcp(data, [])
    except ParseError:
        pass


def test_too_much_to_send() -> None:
    with pytest.raises(LocalError):
        bytes(Report(1, None, (BLOCK,) * 32))
    with pytest.raises(LocalError):
        bytes(Description(((1, "x" * 256),)))
    assert len(bytes(Goodbye((1,), "x" * 300))) == 4 + 4 + 256


def test_the_round_trip_of_rfc_3550_figure_2() -> None:
    arrival = 0xB710_8000
    block = ReportBlock(7, 0, 0, 0, 0, 0xB705_2000, 0x0005_4000)
    assert round_trip(block, arrival) == 6.125


def test_no_round_trip() -> None:
    assert round_trip(ReportBlock(7, 0, 0, 0, 0), 5) is None
    assert round_trip(ReportBlock(7, 0, 0, 0, 0, 100, 0), 5) is None


def test_time_of_day() -> None:
    assert ntp_of(0.5) == (2208988800 << 32) + (1 << 31)
    assert middle(0x1234_5678_9ABC_DEF0) == 0x5678_9ABC
