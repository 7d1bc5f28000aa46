"""Header fields that a trunk sets or reads, and User-to-User."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.trunks.headers import header_problems, is_meant, uui_text, uui_value
from probes.trunks.model import HeaderKind, HeaderRule, UuiEncoding
from sipcore.errors import LocalError, ParseError

UUI = HeaderRule(HeaderKind.UUI, target="CustomerKV", purpose="bland", content="id_1")


def codes(*rules: HeaderRule, is_inbound: bool = False) -> list[tuple[str, str]]:
    return [(each.code, each.field) for each in header_problems(rules, "h", is_inbound=is_inbound)]


def literal(name: str, value: str = "x") -> HeaderRule:
    return HeaderRule(key=name, value=value, passthrough=True)


@pytest.mark.parametrize(
    "name",
    [
        *("Via", "v", "Route", "Record-Route", "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Contact", "m"),
        *("Max-Forwards", "Content-Type", "content-length", "c", "l", "Refer-To", "Reply-To", "Event", "Expires"),
        *("Authorization", "Proxy-Authorization", "Require", "Session-Expires", "ALLOW", "Replaces"),
        *("", "X Account", "X:Account", "X-Konto-ä", "X\r\nVia", "x" * 256),
    ],
)
def test_field_that_routing_or_the_dialog_need_is_not_sent(name: str) -> None:
    assert codes(literal(name)) == [("header", "h.0.key")]
    assert ("header", "h.0.value") in codes(HeaderRule(key="variable", value=name))


@pytest.mark.parametrize("name", ["X-Account", "x-account", "P-Charge-Info", "User-to-User", "Subject", "X" * 255])
def test_other_fields_are_sent(name: str) -> None:
    assert codes(literal(name, "{call_id}")) == []
    assert codes(HeaderRule(key="variable", value=name)) == []


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\0", "ä", "\x7f", "x" * 1025])
def test_value_that_cannot_be_sent_is_told(value: str) -> None:
    assert codes(literal("X-A", value)) == [("header", "h.0.key")]


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        (literal("From"), "From is written by the call itself"),
        (literal("X A"), "'X A' is no name of a header field, which is a token of 255 characters at most"),
        (literal("X-A", "ä"), "the value of X-A is not printable ASCII of 1024 characters at most"),
    ],
)
def test_what_to_do_about_a_field_that_cannot_be_sent(rule: HeaderRule, cause: str) -> None:
    (problem,) = header_problems((rule,), "h", is_inbound=False)
    assert problem.text == f"{cause}: change it, or leave the header field out"


def test_any_field_is_read() -> None:
    for name in ("From", "To", "Via", "X-Case"):
        assert codes(HeaderRule(key=name, value="v"), is_inbound=True) == []
    assert codes(HeaderRule(key="X Case", value="v"), is_inbound=True) == [("header", "h.0.key")]
    assert codes(HeaderRule(key="X-Case", value=""), is_inbound=True) == [("variable", "h.0.value")]
    assert codes(literal("variable", "any ä\n"), is_inbound=True) == []


def test_what_is_set_twice_is_told() -> None:
    assert codes(literal("X-A"), HeaderRule(key="v", value="x-a")) == [("header-twice", "h.1")]
    assert codes(HeaderRule(key="X-A", value="v"), HeaderRule(key="X-A", value="w"), is_inbound=True) == []
    assert codes(HeaderRule(key="X-A", value="v"), literal("v"), is_inbound=True) == [("header-twice", "h.1")]
    assert codes(UUI, HeaderRule(HeaderKind.UUI, target="b", purpose="other")) == []
    assert codes(UUI, UUI) == [("header-twice", "h.1")]
    assert codes(*[literal(f"X-{n}") for n in range(65)]) == [("headers", "h")]


def test_odd_user_to_user_is_told() -> None:
    assert codes(UUI) == []
    odd = HeaderRule(HeaderKind.UUI, target="", purpose="a b", content="c;d")
    assert codes(odd) == [("variable", "h.0.target"), ("uui", "h.0.purpose"), ("uui", "h.0.content")]


def test_user_to_user_is_written_as_the_contract_has_it() -> None:
    assert uui_value("42", UUI) == "3432;encoding=hex;purpose=bland;content=id_1"
    ascii_rule = HeaderRule(HeaderKind.UUI, target="v", encoding=UuiEncoding.ASCII)
    assert uui_value("42", ascii_rule) == "42;encoding=ascii"
    assert uui_value('a "b" c', ascii_rule) == '"a \\"b\\" c";encoding=ascii'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("3432;encoding=hex", "42"),
        ("3432", "42"),
        ("3432;Encoding=HEX;purpose=isdn-uui", "42"),
        ('"3432"', "42"),
        ("42;encoding=ascii", "42"),
        ('"a b";encoding=ascii', "a b"),
        ("c3a4ff", "ä\udcff"),
    ],
)
def test_user_to_user_is_read(value: str, text: str) -> None:
    assert uui_text(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("343", "no hexadecimal digits in pairs"),
        ("xyz", "no hexadecimal digits in pairs"),
        ("42;encoding=base64", "is encoded as 'base64', not hex or ascii"),
        ("", "user data"),
    ],
)
def test_user_to_user_that_cannot_be_read_is_told(value: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        uui_text(value)


@given(st.text(min_size=1, max_size=100))
def test_any_text_comes_back_from_hexadecimal_digits(text: str) -> None:
    assert uui_text(uui_value(text, UUI)) == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=100))
def test_printable_ascii_comes_back_as_it_is(text: str) -> None:
    assert uui_text(uui_value(text, HeaderRule(HeaderKind.UUI, encoding=UuiEncoding.ASCII))) == text


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("", UuiEncoding.HEX, "the variable CustomerKV is empty"),
        ("ä", UuiEncoding.ASCII, "takes printable ASCII; encode it as hex"),
        ("a\r\nb", UuiEncoding.ASCII, "takes printable ASCII; encode it as hex"),
        ("x" * 600, UuiEncoding.HEX, "send 1024 at most"),
        ("\ud800", UuiEncoding.HEX, "half a character"),
    ],
)
def test_what_cannot_be_sent_is_told(text: str, encoding: UuiEncoding, message: str) -> None:
    with pytest.raises(LocalError, match=message):
        uui_value(text, HeaderRule(HeaderKind.UUI, target="CustomerKV", encoding=encoding))


def test_rule_reads_what_is_meant_for_it() -> None:
    assert is_meant("3432;purpose=Bland;content=id_1", UUI)
    assert not is_meant("3432;purpose=other;content=id_1", UUI)
    assert not is_meant("3432", UUI)
    assert is_meant("3432", HeaderRule(HeaderKind.UUI))
    assert not is_meant(";;", UUI)
