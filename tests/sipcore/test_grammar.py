"""The lexical rules of RFC 3261 §25.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LimitExceeded, ParseError, UnsafeValue
from sipcore.grammar import (
    MAX_LIST_VALUES,
    is_quoted,
    is_safe,
    is_token,
    match_quoted,
    parse_number,
    quote,
    raw_offset,
    require_safe,
    require_token,
    split_list,
    unfold,
    unquote,
)


@pytest.mark.parametrize("text", ["a", "z9hG4bK", "-.!%*_+`'~", "IN%56ITE", "0"])
def test_tokens(text: str) -> None:
    assert is_token(text)
    assert require_token(text, "it") == text


@pytest.mark.parametrize("text", ["", " ", "a b", "a\n", "a@b", "a/b", "a=b", '"a"', "(a)", "a:b", "[a]", "ä", "a\0"])
def test_what_is_no_token(text: str) -> None:
    assert not is_token(text)
    with pytest.raises(UnsafeValue) as error:
        require_token(text, "a tag")
    assert "a tag" in str(error.value)


@pytest.mark.parametrize("text", ["\r", "\n", "\0", "a\r\nEvil: 1", chr(0xD800), chr(0xDD00)])
def test_what_would_end_a_line_or_cannot_be_encoded_is_unsafe(text: str) -> None:
    assert not is_safe(text)
    with pytest.raises(UnsafeValue):
        require_safe(text, "a subject")


@given(st.binary())
def test_whatever_was_decoded_can_be_sent_again_but_for_line_ends_and_nul(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert is_safe(text) == {0, 10, 13}.isdisjoint(data)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('""', ""),
        ('"a b"', "a b"),
        (r'"a \"quoted\" b"', 'a "quoted" b'),
        (r'"back\\slash"', r"back\slash"),
        ('"two  spaces"', "two  spaces"),
        ('"grün"', "grün"),
        ("token", "token"),
        ('"', '"'),
    ],
)
def test_unquote(written: str, text: str) -> None:
    assert unquote(written) == text


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])))
def test_quote_is_undone_by_unquote(text: str) -> None:
    quoted = quote(text)
    assert is_quoted(quoted)
    assert unquote(quoted) == text


def test_quote_refuses_line_ends() -> None:
    with pytest.raises(UnsafeValue):
        quote("a\r\nb")


def test_a_quoted_string_ends_at_its_own_quote() -> None:
    match = match_quoted(r'"a\"b" "c"')
    assert match
    assert match.group() == r'"a\"b"'
    assert not match_quoted('"not closed')
    assert not match_quoted('"closed by an escaped one\\"')


@pytest.mark.parametrize(
    ("folded", "text"),
    [
        ("a\r\n b", "a b"),
        ("a  \r\n\t b", "a b"),
        ("a\n b", "a b"),
        ("a\r\n b\r\n c", "a b c"),
        ("a\r\n \r\n b", "a  b"),
        ("\r\n a", " a"),
        ("a  b", "a  b"),
    ],
)
def test_unfold(folded: str, text: str) -> None:
    assert unfold(folded) == text


@given(st.lists(st.sampled_from(["a", "b", " ", "\t", "\r\n ", "\n\t", " \r\n  "]), max_size=12).map("".join))
def test_raw_offset_finds_each_character_where_it_was_written(raw: str) -> None:
    text = unfold(raw).strip(" \t")
    for offset, character in enumerate(text):
        if character in "ab":
            assert raw[raw_offset(raw, offset)] == character
            assert raw[: raw_offset(raw, offset)].count(character) == text[:offset].count(character)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [""]),
        (" a ", ["a"]),
        ("a,b", ["a", "b"]),
        ("a , b\t,c", ["a", "b", "c"]),
        (",a,", ["", "a", ""]),
        ('"a,b", c', ['"a,b"', "c"]),
        (r'"a\",b", c', [r'"a\",b"', "c"]),
        ("<sip:a,b@c>, <sip:d>", ["<sip:a,b@c>", "<sip:d>"]),
        ('"<" <sip:a>, b', ['"<" <sip:a>', "b"]),
        ('<sip:a;x=">, b', ['<sip:a;x=">', "b"]),
    ],
)
def test_split_list(text: str, pieces: list[str]) -> None:
    assert split_list(text) == pieces


@pytest.mark.parametrize(("text", "offset"), [('a, "b', 3), ("a, <b", 3), ('"a", b"', 6)])
def test_split_list_refuses_what_is_not_closed(text: str, offset: int) -> None:
    with pytest.raises(ParseError) as error:
        split_list(text)
    assert error.value.offset == offset


@pytest.mark.parametrize("value", ["a", "<a>", '"a"'])
def test_split_list_has_a_limit(value: str) -> None:
    assert len(split_list(",".join([value] * MAX_LIST_VALUES))) == MAX_LIST_VALUES
    for too_many in (1, 2, 1000):
        with pytest.raises(LimitExceeded):
            split_list(",".join([value] * (MAX_LIST_VALUES + too_many)))


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("0068", 68), (" 255 ", 255), ("0" * 5000 + "1", 1)])
def test_parse_number(text: str, number: int) -> None:
    assert parse_number(text, 255, "it", "RFC 3261 §25.1") == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "a", "256", "9" * 10_000, "1 1", "²", "\u0661"])
def test_parse_number_refuses(text: str) -> None:
    with pytest.raises(ParseError):
        parse_number(text, 255, "it", "RFC 3261 §25.1")
