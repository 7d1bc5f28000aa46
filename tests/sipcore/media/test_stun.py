"""STUN, by the sample messages of RFC 5769."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import ParseError
from sipcore.media.stun import (
    Attr,
    StunMessage,
    StunType,
    read_xor_address,
    unknown_attributes,
    xor_address,
)
from sipcore.resolve.target import SocketAddress

PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = (
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
IPV4 = (
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6 = (
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5"
    "bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


def test_the_sample_request() -> None:
    message = StunMessage.parse(bytes.fromhex(REQUEST))
    assert (message.type, message.transaction, message.fingerprint) == (StunType.REQUEST, TRANSACTION, True)
    assert message.get(Attr.USERNAME) == b"evtj:h6vY"
    assert message.get(Attr.PRIORITY) == bytes.fromhex("6e0001ff")
    assert message.get(Attr.USE_CANDIDATE) is None
    assert message.is_from(PASSWORD)
    assert not message.is_from("another")
    assert unknown_attributes(message) == []


@pytest.mark.parametrize(
    ("wire", "address"),
    [
        (IPV4, SocketAddress("192.0.2.1", 32853)),
        (IPV6, SocketAddress("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_the_sample_responses(wire: str, address: SocketAddress) -> None:
    message = StunMessage.parse(bytes.fromhex(wire))
    content = message.get(Attr.XOR_MAPPED_ADDRESS)
    assert content is not None
    assert read_xor_address(content, TRANSACTION) == address
    assert xor_address(address, TRANSACTION) == content
    assert message.is_from(PASSWORD)


@pytest.mark.parametrize("password", [None, "secret"])
def test_what_is_sent_can_be_read(password: str | None) -> None:
    message = StunMessage(StunType.REQUEST, TRANSACTION, ((Attr.USERNAME, b"a:b"), (0x7FFF, b"12345")))
    read = StunMessage.parse(message.encode(password))
    assert (read.type, read.attributes, read.fingerprint) == (message.type, message.attributes, True)
    assert read.is_from("secret") == (password is not None)
    assert unknown_attributes(read) == [0x7FFF]


def changed(wire: str, place: int, new: str) -> str:
    return wire[: 2 * place] + new + wire[2 * place + len(new) :]


@pytest.mark.parametrize(
    "wire",
    [
        "",
        REQUEST[:-2],
        REQUEST + "00",
        changed(REQUEST, 0, "40"),
        changed(REQUEST, 4, "00"),
        changed(REQUEST, len(REQUEST) // 2 - 1, "00"),
        changed(REQUEST, 22, "ffff"),
        changed(REQUEST, 78, "0010"),
        "000100812112a442" + "00" * 12 + "00" * 129,
        "000100842112a442" + "00" * 12 + "00060000" * 33,
        "000100082112a442" + "00" * 12 + "8028000800000000",
    ],
)
def test_what_is_none(wire: str) -> None:
    with pytest.raises(ParseError):
        StunMessage.parse(bytes.fromhex(wire))


@pytest.mark.parametrize("content", [b"", b"\0", bytes(8), b"\0\1" + bytes(5), b"\0\2" + bytes(6)])
def test_no_address(content: bytes) -> None:
    with pytest.raises(ParseError):
        read_xor_address(content, TRANSACTION)


@given(
    st.binary(max_size=100)
    | st.binary(max_size=60)
    .map(lambda rest: rest[: len(rest) & ~3])
    .map(lambda rest: b"\0\1\0" + bytes([len(rest)]) + bytes.fromhex("2112a442") + bytes(12) + rest)
)
def test_any_bytes(data: bytes) -> None:
    try:
        message = StunMessage.parse(data)
    except ParseError:
        return
    message.is_from("x")
    unknown_attributes(message)
