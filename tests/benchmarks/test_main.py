"""The command line: which benchmarks run, and how it ends."""

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.harness.goals import GOALS
from benchmarks.harness.measure import Benchmark, Contender, Excluded, Spread


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("parse.route.invite", "parse.route.invite", True),
        ("parse.route.invite", "parse", True),
        ("parse.route.invite_407", "parse.route.invite", False),
        ("parse", "parse.route", False),
    ],
)
def test_begins(name: str, prefix: str, expected: bool) -> None:
    assert command.begins(name, prefix) is expected


def test_every_benchmark_is_named_after_the_file_that_asks() -> None:
    names = {
        question: [each.name for each in command.select([question.replace("_", ".")])]
        for question in command.questions()
    }
    assert {"parse_route", "parse_full", "template_options"} <= names.keys()
    assert all(names.values())
    assert {goal.name for goal in GOALS} <= {name for found in names.values() for name in found}


def test_one_benchmark_can_be_picked() -> None:
    assert [each.name for each in command.select(["parse.route.invite"])] == ["parse.route.invite"]


def test_an_unknown_name_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--results", str(tmp_path / "results.json"), "parse.root"]) == 2
    assert "no benchmark begins with parse.root" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize(
    ("subject", "arguments", "code"),
    [
        (Contender("ours", lambda _: None), [], 0),
        (Contender("ours", lambda _: None), ["--strict"], 1),
        (Excluded("ours", "wrong"), [], 1),
        (Excluded("ours", "no C compiler", lacking=True), ["--strict"], 0),
    ],
)
def test_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Contender | Excluded, arguments: list[str], code: int
) -> None:
    goal = GOALS[0]
    benchmark = Benchmark(goal.name, subject, (Contender(goal.peer, lambda _: None),), [None])
    spread = Spread(1.0, 1.0, 1.0)
    monkeypatch.setattr(command, "select", lambda names: [benchmark])
    monkeypatch.setattr(command, "measure", lambda each: {one.name: spread for one in each.contenders})
    assert command.main([*arguments, "--results", str(tmp_path / "results.json")]) == code
    assert goal.name in (tmp_path / "results.json").read_text()
