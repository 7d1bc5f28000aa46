"""The meter of bytecodes gives the same figure each time, and tells where they go."""

import pytest

from benchmarks import bytecodes


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecodes, "COUNT", 5)


@pytest.mark.parametrize("name", bytecodes.EXCHANGES)
def test_the_figure_is_the_same_each_time(name: str) -> None:
    assert bytecodes.figure(name) == bytecodes.figure(name) > 1000


def test_a_call_takes_more_than_an_options() -> None:
    asked, placed, answered = map(bytecodes.figure, ("asked", "placed", "answered"))
    assert asked < min(placed, answered)


def test_the_functions_of_each_side_are_listed() -> None:
    placed, answered = "\n".join(bytecodes.listing("placed")), "\n".join(bytecodes.listing("answered"))
    assert "Caller._move" in placed
    assert "Callee" not in placed
    assert "Callee._move" in answered
    assert "Caller" not in answered


def test_what_is_listed_adds_up_to_the_figure() -> None:
    listed = [float(line.split()[0]) for line in bytecodes.listing("asked")]
    assert sum(listed) == pytest.approx(bytecodes.figure("asked"), rel=0.01)
