"""What is played: tones, and a known signal that can be found again in what comes back. Samples as in `g711`."""

import math
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise

from sipcore.media.g711 import RATE, Law
from sipcore.value import Member, value

FULL_SCALE_DBM0 = 3.17
"""ITU-T G.711: the level of the largest sine that µ-law carries; A-law's is 3.14."""
PEAK = 32124
SIGNAL_SAMPLES = 16320
"""2.04 s: longer than an echo may be on its way, and whole packets of 10, 20, 30, 40 or 60 ms."""
SIGNAL_LOWEST, SIGNAL_HIGHEST = 350.0, 1900.0
"""Hz: a sweep inside what every telephone line passes."""
SIGNAL_DBM0 = -12.0
"""As loud as speech, and far from where a line would clip."""


class Sweep(Member):
    """Which known signal: how much of its time it rises. What one side plays is not found in what the other does."""

    CALLER = 0.5
    CALLEE = 0.25


@value
class Frames:
    """What to send, packet after packet and then from the beginning: payloads, and the ticks that each one lasts."""

    payloads: tuple[bytes, ...]
    ticks: int


def amplitude(dbm0: float) -> float:
    """The peak of a sine of a level."""
    return float(PEAK * 10 ** ((dbm0 - FULL_SCALE_DBM0) / 20))


def level(samples: Sequence[int]) -> float:
    """The level of samples, in dBm0; minus infinity for none at all, and for nothing but zeros."""
    power = sum(sample * sample for sample in samples)
    if not power:
        return -math.inf
    return FULL_SCALE_DBM0 + 10 * math.log10(2 * power / len(samples) / PEAK**2)


def tone(frequencies: Sequence[float], seconds: float, dbm0: float = SIGNAL_DBM0) -> list[int]:
    """Sines of some frequencies in Hz, together, each of a level."""
    peak = amplitude(dbm0)
    steps = [2 * math.pi * frequency / RATE for frequency in frequencies]
    return [round(peak * sum(math.sin(step * index) for step in steps)) for index in range(round(seconds * RATE))]


def signal_samples(sweep: Sweep = Sweep.CALLER, factor: int = 1, ahead: float = 0.0) -> list[int]:
    """The known signal, at `factor` times RATE: SIGNAL_SAMPLES times that long, to be repeated; each taken by a part of
    a sample, from 0 to 1, `ahead` of its time.

    No two parts of it are alike. It sweeps up and down again, so that it has no beginning that could be heard, or be
    cut off.
    """
    up = round(SIGNAL_SAMPLES * sweep.value)
    rising, falling = (
        [SIGNAL_LOWEST + (SIGNAL_HIGHEST - SIGNAL_LOWEST) * index / count for index in range(count)]
        for count in (up, SIGNAL_SAMPLES - up)
    )
    steps = [*rising, *reversed(falling), SIGNAL_LOWEST]
    phases = accumulate(steps, lambda phase, hertz: phase + 2 * math.pi * hertz / RATE)
    peak, parts = amplitude(SIGNAL_DBM0), range(factor)
    return [
        round(peak * math.sin(phase + (following - phase) * (part + ahead) / factor))
        for phase, following in pairwise(phases)
        for part in parts
    ]


@cache
def signal(law: Law, sweep: Sweep = Sweep.CALLER) -> bytes:
    """The known signal, encoded."""
    return law.encode(signal_samples(sweep))


def signal_frames(law: Law, ptime: float, sweep: Sweep = Sweep.CALLER) -> Frames:
    """The known signal in packets of `ptime` seconds; 20 ms where the signal is not made of whole ones."""
    ticks = round(ptime * RATE)
    if not 0 < ticks <= SIGNAL_SAMPLES or SIGNAL_SAMPLES % ticks:
        ticks = RATE // 50
    return frames(signal(law, sweep), ticks)


def frames(payload: bytes, ticks: int) -> Frames:
    """A G.711 payload cut into packets of `ticks`; what is left over at the end is not sent."""
    return Frames(tuple(payload[start : start + ticks] for start in range(0, len(payload) - ticks + 1, ticks)), ticks)
