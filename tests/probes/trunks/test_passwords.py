"""Passwords out of a random source that is given."""

import os
import string
from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.trunks.passwords import ALPHABET, clamped, password
from sipcore.errors import LocalError


def test_alphabet_has_nothing_that_is_misread_or_escaped() -> None:
    assert set(ALPHABET) == {*string.ascii_letters, *string.digits, "-", "_"} - set("0O1lI")
    assert len(set(ALPHABET)) == len(ALPHABET)


@given(st.integers(8, 256))
def test_password_is_as_long_as_wanted(length: int) -> None:
    made = password(length, os.urandom)
    assert len(made) == length
    assert set(made) <= set(ALPHABET)
    assert made[0].isalnum()
    assert made[-1].isalnum()


@pytest.mark.parametrize(("length", "used"), [(-5, 8), (0, 8), (7, 8), (8, 8), (16, 16), (256, 256), (257, 256)])
def test_length_is_clamped(length: int, used: int) -> None:
    assert clamped(length) == used


def test_length_that_none_has_is_told() -> None:
    for length in (7, 257):
        with pytest.raises(LocalError, match="give 8 to 256"):
            password(length, os.urandom)


def test_each_character_is_as_likely() -> None:
    """Over all octets that there are, each is taken as often: the last ones are left out."""
    octets: Iterator[int] = cycle(range(256))
    counts: Counter[str] = Counter()
    for _ in range(50):
        counts.update(password(118, lambda count: bytes(next(octets) for _ in range(count)))[1:-1])
    assert set(counts) == set(ALPHABET)
    assert max(counts.values()) <= 1.2 * min(counts.values())


def test_same_source_gives_the_same_password() -> None:
    assert password(16, lambda count: bytes(range(count))) == password(16, lambda count: bytes(range(count)))
