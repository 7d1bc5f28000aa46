"""Tones of a level, and the signal."""

import math

import pytest

from sipcore.media.g711 import RATE, Law
from sipcore.media.sound import SIGNAL_SAMPLES, Sweep, frames, level, signal, signal_frames, tone


@pytest.mark.parametrize("dbm0", [-30.0, -12.0, 0.0])
def test_a_tone_has_its_level(dbm0: float) -> None:
    assert level(tone([1004], 1.0, dbm0)) == pytest.approx(dbm0, abs=0.02)
    assert level(tone([350, 440], 1.0, dbm0)) == pytest.approx(dbm0 + 3.01, abs=0.05)


def test_silence_has_no_level() -> None:
    assert level([]) == level([0, 0]) == -math.inf


@pytest.mark.parametrize("law", list(Law))
@pytest.mark.parametrize("sweep", list(Sweep))
def test_the_signal_is_steadily_loud(law: Law, sweep: Sweep) -> None:
    payload = signal(law, sweep)
    assert len(payload) == SIGNAL_SAMPLES
    for start in range(0, SIGNAL_SAMPLES, RATE // 10):
        assert level(law.decode(payload[start : start + RATE // 10])) == pytest.approx(-12, abs=0.5)


@pytest.mark.parametrize(
    ("ptime", "ticks"), [(0.01, 80), (0.02, 160), (0.03, 240), (0.04, 320), (0.06, 480), (0.025, 160), (9.0, 160)]
)
def test_whole_packets(ptime: float, ticks: int) -> None:
    cut = signal_frames(Law.PCMU, ptime)
    assert cut.ticks == ticks
    assert {len(payload) for payload in cut.payloads} == {ticks}
    assert b"".join(cut.payloads) == signal(Law.PCMU)


def test_what_is_left_over_is_not_sent() -> None:
    assert frames(b"abcde", 2).payloads == (b"ab", b"cd")
