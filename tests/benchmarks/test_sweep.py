"""The benchmark of sweeps: it counts what was found, and says which peer is missing."""

import time

import pytest

from benchmarks import sweep
from benchmarks.harness.measure import Benchmark, Excluded
from benchmarks.harness.program import NotBuiltError, program, responder

NAMES = ["rate", "cpu", "command", "memory", "lossy", "sparse"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        program("sweep")
    except NotBuiltError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(sweep, "NETWORK", "127.0.0.0/28")
    monkeypatch.setattr(sweep, "COUNT", 16)
    monkeypatch.setattr(sweep, "LARGE", "127.0.0.0/27")
    monkeypatch.setattr(sweep, "LARGE_COUNT", 32)


def test_all_are_found() -> None:
    with responder("sweep", "1", "0") as port:
        assert sweep.swept(port, time.perf_counter) > 0
        assert sweep.command_time(sweep.OURS, port) > 0
        assert 0 < sweep.memory(port, sweep.LARGE, sweep.LARGE_COUNT) < 1_000_000


def test_those_are_found_that_answer() -> None:
    with responder("sweep", "4", "0") as port:
        seconds, found, kilobytes = sweep.ran(sweep.OURS, port, "127.0.0.0/30")
        assert (seconds > 0, found, kilobytes > 0) == (True, 1, True)


def test_what_is_lost_is_asked_for_again() -> None:
    with responder("sweep", "1", "2") as port:
        assert 100 <= sweep.thoroughness(sweep.OURS, port) < 200


def test_what_the_peers_print_is_counted() -> None:
    assert sweep.SVMAP.found(b"| 127.0.0.1:5060 | unknown |\n| 127.0.0.1:5060 |\n| 127.0.3.2:5060 |\n") == 2
    assert (
        sweep.NMAP.found(b"Host: 127.0.0.1 ()\tPorts: 5060/open/udp//sip///\nHost: 127.0.0.2\tPorts: 5060/closed/udp")
        == 1
    )


def test_missing_peers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_located", lambda _: None)
    found: dict[str, Benchmark] = {each.name.removeprefix("sweep."): each for each in sweep.benchmarks()}
    assert list(found) == NAMES
    assert Excluded("svmap", "not installed (PyPI: sipvicious)", lacking=True) in found["lossy"].peers


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    lack = Excluded("sipcore", "no C compiler", lacking=True)
    monkeypatch.setattr(sweep, "lacking", lambda _: lack)
    found = list(sweep.benchmarks())
    assert sorted(each.name.removeprefix("sweep.") for each in found) == sorted(NAMES)
    assert all(each.subject == lack for each in found)
