"""The arithmetic of digest authentication against published values."""

import copy
import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.auth.digest import (
    AUTH,
    AUTH_INT,
    Algorithm,
    Exchange,
    Secret,
    algorithm_named,
    response_of,
    rspauth_of,
    sha512_256_without_openssl,
    userhash_of,
)
from sipcore.errors import LocalError, UnsafeValue

A = Algorithm
NONCE_2617 = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
NONCE_7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE_7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
DOE = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
# The body of draft-smith-sipping-auth-examples-01 §3.5; its MD5 there is c1ed018b8ec4a3b170c0921f5b564e48.
BODY = b"".join(
    line + b"\r\n"
    for line in (
        b"v=0",
        b"o=bob 2890844526 2890844526 IN IP4 media.biloxi.com",
        b"s=-",
        b"c=IN IP4 media.biloxi.com",
        b"t=0 0",
        b"m=audio 49170 RTP/AVP 0",
        b"a=rtpmap:0 PCMU/8000",
        b"m=video 51372 RTP/AVP 31",
        b"a=rtpmap:31 H261/90000",
        b"m=video 53000 RTP/AVP 32",
        b"a=rtpmap:32 MPV/90000",
    )
)
MUFASA = ("Mufasa", "testrealm@host.com")
LION = ("Mufasa", "http-auth@example.org", "Circle of Life")
BOB = ("bob", "biloxi.com", "zanzibar")
GET = ("GET", "/dir/index.html")
INVITE = ("INVITE", "sip:bob@biloxi.com")
COUNTED = (AUTH, "00000001", "0a4f113b")


@pytest.mark.parametrize(
    ("user", "exchange", "expected"),
    [
        # RFC 2069 §2.4, corrected by erratum 749
        ((*MUFASA, "CircleOfLife"), Exchange(A.MD5, *GET, NONCE_2617), "1949323746fe6a43ef61f9606e7febea"),
        # RFC 2617 §3.5, and with it RFC 3261 §22.2's look-alike
        (
            (*MUFASA, "Circle Of Life"),
            Exchange(A.MD5, *GET, NONCE_2617, *COUNTED),
            "6629fae49393a05397450978507c4ef1",
        ),
        # RFC 7616 §3.9.1
        (
            LION,
            Exchange(A.MD5, *GET, NONCE_7616, AUTH, "00000001", CNONCE_7616),
            "8ca523f5e9506fed4657c9700eebdbec",
        ),
        (
            LION,
            Exchange(A.SHA_256, *GET, NONCE_7616, AUTH, "00000001", CNONCE_7616),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        # RFC 7616 §3.9.2, corrected by erratum 4897: the text has SHA-512 cut short
        (
            ("Jäsøn Doe", "api@example.org", "Secret, or not?"),
            Exchange(A.SHA_512_256, "GET", "/doe.json", DOE[0], AUTH, "00000001", DOE[1]),
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
        ),
        # draft-smith-sipping-auth-examples-01 §3.1 to §3.6: SIP requests of the time of RFC 3261
        (BOB, Exchange(A.MD5, *INVITE, NONCE_2617), "bf57e4e0d0bffc0fbaedce64d59add5e"),
        (BOB, Exchange(A.MD5, *INVITE, NONCE_2617, *COUNTED), "89eb0059246c02b2f6ee02c7961d5ea3"),
        (BOB, Exchange(A.MD5_SESS, *INVITE, NONCE_2617, *COUNTED), "e4e4ea61d186d07a92c9e1f6919902e9"),
        (
            BOB,
            Exchange(A.MD5, *INVITE, NONCE_2617, AUTH_INT, "00000001", "0a4f113b", BODY),
            "bdbeebb2da6adb6bca02599c2239e192",
        ),
        (
            BOB,
            Exchange(A.MD5_SESS, *INVITE, NONCE_2617, AUTH_INT, "00000001", "0a4f113b", BODY),
            "91984da2d8663716e91554859c22ca70",
        ),
        # RFC 5090 §6: an INVITE and a GET for the same user
        (
            ("12345678", "example.com", "secret"),
            Exchange(A.MD5, "INVITE", "sip:97226491335@example.com", "3bada1a0", AUTH, "00000001", "56593a80"),
            "756933f735fcd93f90a4bbdd5467f263",
        ),
        (
            ("12345678", "example.com", "secret"),
            Exchange(A.MD5, "GET", "/index.html", "a3086ac8", AUTH, "00000001", "56593a80"),
            "a4fac45c27a30f4f244c54a2e99fa117",
        ),
    ],
)
def test_published_responses(user: tuple[str, str, str], exchange: Exchange, expected: str) -> None:
    username, realm, password = user
    ha1 = Secret(password).ha1(exchange.algorithm, username, realm)
    assert ha1 is not None
    assert response_of(ha1, exchange) == expected


def test_published_userhash() -> None:
    """RFC 7616 §3.9.2, corrected by erratum 4897."""
    hashed = userhash_of(A.SHA_512_256, "Jäsøn Doe", "api@example.org")
    assert hashed == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"


@pytest.mark.parametrize(
    ("algorithm", "empty"),
    [
        (A.MD5, "d41d8cd98f00b204e9800998ecf8427e"),  # RFC 3261 §22.4 item 7
        (A.SHA_256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),  # RFC 8760 §2.6 item 7
        (A.SHA_512_256, "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"),  # FIPS 180-4 examples
    ],
)
def test_hash_of_no_body(algorithm: Algorithm, empty: str) -> None:
    assert algorithm.digest_of_body(b"") == empty


def test_sha_512_256_is_not_sha_512_cut_short() -> None:
    abc = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"  # FIPS 180-4 examples
    assert A.SHA_512_256.digest_of_body(b"abc") == sha512_256_without_openssl(b"abc") == abc
    assert not hashlib.sha512(b"abc").hexdigest().startswith(abc[:8])


def test_sha_512_256_where_openssl_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str, data: bytes) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", lacking)
    assert A.SHA_512_256.digest_of_body(b"") == "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("MD5", A.MD5),
        ("md5", A.MD5),
        ("MD5-sess", A.MD5_SESS),
        ("SHA-256", A.SHA_256),
        ("SHA-256-SESS", A.SHA_256_SESS),
        ("SHA-512-256", A.SHA_512_256),
        ("SHA-512-256-sess", A.SHA_512_256_SESS),
        ("SHA-512/256", None),
        ("SHA2-256", None),
        ("AKAv1-MD5", None),
        ("", None),
    ],
)
def test_names(name: str, algorithm: Algorithm | None) -> None:
    assert algorithm_named(name) is algorithm


