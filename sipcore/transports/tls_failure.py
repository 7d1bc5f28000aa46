"""Why TLS failed: RFC 5922 §7, RFC 8446 §6. Values only, so that whoever judges a failure needs no TLS library."""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from sipcore.errors import FailureReason, TransportFailure
from sipcore.value import value

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_NAMES = 8
"""Names of a certificate, or of CAs, that are told: a web host's certificate may have a hundred."""


class TlsProblem(Enum):
    """What is wrong: (for people, what to try). In the order of how much each explains, where several are found."""

    NOT_TLS = (
        "the port does not speak TLS",
        "try TCP or UDP on this port, or TLS on another: 5061 is usual",
    )
    SILENT = (
        "TCP connects, but the TLS handshake gets no answer",
        "the port may be one of plain TCP; an old peer may need a smaller handshake (group P-256), or an older version",
    )
    VERSION = (
        "the peer speaks none of the TLS versions offered",
        "allow older ones (minimum version) to see which it speaks; it should be upgraded to TLS 1.2 or 1.3",
    )
    CLIENT_CERTIFICATE_REQUIRED = (
        "the peer wants a client certificate",
        "give a certificate and key that the peer's operator accepts",
    )
    EXPIRED = ("the certificate has expired", "the peer's operator must renew it")
    NOT_YET_VALID = (
        "the certificate is not valid yet",
        "check the clocks of both sides, or wait until it becomes valid",
    )
    SELF_SIGNED = (
        "the certificate is self-signed",
        "trust it by name as a root (CA file), or have the peer get one from a CA",
    )
    INCOMPLETE_CHAIN = (
        "the issuer of the certificate is neither sent nor known",
        "the peer must send its intermediate certificates too; if it has a CA of its own, trust that (CA file)",
    )
    UNTRUSTED_ROOT = (
        "the chain ends in a CA that is not trusted here",
        "if it is the right one, trust it (CA file)",
    )
    WEAK = (
        "a key or signature is too weak",
        "the peer must use RSA of 2048 bits or more, or P-256, with SHA-256; lower the minimum version to probe it",
    )
    INVALID = ("the certificate chain is not valid", "the peer's operator must have it issued again")
    NAME_MISMATCH = (
        "the certificate is for another name",
        "use the name that it carries, or have the peer's certificate name the domain that is asked for; wildcards "
        "count for WSS only",
    )
    HANDSHAKE = (
        "the TLS handshake failed",
        "compare versions, ciphers and key exchange groups of both sides",
    )
    BROKEN = (
        "the TLS connection broke, after its handshake had succeeded",
        "have what handles it on the way pass its bytes on unchanged; if nothing does, the peer's TLS has a mistake",
    )

    def __init__(self, text: str, advice: str) -> None:
        self.text = text
        self.advice = advice


CERTIFICATE_PROBLEMS = frozenset(
    {
        TlsProblem.EXPIRED,
        TlsProblem.NOT_YET_VALID,
        TlsProblem.SELF_SIGNED,
        TlsProblem.INCOMPLETE_CHAIN,
        TlsProblem.UNTRUSTED_ROOT,
        TlsProblem.WEAK,
        TlsProblem.INVALID,
        TlsProblem.NAME_MISMATCH,
    }
)
"""Those that a certificate can have, and that turning verification off gets past."""

_ORDER = list(TlsProblem)


@value
class CertificateFault:
    """One thing wrong with the peer's chain: `depth` is 0 for its own certificate, 1 for that one's issuer, and so on.

    `code` is OpenSSL's verification error, 0 for what is checked here; `detail` tells names and dates.
    """

    problem: TlsProblem
    depth: int
    code: int
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.problem.text}{detail}"


