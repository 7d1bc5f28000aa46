"""Status codes, their reason phrases, and methods."""

import pytest

from sipcore.grammar import is_safe, is_token
from sipcore.message.method import KNOWN
from sipcore.message.status import REASONS, reason_for


@pytest.mark.parametrize(
    ("status", "reason"),
    [(100, "Trying"), (200, "OK"), (486, "Busy Here"), (199, "Early Dialog Terminated"), (608, "Rejected")],
)
def test_known_codes(status: int, reason: str) -> None:
    assert reason_for(status) == reason


@pytest.mark.parametrize(
    ("status", "reason"), [(150, "Progress"), (299, "OK"), (499, "Request Failure"), (699, "Global Failure")]
)
def test_an_unknown_code_is_treated_as_the_first_of_its_class(status: int, reason: str) -> None:
    assert reason_for(status) == reason


def test_the_table_is_sound() -> None:
    assert all(100 <= status <= 699 and is_safe(reason) and reason for status, reason in REASONS.items())
    assert list(REASONS) == sorted(REASONS)


def test_methods_are_tokens_in_upper_case() -> None:
    assert len(set(KNOWN)) == len(KNOWN) == 14
    assert all(is_token(method) and method.isupper() for method in KNOWN)
