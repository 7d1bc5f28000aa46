"""The C programs that ours is measured against: each does what it says, in small."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import options_tcp, options_tls, options_udp, rtt_accuracy, timers_t1, transaction_client
from benchmarks.harness import program as harness
from benchmarks.harness.measure import Benchmark, Excluded, Sampled, measure
from benchmarks.harness.program import NotBuiltError, asked, program, responder
from benchmarks.harness.report import Result
from sipcore.resolve.target import Transport

FEW = 50


def built(name: str) -> None:
    try:
        program(name)
    except NotBuiltError as error:
        pytest.skip(str(error))


def test_a_turn_measures_itself() -> None:
    figures = iter([3.0, 1.0, 2.0])
    benchmark = Benchmark("some.thing", Sampled("ours", lambda: next(figures)), (), turns=3)
    spreads = measure(benchmark)
    assert spreads["ours"].turns == (3.0, 1.0, 2.0)
    assert "2.00" in list(Result(benchmark, spreads).lines())[1]


def test_without_a_compiler_all_are_listed_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "BUILD", tmp_path / "build")
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (options_tcp, options_tls, options_udp, rtt_accuracy, timers_t1):
        for benchmark in module.benchmarks():
            assert benchmark.subject == Excluded("sipcore", "no C compiler (Debian: gcc libc6-dev)", lacking=True)
            assert list(Result(benchmark, measure(benchmark)).lines())[1].split()[2:5] == ["no", "C", "compiler"]
    udp, tcp, memory = transaction_client.benchmarks()
    assert [type(peer) for benchmark in (udp, tcp) for peer in benchmark.peers] == [Excluded, Excluded]
    assert memory.peers == ()


@pytest.mark.parametrize(("name", "transport"), [("udp", Transport.UDP), ("tcp", Transport.TCP)])
def test_options_are_asked_and_answered(name: str, transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    built(name)
    for constant in ("WARM_UP", "COUNT"):
        monkeypatch.setattr(options_udp, constant, FEW)
    with responder(name) as port:
        assert asked(name, port, FEW, 8) > 0
        assert options_udp.awaited(port, transport) > 0


def test_responses_are_coalesced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("coalesced", "tcp"):
        built(name)
    monkeypatch.setattr(options_tcp, "ROUNDS", 2)
    with responder("coalesced", str(options_tcp.BATCH)) as port:
        assert options_tcp.coalesced(port) > 0
        assert asked("coalesced", port, options_tcp.BATCH, options_tcp.BATCH) > 0
    with responder("tcp") as port:
        assert options_tcp.end_to_end(port) > 0


@pytest.fixture
def secured() -> Iterator[Benchmark]:
    """The benchmark of TLS, its responder running."""
    built("tls")
    running = options_tls.benchmarks()
    yield next(running)
    with pytest.raises(StopIteration):
        next(running)


def test_tls_is_shaken_hands(secured: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant in ("WARM_UP", "COUNT", "PEER_COUNT"):
        monkeypatch.setattr(options_tls, constant, 3)
    assert all(spread.median > 0 for spread in measure(secured, rounds=2).values())


@pytest.mark.parametrize("send", [timers_t1.send_by_layer, timers_t1.send_awaited, timers_t1.send_peers])
def test_repetitions_come_after_t1(send: timers_t1.Send, monkeypatch: pytest.MonkeyPatch) -> None:
    built("timers")
    monkeypatch.setattr(timers_t1, "COUNT", FEW)
    assert timers_t1.watched(send) > -1000  # microseconds


def test_round_trips_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    built("rtt")
    monkeypatch.setattr(rtt_accuracy, "COUNT", FEW)
    with responder("udp") as port:
        try:
            assert rtt_accuracy.difference(port, rtt_accuracy.by_peer) >= 0
        except PermissionError as error:
            pytest.skip(str(error))
        assert rtt_accuracy.difference(port, lambda port: rtt_accuracy.by_ours(port, 4)) >= 0


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_transaction_ends(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction_client, "ROUNDS", 2)
    monkeypatch.setattr(transaction_client, "OUTSTANDING", FEW)
    asked_for = transaction_client.requests(FEW)
    answers = [transaction_client.answered(request) for request in asked_for]
    begin = time.thread_time()
    assert 0 < transaction_client.spent(transport, asked_for, answers) < (time.thread_time() - begin) * 1e6
    assert transaction_client.held() > 0
