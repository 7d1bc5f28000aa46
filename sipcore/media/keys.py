"""SRTP suites and their keys: by session description (RFC 4568), and out of a DTLS handshake (RFC 5764)."""

import base64
import binascii
import dataclasses
from collections.abc import Iterable
from typing import Protocol

from sipcore.errors import ParseError, RemoteError
from sipcore.sdp.attributes import Crypto, MasterKey
from sipcore.tokens import RandomBytes
from sipcore.value import value


@value
class Suite:
    """How packets are protected: the name in a crypto attribute, lengths in bytes, and the name in DTLS."""

    name: str
    key_length: int
    salt_length: int
    dtls_profile: str

    @property
    def length(self) -> int:
        """Bytes of master key and salt together."""
        return self.key_length + self.salt_length


AES_CM_128_HMAC_SHA1_80 = Suite("AES_CM_128_HMAC_SHA1_80", 16, 14, "SRTP_AES128_CM_SHA1_80")
AES_CM_128_HMAC_SHA1_32 = Suite("AES_CM_128_HMAC_SHA1_32", 16, 14, "SRTP_AES128_CM_SHA1_32")
AEAD_AES_128_GCM = Suite("AEAD_AES_128_GCM", 16, 12, "SRTP_AEAD_AES_128_GCM")
AEAD_AES_256_GCM = Suite("AEAD_AES_256_GCM", 32, 12, "SRTP_AEAD_AES_256_GCM")

SUITES = (AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, AEAD_AES_128_GCM, AEAD_AES_256_GCM)
"""RFC 4568 §6.2, RFC 7714 §14.1: what is spoken here, the one that every peer must know first."""
_BY_NAME = {suite.name: suite for suite in SUITES}
EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"
"""RFC 5764 §4.2."""


class UnsupportedCrypto(RemoteError):
    """The peer's keys are right, as far as can be told, but for something that is not spoken here."""


@value
class SrtpKeys:
    """Master key and salt for one direction (RFC 3711 §3.2.1). They stay out of the repr."""

    suite: Suite
    key: bytes = dataclasses.field(repr=False)
    salt: bytes = dataclasses.field(repr=False)


class Handshake(Protocol):
    """A DTLS handshake in progress: who makes it lives where OpenSSL may be loaded."""

    keys: tuple[SrtpKeys, SrtpKeys] | None
    """Local and remote ones, once it is done."""
    failure: str
    """Why it failed; empty while it has not."""

    def receive_untrusted(self, data: bytes, now: float) -> None:
        """Take a datagram."""

    def next_timeout(self) -> float | None:
        """When to come back."""

    def handle_timeout(self, now: float) -> None:
        """Begin, or send again what got no answer."""

    def drain(self) -> list[bytes]:
        """The datagrams to send."""


class Postponed:
    """A `Handshake` that nobody begins for now (RFC 4145 §4.1, `holdconn`): until another offer says who does, nothing
    is sent, and nothing can be read.
    """

    keys: tuple[SrtpKeys, SrtpKeys] | None = None
    failure = ""

    def receive_untrusted(self, data: bytes, now: float) -> None:
        """See `Handshake`."""

    def next_timeout(self) -> None:
        """See `Handshake`."""

    def handle_timeout(self, now: float) -> None:
        """See `Handshake`."""

    def drain(self) -> list[bytes]:
        """See `Handshake`."""
        return []


def new_crypto(suite: Suite, tag: int, random_bytes: RandomBytes) -> Crypto:
    """A crypto attribute with a new key (RFC 4568 §5.1)."""
    key_salt = base64.b64encode(random_bytes(suite.length)).decode()
    return Crypto(tag, suite.name, (MasterKey(key_salt),))


def keys_of(crypto: Crypto) -> SrtpKeys:
    """The keys in a crypto attribute. Raises UnsupportedCrypto, and ParseError, which does not quote them."""
    suite = _BY_NAME.get(crypto.suite)
    if suite is None:
        raise UnsupportedCrypto(f"the suite {crypto.suite} is not supported here", section="RFC 4568 §6.2")
    for parameter in crypto.needed:
        name = parameter.partition("=")[0]
        raise UnsupportedCrypto(f"the session parameter {name} is not supported here", section="RFC 4568 §6.3")
    (key, *more) = crypto.keys or (None,)
    if key is not None and key.mki is not None:
        raise UnsupportedCrypto("a key with an identifier (MKI) is not supported here", section="RFC 4568 §6.1")
    if key is None or more or key.method != "inline":
        raise UnsupportedCrypto("more than one inline key is not supported here", section="RFC 4568 §6.1")
    try:
        packed = base64.b64decode(key.key_salt + "=" * (-len(key.key_salt) % 4), validate=True)
    except binascii.Error:
        raise ParseError("the key is not base64", section="RFC 4568 §6.1") from None
    if len(packed) != suite.length:
        wanted = f"{suite.name} has keys of {suite.length} bytes, not {len(packed)}"
        raise ParseError(wanted, section="RFC 4568 §6.2")
    return SrtpKeys(suite, packed[: suite.key_length], packed[suite.key_length :])


def choose_crypto(offered: Iterable[Crypto]) -> Crypto | None:
    """The first of the offered attributes that is supported and right (RFC 4568 §5.1.2); None without any."""
    for crypto in offered:
        try:
            keys_of(crypto)
        except (ParseError, UnsupportedCrypto):
            continue
        return crypto
    return None


def suite_of_profile(profile: str) -> Suite | None:
    """The suite that a DTLS handshake agreed on, by the name of its profile (RFC 5764 §4.1.2)."""
    return next((suite for suite in SUITES if suite.dtls_profile == profile), None)


def exported_keys(suite: Suite, material: bytes, *, client: bool) -> tuple[SrtpKeys, SrtpKeys]:
    """The local and the remote keys in the material that DTLS exported (RFC 5764 §4.2): twice `suite.length` bytes."""
    key, salt = suite.key_length, suite.salt_length
    salts = material[2 * key :]
    first = SrtpKeys(suite, material[:key], salts[:salt])
    second = SrtpKeys(suite, material[key : 2 * key], salts[salt : 2 * salt])
    return (first, second) if client else (second, first)