def test_bases() -> None:
    assert {algorithm: algorithm.base for algorithm in A if algorithm.is_session} == {
        A.MD5_SESS: A.MD5,
        A.SHA_256_SESS: A.SHA_256,
        A.SHA_512_256_SESS: A.SHA_512_256,
    }
    assert repr(A.SHA_256_SESS) == "<Algorithm SHA-256-sess>"


@pytest.mark.parametrize("algorithm", list(A))
def test_a_known_digest_does_for_the_password(algorithm: Algorithm) -> None:
    ha1 = Secret("zanzibar").ha1(algorithm, "bob", "biloxi.com")
    assert ha1 is not None
    known = Secret.of_ha1({algorithm.base: ha1.upper()})
    assert known.ha1(algorithm, "bob", "biloxi.com") == ha1
    others = [other for other in A if other.base is not algorithm.base]
    assert {known.ha1(other, "bob", "biloxi.com") for other in others} == {None}


def test_a_session_digest_is_no_secret() -> None:
    with pytest.raises(LocalError):
        Secret.of_ha1({A.MD5_SESS: "00"})


def test_a_session_keeps_its_key() -> None:
    """RFC 7616 §3.4.2: the key of a -sess algorithm is made of the first nonce and cnonce."""
    later = Exchange(A.SHA_256_SESS, *INVITE, "n2", AUTH, "00000001", "c2", session=("n1", "c1"))
    key = A.SHA_256.digest("00", "n1", "c1")
    plain = Exchange(A.SHA_256, *INVITE, "n2", AUTH, "00000001", "c2")
    assert response_of("00", later) == response_of(key, plain)


def test_rspauth_leaves_the_method_out() -> None:
    exchange = Exchange(A.MD5, "INVITE", "sip:a", "n", AUTH_INT, "00000001", "c", b"request")
    nameless = Exchange(A.MD5, "", "sip:a", "n", AUTH_INT, "00000001", "c", b"response")
    assert rspauth_of("00", exchange, b"response") == response_of("00", nameless)


def test_passwords_are_normalised() -> None:
    """RFC 7616 §4: Normalization Form C."""
    composed, decomposed = Secret("\u00e4"), Secret("a\u0308")
    assert composed.ha1(A.MD5, "u", "r") == decomposed.ha1(A.MD5, "u", "r")


def test_a_password_that_utf8_cannot_carry() -> None:
    with pytest.raises(UnsafeValue) as caught:
        Secret("hunter\ud8002")
    assert "hunter" not in str(caught.value)
    assert caught.value.__context__ is None


def test_bytes_that_are_not_utf8_are_hashed_as_they_came() -> None:
    name = b"J\xe4s".decode("utf-8", "surrogateescape")
    assert A.MD5.digest(name, "r") == hashlib.md5(b"J\xe4s:r").hexdigest()


@given(st.text("0123456789!?", min_size=8))
def test_a_secret_is_shown_by_nothing(password: str) -> None:
    secret = Secret(password)
    shown = f"{secret} {secret!r} {[secret]} {hash(secret)}"
    assert password not in shown
    assert secret != Secret(password)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(LocalError):
            copied(secret)


def test_a_body_is_not_shown() -> None:
    assert "secret" not in repr(Exchange(A.MD5, "INVITE", "sip:a", "n", body=b"secret"))
