"""Runs from which a hypervisor takes the processor."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, count, pairwise

import pytest

from benchmarks.harness.measure import Benchmark, Sampled, Spread
from benchmarks.harness.report import Result
from benchmarks.harness.stolen import TRIES, Undisturbed, stolen_seconds


def runs(stolen: Sequence[float]) -> tuple[Undisturbed, Iterator[int]]:
    """Runs of a second each, from each of which so much was stolen; and what they give, their numbers."""
    totals = [0.0, *accumulate(stolen)]
    readings = [each for pair in pairwise(totals) for each in pair]
    seconds = [float(each) for pair in pairwise(range(len(totals))) for each in pair]
    return Undisturbed(TRIES, iter(readings).__next__, iter(seconds).__next__), count()


@pytest.mark.parametrize(
    ("stolen", "number", "remark"),
    [
        ([0.0], 0, ""),
        ([0.3, 0.004], 1, ""),
        ([0.3, 0.2, 0.1, 0.25], 2, "10 % of the time stolen by the hypervisor"),
    ],
    ids=["at once", "the second", "the least"],
)
def test_the_first_run_that_is_left_alone_counts(stolen: list[float], number: int, remark: str) -> None:
    undisturbed, numbers = runs(stolen)
    assert undisturbed.run(lambda: next(numbers)) == number
    assert undisturbed.remark() == remark


def test_what_was_stolen_stands_beside_the_figures() -> None:
    undisturbed, numbers = runs([0.3] * TRIES)
    sampled = Sampled("ours", lambda: undisturbed.run(lambda: float(next(numbers))), undisturbed.remark)
    sampled.sample()
    result = Result(Benchmark("media.x", sampled, ()), {"ours": Spread(1.0, 1.0, 1.0)})
    assert "30 % of the time stolen by the hypervisor" in "\n".join(result.lines())


def test_the_kernel_is_asked() -> None:
    before = stolen_seconds()
    assert 0 <= before <= stolen_seconds()
