"""How long answers took, in memory that does not grow with how many there are: extremes, mean, deviation, percentiles.

A percentile is found by counting how many times fall into each of some hundred bands, each two per cent wide, so that
it is right within one per cent, whatever the times are.
"""

import math

from sipcore.value import value

BAND = 1.02
"""The upper end of a band of times by its lower one."""
LEAST = 1e-6
"""Seconds below which all times are one: a microsecond, which no clock of ours resolves."""
MEDIAN, HIGH = 0.5, 0.95
"""The parts of all answers that came as fast as the percentiles say, or faster."""
_LOG_BAND = math.log(BAND)


@value
class Spread:
    """What times there were, in seconds. `median` and `p95` are right within one per cent."""

    count: int
    least: float
    mean: float
    most: float
    deviation: float
    median: float
    p95: float


class RoundTrips:
    """Takes times one by one (B. P. Welford's way to mean and deviation, which no long run makes imprecise)."""

    def __init__(self) -> None:
        self._count = 0
        self._least, self._most = math.inf, 0.0
        self._mean = self._squares = 0.0
        self._bands: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """One more."""
        self._count += 1
        self._least, self._most = min(self._least, seconds), max(self._most, seconds)
        away = seconds - self._mean
        self._mean += away / self._count
        self._squares += away * (seconds - self._mean)
        band = math.ceil(math.log(max(seconds, LEAST) / LEAST) / _LOG_BAND)
        self._bands[band] = self._bands.get(band, 0) + 1

    @property
    def spread(self) -> Spread | None:
        """What they come to; None for none."""
        if not self._count:
            return None
        deviation = math.sqrt(self._squares / self._count)
        percentiles = self._percentile(MEDIAN), self._percentile(HIGH)
        return Spread(self._count, self._least, self._mean, self._most, deviation, *percentiles)

    def _percentile(self, part: float) -> float:
        wanted, passed = math.ceil(part * self._count), 0
        for band in sorted(self._bands):
            passed += self._bands[band]
            if passed >= wanted:
                middle: float = LEAST * BAND ** (band - 0.5)
                return min(max(middle, self._least), self._most)
        return self._most
