"""Authentication parameters: RFC 3261 §25.1 auth-param, what is tolerated by name, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError, UnsafeValue
from sipcore.message.fields.auth_params import (
    MAX_AUTH_PARAMETERS,
    NO_AUTH_PARAMS,
    AuthParams,
    QuoteRule,
    quoted_as_needed,
)

RULE = QuoteRule(frozenset({"realm", "nonce"}), frozenset({"algorithm", "nc"}))
D = Deviation


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('realm="a"', [("realm", '"a"')]),
        ('realm="a", nonce="b"', [("realm", '"a"'), ("nonce", '"b"')]),
        ('realm="a",nonce="b"', [("realm", '"a"'), ("nonce", '"b"')]),
        ('Realm = "a" ,\t NONCE\t="b" ', [("Realm", '"a"'), ("NONCE", '"b"')]),
        ('realm="a, b=c", algorithm=MD5', [("realm", '"a, b=c"'), ("algorithm", "MD5")]),
        (r'realm="say \"hi\"\\", x=y', [("realm", r'"say \"hi\"\\"'), ("x", "y")]),
        ('realm="", x=""', [("realm", '""'), ("x", '""')]),
        ("username*=UTF-8''J%C3%A4s", [("username*", "UTF-8''J%C3%A4s")]),
        ('realm="größe"', [("realm", '"größe"')]),
    ],
)
def test_legal(text: str, items: list[tuple[str, str]]) -> None:
    assert list(AuthParams.parse(text, None, RULE)) == items


@pytest.mark.parametrize(
    ("text", "deviation", "items"),
    [
        ("realm=a", D.AUTH_NEEDS_QUOTES, [("realm", "a")]),
        ("nonce=YWJj/+==", D.AUTH_NEEDS_QUOTES, [("nonce", "YWJj/+==")]),
        ('algorithm="MD5"', D.AUTH_NEEDS_NO_QUOTES, [("algorithm", '"MD5"')]),
        ("x=sip:a@b;c", D.ODD_PARAMETER, [("x", "sip:a@b;c")]),
        ("x@y=z", D.ODD_PARAMETER, [("x@y", "z")]),
        ('x=1,\u2002realm="a"', D.ODD_PARAMETER, [("x", "1"), ("realm", '"a"')]),
        ("x=", D.EMPTY_PARAMETER_VALUE, [("x", "")]),
        ("x=, y=1", D.EMPTY_PARAMETER_VALUE, [("x", ""), ("y", "1")]),
        ('realm="a" nonce="b"', D.AUTH_NO_COMMA, [("realm", '"a"'), ("nonce", '"b"')]),
        ('realm="a",, x=1', D.EMPTY_LIST_VALUE, [("realm", '"a"'), ("x", "1")]),
        ('realm="a",', D.EMPTY_LIST_VALUE, [("realm", '"a"')]),
        ('realm="a", x=1, REALM="a"', D.AUTH_PARAMETER_TWICE, [("realm", '"a"'), ("x", "1")]),
    ],
)
def test_tolerated(text: str, deviation: Deviation, items: list[tuple[str, str]]) -> None:
    notes: Notes = []
    assert list(AuthParams.parse(text, notes, RULE)) == items
    assert notes == [deviation]
    with pytest.raises(ParseError) as caught:
        AuthParams.parse(text, None, RULE)
    assert caught.value.section == deviation.section


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("a", 0),
        ("=b", 0),
        ("a=1, b", 5),
        ('realm="a', 6),
        ('a="b"c', 5),
        ('a=b"c', 3),
        ('realm="a", realm="b"', 11),
        ("\x07=1", 0),
        ("a=\x07", 2),
        ("realm=\x07", 6),
        (", a=1", 0),
    ],
)
def test_refused(text: str, offset: int) -> None:
    with pytest.raises(ParseError) as caught:
        AuthParams.parse(text, [], RULE)
    assert caught.value.offset == offset


@pytest.mark.parametrize("form", ["p{}=1", 'p{} = "1"'])
def test_limit(form: str) -> None:
    most = ", ".join(form.format(number) for number in range(MAX_AUTH_PARAMETERS))
    assert len(AuthParams.parse(most)) == MAX_AUTH_PARAMETERS
    with pytest.raises(LimitExceeded):
        AuthParams.parse(most + ", x=1")
    with pytest.raises(LimitExceeded):
        AuthParams.parse("a=1, " * 100, [])


def test_reading_and_replacing() -> None:
    params = AuthParams.parse('Realm="a \\"b\\"", qop=auth')
    assert params.get("realm") == '"a \\"b\\""'
    assert params.text("realm") == 'a "b"'
    assert params.text("none") is None
    assert "realm" in params
    assert "none" not in params
    assert str(params.replace("QOP", "auth-int").replace("nc", "00000001")) == (
        'Realm="a \\"b\\"", QOP=auth-int, nc=00000001'
    )
    assert not NO_AUTH_PARAMS
    assert str(NO_AUTH_PARAMS) == ""


def test_built_from_texts() -> None:
    params = quoted_as_needed(RULE, ("realm", 'a"b'), ("algorithm", "MD5"), ("x", "y"), ("z", "y z"), ("none", None))
    assert str(params) == 'realm="a\\"b", algorithm=MD5, x=y, z="y z"'
    assert AuthParams.parse(str(params), None, RULE) == params


@pytest.mark.parametrize("item", [("realm", "a\r\nX: y"), ("x", "a\nb"), ("x", "\0"), ("algorithm", "a b")])
def test_nothing_unsafe_is_built(item: tuple[str, str]) -> None:
    with pytest.raises(UnsafeValue):
        quoted_as_needed(RULE, item)


@given(st.dictionaries(st.from_regex(r"[a-z\-*]{1,8}", fullmatch=True), st.text(), max_size=8))
def test_what_is_built_reads_back(texts: dict[str, str]) -> None:
    safe = {name: text for name, text in texts.items() if not set("\r\n\0") & set(text)}
    params = quoted_as_needed(QuoteRule(frozenset(), frozenset()), *safe.items())
    again = AuthParams.parse(str(params))
    assert again == params
    assert {name: again.text(name) for name, _ in again} == safe


@given(st.text(alphabet='abrealm="\\, \t=;\x07é', max_size=60))
def test_any_text_gives_a_value_or_our_error(text: str) -> None:
    try:
        params = AuthParams.parse(text, [], RULE)
    except ParseError:
        return
    assert AuthParams.parse(str(params), [], RULE) == params
