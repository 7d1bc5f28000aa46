"""Certificates made wrong on purpose, and right ones to compare with."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sipcore.resolve.target import is_numeric

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEY_USAGE_OF_CA = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and with the certificates above it that a server would send."""

    certificate: x509.Certificate
    private: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain(self) -> bytes:
        """The certificate and those above it."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.above))

    @property
    def key(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def general_name(name: str) -> x509.GeneralName:
    if is_numeric(name):
        return x509.IPAddress(ip_address(name))
    return x509.UniformResourceIdentifier(name) if ":" in name else x509.DNSName(name)


def issue(
    common_name: str,
    issuer: Identity | None = None,
    *,
    names: Sequence[str] = (),
    days: tuple[float, float] = (-1, 30),
    ca: bool = False,
    key: Key | None = None,
    usages: Sequence[x509.ObjectIdentifier] = (),
    must_staple: bool = False,
) -> Identity:
    """A certificate, self-signed where it has no issuer. Roots are not part of chains: nobody needs to be sent them."""
    private = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    # RFC 5280 §4.2.1.1 and §4.2.1.3 want what follows, and Python's own TLS insists on it since 3.13.
    if ca:
        builder = builder.add_extension(KEY_USAGE_OF_CA, critical=True)
    if issuer:
        above = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above)
        builder = builder.add_extension(identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(general_name, names))), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    certificate = builder.sign(issuer.private if issuer else private, hashes.SHA256())
    is_intermediate = issuer is not None and issuer.certificate.issuer != issuer.certificate.subject
    return Identity(certificate, private, (issuer.certificate, *issuer.above) if issuer and is_intermediate else ())
