"""The cipher suites whose records are read, by their numbers (https://www.iana.org/assignments/tls-parameters).

How the keys were agreed on does not matter to whoever has them from a key log, so a row stands for several suites.
"""

import hashlib
from enum import Enum

from probes.capture.tls_hello import Version
from sipcore.value import value

NONCE_BYTES = 12
"""Bytes of a nonce of either AEAD cipher (RFC 5288 §3, RFC 7905 §2)."""


class Cipher(Enum):
    """How records are protected: RFC 5288, RFC 7905, and RFC 5246 §6.2.3.2."""

    AES_GCM = "AES-GCM"
    CHACHA20 = "ChaCha20-Poly1305"
    AES_CBC = "AES-CBC"


@value
class Suite:
    """`hash` is the one that keys are derived with, `mac` the one that records are authenticated with, by the names of
    `hashlib`; `mac` is empty for ciphers that authenticate themselves.
    """

    cipher: Cipher
    key_bytes: int
    hash: str = "sha256"
    mac: str = ""

    @property
    def implicit_bytes(self) -> int:
        """Of the nonce in TLS 1.2, the bytes that are no part of a record (RFC 5288 §3, RFC 7905 §2)."""
        return {Cipher.AES_GCM: 4, Cipher.CHACHA20: NONCE_BYTES, Cipher.AES_CBC: 0}[self.cipher]

    @property
    def mac_bytes(self) -> int:
        """Bytes of the key, and of the value, of its MAC."""
        return hashlib.new(self.mac).digest_size if self.mac else 0


_AES_128, _AES_256 = Suite(Cipher.AES_GCM, 16), Suite(Cipher.AES_GCM, 32, "sha384")
_CHACHA20 = Suite(Cipher.CHACHA20, 32)

_ROWS: tuple[tuple[Suite, tuple[int, ...]], ...] = (
    # RSA, DHE_RSA, DHE_DSS, ECDHE_ECDSA, ECDHE_RSA
    (_AES_128, (0x009C, 0x009E, 0x00A2, 0xC02B, 0xC02F)),
    (_AES_256, (0x009D, 0x009F, 0x00A3, 0xC02C, 0xC030)),
    (_CHACHA20, (0xCCA8, 0xCCA9, 0xCCAA)),  # ECDHE_RSA, ECDHE_ECDSA, DHE_RSA
    (Suite(Cipher.AES_CBC, 16, mac="sha1"), (0x002F, 0x0033, 0x0032, 0xC009, 0xC013)),
    (Suite(Cipher.AES_CBC, 32, mac="sha1"), (0x0035, 0x0039, 0x0038, 0xC00A, 0xC014)),
    (Suite(Cipher.AES_CBC, 16, mac="sha256"), (0x003C, 0x0067, 0x0040, 0xC023, 0xC027)),
    (Suite(Cipher.AES_CBC, 32, mac="sha256"), (0x003D, 0x006B, 0x006A)),
    (Suite(Cipher.AES_CBC, 32, "sha384", "sha384"), (0xC024, 0xC028)),
)
SUITES: dict[int, dict[int, Suite]] = {
    Version.TLS_1_2: {number: suite for suite, numbers in _ROWS for number in numbers},
    Version.TLS_1_3: {0x1301: _AES_128, 0x1302: _AES_256, 0x1303: _CHACHA20},
}
"""By version: RFC 5246 §A.5, RFC 5288 §3, RFC 5289 §3, RFC 7905 §2, RFC 8422 §6; RFC 8446 §B.4."""
