"""The E-model: known values of ITU-T G.107, and that more of what is bad never makes a call better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.media.emodel import BASIC, CODECS, WIDEBAND_CODECS, estimate, is_wideband, opinion, rating

SHARES = st.floats(0, 1)
SECONDS = st.floats(0, 2)


@pytest.mark.parametrize(
    ("r", "score"),
    [(-5, 1.0), (0, 1.0), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.02), (90, 4.34), (93.2, 4.41), (100, 4.5)],
)
def test_the_table_of_annex_b(r: float, score: float) -> None:
    assert opinion(r) == pytest.approx(score, abs=0.006)


def test_a_perfect_call() -> None:
    assert rating("pcmu", loss=0, delay=0) == BASIC
    assert estimate("G729", loss=0, delay=0) == pytest.approx(4.1, abs=0.05)


def test_delay_hurts_from_a_tenth_of_a_second_on() -> None:
    assert rating("PCMA", loss=0, delay=0.1) == BASIC
    assert rating("PCMA", loss=0, delay=0.4) == pytest.approx(BASIC - 24, abs=1)
    assert rating("PCMA", loss=0, delay=0.1, jitter=0.15) == rating("PCMA", loss=0, delay=0.4)


@pytest.mark.parametrize(("codec", "score"), [("G722", 4.34), ("opus", 4.43)])
def test_wideband_codecs_have_a_scale_of_their_own(codec: str, score: float) -> None:
    assert is_wideband(codec)
    assert estimate(codec, loss=0, delay=0) == pytest.approx(score, abs=0.01)
    lossy = estimate(codec, loss=0.05, delay=0)
    assert lossy is not None
    assert 2.5 < lossy < score - 0.5
    assert not is_wideband("PCMU")


def test_codecs_without_values() -> None:
    assert estimate("AMR", loss=0, delay=0) is None


@given(st.sampled_from(sorted([*CODECS, *WIDEBAND_CODECS])), st.tuples(SHARES, SHARES), st.tuples(SECONDS, SECONDS))
def test_monotone(codec: str, losses: tuple[float, float], delays: tuple[float, float]) -> None:
    better = estimate(codec, loss=min(losses), delay=min(delays))
    worse = estimate(codec, loss=max(losses), delay=max(delays))
    assert better is not None
    assert worse is not None
    assert 1 <= worse <= better + 1e-9 <= 4.5
