"""Credentials do not get through, and nothing else is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.report.safe_text import cover, cover_lines, cover_uris, printable
from sipcore.errors import encodable

DIGEST = 'Digest username="alice", nonce="n0", response="0123456789abcdef", qop=auth'
COVERED = 'Digest username="alice", nonce="n0", response="****************", qop=auth'


@pytest.mark.parametrize(
    ("key", "text", "covered"),
    [
        ("authorization", DIGEST, COVERED),
        ("proxy-authorization", DIGEST.replace("response", "Response"), COVERED.replace("response", "Response")),
        ("authorization", "Digest response=ab , nc=1", "Digest response=** , nc=1"),
        ("authorization", 'Digest response = "ab"', 'Digest response = "**"'),
        ("authorization", 'digest\tresponse="ab', 'digest\tresponse="**'),
        ("authorization", r'Digest response="a\"b", uri="x"', r'Digest response="**"*", uri="x"'),
        ("authorization", "Basic YWxpY2U6c2VjcmV0", "Basic ****************"),
        ("authorization", "Basic\tYWxp", "Basic\t****"),
        ("authorization", "Bearer a.b.c, x", "Bearer ****** *"),
        ("authorization", "YWxpY2U6c2VjcmV0", "****************"),
        ("authorization", "", ""),
        ("x-authorization", "Bearer abc", "Bearer ***"),
        ("authentication-info", 'rspauth="abcd", nc=00000001', 'rspauth="****", nc=00000001'),
        ("www-authenticate", 'Digest realm="r", nonce="n"', 'Digest realm="r", nonce="n"'),
        ("contact", "<sip:alice:secret@example.com>", "<sip:alice:******@example.com>"),
        ("subject", "the response = 42, as ever", "the response = **, as ever"),
    ],
)
def test_covers_what_proves_an_identity(key: str, text: str, covered: str) -> None:
    assert cover(key, text) == covered


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("sip:alice:secret@example.com", "sip:alice:******@example.com"),
        ("INVITE SIPS:alice:secret@example.com SIP/2.0", "INVITE SIPS:alice:******@example.com SIP/2.0"),
        ("<sip:a:p@h>, <sip:b:q@h>", "<sip:a:*@h>, <sip:b:*@h>"),
        ("sip:alice:pass@word@example.com", "sip:alice:*********@example.com"),
        ("sip:alice:@example.com", "sip:alice:@example.com"),
        ("sip:alice@example.com:5060", "sip:alice@example.com:5060"),
        ("sip:[2001:db8::1]:5060", "sip:[2001:db8::1]:5060"),
        ("sip:alice@[2001:db8::1]:5060;x=a@b", "sip:alice@[2001:db8::1]:5060;x=a@b"),
        ("https://alice:secret@example.com/", "https://alice:******@example.com/"),
        ("a84b4c76@[2001:db8::1]", "a84b4c76@[2001:db8::1]"),
        ("<sip:a@h?Authorization=Basic%20x&y=z>", "<sip:a@h?Authorization=*********&y=z>"),
    ],
)
def test_covers_passwords_in_uris(text: str, covered: str) -> None:
    assert cover_uris(text) == covered


def test_covers_each_line_by_its_name() -> None:
    head = "OPTIONS sip:a SIP/2.0\r\nAuthorization: Basic\r\n abc\r\nSubject: Basic abc\r\n response=xy"
    suite = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
    for behind in ("", "|2^20", "|1048576|1:4", "|1:1", " UNENCRYPTED_SRTCP"):
        shown = behind.replace("UNENCRYPTED_SRTCP", "*" * 17)
        assert cover_lines(f"{suite}c2Vj+/A={behind}\r\na=x") == f"{suite}********{shown}\r\na=x"
    assert "c2Vj" not in cover_lines(f"{suite}c2Vj;inline:c2Vj")
    assert cover_lines("a=crypto:c2Vj AES_CM inline:c2Vj").startswith("a=crypto*")
    assert cover_lines("a=crypto:1 AES inline:c2Vj|1:1\nk=clear:x\nsip:a:b@c") == (
        "a=crypto** *** ***************\nk=*******\nsip:a:*@c"
    )
    assert (
        cover_lines(head)
        == "OPTIONS sip:a SIP/2.0\r\nAuthorization: Basic\r\n ***\r\nSubject: Basic abc\r\n response=**"
    )


@given(st.sampled_from(["authorization", "authentication-info", "contact", ""]), st.text())
def test_keeps_every_place(key: str, text: str) -> None:
    covered = cover(key, text)
    assert len(covered) == len(text)
    assert all(shown in (original, "*") for original, shown in zip(text, covered, strict=True))


@pytest.mark.parametrize("piece", ["sip:", "sip:a", "response=", 'response="', "a@", "://", ":", "\\", "<sip:a:"])
def test_time_is_linear(piece: str) -> None:
    # 200 kB in one word: a quadratic step would take minutes.
    cover("authorization", "Digest " + piece * (200_000 // len(piece)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äß漢", "plain äß漢"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\r\n\tb", r"a\x0d\x0a\x09b"),
        ("\udcff", r"\xff"),
        ("\u202e", r"\u202e"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_escapes_what_would_drive_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_bytes_that_are_not_utf8_are_written_out() -> None:
    assert encodable(b"a\xff\xc3\xa4".decode("utf-8", "surrogateescape")) == "a\\xffä"


@pytest.mark.parametrize(
    "text",
    [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2Vjc2Vj|2^20|1:4",
        "a=crypto:1 AEAD_AES_256_GCM inline:c2Vj WSH=64",
        "a=crypto:c2Vj AES_CM inline:c2Vj",
        "k=clear:c2Vj",
        f"Authorization: {DIGEST}",
        "Proxy-Authorization: Basic c2Vj",
        "Contact: <sip:a:secret@b>",
    ],
)
def test_what_is_covered_stays_as_it_is(text: str) -> None:
    assert cover_lines(cover_lines(text)) == cover_lines(text)
