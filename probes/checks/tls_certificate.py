"""A certificate, and the OCSP response stapled to it, as plain facts. RFC 5280, RFC 6960.

Whatever a peer sends is a value: what cannot be read in a certificate is left empty.
"""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from sipcore.transports.certificates import UNREADABLE
from sipcore.value import value

MIN_RSA_BITS = 2048
"""Of RSA and DSA; fewer give less than 112 bits of security (NIST SP 800-57 part 1, table 2)."""
MIN_CURVE_BITS = 224
"""Of elliptic curves, by the same table."""
WEAK_HASHES = frozenset({"md5", "sha1"})
"""In which collisions can be made: no signature over a certificate may rest on them (RFC 6151 §2.2, RFC 9155 §1)."""
CLOCK_SKEW = 300.0
"""Seconds that a responder's clock may be ahead of this one."""
_SIGNATURES = (
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.", "RSA"),
    ("1.2.840.10045.4.", "ECDSA"),
    ("1.2.840.10040.4.", "DSA"),
    ("2.16.840.1.101.3.4.3.", "DSA"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
)
"""The identifiers of signature algorithms, by how they begin (RFC 3279 §2.2, RFC 4055 §5, RFC 5758, RFC 8410 §3)."""
_KINDS = ((x509.DNSName, "DNS"), (x509.UniformResourceIdentifier, "URI"), (x509.IPAddress, "IP"))
T = TypeVar("T")


@value
class CertificateFacts:
    """What a certificate says. Times are seconds since 1970; `names` are its alternative names with their kinds.

    `key` and `signature` are for people, as in `RSA of 2048 bits` and `ECDSA with SHA256`; `weakness` says what is too
    weak about the two, empty for nothing. `self_signed` goes by the names in it. Nothing rests on the signature of such
    a certificate, so its hash does not count as weak there. `fingerprint` is its SHA-256.
    """

    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    names: tuple[str, ...] = ()
    key: str = ""
    signature: str = ""
    weakness: str = ""
    is_ca: bool = False
    self_signed: bool = False
    must_staple: bool = False
    fingerprint: str = ""

    @property
    def lifetime(self) -> float:
        """Seconds from its first to its last."""
        return self.not_after - self.not_before


class StapleVerdict(Enum):
    """What a stapled OCSP response is worth."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "the responder does not know the certificate"
    STALE = "out of date"
    FOREIGN = "about another certificate"
    UNPROVEN = "not signed by the issuer or whom it authorised"
    UNREADABLE = "cannot be read, or tells of an error"


@value
class StapleFacts:
    """A stapled OCSP response. Times are seconds since 1970, None where it has none."""

    verdict: StapleVerdict
    this_update: float | None = None
    next_update: float | None = None
    revoked: float | None = None


def read_certificate(certificate: x509.Certificate) -> CertificateFacts:
    """The facts of a certificate. What it says in a way that cannot be read is left out."""
    subject = _read(lambda: _text(certificate.subject), "")
    issuer = _read(lambda: _text(certificate.issuer), "")
    self_signed = _read(lambda: certificate.issuer == certificate.subject, False)
    key, bits_lacking = _read(lambda: _key(certificate), ("", ""))
    signature, hash_lacking = _read(lambda: _signature(certificate), ("", ""))
    lacking = (bits_lacking, "" if self_signed else hash_lacking)
    return CertificateFacts(
        subject,
        issuer,
        f"{certificate.serial_number:x}",
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        names=_read(lambda: _names(certificate), ()),
        key=key,
        signature=signature,
        weakness=", ".join(text for text in lacking if text),
        is_ca=_read(lambda: _is_ca(certificate), False),
        self_signed=self_signed,
        must_staple=_read(lambda: _must_staple(certificate), False),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )


def read_staple(data: bytes, certificate: x509.Certificate, issuer: x509.Certificate | None, now: float) -> StapleFacts:
    """What a stapled OCSP response says about a certificate (RFC 6960 §3.2). `now` is in seconds since 1970."""
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return StapleFacts(StapleVerdict.UNREADABLE)
        this_update, next_update = response.this_update_utc, response.next_update_utc
        return StapleFacts(
            _staple_verdict(response, certificate, issuer, now),
            this_update.timestamp(),
            _time(next_update),
            _time(response.revocation_time_utc),
        )
    except (*UNREADABLE, UnsupportedAlgorithm):
        return StapleFacts(StapleVerdict.UNREADABLE)


def _staple_verdict(
    response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate | None, now: float
) -> StapleVerdict:
    if response.serial_number != certificate.serial_number:
        return StapleVerdict.FOREIGN
    if issuer is None or not _is_signed(response, issuer):
        return StapleVerdict.UNPROVEN
    last = _time(response.next_update_utc)
    if response.this_update_utc.timestamp() > now + CLOCK_SKEW or (last is not None and last < now):
        return StapleVerdict.STALE
    return StapleVerdict[response.certificate_status.name]


def _is_signed(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Whether the issuer signed it, or one whom the issuer has named for it (RFC 6960 §4.2.2.2)."""
    algorithm = response.signature_hash_algorithm
    signers = [issuer]
    for delegate in response.certificates:
        try:
            delegate.verify_directly_issued_by(issuer)
            usages = delegate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (*UNREADABLE, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in usages:
            signers.append(delegate)
    return any(_verifies(signer, response.signature, response.tbs_response_bytes, algorithm) for signer in signers)


def _verifies(signer: x509.Certificate, signature: bytes, data: bytes, algorithm: HashAlgorithm | None) -> bool:
    try:
        key = signer.public_key()
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, data, ec.ECDSA(algorithm))
        else:
            return False
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _read(reader: Callable[[], T], otherwise: T) -> T:
    """What `reader` reads, or something else where a peer wrote it in a way that cannot be read."""
    try:
        return reader()
    except (*UNREADABLE, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return otherwise


def _text(name: x509.Name) -> str:
    return name.rfc4514_string()


def _key(certificate: x509.Certificate) -> tuple[str, str]:
    """The public key, and what is too weak about it."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        text = f"{'RSA' if isinstance(key, rsa.RSAPublicKey) else 'DSA'} of {key.key_size} bits"
        return text, text if key.key_size < MIN_RSA_BITS else ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        text = f"EC on {key.curve.name}"
        return text, text if key.key_size < MIN_CURVE_BITS else ""
    return type(key).__name__.removesuffix("PublicKey"), ""


def _signature(certificate: x509.Certificate) -> tuple[str, str]:
    """The algorithm of the issuer's signature, and what is too weak about it."""
    oid = certificate.signature_algorithm_oid.dotted_string
    kind = next((name for prefix, name in _SIGNATURES if oid.startswith(prefix)), oid)
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return kind, ""
    name = algorithm.name.upper()
    return f"{kind} with {name}", f"signed with {name}" if algorithm.name in WEAK_HASHES else ""


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(f"{kind} {name.value}" for name in found for of, kind in _KINDS if isinstance(name, of))


def _is_ca(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _must_staple(certificate: x509.Certificate) -> bool:
    """Whether it may only be shown together with an OCSP response (RFC 7633)."""
    features = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    return x509.TLSFeatureType.status_request in features


def _time(when: datetime | None) -> float | None:
    return when.timestamp() if when is not None else None
