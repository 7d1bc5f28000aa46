"""Measuring: contenders run in turns, each for a few milliseconds at a time, and the medians of their turns compared.

Turns (A B C A B C ...) expose every contender to the same frequency steps and noisy neighbours, so the ratios hold
where the absolute times drift. What is measured is CPU time of the thread, not time on the wall: on a shared machine
the latter counts whoever else is running. The garbage collector rests during a turn, and works between turns.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

ROUNDS = 41
"""Turns for each contender: odd, so that the median is a turn that happened, and enough for deciles."""

SAMPLES = 9
"""Turns for each contender that measures itself: such a turn takes a second, not milliseconds."""

TURN_NS = 5_000_000
"""How long a turn should be: far above the cost of reading the clock, below the scheduler's slice under light load."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that is timed: `call` is given one input after the other.

    `remark` is shown beside the figures; it says what a reader must know to compare them.
    """

    name: str
    call: Callable[[Any], object]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Something that measures itself: each call of `sample` is one turn, and gives the figure of it.

    What there is to remark may be known only after the last turn.
    """

    name: str
    sample: Callable[[], float]
    remark: str | Callable[[], str] = ""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A contender that is named but not timed, because `reason`: not there, or wrong.

    `lacking` is whether nothing is wrong with it, and only this machine has not what measuring it takes.
    """

    name: str
    reason: str
    lacking: bool = False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One question: how long does `subject` take for one input, and its peers for the same?

    `name` is dotted, and begins with the name of the file that asks (`parse.route.invite` is in `parse_route.py`).
    """

    name: str
    subject: Contender | Sampled | Excluded
    peers: tuple[Contender | Sampled | Excluded, ...]
    inputs: Sequence[object] = ()
    unit: str = "us"
    turns: int = 0
    """Turns for each contender; 0: as many as usual."""

    @property
    def contenders(self) -> Iterator[Contender | Sampled]:
        """The subject and the peers that can be timed, in the order of their turns."""
        return (each for each in (self.subject, *self.peers) if not isinstance(each, Excluded))


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 10th and 90th percentile of the turns, in microseconds for one input; `turns` are they, in order."""

    median: float
    p10: float
    p90: float
    turns: tuple[float, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        """The spread of at least two samples."""
        deciles = statistics.quantiles(samples, n=10, method="inclusive")
        return cls(median=statistics.median(samples), p10=deciles[0], p90=deciles[-1], turns=tuple(samples))

    def ratio_to(self, other: "Spread") -> float:
        """This one's time divided by the other's: the median over the rounds, each turn against its neighbour's.

        A machine that slows down halfway through slows both turns of a round, and leaves this ratio alone.
        """
        pairs = [mine / theirs for mine, theirs in zip(self.turns, other.turns, strict=True) if theirs]
        return statistics.median(pairs) if pairs else self.median / other.median


def measure(
    benchmark: Benchmark, *, rounds: int = ROUNDS, clock: Callable[[], int] = time.thread_time_ns
) -> dict[str, Spread]:
    """Time every contender of `benchmark` in turns; `clock` counts nanoseconds."""
    gc.collect()
    contenders = tuple(benchmark.contenders)
    timed = [each for each in contenders if isinstance(each, Contender)]
    passes = {each.name: calibrate(each, benchmark.inputs, clock) for each in timed}
    samples: dict[str, list[float]] = {each.name: [] for each in contenders}
    for _ in range(min(rounds, benchmark.turns or (ROUNDS if timed else SAMPLES))):
        for each in contenders:
            if isinstance(each, Sampled):
                samples[each.name].append(each.sample())
                continue
            taken = turn(each, benchmark.inputs, passes[each.name], clock)
            samples[each.name].append(taken / (passes[each.name] * len(benchmark.inputs)) / 1000)
    return {name: Spread.of(taken) for name, taken in samples.items()}


def calibrate(contender: Contender, inputs: Sequence[object], clock: Callable[[], int]) -> int:
    """How many passes over `inputs` make a turn of about TURN_NS; warms the contender up on the way."""
    turn(contender, inputs, 1, clock)
    return max(1, round(TURN_NS / max(1, turn(contender, inputs, 1, clock))))


def turn(contender: Contender, inputs: Sequence[object], passes: int, clock: Callable[[], int]) -> int:
    """Nanoseconds for `passes` passes over `inputs`, with the garbage collector at rest."""
    call = contender.call
    work = list(inputs) * passes
    gc.disable()
    try:
        begin = clock()
        for item in work:
            call(item)
        return clock() - begin
    finally:
        gc.enable()
