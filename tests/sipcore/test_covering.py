"""Credentials in texts of peers: they are covered, in what is shown, raised and printed, and nothing else is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.covering import cover, cover_unread, cover_uris
from sipcore.errors import ParseError
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import AUTHORIZATION, CONTACT, FROM, REFER_TO, ROUTE
from sipcore.message.uri import SipUri

DIGEST = 'Digest username="alice", nonce="n0", response="0123456789abcdef", qop=auth'
COVERED = 'Digest username="alice", nonce="n0", response="****************", qop=auth'
SECRET = "s3cret"
INVITE = f"""\
INVITE sip:bob:{SECRET}@b.example SIP/2.0
Via: SIP/2.0/UDP a.example;branch=z9hG4bK1
From: <sip:alice:{SECRET}@a.example>;tag=1
To: <sip:bob:{SECRET}@b.example>
Contact: <sip:alice:{SECRET}@a.example>
Route: <sip:alice:{SECRET}@a.example;lr>
Refer-To: <sip:carol@c.example?Authorization=Basic%20{SECRET}>
Authorization: Basic {SECRET}
Call-ID: 1
CSeq: 1 INVITE

"""


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


@given(st.sampled_from(["authorization", "authentication-info", "contact", ""]), st.text())
def test_keeps_every_place(key: str, text: str) -> None:
    for covered in (cover(key, text), cover_unread(key, text)):
        assert len(covered) == len(text)
        assert all(shown in (original, "*") for original, shown in zip(text, covered, strict=True))


@pytest.mark.parametrize("piece", ["sip:", "sip:a", "response=", 'response="', "a@", "://", ":", "\\", "<sip:a:"])
def test_time_is_linear(piece: str) -> None:
    # 200 kB in one word: a quadratic step would take minutes.
    cover_unread("authorization", "Digest " + piece * (200_000 // len(piece)))


@pytest.mark.parametrize(
    ("key", "text", "covered"),
    [
        ("", "sip:alice:my word@example.com", "sip:alice:** ****@example.com"),
        ("from", '"A" <sip:alice:"word"@example.com>;tag=1', '"A" <sip:alice:"****"@example.com>;tag=1'),
        ("contact", "sip:a:my word@h, <sip:b:x@h>", "sip:a:** ****@h, <sip:b:*@h>"),
        ("authorization", "Basic word", "Basic ****"),
    ],
)
def test_covers_what_cannot_be_read(key: str, text: str, covered: str) -> None:
    assert cover_unread(key, text) == covered


@pytest.mark.parametrize(
    "text",
    [
        f"sip:alice:s3 {SECRET}@example.com",
        f"sip:alice:{SECRET}@exam ple.com",
        f"sip:alice:{SECRET}@",
        f"sip:alice:{SECRET}@example.com:77777",
        f"sip:alice:{SECRET}@example.com:port",
    ],
)
def test_no_error_over_a_uri_quotes_its_password(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        SipUri.parse(text)
    assert SECRET not in str(caught.value) + repr(caught.value)
    for name, field in (("Request-URI", text), ("From", f"<{text}>"), ("Contact", text)):
        with pytest.raises(ParseError) as caught:
            _read(_with(name, field))
        assert SECRET not in str(caught.value) + repr(caught.value), name


def test_no_error_over_credentials_quotes_them() -> None:
    for text in (
        f'Digest response="{SECRET}',
        f"Digest a=b, response={SECRET} x",
        f"Basic {SECRET} {SECRET}",
        f'Basic "{SECRET}"',
    ):
        with pytest.raises(ParseError) as caught:
            _read(_with("Authorization", text))
        assert SECRET not in str(caught.value), text


def test_no_message_and_nothing_in_it_shows_a_password() -> None:
    request = parse_message(INVITE.replace("\n", "\r\n").encode())
    assert isinstance(request, Request)
    parts = [request.headers[row] for row in (FROM, CONTACT, ROUTE, REFER_TO, AUTHORIZATION)]
    shown = repr([request, request.uri, request.headers, request.noted, parts])
    assert "<Request 'INVITE sip:bob:******@b.example SIP/2.0', 9 header fields, 0 bytes>" in shown
    assert SECRET not in shown


def _read(data: bytes) -> None:
    """Read what is tried above of a request."""
    request = parse_message(data)
    assert isinstance(request, Request)
    _ = request.uri, request.headers[FROM], request.headers[CONTACT], request.headers[AUTHORIZATION]


def _with(name: str, text: str) -> bytes:
    """A request in which one text is another one."""
    lines = INVITE.replace(SECRET, "x").splitlines()
    if name == "Request-URI":
        lines[0] = f"INVITE {text} SIP/2.0"
    changed = [f"{name}: {text}" if line.startswith(f"{name}:") else line for line in lines]
    return "\r\n".join([*changed, "", ""]).encode()
