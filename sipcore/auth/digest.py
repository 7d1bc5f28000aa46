"""Digest authentication, what both sides share: RFC 7616 §3.4, RFC 8760, RFC 3261 §22.4.

Pure functions from texts to hexadecimal digests. Texts are hashed as UTF-8; bytes that were not UTF-8 on the wire are
hashed as they came.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from enum import Enum

from sipcore.errors import LocalError, UnsafeValue
from sipcore.message.method import ACK, CANCEL
from sipcore.pattern import Pattern
from sipcore.value import value

UNCHALLENGED = frozenset({ACK, CANCEL})
"""RFC 3261 §22.1: an ACK repeats its INVITE's credentials, and a CANCEL is believed for the hop that it comes from."""
AUTH = "auth"
"""Quality of protection: the request line is covered (RFC 7616 §3.3)."""
AUTH_INT = "auth-int"
"""Quality of protection: the body is covered as well."""


_UNENCODABLE = Pattern("[\ud800-\udc7f\udd00-\udfff]")  # the rest of them stand for bytes of the wire


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()  # kept for old peers: RFC 8760 §3


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha512_256(data: bytes) -> str:
    """SHA-512/256 of FIPS 180-4 §5.3.6.2: it has initial values of its own, and is not SHA-512 cut short."""
    try:
        return hashlib.new("sha512_256", data).hexdigest()
    except ValueError:
        return sha512_256_without_openssl(data)


def sha512_256_without_openssl(data: bytes) -> str:
    """SHA-512/256 where the OpenSSL of the interpreter was built without it: the cryptography package has its own."""
    from cryptography.hazmat.primitives.hashes import SHA512_256, Hash

    digest = Hash(SHA512_256())
    digest.update(data)
    return digest.finalize().hex()


class Algorithm(Enum):
    """A registered digest algorithm: (name on the wire, hash, whether it is the -sess form, strength)."""

    MD5 = ("MD5", _md5, False, 0)
    MD5_SESS = ("MD5-sess", _md5, True, 0)
    SHA_256 = ("SHA-256", _sha256, False, 1)
    SHA_256_SESS = ("SHA-256-sess", _sha256, True, 1)
    SHA_512_256 = ("SHA-512-256", _sha512_256, False, 2)
    SHA_512_256_SESS = ("SHA-512-256-sess", _sha512_256, True, 2)

    def __init__(self, wire_name: str, hash_of: Callable[[bytes], str], is_session: bool, strength: int) -> None:
        self.wire_name = wire_name
        self._hash_of = hash_of
        self.is_session = is_session
        self.strength = strength

    def __repr__(self) -> str:
        return f"<Algorithm {self.wire_name}>"

    @property
    def base(self) -> "Algorithm":
        """The algorithm without -sess: both forms share H(username:realm:password)."""
        return _BY_NAME[self.wire_name.lower().removesuffix("-sess")]

    def digest(self, *parts: str) -> str:
        """H(): the lower-case hexadecimal digest of the parts with colons between them (RFC 8760 §2.2)."""
        return self._hash_of(_encoded(":".join(parts)))

    def digest_of_body(self, body: bytes) -> str:
        """H(entity-body) (RFC 7616 §3.4.3); no body hashes as an empty one (RFC 8760 §2.6 item 7)."""
        return self._hash_of(body)


_BY_NAME = {algorithm.wire_name.lower(): algorithm for algorithm in Algorithm}


def algorithm_named(name: str) -> Algorithm | None:
    """The algorithm that a peer names, None for an unknown one. Case is ignored: some Asterisk versions send `md5`."""
    return _BY_NAME.get(name.lower())


class Secret:
    """What proves who a user is: the password, or H(username:realm:password) per algorithm.

    Nothing shows it: it has no repr of its contents, and two secrets are never equal.
    """

    __slots__ = ("_ha1", "_password")

    def __init__(self, password: str) -> None:
        """Take a password, in Unicode Normalization Form C from here on (RFC 7616 §4). Raises UnsafeValue."""
        self._password: str | None = encodable(password, "a password")
        self._ha1: dict[Algorithm, str] = {}

    @classmethod
    def of_ha1(cls, digests: Mapping[Algorithm, str]) -> "Secret":
        """A secret of which only H(username:realm:password) is known, by algorithm without -sess (RFC 7616 §5.2)."""
        if any(algorithm.is_session for algorithm in digests):
            raise LocalError("H(A1) of a -sess algorithm is no lasting secret", section="RFC 7616 §3.4.2")
        secret = cls("")
        secret._password = None
        secret._ha1 = {algorithm: text.lower() for algorithm, text in digests.items()}
        return secret

    def ha1(self, algorithm: Algorithm, username: str, realm: str) -> str | None:
        """H(username:realm:password); None where the password is not known and neither is this digest."""
        if self._password is None:
            return self._ha1.get(algorithm.base)
        return algorithm.digest(username, realm, self._password)

    def __repr__(self) -> str:
        return "<Secret>"

    def __reduce__(self) -> str:
        raise LocalError("a secret is not to be copied or stored", section="RFC 7616 §5.2")


@value
class Exchange:
    """What a proof covers besides the secret. `nc` is the text on the wire, `uri` the value of the uri parameter.

    `session` is the (nonce, cnonce) that began the authentication session of a -sess algorithm, where these two are
    other ones by now (RFC 7616 §3.4.2 nonce-prime and cnonce-prime).
    """

    algorithm: Algorithm
    method: str
    uri: str
    nonce: str
    qop: str | None = None
    nc: str = ""
    cnonce: str = ""
    body: bytes = field(default=b"", repr=False)
    session: tuple[str, str] | None = None


def response_of(ha1: str, exchange: Exchange) -> str:
    """The `response` of credentials (RFC 7616 §3.4.1); without a qop that of RFC 2069 (RFC 3261 §22.4 item 8)."""
    algorithm = exchange.algorithm
    key = ha1
    if algorithm.is_session:
        key = algorithm.digest(ha1, *(exchange.session or (exchange.nonce, exchange.cnonce)))
    a2 = [exchange.method, exchange.uri]
    if exchange.qop is not None and exchange.qop.lower() == AUTH_INT:
        a2.append(algorithm.digest_of_body(exchange.body))
    if exchange.qop is None:
        return algorithm.digest(key, exchange.nonce, algorithm.digest(*a2))
    return algorithm.digest(key, exchange.nonce, exchange.nc, exchange.cnonce, exchange.qop, algorithm.digest(*a2))


def rspauth_of(ha1: str, exchange: Exchange, body: bytes) -> str:
    """The server's own proof over a response with `body`: as `response`, but without the method (RFC 7616 §3.5)."""
    return response_of(ha1, replace(exchange, method="", body=body))


def userhash_of(algorithm: Algorithm, username: str, realm: str) -> str:
    """The hashed username (RFC 7616 §3.4.4)."""
    return algorithm.digest(username, realm)


def encodable(text: str, what: str) -> str:
    """`text` in Normalization Form C (RFC 7616 §4). Raises UnsafeValue where it holds what UTF-8 cannot carry."""
    if text.isascii():
        return text
    normal = unicodedata.normalize("NFC", text)
    if _UNENCODABLE.search(normal):
        raise UnsafeValue(f"{what} holds a lone surrogate", section="RFC 7616 §4")
    return normal


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
