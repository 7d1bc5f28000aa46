"""Ratios, goals, the table and the JSON file."""

import json
from pathlib import Path

import pytest

from benchmarks.harness.goals import Goal
from benchmarks.harness.measure import Benchmark, Contender, Excluded, Spread
from benchmarks.harness.report import Result, summary, write

GOALS = (Goal("parse.x", "slow", 4.0), Goal("parse.x", "fast", 0.5), Goal("parse.x", "wrong", 1.0))


def contender(name: str) -> Contender:
    return Contender(name, lambda _: None, "1.0")


def result(subject: Contender | Excluded, **medians: float) -> Result:
    peers = (contender("slow"), contender("fast"), Excluded("wrong", "reads Via as no Via"))
    spreads = {name: Spread(median, median - 1, median + 1) for name, median in medians.items()}
    return Result(Benchmark("parse.x", subject, peers, [b""]), spreads)


@pytest.fixture
def measured() -> Result:
    return result(contender("ours"), ours=10.0, slow=45.0, fast=4.0)


def test_ratio_is_the_peers_time_divided_by_ours(measured: Result) -> None:
    assert [measured.ratio(peer) for peer in ("slow", "fast", "wrong")] == [4.5, 0.4, None]


def test_entry(measured: Result) -> None:
    assert measured.entry() == {
        "unit": "us",
        "median": 10.0,
        "p10": 9.0,
        "p90": 11.0,
        "peers": {
            "slow": {"median": 45.0, "ratio": 4.5},
            "fast": {"median": 4.0, "ratio": 0.4},
            "wrong": {"median": None, "ratio": None, "excluded": "reads Via as no Via"},
        },
    }


def test_entry_when_the_subject_is_wrong() -> None:
    entry = result(Excluded("ours", "cannot read it"), slow=45.0, fast=4.0).entry()
    assert entry["median"] is None
    assert entry["excluded"] == "cannot read it"
    assert entry["peers"] == {
        "slow": {"median": 45.0, "ratio": None},
        "fast": {"median": 4.0, "ratio": None},
        "wrong": {"median": None, "ratio": None, "excluded": "reads Via as no Via"},
    }


def test_goals_are_judged_against_peers_that_were_timed(measured: Result) -> None:
    assert [(goal.peer, goal.is_met(ratio)) for goal, ratio in measured.judged(GOALS)] == [
        ("slow", True),
        ("fast", False),
    ]
    lines, met = summary([measured], GOALS)
    assert not met
    assert lines == ["1 of 2 goals met", "missed: parse.x 0.40 x fast, goal 0.5"]
    assert summary([measured], GOALS[:1]) == (["1 of 1 goals met"], True)


def test_table(measured: Result) -> None:
    head, subject, slow, fast, wrong = measured.lines(GOALS)
    assert head.split() == ["parse.x", "us", "p10", "p90", "ratio", "goal"]
    assert subject.split() == ["ours", "10.00", "9.00", "11.00", "1.0"]
    assert slow.split() == ["slow", "45.00", "44.00", "46.00", "4.50", "4", "met", "1.0"]
    assert fast.split() == ["fast", "4.00", "3.00", "5.00", "0.40", "0.5", "MISSED", "1.0"]
    assert wrong.split() == ["wrong", "-", "reads", "Via", "as", "no", "Via"]


def test_a_partial_run_keeps_the_entries_of_others(measured: Result, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"other": {}, "parse.x": {}}')
    write([measured], path, keep=True)
    assert json.loads(path.read_text()) == {"other": {}, "parse.x": measured.entry()}
    write([measured], path, keep=False)
    assert json.loads(path.read_text()) == {"parse.x": measured.entry()}