class TlsFailure(TransportFailure):
    """TCP works, TLS does not. `tls` is what explains it best, `faults` all that is wrong with the peer's chain,
    `chain` the certificates it sent, its own first, and `alert` the alert it sent, if it did.
    """

    def __init__(
        self,
        tls: TlsProblem,
        where: object,
        detail: str = "",
        *,
        faults: Sequence[CertificateFault] = (),
        chain: "Sequence[Certificate]" = (),
        alert: str = "",
        section: str = "RFC 5922 §7.3",
    ) -> None:
        text = f"{tls.text} ({detail})" if detail else tls.text
        story = "; ".join(dict.fromkeys(str(fault) for fault in faults)) or text
        super().__init__(FailureReason.TLS, f"{where}: {story}: {tls.advice}", section=section)
        self.tls = tls
        self.detail = detail
        self.faults = tuple(faults)
        self.chain = tuple(chain)
        self.alert = alert

    def __reduce__(self) -> tuple[object, ...]:
        """As all errors are handed to another process, with the certificates as bytes: they cannot be by themselves."""
        from cryptography.hazmat.primitives.serialization import Encoding  # loaded already where there are any

        chain = tuple(each.public_bytes(Encoding.DER) for each in self.chain)
        return *super().__reduce__()[:2], self.__dict__ | {"chain": chain}

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401  # what `__reduce__` has given
        from cryptography.x509 import load_der_x509_certificate

        super().__setstate__(state | {"chain": tuple(map(load_der_x509_certificate, state["chain"]))})


def first_of(names: Sequence[str]) -> str:
    """Names, the first ones where they are many; "" for none."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}"


def worst(faults: Sequence[CertificateFault]) -> TlsProblem:
    """The problem that explains most among some faults, of which there is at least one."""
    return min((fault.problem for fault in faults), key=_ORDER.index)


_VERIFY_CODES = {
    2: TlsProblem.INCOMPLETE_CHAIN,
    9: TlsProblem.NOT_YET_VALID,
    10: TlsProblem.EXPIRED,
    18: TlsProblem.SELF_SIGNED,
    19: TlsProblem.UNTRUSTED_ROOT,
    20: TlsProblem.INCOMPLETE_CHAIN,
    21: TlsProblem.INCOMPLETE_CHAIN,
    66: TlsProblem.WEAK,
    67: TlsProblem.WEAK,
    68: TlsProblem.WEAK,
}
"""X509_V_ERR_* of OpenSSL's <openssl/x509_vfy.h>; whatever is not in it makes a chain invalid."""


_INVALID = {
    7: "its signature is not its issuer's",
    22: "the chain is too long",
    23: "it was revoked",
    24: "its issuer may not issue certificates",
    25: "the chain is longer than one of its CAs allows",
    26: "its extended key usage is for something else",
    32: "its issuer may not sign certificates, by its key usage",
    34: "it has a critical extension that is not known here",
    47: "one of its CAs may not issue it, by its permitted names",
    48: "one of its CAs may not issue it, by its excluded names",
    79: "its issuer may not issue certificates",
}
"""X509_V_ERR_* in words, those that a server may cause."""


def what_is_invalid(code: int) -> str:
    """An OpenSSL verification error in words, with its number for those who look it up."""
    return f"{_INVALID[code]} (OpenSSL error {code})" if code in _INVALID else f"OpenSSL verification error {code}"


def problem_of(code: int, depth: int) -> TlsProblem:
    """What an OpenSSL verification error means at a depth of the chain."""
    problem = _VERIFY_CODES.get(code, TlsProblem.INVALID)
    # An issuer that is missing above the certificates that were sent is a root, which need not be sent.
    return TlsProblem.UNTRUSTED_ROOT if problem is TlsProblem.INCOMPLETE_CHAIN and depth else problem


ALERTS = {
    0: "close notify",
    10: "unexpected message",
    20: "bad record MAC",
    22: "record overflow",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown CA",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user canceled",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    113: "bad certificate status response",
    115: "unknown PSK identity",
    116: "certificate required",
    120: "no application protocol",
}
"""RFC 8446 §6, by number."""
