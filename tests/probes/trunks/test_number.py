"""Telephone numbers, and other names by which calls are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.trunks.number import NumberError, claim_of, identity_of, is_assigned, spellings


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("+15550100001", "+15550100001"),
        (" +1 (555) 010-0001 ", "+15550100001"),
        ("+49 30 901820", "+4930901820"),
        ("+390612345678", "+390612345678"),  # Italy keeps the zero
        ("+80012345678", "+80012345678"),  # a freephone of no country
        ("2001", "2001"),
        ("bland-001", "bland-001"),
        ("15550100001", "15550100001"),
        ("alice@example.net", "alice@example.net"),
        ("Zoë", "Zoë"),
    ],
)
def test_identity_has_one_spelling(text: str, identity: str) -> None:
    assert identity_of(text) == identity
    assert identity_of(identity) == identity


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a number is wanted"),
        ("   ", "a number is wanted"),
        ("+", "is no telephone number: after \\+ there are digits"),
        ("+1800FLOWERS", "is no telephone number: after \\+ there are digits"),
        (
            "+\u0661\u0665\u0665\u0665\u0660\u0661\u0660\u0660\u0660\u0660\u0661",
            "is no telephone number: after \\+ there are digits",
        ),
        ("+15550100001;ext=5", "is no telephone number: after \\+ there are digits"),
        ("+15550100001 x5", "is no telephone number: after \\+ there are digits"),
        ("+999123456", "has no country code that exists"),
        ("+0123456789", "has no country code that exists"),
        ("+1555", "is no whole number of its country: digits are missing"),
        ("+5550001", "is no whole number of its country: digits are missing"),
        ("+1555010000123456", "has more digits than numbers of its country have"),
        ("+" + "1" * 60, "no telephone number|more digits|no country code"),
        ("20 01", "has white space or what cannot be printed"),
        ("20\x0001", "has white space or what cannot be printed"),
        ("20\r\n01", "has white space or what cannot be printed"),
        ("\uff12\uff10\uff10\uff11", "has digits of another script: write 0 to 9"),
        ("200\u0661", "has digits of another script: write 0 to 9"),
        ("200\u00b2", "has digits of another script: write 0 to 9"),
        ("x" * 129, "a number of 129 characters: give 128 at most"),
        ("+" + "1" * 128, "a number of 129 characters: give 128 at most"),
    ],
)
def test_what_is_no_number_is_told(text: str, message: str) -> None:
    with pytest.raises(NumberError, match=message):
        identity_of(text)


@given(st.text() | st.from_regex(r"\+[0-9 ().\-]{0,20}", fullmatch=True))
def test_identity_stays_what_it_is(text: str) -> None:
    try:
        identity = identity_of(text)
    except NumberError:
        return
    assert identity_of(identity) == identity


def test_telephone_number_has_one_owner_and_other_names_one_each() -> None:
    assert claim_of("acme", "+15550100001") == claim_of("other", "+15550100001")
    assert claim_of("acme", "2001") != claim_of("other", "2001")


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        ("+15550100001", ("+15550100001", "15550100001")),
        ("15550100001", ("15550100001", "+15550100001")),
        ("2001", ("2001", "+2001")),
        ("bland-001", ("bland-001",)),
    ],
)
def test_number_is_looked_for_with_and_without_plus(identity: str, found: tuple[str, ...]) -> None:
    assert spellings(identity) == found


def test_ranges_that_are_in_use_are_known() -> None:
    assert is_assigned("+4930901820")
    assert not is_assigned("+15550100001")
    assert is_assigned("2001")
