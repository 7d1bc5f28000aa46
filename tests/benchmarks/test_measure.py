"""Medians, deciles, turns: with a clock that the contenders themselves advance, so every figure is exact."""

import gc

import pytest

from benchmarks.harness.measure import TURN_NS, Benchmark, Contender, Excluded, Spread, calibrate, measure


class Clock:
    """Nanoseconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0
        self.turns: list[str] = []

    def __call__(self) -> int:
        return self.now

    def contender(self, name: str, *costs: int) -> Contender:
        """One whose calls cost `costs` nanoseconds in rotation, and which notes its turns."""
        calls = 0

        def call(_: object) -> None:
            nonlocal calls
            self.now += costs[calls % len(costs)]
            calls += 1
            if self.turns[-1:] != [name]:
                self.turns.append(name)

        return Contender(name, call)


def test_spread() -> None:
    assert Spread.of([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) == Spread(median=6, p10=2, p90=10)
    assert Spread.of([2.0, 2.0]) == Spread(median=2.0, p10=2.0, p90=2.0)


def test_the_ratio_is_that_of_turns_beside_each_other() -> None:
    ours, theirs = Spread.of([1.0, 2.0, 2.0]), Spread.of([3.0, 6.0, 30.0])
    assert theirs.ratio_to(ours) == 3.0


def test_measure_gives_microseconds_for_one_input() -> None:
    clock = Clock()
    ours, theirs = clock.contender("ours", 1_000), clock.contender("theirs", 4_000, 6_000)
    spreads = measure(Benchmark("x", ours, (theirs,), [b"a", b"b"]), rounds=5, clock=clock)
    assert spreads == {"ours": Spread(1.0, 1.0, 1.0), "theirs": Spread(5.0, 5.0, 5.0)}


def test_contenders_take_turns() -> None:
    clock = Clock()
    names = ("a", "b", "c")
    subject, *peers = (clock.contender(name, TURN_NS) for name in names)
    measure(Benchmark("x", subject, tuple(peers), [None]), rounds=4, clock=clock)
    calibration, turns = clock.turns[:3], clock.turns[3:]
    assert calibration == [*names]
    assert turns == [*names] * 4


def test_excluded_are_not_timed() -> None:
    clock = Clock()
    benchmark = Benchmark("x", Excluded("ours", "absent"), (clock.contender("theirs", TURN_NS),), [None])
    assert measure(benchmark, rounds=2, clock=clock).keys() == {"theirs"}


@pytest.mark.parametrize(("cost", "passes"), [(TURN_NS // 100, 50), (TURN_NS * 3, 1), (0, TURN_NS)])
def test_calibrate_fills_a_turn(cost: int, passes: int) -> None:
    clock = Clock()
    assert calibrate(clock.contender("x", cost), [None, None], clock) == passes


def test_garbage_collector_rests_during_a_turn_only() -> None:
    seen: list[bool] = []
    clock = Clock()
    advance = clock.contender("x", TURN_NS).call

    def noting(item: object) -> None:
        seen.append(gc.isenabled())
        advance(item)

    measure(Benchmark("x", Contender("x", noting), (), [None]), rounds=2, clock=clock)
    assert set(seen) == {False}
    assert gc.isenabled()
