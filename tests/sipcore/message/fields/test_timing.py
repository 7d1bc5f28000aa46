"""Session-Expires, Min-SE, Retry-After and Timestamp."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded
from sipcore.message.fields.parameterized import MAX_SECONDS
from sipcore.message.fields.timing import MAX_COMMENT_DEPTH, MinSE, RetryAfter, SessionExpires, Timestamp
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params

UAC = Params((("refresher", "uac"),))


@pytest.mark.parametrize(
    ("text", "expected", "refresher"),
    [
        ("1800", SessionExpires(1800), None),
        ("1800;refresher=uac", SessionExpires(1800, UAC), "uac"),
        ("90;refresher=UAS", SessionExpires(90, Params((("refresher", "UAS"),))), "uas"),
        ("90;x=1", SessionExpires(90, Params((("x", "1"),))), None),
    ],
)
def test_session_expires(text: str, expected: SessionExpires, refresher: str | None) -> None:
    assert_reads(SessionExpires.parse, text, expected)
    assert expected.refresher == refresher


def test_session_expires_with_spaces() -> None:
    assert SessionExpires.parse(" 1800 ; refresher = uac") == SessionExpires(1800, UAC)


def test_odd_session_expires() -> None:
    expected = SessionExpires(90, Params((("refresher", "me"),)))
    assert_reads(SessionExpires.parse, "90;refresher=me", expected, [Deviation.ODD_PARAMETER_VALUE])
    assert expected.refresher is None
    too_long = SessionExpires(MAX_SECONDS)
    assert_reads(SessionExpires.parse, "9" * 20, too_long, [Deviation.EXPIRY_TOO_LARGE], written=str(MAX_SECONDS))


def test_min_se() -> None:
    assert_reads(MinSE.parse, "90", MinSE(90))
    assert_reads(MinSE.parse, "90;a=b", MinSE(90, Params((("a", "b"),))))
    assert MinSE.parse(" 90 ; a = b") == MinSE(90, Params((("a", "b"),)))


@pytest.mark.parametrize("text", ["", "a", "-1", "90 s", ";refresher=uac", "90 refresher=uac"])
def test_intervals_refuse(text: str) -> None:
    assert_refuses(SessionExpires.parse, text)
    assert_refuses(MinSE.parse, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", RetryAfter(120)),
        ("120;duration=60", RetryAfter(120, "", Params((("duration", "60"),)))),
        ("120 (in a meeting)", RetryAfter(120, "(in a meeting)")),
        ("120 (a (b) \\( c);x", RetryAfter(120, "(a (b) \\( c)", Params((("x", None),)))),
        ('120;x="(;"', RetryAfter(120, "", Params((("x", '"(;"'),)))),
        ("120 (a;b);x", RetryAfter(120, "(a;b)", Params((("x", None),)))),
    ],
)
def test_retry_after(text: str, expected: RetryAfter) -> None:
    assert_reads(RetryAfter.parse, text, expected)


def test_retry_after_with_other_spaces() -> None:
    assert RetryAfter.parse("1800(foo); duration = 36") == RetryAfter(1800, "(foo)", Params((("duration", "36"),)))


def test_duration() -> None:
    assert RetryAfter.parse("1;duration=60").duration == 60
    assert RetryAfter(1).duration is None
    odd = RetryAfter(1, "", Params((("duration", "x"),)))
    assert_reads(RetryAfter.parse, "1;duration=x", odd, [Deviation.ODD_SECONDS])


@pytest.mark.parametrize("text", ["", "(foo)", "50 (foo", "50 (foo\\)", "50 (foo) bar", "50 )", "50 (a)(b)", "soon"])
def test_retry_after_refuses(text: str) -> None:
    assert_refuses(RetryAfter.parse, text)


def test_comments_nest_only_so_deep() -> None:
    deep = "(" * MAX_COMMENT_DEPTH + ")" * MAX_COMMENT_DEPTH
    assert_reads(RetryAfter.parse, f"1 {deep}", RetryAfter(1, deep))
    with pytest.raises(LimitExceeded):
        RetryAfter.parse(f"1 ({deep})")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("54", Timestamp("54")),
        ("54.", Timestamp("54.")),
        ("54.21 0.5", Timestamp("54.21", "0.5")),
        ("1.0 .001", Timestamp("1.0", ".001")),
    ],
)
def test_timestamp(text: str, expected: Timestamp) -> None:
    assert_reads(Timestamp.parse, text, expected)


@pytest.mark.parametrize("text", ["", "+1", ".5", "1.0e6 13.0", "1 2 3", "a", "1 a"])
def test_timestamp_refuses(text: str) -> None:
    assert_refuses(Timestamp.parse, text)


seconds = st.integers(0, MAX_SECONDS)
comments = st.sampled_from(["", "(a)", "(in (a) meeting)", "(\\))"])


@given(
    st.builds(SessionExpires, seconds, params),
    st.builds(MinSE, seconds, params),
    st.builds(RetryAfter, seconds, comments, params),
)
def test_survive(expires: SessionExpires, minimum: MinSE, retry: RetryAfter) -> None:
    assert_survives(SessionExpires.parse, expires)
    assert_survives(MinSE.parse, minimum)
    assert_survives(RetryAfter.parse, retry)
