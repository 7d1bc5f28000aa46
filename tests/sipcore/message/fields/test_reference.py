"""URIs in angle brackets, and what stands in their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded
from sipcore.message.fields.reference import Reference
from sipcore.message.params import Params
from sipcore.message.uri import MAX_URI, OtherUri, SipUri
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, uris

PHOTO = OtherUri("http", "//example.com/a.jpg")


def test_reference() -> None:
    icon = Reference(PHOTO, Params((("purpose", "icon"),)))
    assert_reads(Reference.parse, "<http://example.com/a.jpg>;purpose=icon", icon)
    assert_reads(Reference.parse, "<sip:a@b>", Reference(SipUri("b", "a")))
    spaced = "< http://example.com/a.jpg> ; purpose = icon"
    assert Reference.parse(spaced, []) == icon
    assert (icon.purpose, Reference(PHOTO).purpose) == ("icon", None)


def test_without_brackets() -> None:
    expected = Reference(PHOTO, Params((("x", None),)))
    note = [Deviation.ADDRESS_WITHOUT_BRACKETS]
    assert_reads(Reference.parse, "http://example.com/a.jpg;x", expected, note, written="<http://example.com/a.jpg>;x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bellcore-dr1", Reference(None, text="Bellcore-dr1")),
        ("<Bellcore-dr1>;x", Reference(None, Params((("x", None),)), "<Bellcore-dr1>")),
        ("Ring Answer", Reference(None, text="Ring Answer")),
        (";info=alert-autoanswer", Reference(None, Params((("info", "alert-autoanswer"),)))),
    ],
)
def test_something_else(text: str, expected: Reference) -> None:
    assert_reads(Reference.parse, text, expected, [Deviation.NOT_A_URI])


@pytest.mark.parametrize("text", ["<http://a", "<http://a> b", "a<b>", '"a"', "a\x01", "<\x01>"])
def test_refuses(text: str) -> None:
    assert_refuses(Reference.parse, text)


def test_uri_has_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        Reference.parse("<http://" + "a" * MAX_URI + ">", [])


@given(st.builds(Reference, uris, params))
def test_survives(built: Reference) -> None:
    assert_survives(Reference.parse, built)
