"""Certificates and OCSP responses as facts, whatever is in them."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.tls_certificate import CLOCK_SKEW, CertificateFacts, StapleVerdict, read_certificate, read_staple
from probes.checks.tls_judge import DAY
from sipcore.transports.certificates import UNREADABLE
from tests.probes.checks.tls_servers import INTERMEDIATE, LEAF, NAME, ROOT, ocsp_response
from tests.sipcore.transports.authority import Identity, issue

NOW = datetime.datetime.now(datetime.UTC).timestamp()
Private = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)


def certificate_of(
    key: Private, algorithm: hashes.HashAlgorithm | None, *extensions: x509.ExtensionType, issuer: str = "issuer"
) -> x509.Certificate:
    """A certificate for a key, signed by the same key in the name of an issuer."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subject")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(0xABC)
        .not_valid_before(datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2030, 1, 11, tzinfo=datetime.UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, algorithm)  # type: ignore[arg-type]  # a hash for each kind of key that wants one


CURVE = ec.generate_private_key(ec.SECP256R1())
# The library signs nothing with SHA-1 any more: these two were made with OpenSSL's command line.
WITH_SHA1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBCDCBsAIBATAJBgcqhkjOPQQBMBExDzANBgNVBAMMBmlzc3VlcjAeFw0yNjEx
MjEwNzQ1MjdaFw0zNjExMTgwNzQ1MjdaMBIxEDAOBgNVBAMMB3N1YmplY3QwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAASms9e3Ii8j6m9qZwRThcUgtQkP5u1J5zU8
6Xuf1C18e6J5AyHWQj1/vwvN0DXaffDcgO68Z9gQ2ELEMJDzJ2bVMAkGByqGSM49
BAEDSAAwRQIhAMrql6CaEsmYGxJET8sGf6O3G1Cp9ibyYmuIeinVrmnpAiBBmjpN
hI6jdM9fTW3KWLQJAc1DGF7coPem/5yOJ5Q5Zw==
-----END CERTIFICATE-----
"""
ROOT_WITH_SHA1 = b"""\
-----BEGIN CERTIFICATE-----
MIIBdzCCAR6gAwIBAgIUJI30WMVmHZmp2jNwIWxqqHH0L20wCQYHKoZIzj0EATAS
MRAwDgYDVQQDDAdzdWJqZWN0MB4XDTI2MTEyMTA3NDUyN1oXDTM2MTExODA3NDUy
N1owEjEQMA4GA1UEAwwHc3ViamVjdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BKaz17ciLyPqb2pnBFOFxSC1CQ/m7UnnNTzpe5/ULXx7onkDIdZCPX+/C83QNdp9
8NyA7rxn2BDYQsQwkPMnZtWjUzBRMB0GA1UdDgQWBBQHGijvKHvfm4TOK/W7mI3z
wFJD1zAfBgNVHSMEGDAWgBQHGijvKHvfm4TOK/W7mI3zwFJD1zAPBgNVHRMBAf8E
BTADAQH/MAkGByqGSM49BAEDSAAwRQIhAO6jtBWu5s+kiSgha3/qw1khR5iO1LbS
wrpSCQv0CEf1AiAPEw5oyPG7MgpJcAZNO0amPvtlKx53GAhgjPtssGVz2Q==
-----END CERTIFICATE-----
"""
SMALL_RSA, RSA = rsa.generate_private_key(65537, 1024), rsa.generate_private_key(65537, 2048)


def test_what_a_certificate_says() -> None:
    names = [x509.DNSName("a.example"), x509.UniformResourceIdentifier("sip:b.example"), x509.RFC822Name("c@d.example")]
    facts = read_certificate(certificate_of(CURVE, hashes.SHA384(), x509.SubjectAlternativeName(names)))
    assert facts == CertificateFacts(
        "CN=subject",
        "CN=issuer",
        "abc",
        1893456000.0,
        1893456000.0 + 10 * DAY,
        names=("DNS a.example", "URI sip:b.example"),
        key="EC on secp256r1",
        signature="ECDSA with SHA384",
        fingerprint=facts.fingerprint,
    )
    assert len(facts.fingerprint) == 64
    assert facts.lifetime == 10 * DAY


def test_a_root() -> None:
    facts = read_certificate(ROOT.certificate)
    assert (facts.is_ca, facts.self_signed, facts.must_staple, facts.names) == (True, True, False, ())
    assert not read_certificate(INTERMEDIATE.certificate).self_signed


def test_a_certificate_that_must_be_stapled() -> None:
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    assert read_certificate(certificate_of(CURVE, hashes.SHA256(), feature)).must_staple


@pytest.mark.parametrize(
    ("key", "algorithm", "told", "weakness"),
    [
        (RSA, hashes.SHA256(), ("RSA of 2048 bits", "RSA with SHA256"), ""),
        (SMALL_RSA, hashes.SHA256(), ("RSA of 1024 bits", "RSA with SHA256"), "RSA of 1024 bits"),
        (ec.generate_private_key(ec.SECP192R1()), hashes.SHA256(), None, "EC on secp192r1"),
        (ed25519.Ed25519PrivateKey.generate(), None, ("Ed25519", "Ed25519"), ""),
        (ed448.Ed448PrivateKey.generate(), None, ("Ed448", "Ed448"), ""),
        (dsa.generate_private_key(1024), hashes.SHA256(), ("DSA of 1024 bits", "DSA with SHA256"), "DSA of 1024 bits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_strength(
    key: Private, algorithm: hashes.HashAlgorithm | None, told: tuple[str, str] | None, weakness: str
) -> None:
    facts = read_certificate(certificate_of(key, algorithm))
    assert told in (None, (facts.key, facts.signature))
    assert facts.weakness == weakness


def test_a_signature_that_can_be_forged() -> None:
    facts = read_certificate(x509.load_pem_x509_certificate(WITH_SHA1))
    assert (facts.signature, facts.weakness) == ("ECDSA with SHA1", "signed with SHA1")


def test_nothing_rests_on_the_signature_of_a_root() -> None:
    facts = read_certificate(x509.load_pem_x509_certificate(ROOT_WITH_SHA1))
    assert (facts.signature, facts.weakness) == ("ECDSA with SHA1", "")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.data())
def test_any_certificate_is_a_value(data: st.DataObject) -> None:
    """Bytes of a certificate changed: either the library refuses it as a whole, or its facts are read."""
    changed = bytearray(LEAF.certificate.public_bytes(Encoding.DER))
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), min_size=1, max_size=3)):
        changed[place] = data.draw(st.integers(0, 255))
    try:
        certificate = x509.load_der_x509_certificate(bytes(changed))
    except UNREADABLE:
        return
    facts = read_certificate(certificate)
    staple = read_staple(ocsp_response(LEAF.certificate, INTERMEDIATE), certificate, certificate, NOW)
    assert isinstance(facts, CertificateFacts)
    assert staple.verdict in StapleVerdict


# OCSP

RESPONDER = issue("responder", INTERMEDIATE, usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
PRETENDER = issue("pretender", INTERMEDIATE)
STRANGER = issue("stranger", usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
RSA_ROOT = issue("RSA root", ca=True, key=RSA)
RSA_LEAF = issue("below RSA", RSA_ROOT, names=[NAME])


def verdict(data: bytes, leaf: Identity = LEAF, issuer: Identity | None = INTERMEDIATE, now: float = NOW) -> str:
    above = issuer.certificate if issuer else None
    return read_staple(data, leaf.certificate, above, now).verdict.name


def test_a_good_response() -> None:
    facts = read_staple(ocsp_response(LEAF.certificate, INTERMEDIATE), LEAF.certificate, INTERMEDIATE.certificate, NOW)
    assert (facts.verdict, facts.revoked) == (StapleVerdict.GOOD, None)
    assert facts.this_update is not None
    assert facts.next_update is not None
    assert facts.next_update - facts.this_update == 25 * 3600


def test_a_revoked_certificate() -> None:
    data = ocsp_response(LEAF.certificate, INTERMEDIATE, status=ocsp.OCSPCertStatus.REVOKED)
    facts = read_staple(data, LEAF.certificate, INTERMEDIATE.certificate, NOW)
    assert facts.verdict is StapleVerdict.REVOKED
    assert facts.revoked is not None
    assert facts.revoked < NOW


@pytest.mark.parametrize(
    ("signer", "delegates", "told"),
    [
        (RESPONDER, (RESPONDER.certificate,), "GOOD"),
        (RESPONDER, (), "UNPROVEN"),
        (PRETENDER, (PRETENDER.certificate,), "UNPROVEN"),
        (STRANGER, (STRANGER.certificate,), "UNPROVEN"),
        (ROOT, (), "UNPROVEN"),
    ],
    ids=["authorised", "not shown", "not authorised", "of another issuer", "of nobody"],
)
def test_who_may_sign_a_response(signer: Identity, delegates: tuple[x509.Certificate, ...], told: str) -> None:
    assert verdict(ocsp_response(LEAF.certificate, INTERMEDIATE, signer=signer, delegates=delegates)) == told


def test_an_issuer_with_rsa() -> None:
    data = ocsp_response(RSA_LEAF.certificate, RSA_ROOT)
    assert verdict(data, RSA_LEAF, RSA_ROOT) == "GOOD"
    assert verdict(data, RSA_LEAF, INTERMEDIATE) == "UNPROVEN"
    assert verdict(data, RSA_LEAF, None) == "UNPROVEN"


@pytest.mark.parametrize(
    ("hours", "told"), [((-1, 1), "GOOD"), ((-3, -1), "STALE"), ((1, 2), "STALE"), ((CLOCK_SKEW / 7200, 2), "GOOD")]
)
def test_how_fresh_a_response_is(hours: tuple[float, float], told: str) -> None:
    now = datetime.datetime.now(datetime.UTC).timestamp()
    assert verdict(ocsp_response(LEAF.certificate, INTERMEDIATE, hours=hours), now=now) == told


def test_a_response_about_another_certificate() -> None:
    assert verdict(ocsp_response(PRETENDER.certificate, INTERMEDIATE)) == "FOREIGN"


def test_a_certificate_that_the_responder_does_not_know() -> None:
    data = ocsp_response(LEAF.certificate, INTERMEDIATE, status=ocsp.OCSPCertStatus.UNKNOWN)
    assert verdict(data) == "UNKNOWN"


def test_an_error_of_the_responder() -> None:
    error = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert verdict(error.public_bytes(Encoding.DER)) == "UNREADABLE"


@given(st.one_of(st.binary(), st.integers(0, 400)))
def test_any_response_is_a_value(given_: bytes | int) -> None:
    data = ocsp_response(LEAF.certificate, INTERMEDIATE)
    changed = given_ if isinstance(given_, bytes) else data[:given_] + b"\xff" + data[given_ + 1 :]
    assert verdict(changed) in StapleVerdict.__members__
