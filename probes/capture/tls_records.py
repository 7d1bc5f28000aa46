"""TLS records out of a stream, and what is in those that are protected: RFC 5246 §6, RFC 8446 §5.

The ciphers are those of the cryptography package, which is loaded with the first keys.
"""

import hmac
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from probes.capture.tls_keys import WriteKeys
from probes.capture.tls_suites import NONCE_BYTES, Cipher, Suite
from sipcore.value import value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

HEAD_BYTES = 5
MAX_FRAGMENT = (1 << 14) + 2048
"""Bytes of a protected record (RFC 5246 §6.2.3)."""
BLOCK = 16
"""Bytes of a block of AES."""
TAG = 16
"""Bytes that authenticate a record: of all AEAD ciphers here."""


class ContentType(IntEnum):
    """What is in a record (RFC 8446 §5.1)."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


@value
class Record:
    """A record as it is on the wire: type, version and length in `head`."""

    head: bytes
    fragment: bytes

    @property
    def kind(self) -> int:
        """Its type, a `ContentType` if it is known."""
        return self.head[0]


Content = tuple[int, bytes]
"""The type of what was in a record, and what it was."""


def begins_record(data: bytes | bytearray) -> bool:
    """Whether bytes look like the beginning of a record, as far as they go."""
    return (
        ContentType.CHANGE_CIPHER_SPEC <= int.from_bytes(data[:1]) <= ContentType.APPLICATION_DATA
        and data[1:2] in (b"", b"\x03")
        and int.from_bytes(data[3:HEAD_BYTES]) <= MAX_FRAGMENT
    )


def next_record(buffer: bytearray) -> Record | None:
    """The record at the front of bytes that begin one; None until it is whole."""
    if len(buffer) < HEAD_BYTES:
        return None
    end = HEAD_BYTES + int.from_bytes(buffer[3:HEAD_BYTES])
    return Record(bytes(buffer[:HEAD_BYTES]), bytes(buffer[HEAD_BYTES:end])) if len(buffer) >= end else None


class Opener(Protocol):
    """Opens the records of one direction, in their order, from the first one under its keys."""

    def open(self, record: Record) -> Content | None:
        """What is in a record; None where it is not authentic, and then the next one is taken for it."""
        ...


def opener_of(suite: Suite, keys: WriteKeys, *, tls_1_3: bool, mac_last: bool = False) -> Opener:
    """What opens the records that `keys` protect. `mac_last` is encrypt-then-MAC (RFC 7366)."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    if suite.cipher is Cipher.AES_CBC:
        return _Cbc(suite.mac, keys, mac_last=mac_last)
    aead = AESGCM(keys.key) if suite.cipher is Cipher.AES_GCM else ChaCha20Poly1305(keys.key)
    if tls_1_3:
        return _Aead13(aead, keys.iv)
    return _Aead12(aead, keys.iv, explicit=NONCE_BYTES - suite.implicit_bytes)


class _Aead:
    """A cipher that authenticates what it encrypts (RFC 5116), with the number that the next record has."""

    def __init__(self, aead: "AESGCM | ChaCha20Poly1305", iv: bytes) -> None:
        self._aead = aead
        self._iv = iv
        self._number = 0

    def _nonce(self) -> bytes:
        """The number of the record, mixed with the IV (RFC 8446 §5.3, RFC 7905 §2)."""
        return (int.from_bytes(self._iv) ^ self._number).to_bytes(len(self._iv))

    def _open(self, nonce: bytes, sealed: bytes, beside: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            data = self._aead.decrypt(nonce, sealed, beside)
        except InvalidTag:
            return None
        self._number += 1
        return data


class _Aead12(_Aead):
    """RFC 5246 §6.2.3.3; `explicit` bytes of the nonce stand before each fragment."""

    def __init__(self, aead: "AESGCM | ChaCha20Poly1305", iv: bytes, *, explicit: int) -> None:
        super().__init__(aead, iv)
        self._explicit = explicit

    def open(self, record: Record) -> Content | None:
        size = len(record.fragment) - self._explicit - TAG
        if size < 0:
            return None
        nonce = self._iv + record.fragment[: self._explicit] if self._explicit else self._nonce()
        beside = self._number.to_bytes(8) + record.head[:3] + size.to_bytes(2)
        data = self._open(nonce, record.fragment[self._explicit :], beside)
        return None if data is None else (record.kind, data)


class _Aead13(_Aead):
    """RFC 8446 §5.2: the real type stands behind the content, and zeros that pad it behind that (§5.4)."""

    def open(self, record: Record) -> Content | None:
        if len(record.fragment) < TAG:
            return None
        data = self._open(self._nonce(), record.fragment, record.head)
        content = data.rstrip(b"\0") if data is not None else b""
        return (content[-1], content[:-1]) if content else None


class _Cbc:
    """AES-CBC with HMAC (RFC 5246 §6.2.3.2): the MAC is encrypted with the content, or stands last (RFC 7366 §3)."""

    def __init__(self, mac: str, keys: WriteKeys, *, mac_last: bool) -> None:
        self._mac = mac
        self._keys = keys
        self._mac_last = mac_last
        self._number = 0

    def open(self, record: Record) -> Content | None:
        size = len(self._keys.mac)
        if not self._mac_last:
            content, proof = _cut(_unpadded(self._decrypt(record.fragment)), size)
            data = content
        else:
            content, proof = _cut(record.fragment, size)
            data = _unpadded(self._decrypt(content))
        if not hmac.compare_digest(proof, self._proof(record, content)):
            return None
        self._number += 1
        return record.kind, data

    def _proof(self, record: Record, content: bytes) -> bytes:
        head = self._number.to_bytes(8) + record.head[:3] + len(content).to_bytes(2)
        return hmac.digest(self._keys.mac, head + content, self._mac)

    def _decrypt(self, sealed: bytes) -> bytes:
        """The blocks behind the first, which is their IV; nothing where they are not whole."""
        from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        if len(sealed) < 2 * BLOCK or len(sealed) % BLOCK:
            return b""
        decryptor = BlockCipher(AES(self._keys.key), CBC(sealed[:BLOCK])).decryptor()
        return decryptor.update(sealed[BLOCK:]) + decryptor.finalize()


def _unpadded(data: bytes) -> bytes:
    """Without the padding, whose last byte tells how many stand before it; nothing where it is not right."""
    if not data or data[-1] >= len(data) or not data.endswith(bytes([data[-1]]) * (data[-1] + 1)):
        return b""
    return data[: -data[-1] - 1]


def _cut(data: bytes, size: int) -> tuple[bytes, bytes]:
    """Without the last `size` bytes, and those; both are empty where there are fewer."""
    return (data[:-size], data[-size:]) if len(data) >= size else (b"", b"")
