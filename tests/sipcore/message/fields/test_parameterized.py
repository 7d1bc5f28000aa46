"""Cutting values in two, and parameters of a kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError
from sipcore.message.fields.ims import AccessNetworkInfo
from sipcore.message.fields.parameterized import (
    MAX_SECONDS,
    NUMBER,
    SECONDS,
    Keyword,
    Q,
    check,
    cut,
    cut_quoted,
    cut_token,
    number_of,
    one_of,
    q_of,
)
from sipcore.message.params import MAX_PARAMETERS, Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, tokens


@pytest.mark.parametrize(
    ("text", "head", "items"),
    [
        ("presence", "presence", ()),
        (" presence\t", "presence", ()),
        ("presence;id=1", "presence", (("id", "1"),)),
        ("presence ; id = 1 ;x", "presence", (("id", "1"), ("x", None))),
        (';x=";"', "", (("x", '";"'),)),
        ("", "", ()),
    ],
)
def test_cut(text: str, head: str, items: tuple[tuple[str, str | None], ...]) -> None:
    assert cut(text, None) == (head, Params(items))


@pytest.mark.parametrize("text", ["", "two words", "@", '"quoted"', ";a=b"])
def test_cut_token_refuses(text: str) -> None:
    with pytest.raises(ParseError, match="the thing is not a token"):
        cut_token(text, [], "the thing", "RFC 3261 §25.1")


@pytest.mark.parametrize(
    ("text", "head"),
    [("abc;x", "abc"), ('"a;b" ;x', '"a;b"'), (' "a\\"b";x', '"a\\"b"')],
)
def test_cut_quoted(text: str, head: str) -> None:
    assert cut_quoted(text, None, "the thing", "RFC 3261 §25.1") == (head, Params((("x", None),)))


@pytest.mark.parametrize("text", ["", '"open', '"a" b', "a b", "a/b"])
def test_cut_quoted_refuses(text: str) -> None:
    assert_refuses(lambda text, notes: cut_quoted(text, notes, "the thing", "RFC 3261 §25.1"), text)


@pytest.mark.parametrize(
    ("content", "q"),
    [("0", 0.0), ("1", 1.0), ("0.", 0.0), ("0.7", 0.7), ("0.123", 0.123), ("1.000", 1.0)],
)
def test_q(content: str, q: float) -> None:
    found = Params((("Q", content),))
    notes: Notes = []
    check(found, {"q": Q}, notes)
    assert q_of(found) == q
    assert not notes


@pytest.mark.parametrize("content", ["", "2", "1.1", "0.1234", "-1", ".5", "a", '"0.1"', "1.0001", None])
def test_odd_q_is_noted_and_counts_as_one(content: str | None) -> None:
    found = Params((("q", content),))
    notes: Notes = []
    check(found, {"q": Q}, notes)
    assert notes == [Deviation.ODD_Q]
    assert q_of(found) == 1.0
    with pytest.raises(ParseError):
        check(found, {"q": Q}, None)


def test_without_q() -> None:
    assert q_of(Params()) == 1.0


@pytest.mark.parametrize(
    ("content", "number"),
    [("0", 0), ("3600", 3600), ("0000000060", 60), (str(MAX_SECONDS), MAX_SECONDS)],
)
def test_number(content: str, number: int) -> None:
    found = Params((("expires", content),))
    check(found, {"expires": SECONDS}, None)
    assert number_of(found, "expires") == number


@pytest.mark.parametrize("content", ["", "-1", "1.5", "abc", str(MAX_SECONDS + 1), "9" * 5000, "\u0661", None])
def test_odd_number_is_noted_and_reads_as_absent(content: str | None) -> None:
    found = Params((("expires", content),))
    notes: Notes = []
    check(found, {"expires": SECONDS}, notes)
    assert notes == [Deviation.ODD_SECONDS]
    assert number_of(found, "expires") is None


def test_number_absent() -> None:
    assert number_of(Params(), "expires") is None


def test_kinds() -> None:
    kinds = {"refresher": one_of("uac", "uas"), "cause": NUMBER}
    check(Params((("refresher", "UAC"), ("cause", "16"), ("other", "x"))), kinds, None)
    notes: Notes = []
    check(Params((("refresher", "me"), ("Cause", "x"))), kinds, notes)
    assert notes == [Deviation.ODD_PARAMETER_VALUE] * 2


def test_scan_has_a_limit() -> None:
    AccessNetworkInfo.parse("DSL" + ";a" * MAX_PARAMETERS)
    with pytest.raises(LimitExceeded):
        AccessNetworkInfo.parse("DSL" + ";a" * (MAX_PARAMETERS + 1))


def test_keyword() -> None:
    assert_reads(Keyword.parse, "Auto;require", Keyword("Auto", Params((("require", None),))))
    assert_refuses(Keyword.parse, "")


@given(st.builds(Keyword, tokens, params))
def test_keyword_survives(built: Keyword) -> None:
    assert_survives(Keyword.parse, built)
