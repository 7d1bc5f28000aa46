"""Credentials do not get through, and nothing else is lost."""

import pytest

from probes.report.safe_text import cover_lines, printable
from sipcore.errors import encodable

DIGEST = 'Digest username="alice", nonce="n0", response="0123456789abcdef", qop=auth'


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
