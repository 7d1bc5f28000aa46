"""Media types, ranges of them, and dispositions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.fields.media_type import Disposition, MediaType, parse_media_range
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, quoted, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/sdp", MediaType("application", "sdp")),
        ("Application/SDP", MediaType("Application", "SDP")),
        ("application/sdp;charset=utf-8", MediaType("application", "sdp", Params((("charset", "utf-8"),)))),
        ('multipart/mixed;boundary="a;b"', MediaType("multipart", "mixed", Params((("boundary", '"a;b"'),)))),
        ("*/*", MediaType("*", "*")),
    ],
)
def test_content_type(text: str, expected: MediaType) -> None:
    assert_reads(MediaType.parse, text, expected)


def test_content_type_with_spaces() -> None:
    assert MediaType.parse(" image / jpeg ; x = y") == MediaType("image", "jpeg", Params((("x", "y"),)))


@pytest.mark.parametrize("text", ["", "abc", "abc/", "/abc", "a/b/c", "a/b,c/d", "a/b c", "{}/{}", "a/b;x=<y>"])
def test_content_type_refuses(text: str) -> None:
    assert_refuses(MediaType.parse, text)
    assert_refuses(parse_media_range, text)


def test_parameter_without_value() -> None:
    expected = MediaType("application", "sdp", Params((("abc", None),)))
    assert_reads(MediaType.parse, "application/sdp;abc", expected, [Deviation.MEDIA_PARAMETER_WITHOUT_VALUE])
    assert_reads(parse_media_range, "application/sdp;abc", expected)


def test_media_range() -> None:
    read = parse_media_range("text/*;q=0.5", None)
    assert (read.essence, read.q) == ("text/*", 0.5)
    assert_reads(parse_media_range, "a/b;q=9", MediaType("a", "b", Params((("q", "9"),))), [Deviation.ODD_Q])


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("*/*", "text/plain", True),
        ("text/*", "TEXT/plain", True),
        ("Text/Plain", "text/plain;charset=utf-8", True),
        ("text/*", "image/png", False),
        ("text/html", "text/plain", False),
    ],
)
def test_covers(wide: str, narrow: str, covers: bool) -> None:
    assert MediaType.parse(wide).covers(MediaType.parse(narrow)) is covers


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("session", True),
        ("render;handling=required", True),
        ("icon;handling=Optional", False),
        ("alert;handling=other", True),
    ],
)
def test_disposition(text: str, required: bool) -> None:
    read = Disposition.parse(text)
    assert str(read) == text
    assert read.is_required is required


@pytest.mark.parametrize("text", ["", "@", ";handling=optional", "a b"])
def test_disposition_refuses(text: str) -> None:
    assert_refuses(Disposition.parse, text)


valued = st.lists(st.tuples(tokens, tokens | quoted), max_size=3).map(lambda found: Params(tuple(found)))


@given(st.builds(MediaType, tokens, tokens, valued))
def test_media_type_survives(built: MediaType) -> None:
    assert_survives(MediaType.parse, built)


@given(st.builds(MediaType, tokens, tokens, params))
def test_media_range_survives(built: MediaType) -> None:
    assert_survives(parse_media_range, built)


@given(st.builds(Disposition, tokens, params))
def test_disposition_survives(built: Disposition) -> None:
    assert_survives(Disposition.parse, built)
