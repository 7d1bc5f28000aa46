"""TLS secrets out of a key log, and the keys of records out of those.

The log is in the SSLKEYLOGFILE format (draft-ietf-tls-keylogfile), as browsers, OpenSSL and `call --with-tls` write it.
Keys are derived as RFC 5246 §5 and §6.3 say for TLS 1.2, and RFC 8446 §7.1 to §7.3 for TLS 1.3.
"""

import hashlib
import hmac
from dataclasses import field
from enum import Enum

from probes.capture.tls_hello import RANDOM_BYTES
from probes.capture.tls_suites import NONCE_BYTES, Suite
from sipcore.value import value

SECRET_BYTES = frozenset({32, 48})
"""Bytes of a secret: of SHA-256, of SHA-384, and of a master secret (RFC 5246 §8.1)."""


class Label(Enum):
    """Which secret a line of a key log holds."""

    MASTER = b"CLIENT_RANDOM"
    CLIENT_HANDSHAKE = b"CLIENT_HANDSHAKE_TRAFFIC_SECRET"
    SERVER_HANDSHAKE = b"SERVER_HANDSHAKE_TRAFFIC_SECRET"
    CLIENT_TRAFFIC = b"CLIENT_TRAFFIC_SECRET_0"
    SERVER_TRAFFIC = b"SERVER_TRAFFIC_SECRET_0"


_LABELS = {label.value: label for label in Label}


class KeyLog:
    """The secrets of sessions. Lines that are none, and kinds of secrets that no record is read by, are left out."""

    __slots__ = ("_secrets",)

    def __init__(self, *logs: bytes) -> None:
        self._secrets: dict[tuple[Label, bytes], bytes] = {}
        for log in logs:
            for line in log.splitlines():
                self._take(line.split())

    def _take(self, parts: list[bytes]) -> None:
        if len(parts) != 3 or parts[0] not in _LABELS:
            return
        try:
            random, secret = (bytes.fromhex(part.decode("ascii")) for part in parts[1:])
        except ValueError:
            return
        if len(random) == RANDOM_BYTES and len(secret) in SECRET_BYTES:
            self._secrets[_LABELS[parts[0]], random] = secret

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def secret(self, label: Label, random: bytes) -> bytes | None:
        """A secret of the session whose client sent `random`; None where it was not logged."""
        return self._secrets.get((label, random))


@value
class WriteKeys:
    """What one direction's records are protected with; `mac` is empty for ciphers that authenticate themselves."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    mac: bytes = field(repr=False, default=b"")


def keys_of_master(
    suite: Suite, master: bytes, client_random: bytes, server_random: bytes
) -> tuple[WriteKeys, WriteKeys]:
    """The client's keys and the server's out of a master secret (RFC 5246 §6.3)."""
    sizes = (suite.mac_bytes, suite.key_bytes, suite.implicit_bytes)
    block = prf(suite.hash, master, b"key expansion", server_random + client_random, 2 * sum(sizes))
    parts: list[bytes] = []
    for size in (size for size in sizes for _ in range(2)):
        parts.append(block[:size])
        block = block[size:]
    client, server = parts[0::2], parts[1::2]
    return WriteKeys(client[1], client[2], client[0]), WriteKeys(server[1], server[2], server[0])


def keys_of_secret(suite: Suite, secret: bytes) -> WriteKeys:
    """One direction's keys out of its traffic secret (RFC 8446 §7.3)."""
    key = expand_label(suite.hash, secret, b"key", suite.key_bytes)
    return WriteKeys(key, expand_label(suite.hash, secret, b"iv", NONCE_BYTES))


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """The traffic secret that follows on a KeyUpdate (RFC 8446 §7.2)."""
    return expand_label(suite.hash, secret, b"traffic upd", hashlib.new(suite.hash).digest_size)


def prf(name: str, secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """The pseudorandom function of TLS 1.2 (RFC 5246 §5)."""
    seed = label + seed
    made, link = b"", seed
    while len(made) < size:
        link = hmac.digest(secret, link, name)
        made += hmac.digest(secret, link + seed, name)
    return made[:size]


def expand_label(name: str, secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1, RFC 5869 §2.3)."""
    label = b"tls13 " + label
    info = size.to_bytes(2) + len(label).to_bytes(1) + label + b"\0"
    made, link = b"", b""
    while len(made) < size:
        link = hmac.digest(secret, link + info + bytes([len(made) // hashlib.new(name).digest_size + 1]), name)
        made += link
    return made[:size]
