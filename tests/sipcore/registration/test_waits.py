"""How long to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.registration.waits import LEAST_REFRESH, MAX_RETRY_AFTER, ping_after, refresh_after, retry_after

CHANCE = st.floats(0, 1)


@pytest.mark.parametrize(
    ("granted", "chance", "expected"),
    [(3600, 0, 3240), (3600, 1, 2916), (300, 0, 236), (60, 0, 30), (60, 1, 27), (1, 0, LEAST_REFRESH)],
)
def test_refresh(granted: int, chance: float, expected: float) -> None:
    assert refresh_after(granted, chance) == pytest.approx(expected)


@given(st.integers(20, 2**32), CHANCE)
def test_a_refresh_comes_in_time(granted: int, chance: float) -> None:
    assert LEAST_REFRESH <= refresh_after(granted, chance) <= 0.9 * granted


@pytest.mark.parametrize(
    ("failures", "asked", "chance", "expected"),
    [
        (1, None, 0, 30),  # RFC 5626 §4.5: "the first retry happens somewhere between 30 and 60 seconds"
        (1, None, 1, 60),
        (3, None, 1, 240),  # "30*(2^3) or 240 seconds"
        (30, None, 0, 900),  # "a random time of 15 to 30 minutes"
        (30, None, 1, 1800),
        (1, 0, 1, 0),
        (1, 7, 0, 7),
        (2, 7, 0, 60),
        (2, 700, 0, 700),
        (9, 2**32, 0, MAX_RETRY_AFTER),
    ],
)
def test_retry(failures: int, asked: int | None, chance: float, expected: float) -> None:
    assert retry_after(failures, asked, chance) == expected


def test_retry_while_another_flow_works() -> None:
    assert retry_after(1, None, 0, others_work=True) == 90


@pytest.mark.parametrize(
    ("timer", "chance", "expected"), [(None, 0, 96), (None, 1, 120), (20, 0, 16), (20, 1, 20), (0, 1, 120)]
)
def test_ping(timer: int | None, chance: float, expected: float) -> None:
    assert ping_after(timer, chance) == pytest.approx(expected)


@pytest.mark.parametrize(("timer", "chance", "expected"), [(None, 0, 24), (None, 1, 29), (58, 0, 48), (58, 1, 58)])
def test_ping_over_datagrams(timer: int | None, chance: float, expected: float) -> None:
    assert ping_after(timer, chance, datagrams=True) == pytest.approx(expected)
