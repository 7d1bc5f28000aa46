"""Bodies of several parts, and what a stack makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LimitExceeded, ParseError
from sipcore.message.message import Request
from sipcore.message.multipart import MAX_NESTING, MAX_PARTS, BodyPart, parts_of
from sipcore.message.parser import parse_message

MIXED = "multipart/mixed;boundary=b"


def message(content_type: str, body: str | bytes, *fields: str) -> Request:
    content = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode()
    lines = [
        "INVITE sip:bob@192.0.2.2 SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
        "From: <sip:alice@192.0.2.1>;tag=a",
        "To: <sip:bob@192.0.2.2>",
        "Call-ID: a",
        "CSeq: 1 INVITE",
        *([f"Content-Type: {content_type}"] if content_type else []),
        *fields,
        f"Content-Length: {len(content)}",
    ]
    read = parse_message("\r\n".join([*lines, "", ""]).encode() + content)
    assert isinstance(read, Request)
    return read


def told(parts: tuple[BodyPart, ...]) -> list[tuple[str, bytes]]:
    return [(part.media_type.essence if part.media_type else "", part.content) for part in parts]


TWO = """preamble
--b
Content-Type: application/sdp

v=0

--b \t
c: text/plain
Content-Disposition: render;
 handling=optional

hello
--b--
epilogue"""


def test_each_part_has_its_own_fields() -> None:
    first, second = parts_of(message(MIXED, TWO))
    assert told((first, second)) == [("application/sdp", b"v=0\r\n"), ("text/plain", b"hello")]
    assert first.disposition is None
    assert second.disposition is not None
    assert (second.disposition.kind, second.disposition.is_required) == ("render", False)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/sdp", "v=0\n", [("application/sdp", b"v=0\r\n")]),
        ("", "v=0\n", [("", b"v=0\r\n")]),
        ("application/sdp", "", []),
        ('multipart/mixed;boundary="a b"', "--a b\n\nx\n--a b--", [("", b"x")]),
        ("multipart/alternative;boundary=b", "--b\nContent-Type: a/b\n\n\n--b--\n", [("a/b", b"")]),
        ("multipart/x-unknown;boundary=b", "--b\n\n1\n--b\n\n2\n--b--\n", [("", b"1"), ("", b"2")]),
        (MIXED, "--b--", []),
    ],
)
def test_what_the_parts_are(content_type: str, body: str, expected: list[tuple[str, bytes]]) -> None:
    assert told(parts_of(message(content_type, body))) == expected


def test_parts_within_parts() -> None:
    inner = "--c\nContent-Type: application/sdp\n\nv=0\n--c--"
    body = f"--b\nContent-Type: multipart/alternative;boundary=c\n\n{inner}\n--b\n\nlast\n--b--"
    assert told(parts_of(message(MIXED, body))) == [("application/sdp", b"v=0"), ("", b"last")]


@pytest.mark.parametrize("field", ["Content-Encoding: gzip", "Content-Transfer-Encoding: base64", "e: gzip, identity"])
def test_what_is_encoded_is_not_taken_for_what_it_holds(field: str) -> None:
    (whole,) = parts_of(message(MIXED, "--b--", field))
    assert whole.is_encoded
    (part,) = parts_of(message(MIXED, f"--b\n{field}\nContent-Type: application/sdp\n\nx\n--b--"))
    assert part.is_encoded


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", "--b--"),
        ('multipart/mixed;boundary=""', "--b--"),
        (f"multipart/mixed;boundary={'b' * 71}", "--b--"),
        (MIXED, "nothing of the kind"),
        (MIXED, "--b\n\nx"),
        (MIXED, "--b\nno empty line\n--b--"),
        (MIXED, "--b\nno field\n\nx\n--b--"),
        (MIXED, "--b\nX: \0\n\nx\n--b--"),
        (MIXED, "--bother\n\nx\n--b--"),
        (MIXED, "--b\nContent-Type: nonsense\n\nx\n--b--"),
    ],
)
def test_what_cannot_be_read(content_type: str, body: str) -> None:
    with pytest.raises(ParseError):
        parts_of(message(content_type, body))


def nested(depth: int) -> str:
    if not depth:
        return "x"
    return f"--b{depth}\nContent-Type: multipart/mixed;boundary=b{depth - 1}\n\n{nested(depth - 1)}\n--b{depth}--"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MIXED, "--b\n\nx\n" * (MAX_PARTS + 1) + "--b--"),
        (MIXED, "--b\n" + "X: y\n" * 17 + "\nx\n--b--"),
        (f"multipart/mixed;boundary=b{MAX_NESTING + 1}", nested(MAX_NESTING + 1)),
    ],
)
def test_limits(content_type: str, body: str) -> None:
    with pytest.raises(LimitExceeded):
        parts_of(message(content_type, body))


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"--",
                b"\r\n",
                b"--c",
                b"x",
                b":",
                b" ",
                b"Content-Type: ",
                b"multipart/a",
                b";boundary=c",
                b"\xff",
                b"\0",
            ]
        ),
        max_size=30,
    ).map(b"".join)
)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        parts = parts_of(message(MIXED, body))
    except ParseError:
        return
    assert sum(len(part.content) for part in parts) <= len(body)
