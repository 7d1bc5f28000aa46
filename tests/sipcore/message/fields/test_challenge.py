"""Challenges, credentials and Authentication-Info as they are written, and as peers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError, UnsafeValue
from sipcore.message.fields.challenge import (
    MAX_COMBINED,
    AuthenticationInfo,
    Challenge,
    Credentials,
    digest_challenge,
)

D = Deviation
FULL = (
    'Digest realm="atlanta.com", domain="sip:boxesbybob.com sip:ss1.carrier.com", qop="auth,auth-int", '
    'nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=TRUE, algorithm=SHA-256, charset=UTF-8, userhash=true'
)
ANSWER = (
    'Digest username="bob", realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'uri="sip:bob@biloxi.com", qop=auth, nc=00000001, cnonce="0a4f113b", '
    'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def test_a_challenge_with_everything() -> None:
    challenge = Challenge.parse(FULL)
    assert challenge.is_digest
    assert challenge.realm == "atlanta.com"
    assert challenge.domain == ("sip:boxesbybob.com", "sip:ss1.carrier.com")
    assert challenge.qop_options == ("auth", "auth-int")
    assert challenge.nonce == "f84f1cec41e6cbe5aea9c8e88d359"
    assert challenge.opaque == ""
    assert challenge.stale
    assert challenge.algorithm == "SHA-256"
    assert challenge.charset == "UTF-8"
    assert challenge.userhash
    assert str(challenge) == FULL


def test_a_challenge_with_little() -> None:
    challenge = Challenge.parse('digest realm="a", nonce="b"')
    assert challenge.is_digest
    assert challenge.algorithm == "MD5"
    assert challenge.qop_options == ()
    assert challenge.domain == ()
    assert (challenge.opaque, challenge.charset, challenge.stale, challenge.userhash) == (None, None, False, False)


@pytest.mark.parametrize(
    ("text", "scheme", "realm", "token68"),
    [
        ('Basic realm="jobs"', "Basic", "jobs", ""),
        ("Basic realm=test", "Basic", "test", ""),
        ('NTLM realm="SIP Communications Service", targetname="OCS1.flux.local", version=3', "NTLM", None, ""),
        ("Negotiate YWJj/+==", "Negotiate", None, "YWJj/+=="),
        ('Bearer authz_server="https://as.example.com", scope="sip.read"', "Bearer", None, ""),
    ],
)
def test_other_schemes(text: str, scheme: str, realm: str | None, token68: str) -> None:
    challenge = Challenge.parse(text)
    assert challenge.scheme == scheme
    assert not challenge.is_digest
    assert challenge.realm in (realm, "SIP Communications Service")
    assert challenge.token68 == token68
    assert str(challenge) == text


@pytest.mark.parametrize(
    ("text", "deviations"),
    [
        ('Digest realm=a, nonce="b"', [D.AUTH_NEEDS_QUOTES]),
        ('Digest realm="a", nonce="b", qop=auth', [D.AUTH_NEEDS_QUOTES]),
        ('Digest realm="a", nonce="b", algorithm="MD5", stale="false"', [D.AUTH_NEEDS_NO_QUOTES] * 2),
        ('Digest nonce="b"', [D.AUTH_CHALLENGE_LACKS]),
        ('Digest realm="a"', [D.AUTH_CHALLENGE_LACKS]),
        ("Digest", [D.AUTH_CHALLENGE_LACKS]),
        ("Negotiate", [D.AUTH_CHALLENGE_LACKS]),
        ('Digest realm="a", nonce="b",', [D.EMPTY_LIST_VALUE]),
        ('Digest realm="a", nonce="b", Basic realm="c"', [D.AUTH_COMBINED]),
        ('Digest realm="a", nonce="b" Negotiate YWJj', [D.AUTH_COMBINED]),
    ],
)
def test_tolerated_in_challenges(text: str, deviations: list[Deviation]) -> None:
    notes: Notes = []
    Challenge.parse(text, notes)
    assert notes == deviations
    with pytest.raises(ParseError) as caught:
        Challenge.parse(text)
    assert caught.value.section == deviations[0].section


def test_challenges_that_share_a_line_are_kept() -> None:
    notes: Notes = []
    text = 'Digest realm="a", nonce="b", algorithm=SHA-256, Digest realm="a", nonce="b", Negotiate abc='
    challenge = Challenge.parse(text, notes)
    assert challenge.algorithm == "SHA-256"
    assert [other.scheme for other in challenge.combined] == ["Digest", "Negotiate"]
    assert str(challenge) == text
    with pytest.raises(ParseError):
        Challenge.parse(", ".join(['Digest realm="a", nonce="b"'] * (MAX_COMBINED + 1)), [])


@pytest.mark.parametrize("text", ["", " ", "=", 'Digest realm="a', 'Digest realm="a", "b"', "Di,gest a=b", 'D "a"'])
def test_no_challenge(text: str) -> None:
    with pytest.raises(ParseError):
        Challenge.parse(text, [])


def test_building_a_challenge() -> None:
    challenge = digest_challenge(
        realm='say "hi"', nonce="n", algorithm="SHA-256", qop=("auth", "auth-int"), opaque="", stale=True, userhash=True
    )
    assert str(challenge) == (
        'Digest realm="say \\"hi\\"", nonce="n", opaque="", algorithm=SHA-256, qop="auth,auth-int", '
        "stale=true, userhash=true"
    )
    assert Challenge.parse(str(challenge)) == challenge
    assert str(digest_challenge(realm="a", nonce="b", qop=())) == 'Digest realm="a", nonce="b"'
    with pytest.raises(UnsafeValue):
        digest_challenge(realm="a\r\nX: y", nonce="b")


def test_credentials_with_everything() -> None:
    credentials = Credentials.parse(ANSWER + ", algorithm=MD5, userhash=false")
    assert credentials.is_digest
    assert credentials.username == "bob"
    assert credentials.realm == "biloxi.com"
    assert credentials.nonce == "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert credentials.uri == "sip:bob@biloxi.com"
    assert credentials.qop == "auth"
    assert (credentials.nc, credentials.nonce_count) == ("00000001", 1)
    assert credentials.cnonce == "0a4f113b"
    assert credentials.response == "6629fae49393a05397450978507c4ef1"
    assert credentials.opaque == "5ccc069c403ebaf9f0171e9517f40e41"
    assert credentials.algorithm == "MD5"
    assert not credentials.userhash
    assert str(Credentials.parse(ANSWER)) == ANSWER


@pytest.mark.parametrize(
    ("written", "username"),
    [
        ('username="J\\"s"', 'J"s'),
        ("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe", "Jäsøn Doe"),
        ("username*=utf-8'en'x", "x"),
        ("username*=UTF-8''%FF", None),
        ("username*=ISO-8859-1''%E4", None),
        ("username*=plain", None),
    ],
)
def test_usernames(written: str, username: str | None) -> None:
    text = f'Digest {written}, realm="a", nonce="b", uri="sip:c", response="d"'
    assert Credentials.parse(text).username == username


def test_username_twice_is_an_error() -> None:
    with pytest.raises(ParseError) as caught:
        Credentials.parse("Digest username=\"a\", username*=UTF-8''a", [])
    assert caught.value.section == "RFC 7616 §3.4"


@pytest.mark.parametrize(
    ("text", "deviation"),
    [
        (ANSWER.replace("nc=00000001", "nc=1"), D.AUTH_NONCE_COUNT),
        (ANSWER.replace("nc=00000001", "nc=xyz"), D.AUTH_NONCE_COUNT),
        (ANSWER.replace("qop=auth", 'qop="auth"'), D.AUTH_NEEDS_NO_QUOTES),
        (ANSWER.replace('"sip:bob@biloxi.com"', "sip:bob@biloxi.com"), D.AUTH_NEEDS_QUOTES),
        (ANSWER.replace('username="bob", ', ""), D.AUTH_CREDENTIALS_LACK),
        (ANSWER.replace('username="bob", ', 'username="bob" '), D.AUTH_NO_COMMA),
        ("Digest", D.AUTH_CREDENTIALS_LACK),
        ("Bearer", D.AUTH_CREDENTIALS_LACK),
    ],
)
def test_tolerated_in_credentials(text: str, deviation: Deviation) -> None:
    notes: Notes = []
    Credentials.parse(text, notes)
    assert notes == [deviation]
    with pytest.raises(ParseError):
        Credentials.parse(text)


@pytest.mark.parametrize(
    ("nc", "count"), [("0000000a", 10), ("FFFFFFFF", 2**32 - 1), ("1", 1), ("1" * 9, None), ("-1", None)]
)
def test_nonce_counts(nc: str, count: int | None) -> None:
    assert Credentials.parse(f"Digest nc={nc}", []).nonce_count == count


def test_credentials_do_not_share_a_line() -> None:
    with pytest.raises(ParseError) as caught:
        Credentials.parse(f"{ANSWER}, {ANSWER}", [])
    assert caught.value.section == "RFC 3261 §20.7"


def test_what_a_password_could_be_guessed_from_is_not_shown() -> None:
    digest, bearer = Credentials.parse(ANSWER), Credentials.parse("Bearer abc.def=")
    other = Credentials.parse('Custom key="secret"')
    info = AuthenticationInfo.parse('rspauth="5e8518291c1320989df6966405e0b3d1", nc=00000001')
    shown = repr(digest) + repr(bearer) + repr(other) + repr(info)
    for secret in ("6629fae49393a05397450978507c4ef1", "abc.def", "secret", "5e8518291c1320989df6966405e0b3d1"):
        assert secret not in shown
    assert 'username="bob"' in repr(digest)
    assert bearer.token68 == "abc.def="
    assert str(digest.redacted()) == ANSWER.replace("6629fae49393a05397450978507c4ef1", "…")


def test_authentication_info() -> None:
    text = 'nextnonce="WRSE5V", qop=auth, rspauth="5e85", cnonce="05bc", nc=00000001'
    info = AuthenticationInfo.parse(text)
    assert (info.nextnonce, info.qop, info.rspauth, info.cnonce, info.nc) == (
        "WRSE5V",
        "auth",
        "5e85",
        "05bc",
        "00000001",
    )
    assert str(info) == text


@pytest.mark.parametrize(
    ("text", "deviation"),
    [
        ('Digest rspauth="5e85"', D.AUTH_INFO_SCHEME),
        ("rspauth=5e85", D.AUTH_NEEDS_QUOTES),
        ('rspauth="5e85", nc="00000001"', D.AUTH_NEEDS_NO_QUOTES),
        ('rspauth="5e85", nc=1', D.AUTH_NONCE_COUNT),
    ],
)
def test_tolerated_in_authentication_info(text: str, deviation: Deviation) -> None:
    notes: Notes = []
    assert str(AuthenticationInfo.parse(text, notes)) == text
    assert notes == [deviation]
    with pytest.raises(ParseError):
        AuthenticationInfo.parse(text)


@pytest.mark.parametrize("text", ["", "Digest", "Digest ", "a b c", 'nextnonce="a'])
def test_no_authentication_info(text: str) -> None:
    with pytest.raises(ParseError):
        AuthenticationInfo.parse(text, [])


def test_a_spaced_first_parameter_is_no_scheme() -> None:
    assert AuthenticationInfo.parse('nextnonce = "a"').nextnonce == "a"


PIECES = st.lists(
    st.sampled_from(["Digest", "Basic", " ", ",", "realm", "nonce", "nc", "=", '"', '"a"', "\\", "é", "x", "\t"]),
    max_size=20,
)


@given(PIECES.map("".join) | st.text(max_size=40), st.sampled_from([Challenge, Credentials, AuthenticationInfo]))
def test_any_text_gives_a_value_or_our_error(
    text: str, kind: type[Challenge] | type[Credentials] | type[AuthenticationInfo]
) -> None:
    try:
        parsed = kind.parse(text, [])
    except ParseError:
        return
    # The text is stable; `Basic a =`, a parameter without a value, reads as token68 once its space is gone.
    assert str(kind.parse(str(parsed), [])) == str(parsed)


@pytest.mark.parametrize("piece", ['Digest a="', "a=b ", "D t", 'x="y", ', "\\", '"\\', ",", "Digest a=b\t"])
def test_time_is_linear(piece: str) -> None:
    text = "Digest " + piece * (60_000 // len(piece))
    for kind in (Challenge, Credentials, AuthenticationInfo):
        with pytest.raises(ParseError):
            kind.parse(text, [])
