"""How numbers are written, and which are not called by accident."""

import pytest

from probes.calls.number import NumberFormat, RefusedNumber, formatted, kind_of, reformatted, require_callable
from sipcore.message.uri import SipUri

GIVEN, PLUS, PLAIN = NumberFormat.AS_GIVEN, NumberFormat.PLUS, NumberFormat.PLAIN


@pytest.mark.parametrize(
    ("user", "number_format", "expected"),
    [
        ("+15550100123", GIVEN, "+15550100123"),
        ("+15550100123", PLUS, "+15550100123"),
        ("+15550100123", PLAIN, "15550100123"),
        ("15550100123", PLUS, "+15550100123"),
        ("+1-555-010-0123", PLAIN, "15550100123"),
        ("+49 (30) 123456", PLUS, "+4930123456"),
        ("2001", PLUS, "2001"),  # an extension
        ("030123456", PLUS, "030123456"),  # a national number: nobody knows of which country
        ("bland-001", PLUS, "bland-001"),
        ("1" * 16, PLUS, "1" * 16),
        ("", PLUS, ""),
    ],
)
def test_numbers_are_written_as_wanted(user: str, number_format: NumberFormat, expected: str) -> None:
    assert formatted(user, number_format) == expected


def test_a_uri_keeps_the_rest() -> None:
    uri = SipUri("example.com", "+15550100123", 5070)
    assert str(reformatted(uri, PLAIN)) == "sip:15550100123@example.com:5070"
    assert reformatted(SipUri("example.com"), PLAIN) == SipUri("example.com")


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        *(
            (number, "emergency")
            for number in ("112", "911", "+112", "999", "9-1-1", "%39%311", "sos", "SOS.fire", "sos.marine")
        ),
        *((number, "premium") for number in ("+19005550100", "+449012345678", "0900123456", "0019005550100")),
        *((number, "emergency") for number in ("9911", "0112", "911#", "112;phone-context=+44")),
        *((number, "premium") for number in ("+88213123456", "+870123456789", "118118")),
        *((number, "premium") for number in ("01144901234567", "001119005550100", "0111900555010", "010870123456789")),
        *((number, None) for number in ("+15550100123", "100", "2001", "1900", "echo", "", "+", "alice", "+4930900")),
        *(
            (number, None)
            for number in ("9112", "0301900123", "+61290001234", "1180", "011", "#", "0114491234", "01087012345")
        ),
    ],
)
def test_kinds_of_numbers(user: str, kind: str | None) -> None:
    found = kind_of(user)
    assert (found.name if found else None) == kind


def test_what_is_refused_can_be_allowed_by_name() -> None:
    with pytest.raises(RefusedNumber, match="an emergency number, and is not called unless emergency numbers"):
        require_callable("112", frozenset({"premium"}))
    with pytest.raises(RefusedNumber, match="a premium number"):
        require_callable("+19005550100", frozenset())
    require_callable("112", frozenset({"emergency"}))
    require_callable("2001", frozenset())


def test_what_gets_its_plus_by_the_format_is_international_before() -> None:
    for number_format in (PLUS, PLAIN):
        with pytest.raises(RefusedNumber, match="449012345678 may be a premium number"):
            require_callable("449012345678", frozenset(), number_format)
        require_callable("449012345678", frozenset({"premium"}), number_format)
        require_callable("15550100123", frozenset(), number_format)
    require_callable("449012345678", frozenset(), GIVEN)  # of a national plan, which nobody knows here
