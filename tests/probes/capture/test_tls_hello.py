"""Hellos, whole and broken."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.capture.tls_hello import RETRY_RANDOM, ClientHello, ServerHello, Version
from sipcore.errors import ParseError

RANDOM = bytes(range(32))
CLIENT = b"\x03\x03" + RANDOM + b"\x02ab" + b"\0\x02\x13\x01" + b"\x01\0"
SERVER = b"\x03\x03" + RANDOM + b"\0" + b"\xc0\x2f" + b"\0"


def extensions(*each: tuple[int, bytes]) -> bytes:
    body = b"".join(kind.to_bytes(2) + len(content).to_bytes(2) + content for kind, content in each)
    return len(body).to_bytes(2) + body


def test_a_client() -> None:
    assert ClientHello.parse(CLIENT) == ClientHello(RANDOM)
    assert ClientHello.parse(CLIENT + extensions((0, b"x"), (42, b""))) == ClientHello(RANDOM, early=True)


def test_a_server() -> None:
    assert ServerHello.parse(SERVER) == ServerHello(Version.TLS_1_2, RANDOM, 0xC02F)
    later = ServerHello.parse(SERVER + extensions((43, b"\x03\x04"), (22, b"")))
    assert later == ServerHello(Version.TLS_1_3, RANDOM, 0xC02F, encrypt_then_mac=True)
    assert ServerHello.parse(SERVER[:-1] + b"\x01").compressed
    assert ServerHello.parse(SERVER.replace(RANDOM, RETRY_RANDOM)).retry


def test_what_ends_too_early_is_refused() -> None:
    for whole, parse in (
        (CLIENT + extensions((42, b"")), ClientHello.parse),
        (SERVER + extensions((43, b"\x03\x04")), ServerHello.parse),
    ):
        without_extensions = len(CLIENT if parse == ClientHello.parse else SERVER)
        for size in range(len(whole)):
            if size != without_extensions:
                with pytest.raises(ParseError):
                    parse(whole[:size])


@pytest.mark.parametrize(
    ("number", "words"),
    [(0x0002, "SSL 0.2"), (0x0300, "SSL 3.0"), (0x0301, "TLS 1.0"), (0x0304, "TLS 1.3"), (0x7F1C, "SSL 127.28")],
)
def test_the_names_of_versions(number: int, words: str) -> None:
    assert Version.words(number) == words


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (ClientHello.parse, ServerHello.parse):
        with suppress(ParseError):
            assert len(parse(data).random) == 32
