"""Whom a certificate is for: a SIP domain (RFC 5922 §7), a web server (RFC 9110 §4.3.4); and making one for a run."""

import datetime
import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sipcore.resolve.target import is_numeric

KEY_PURPOSE_SIP_DOMAIN = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.20")
"""id-kp-sipDomain (RFC 5924 §3)."""
MAX_KNOWN = 128
"""Certificates, of some 3 kB each, of which it is remembered whether they are for a name: a peer shows the same ones
again and again, and looking takes a tenth of a handshake."""
UNREADABLE = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What the library raises for a certificate, or an extension of it, that cannot be read."""
BACKDATED = datetime.timedelta(hours=1)
"""How long ago a certificate made here became valid: clocks differ."""


def sip_identities(certificate: x509.Certificate) -> tuple[str, ...]:
    """The SIP domain identities of a certificate, in lower case (RFC 5922 §7.1); addresses in their shortest form.

    Raises ValueError for a certificate that cannot be read.
    """
    names = _alternative_names(certificate)
    if names is None:
        # RFC 5922 §7.1 step 2: the CN counts only where there is no subjectAltName.
        common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in common_names)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    domains = [_uri_host(uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier)]
    # RFC 5922 §7.1 step 1: a DNS name counts only where no SIP URI does.
    hosts = [host for host in domains if host] or names.get_values_for_type(x509.DNSName)
    return tuple(dict.fromkeys(host.lower() for host in [*hosts, *addresses]))


@lru_cache(MAX_KNOWN)
def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for the SIP domain, or address, `name` (RFC 5922 §7.2): whole names, no wildcards.

    Raises ValueError for a certificate that cannot be read.
    """
    wanted = _comparable(name)
    return wanted in (identity.rstrip(".") for identity in sip_identities(certificate))


def web_identities(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses of a certificate, in lower case: those of subjectAltName alone (RFC 9110 §4.3.4).

    Raises ValueError for a certificate that cannot be read.
    """
    names = _alternative_names(certificate)
    if names is None:
        return ()
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys(host.lower() for host in [*names.get_values_for_type(x509.DNSName), *addresses]))


@lru_cache(MAX_KNOWN)
def is_for_web(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is for the web server `name`, as WSS has it (RFC 7118 §9.1, RFC 9110 §4.3.4).

    An asterisk stands for the whole leftmost label of a name (RFC 9525 §6.3). Raises ValueError for a certificate that
    cannot be read.
    """
    wanted = _comparable(name)
    _, dot, parent = wanted.partition(".")
    accepted = {wanted, f"*.{parent}"} if dot and not is_numeric(name) else {wanted}
    return any(identity.rstrip(".") in accepted for identity in web_identities(certificate))


def is_for_sip(certificate: x509.Certificate) -> bool:
    """Whether the extended key usage of a certificate names SIP, or any usage (RFC 5924 §4)."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False
    return KEY_PURPOSE_SIP_DOMAIN in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def self_signed(names: Sequence[str], *, valid_for: float = 86400.0) -> tuple[bytes, bytes]:
    """A self-signed certificate for domains and addresses, valid for so many seconds, and its key: both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(seconds=valid_for))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    packed = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), packed


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as error:
        raise ValueError(f"its alternative names cannot be read: {error}") from error


def _uri_host(uri: str) -> str:
    """The host of a sip URI without user part; empty for any other URI, which names no domain (RFC 5922 §7.1)."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "sip" or "@" in rest:
        return ""
    rest = rest.split(";")[0].split("?")[0]
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    return rest.partition(":")[0]


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_numeric(name) else x509.DNSName(ascii_name(name))


def _comparable(name: str) -> str:
    """A name, or address, as it is compared with those of certificates."""
    return (
        str(ipaddress.ip_address(name.partition("%")[0])) if is_numeric(name) else ascii_name(name).rstrip(".").lower()
    )


def ascii_name(name: str) -> str:
    """A domain name as DNS and certificates carry it (RFC 5922 §7.2); one that has no such form stays as it is."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name
