"""Whom a certificate is for: RFC 5922 §7.1 and §7.2 for SIP, RFC 9110 §4.3.4 for the web."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sipcore.transports.certificates import (
    KEY_PURPOSE_SIP_DOMAIN,
    is_for,
    is_for_sip,
    is_for_web,
    self_signed,
    sip_identities,
    web_identities,
)
from tests.sipcore.transports.authority import issue


@pytest.mark.parametrize(
    ("names", "identities"),
    [
        (["Example.com"], ("example.com",)),
        (["a.example", "b.example"], ("a.example", "b.example")),
        # A sip URI without user is a domain, and DNS names do not count beside it.
        (["sip:example.com", "host.example.com"], ("example.com",)),
        (["SIP:Example.com"], ("example.com",)),
        (["sip:example.com:5061;transport=tls"], ("example.com",)),
        (["sip:[2001:db8::1]:5061"], ("2001:db8::1",)),
        # A URI with a user names a person, another scheme something else.
        (["sip:alice@example.com", "host.example.com"], ("host.example.com",)),
        (["sips:example.com"], ()),
        (["https://example.com"], ()),
        (["192.0.2.1", "2001:db8::1"], ("192.0.2.1", "2001:db8::1")),
        (["*.example.com"], ("*.example.com",)),
        ([], ("common.example",)),
    ],
)
def test_identities(names: list[str], identities: tuple[str, ...]) -> None:
    assert sip_identities(issue("common.example", names=names).certificate) == identities


@pytest.mark.parametrize(
    ("names", "name", "matches"),
    [
        (["example.com"], "example.com", True),
        (["example.com"], "EXAMPLE.com", True),
        (["example.com"], "example.com.", True),
        (["example.com"], "sip.example.com", False),
        (["sip.example.com"], "example.com", False),
        (["*.example.com"], "sip.example.com", False),
        (["*.example.com"], "*.example.com", True),
        (["192.0.2.1"], "192.0.2.1", True),
        (["2001:db8::1"], "2001:db8:0:0::1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["example.com"], "192.0.2.1", False),
        ([], "common.example", True),
        (["example.com"], "common.example", False),
        (["xn--bcher-kva.example"], "bücher.example", True),
    ],
)
def test_comparing(names: list[str], name: str, matches: bool) -> None:
    assert is_for(issue("common.example", names=names).certificate, name) is matches


def test_a_name_that_dns_cannot_hold_matches_nothing() -> None:
    assert not is_for(issue("a.example").certificate, "b\u00fc" * 80)


@pytest.mark.parametrize(
    ("names", "identities"),
    [
        (["Example.com", "192.0.2.1"], ("example.com", "192.0.2.1")),
        (["sip:example.com", "host.example.com"], ("host.example.com",)),
        ([], ()),
    ],
)
def test_identities_of_the_web(names: list[str], identities: tuple[str, ...]) -> None:
    assert web_identities(issue("common.example", names=names).certificate) == identities


@pytest.mark.parametrize(
    ("names", "name", "matches"),
    [
        (["example.com"], "EXAMPLE.com.", True),
        (["*.example.com"], "sip.example.com", True),
        (["*.example.com"], "a.sip.example.com", False),
        (["*.example.com"], "example.com", False),
        (["*"], "localhost", False),
        (["s*.example.com"], "sip.example.com", False),
        (["*.0.2.1"], "192.0.2.1", False),
        (["192.0.2.1"], "192.0.2.1", True),
        (["2001:db8::1"], "2001:db8:0:0::1", True),
        (["xn--bcher-kva.example"], "bücher.example", True),
        ([], "common.example", False),
    ],
)
def test_comparing_as_the_web_does(names: list[str], name: str, matches: bool) -> None:
    assert is_for_web(issue("common.example", names=names).certificate, name) is matches


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([], False),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
        ([KEY_PURPOSE_SIP_DOMAIN], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH, KEY_PURPOSE_SIP_DOMAIN], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
    ],
)
def test_key_usage_of_sip(usages: list[x509.ObjectIdentifier], expected: bool) -> None:
    assert is_for_sip(issue("a.example", usages=usages).certificate) is expected


SAN = x509.SubjectAlternativeName.oid
NAMES = x509.SubjectAlternativeName([x509.DNSName("a.example")])
PLACEHOLDER = x509.ObjectIdentifier("2.5.29.99")


@pytest.mark.parametrize(
    "extensions",
    [
        (x509.UnrecognizedExtension(SAN, b"\x00"),),
        (x509.UnrecognizedExtension(SAN, b"\x30\x02\xa3\x00"),),  # an X.400 address
        (NAMES, x509.UnrecognizedExtension(PLACEHOLDER, NAMES.public_bytes())),
    ],
    ids=["no names", "a kind of name that is not supported", "names twice"],
)
def test_names_that_cannot_be_read(extensions: tuple[x509.ExtensionType, ...]) -> None:
    """Whatever the library makes of them, it is one error."""
    certificate = with_extensions(*extensions)
    for read in (sip_identities, web_identities):
        with pytest.raises(ValueError, match="cannot be read"):
            read(certificate)
    assert not is_for_sip(certificate)


def with_extensions(*extensions: x509.ExtensionType) -> x509.Certificate:
    """A certificate with these, the placeholder's identifier replaced by that of the alternative names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    now = datetime.datetime.now(datetime.UTC)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(made.replace(b"\x55\x1d\x63", b"\x55\x1d\x11"))


def test_one_made_for_a_run() -> None:
    pem, key = self_signed(["localhost", "127.0.0.1", "::1"], valid_for=60)
    certificate = x509.load_pem_x509_certificate(pem)
    assert sip_identities(certificate) == ("localhost", "127.0.0.1", "::1")
    now = datetime.datetime.now(datetime.UTC)
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
    assert certificate.not_valid_after_utc - now <= datetime.timedelta(seconds=60)
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
