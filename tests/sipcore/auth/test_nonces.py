"""Nonces that prove themselves, and counts that are used once."""

import base64
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.auth.nonces import COUNT_WINDOW, MAX_NONCES, MIN_SECRET, NonceCounts, NonceMint
from sipcore.errors import LocalError

SECRET = b"0123456789abcdef"


def mint(secret: bytes = SECRET, realm: str = "r") -> NonceMint:
    return NonceMint(secret, realm, random.Random(1).randbytes)


@given(st.floats(-1e9, 1e9))
def test_a_nonce_tells_when_it_was_issued(now: float) -> None:
    issued = mint().issued(mint().make(now))
    assert issued is not None
    assert now - 0.0011 <= issued <= now


def test_every_nonce_is_new() -> None:
    one = mint()
    assert len({one.make(5.0) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "tamper",
    [
        lambda nonce: "",
        lambda nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        lambda nonce: nonce[:-4],
        lambda nonce: nonce + "AAAA",
        lambda nonce: nonce + "=",
        lambda nonce: " " + nonce,
        lambda nonce: nonce.swapcase(),
        lambda nonce: "ä" + nonce[1:],
        lambda nonce: "*" * len(nonce),
        lambda nonce: mint(secret=b"another secret!!").make(1.0),
        lambda nonce: mint(realm="other").make(1.0),
    ],
)
def test_other_nonces_are_not_taken(tamper: Callable[[str], str]) -> None:
    nonce = mint().make(1.0)
    assert mint().issued(tamper(nonce)) is None


@given(st.integers(0, 32), st.integers(1, 255))
def test_no_bit_can_be_changed(position: int, change: int) -> None:
    raw = bytearray(base64.b64decode(mint().make(1.0)))
    raw[position] ^= change
    assert mint().issued(base64.b64encode(raw).decode()) is None


@given(st.text(max_size=60))
def test_any_text_may_be_asked_about(text: str) -> None:
    assert mint().issued(text) is None


def test_a_guessable_secret_is_refused_and_a_good_one_not_shown() -> None:
    with pytest.raises(LocalError):
        mint(secret=b"x" * (MIN_SECRET - 1))
    assert repr(mint()) == "<NonceMint>"


@pytest.mark.parametrize(
    ("counts", "fresh"),
    [
        ([1, 2, 3], [True, True, True]),
        ([1, 1], [True, False]),
        ([1, 3, 2, 2, 3], [True, True, True, False, False]),
        ([5, 4, 5], [True, True, False]),
        ([1, COUNT_WINDOW, 2, 1], [True, True, True, False]),
        ([1, COUNT_WINDOW + 1, 1, 2], [True, True, False, True]),
        ([2**32 - 1, 1], [True, False]),
        ([1, 2**32 - 1, 2**32 - 1, 2**32 - 2], [True, True, False, True]),
    ],
)
def test_each_count_is_good_once(counts: list[int], fresh: list[bool]) -> None:
    table = NonceCounts()
    assert [table.use("n", 0.0, count, "c") for count in counts] == fresh


@given(st.lists(st.integers(1, 200), max_size=60))
def test_no_count_is_ever_taken_twice(counts: list[int]) -> None:
    table = NonceCounts()
    taken = [count for count in counts if table.use("n", 0.0, count, "c")]
    assert len(taken) == len(set(taken))
    highest = 0
    for count in counts:
        assert count in taken or count <= highest - COUNT_WINDOW
        highest = max(highest, count)


def test_the_first_cnonce_is_kept() -> None:
    table = NonceCounts()
    assert table.begun_with("n") is None
    table.use("n", 0.0, 1, "first")
    table.use("n", 0.0, 2, "second")
    assert table.begun_with("n") == "first"


def test_what_had_to_be_forgotten_is_not_taken_for_new() -> None:
    table = NonceCounts(limit=3)
    for number in range(4):
        assert table.use(f"n{number}", float(number), 1, "c")
    assert len(table) == 3
    assert not table.use("n0", 0.0, 1, "c")
    assert not table.use("n0", 0.0, 2, "c")
    assert table.use("n3", 3.0, 2, "c")
    assert MAX_NONCES > 3


def test_old_nonces_make_room() -> None:
    table = NonceCounts()
    for number in range(4):
        table.use(f"n{number}", float(number), 1, "c")
    table.drop_older(2.0)
    assert len(table) == 2
    table.drop_older(9.0)
    assert len(table) == 0
