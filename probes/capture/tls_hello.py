"""What the two hellos of a TLS handshake say about keys: RFC 5246 §7.4.1, RFC 8446 §4.1."""

from collections.abc import Iterator
from dataclasses import field
from enum import IntEnum

from sipcore.errors import ParseError
from sipcore.value import value

RANDOM_BYTES = 32
"""Bytes of a client's random, by which a session is found in a key log, and of a server's (RFC 8446 §4.1.2)."""
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a server's hello that asks for another one of the client (RFC 8446 §4.1.3)."""
_ENCRYPT_THEN_MAC, _EARLY_DATA, _SUPPORTED_VERSIONS = 22, 42, 43
"""Extensions (RFC 7366 §2, RFC 8446 §4.2)."""


class Version(IntEnum):
    """Versions whose records are read."""

    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304

    @staticmethod
    def words(number: int) -> str:
        """The name of any version: SSL 3.0 is the one before TLS 1.0 (RFC 5246 §E.1)."""
        return (
            f"TLS 1.{number - 0x0301}" if 0x0301 <= number <= Version.TLS_1_3 else f"SSL {number >> 8}.{number & 255}"
        )


@value
class ClientHello:
    """`early` tells that it sends data before the server has answered (RFC 8446 §4.2.10)."""

    random: bytes = field(repr=False)
    early: bool = False

    @classmethod
    def parse(cls, body: bytes) -> "ClientHello":
        """Read the body of a ClientHello. Raises ParseError."""
        _, at = _vector(body, 2 + RANDOM_BYTES, 1)  # session id
        _, at = _vector(body, at, 2)  # cipher suites
        _, at = _vector(body, at, 1)  # compression methods
        return cls(body[2 : 2 + RANDOM_BYTES], _EARLY_DATA in dict(_extensions(body, at)))


@value
class ServerHello:
    """What the server chose. `retry` tells that it wants another hello first, and that its random is none."""

    version: int
    random: bytes = field(repr=False)
    suite: int
    compressed: bool = False
    encrypt_then_mac: bool = False
    retry: bool = False

    @classmethod
    def parse(cls, body: bytes) -> "ServerHello":
        """Read the body of a ServerHello. Raises ParseError."""
        _, at = _vector(body, 2 + RANDOM_BYTES, 1)  # session id
        if at + 3 > len(body):
            raise _cut_short(body)
        extensions = dict(_extensions(body, at + 3))
        random = body[2 : 2 + RANDOM_BYTES]
        return cls(
            int.from_bytes(extensions.get(_SUPPORTED_VERSIONS, body[:2])[:2]),
            random,
            int.from_bytes(body[at : at + 2]),
            body[at + 2] != 0,
            _ENCRYPT_THEN_MAC in extensions,
            random == RETRY_RANDOM,
        )


def _extensions(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Number and content of each extension; the hellos of old versions have none (RFC 5246 §7.4.1.2)."""
    if at == len(body):
        return
    extensions, _ = _vector(body, at, 2)
    at = 0
    while at < len(extensions):
        kind = int.from_bytes(extensions[at : at + 2])
        content, at = _vector(extensions, at + 2, 2)
        yield kind, content


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """Bytes behind their length, which has `width` bytes (RFC 8446 §3.4), and where they end."""
    begin = at + width
    end = begin + int.from_bytes(data[at:begin])
    if begin > len(data) or end > len(data):
        raise _cut_short(data)
    return data[begin:end], end


def _cut_short(data: bytes) -> ParseError:
    return ParseError(f"a TLS hello of {len(data)} bytes ends too early", section="RFC 8446 §4.1")
