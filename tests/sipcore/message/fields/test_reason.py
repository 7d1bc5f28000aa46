"""Reason and Warning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.errors import UnsafeValue
from sipcore.message.fields.reason import Reason, WarningValue, warning_of
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import (
    assert_reads,
    assert_refuses,
    assert_survives,
    hosts,
    params,
    quoted,
    tokens,
)


def test_reason() -> None:
    text = 'Q.850;cause=16;text="Normal; call \\"clearing\\""'
    read = Reason("Q.850", Params((("cause", "16"), ("text", '"Normal; call \\"clearing\\""'))))
    assert_reads(Reason.parse, text, read)
    assert (read.cause, read.text) == (16, 'Normal; call "clearing"')
    assert Reason.parse(" SIP ; cause = 200") == Reason("SIP", Params((("cause", "200"),)))
    assert (Reason("SIP").cause, Reason("SIP").text) == (None, None)


def test_odd_cause() -> None:
    assert_reads(Reason.parse, "SIP;cause=x", Reason("SIP", Params((("cause", "x"),))), [Deviation.ODD_PARAMETER_VALUE])


@pytest.mark.parametrize("text", ["", '"SIP";cause=200', 'SIP cause=200;text="Ok"', ';text="Ok"', 'SIP;text="Ok'])
def test_reason_refuses(text: str) -> None:
    assert_refuses(Reason.parse, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('399 example.com "On hold"', WarningValue(399, "example.com", '"On hold"')),
        ('399 example.com:5060 ""', WarningValue(399, "example.com:5060", '""')),
        ('307 [2001:db8::1]:5060 "a \\"b\\""', WarningValue(307, "[2001:db8::1]:5060", '"a \\"b\\""')),
        ('001 pseudonym_1 "x"', WarningValue(1, "pseudonym_1", '"x"')),
    ],
)
def test_warning(text: str, expected: WarningValue) -> None:
    assert_reads(WarningValue.parse, text, expected)


def test_warning_message() -> None:
    assert WarningValue.parse('399 a "b \\"c\\""').message == 'b "c"'


def test_unquoted_warning() -> None:
    expected = WarningValue(399, "example.com", "on hold")
    assert_reads(WarningValue.parse, "399 example.com on hold", expected, [Deviation.UNQUOTED_WARNING])
    assert expected.message == "on hold"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "399",
        "399 a",
        '399 "b"',
        '1812 overture "In Progress"',
        '39 a "b"',
        '399 a "b',
        '399 a "b" c',
        '399 @ "b"',
        '399 a:x "b"',
    ],
)
def test_warning_refuses(text: str) -> None:
    assert_refuses(WarningValue.parse, text)


def test_warning_to_send() -> None:
    assert str(warning_of(399, "prober", 'say "no"')) == '399 prober "say \\"no\\""'
    for agent, message in (("two words", "x"), ("a", "x\r\ny")):
        with pytest.raises(UnsafeValue):
            warning_of(399, agent, message)


@given(st.builds(Reason, tokens, params), st.builds(WarningValue, st.integers(0, 999), hosts | tokens, quoted))
def test_survive(reason: Reason, warning: WarningValue) -> None:
    assert_survives(Reason.parse, reason)
    assert_survives(WarningValue.parse, warning)
