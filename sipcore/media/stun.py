"""STUN messages: RFC 8489 §5 and §14, as far as connectivity checks need them (RFC 8445 §7)."""

import hashlib
import hmac
import ipaddress
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum

from sipcore.errors import ParseError
from sipcore.resolve.target import SocketAddress
from sipcore.value import value

COOKIE = 0x2112A442
HEADER = 20
MAX_ATTRIBUTES = 32
"""In one message: a connectivity check has seven."""
_FINGERPRINT_XOR = 0x5354554E
"""RFC 8489 §14.7."""
_INTEGRITY_SIZE = 20
_HEADER = struct.Struct("!HHI12s")
_TLV = struct.Struct("!HH")


class StunType(IntEnum):
    """Method and class of a message (RFC 8489 §5): those of Binding."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    SUCCESS = 0x0101
    ERROR = 0x0111


class Attr(IntEnum):
    """Types of attributes (RFC 8489 §18.3, RFC 8445 §16.1)."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


@value
class StunMessage:
    """A message: its type, its transaction and its attributes in order, those of integrity and fingerprint left out.

    `integrity` and `fingerprint` tell whether a message that was read has them; the latter is right then.
    """

    type: int
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()
    integrity: bytes = b""
    fingerprint: bool = False
    protected: bytes = b""
    """What the integrity is taken over."""

    @classmethod
    def parse(cls, data: bytes) -> "StunMessage":
        """Read a datagram. Raises ParseError."""
        if len(data) < HEADER:
            raise ParseError("a STUN message has at least 20 bytes", section="RFC 8489 §5")
        kind, length, cookie, transaction = _HEADER.unpack_from(data)
        if kind >> 14 or cookie != COOKIE or length % 4 or length != len(data) - HEADER:
            raise ParseError("not a STUN message", section="RFC 8489 §5")
        attributes: list[tuple[int, bytes]] = []
        integrity, protected, place = b"", b"", HEADER
        while place < len(data):
            name, size = _TLV.unpack_from(data, place)
            content = data[place + 4 : place + 4 + size]
            if len(content) < size or len(attributes) == MAX_ATTRIBUTES:
                raise ParseError("the attributes do not fit", section="RFC 8489 §14")
            if name == Attr.FINGERPRINT:
                _check_fingerprint(data, place, content)
                return cls(kind, transaction, tuple(attributes), integrity, True, protected)
            if name == Attr.MESSAGE_INTEGRITY and not integrity:
                if size != _INTEGRITY_SIZE:
                    raise ParseError("the integrity has 20 bytes", section="RFC 8489 §14.5")
                integrity, protected = content, _with_length(data[:place], place + 4 + size)
            elif not integrity:  # RFC 8489 §14.5: what follows the integrity is ignored
                attributes.append((name, content))
            place += 4 + size + -size % 4
        return cls(kind, transaction, tuple(attributes), integrity, False, protected)

    def get(self, name: int) -> bytes | None:
        """The first attribute of a type."""
        return next((content for kind, content in self.attributes if kind == name), None)

    def is_from(self, password: str) -> bool:
        """Whether the integrity was made with a password (RFC 8489 §9.1.3: short-term credentials)."""
        mac = hmac.digest(password.encode(), self.protected, hashlib.sha1)
        return bool(self.integrity) and hmac.compare_digest(mac, self.integrity)

    def encode(self, password: str | None = None) -> bytes:
        """The datagram, with integrity where there is a password, and with a fingerprint."""
        body = b"".join(
            _TLV.pack(name, len(content)) + content + bytes(-len(content) % 4) for name, content in self.attributes
        )
        data = _HEADER.pack(self.type, len(body), COOKIE, self.transaction) + body
        if password is not None:
            end = len(data) + 4 + _INTEGRITY_SIZE
            mac = hmac.digest(password.encode(), _with_length(data, end), hashlib.sha1)
            data = _with_length(data, end) + _TLV.pack(Attr.MESSAGE_INTEGRITY, _INTEGRITY_SIZE) + mac
        data = _with_length(data, len(data) + 8)
        return data + _TLV.pack(Attr.FINGERPRINT, 4) + struct.pack("!I", zlib.crc32(data) ^ _FINGERPRINT_XOR)


def unknown_attributes(message: StunMessage) -> Sequence[int]:
    """The types that must be understood, and are not (RFC 8489 §14: below 0x8000)."""
    return [name for name, _ in message.attributes if name < 0x8000 and name not in _KNOWN]


_KNOWN = frozenset(Attr)


def xor_address(address: SocketAddress, transaction: bytes) -> bytes:
    """The content of XOR-MAPPED-ADDRESS (RFC 8489 §14.2)."""
    packed = ipaddress.ip_address(address.host.partition("%")[0]).packed
    key = COOKIE.to_bytes(4, "big") + transaction
    hidden = bytes(a ^ b for a, b in zip(packed, key, strict=False))
    return struct.pack("!BBH", 0, 1 if len(packed) == 4 else 2, address.port ^ COOKIE >> 16) + hidden


def read_xor_address(content: bytes, transaction: bytes) -> SocketAddress:
    """The address in an XOR-MAPPED-ADDRESS. Raises ParseError."""
    sizes = {1: 8, 2: 20}
    if len(content) < 2 or len(content) != sizes.get(content[1]):
        raise ParseError("not an address", section="RFC 8489 §14.2")
    key = COOKIE.to_bytes(4, "big") + transaction
    packed = bytes(a ^ b for a, b in zip(content[4:], key, strict=False))
    port = int.from_bytes(content[2:4], "big") ^ COOKIE >> 16
    return SocketAddress(str(ipaddress.ip_address(packed)), port)


def error_code(status: int, reason: str) -> bytes:
    """The content of ERROR-CODE (RFC 8489 §14.8)."""
    return struct.pack("!HBB", 0, status // 100, status % 100) + reason.encode()


def _with_length(data: bytes, end: int) -> bytes:
    """The message with the length that makes it end there (RFC 8489 §14.5, §14.7)."""
    return data[:2] + struct.pack("!H", end - HEADER) + data[4:]


def _check_fingerprint(data: bytes, place: int, content: bytes) -> None:
    expected = zlib.crc32(data[:place]) ^ _FINGERPRINT_XOR
    if len(content) != 4 or place + 8 != len(data) or int.from_bytes(content, "big") != expected:
        raise ParseError("the fingerprint is wrong", section="RFC 8489 §14.7")
