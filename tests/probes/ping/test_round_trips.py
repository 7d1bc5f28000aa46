"""Extremes, mean, deviation and percentiles of times: held against what the statistics module says of all of them."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.ping.round_trips import BAND, RoundTrips

TIMES = st.lists(st.floats(min_value=0.0, max_value=32.0), min_size=1, max_size=200)


def spread_of(times: list[float]) -> RoundTrips:
    trips = RoundTrips()
    for each in times:
        trips.add(each)
    return trips


def test_nothing_has_no_spread() -> None:
    assert RoundTrips().spread is None


@given(TIMES)
def test_what_it_says_is_what_they_are(times: list[float]) -> None:
    spread = spread_of(times).spread
    assert spread is not None
    assert (spread.count, spread.least, spread.most) == (len(times), min(times), max(times))
    assert spread.mean == pytest.approx(statistics.fmean(times), abs=1e-9)
    assert spread.deviation == pytest.approx(statistics.pstdev(times), abs=1e-6)
    for part, found in ((0.5, spread.median), (0.95, spread.p95)):
        exact = sorted(times)[math.ceil(part * len(times)) - 1]
        assert found == pytest.approx(exact, rel=BAND - 1, abs=2e-6)


def test_what_is_kept_does_not_grow_with_what_is_counted() -> None:
    trips = spread_of([number / 100 for number in range(1, 3201)] * 3)
    assert len(trips._bands) < 300
