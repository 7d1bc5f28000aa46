"""`sipprobe ping` as a process and in this one: what is printed, exit codes, and how it is stopped."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from probes.cli import ping as verb
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.ping.results import Tally
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import Reach
from sipcore.resolve.records import LookupFailure, LookupFault, Question
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TlsConfig
from sipcore.transports.certificates import self_signed
from sipcore.transports.lookup import Lookup
from tests.probes.cli.test_call import peer, sipprobe
from tests.probes.discovery.network import HOST, free_port, ok
from tests.probes.report.schemas import load, violations

COMMAND = (sys.executable, "-u", "-m", "probes.cli.main", "ping")
QUICK = ("--count", "3", "--interval", "0.1", "--timeout", "0.3")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["ping", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def drop_first() -> Callable[[bytes], bytes | None]:
    """A peer that the first datagram does not reach."""
    came: list[bytes] = []

    def respond(data: bytes) -> bytes | None:
        came.append(data)
        return ok(data) if len(came) > 1 else None

    return respond


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    with peer(ok) as bob:
        assert run(bob.target, *QUICK) == ExitCode.OK
    shown, told = capsys.readouterr()
    lines = shown.splitlines()
    assert lines[0] == f"OPTIONS to {bob.target} every 0.1 s, waiting 0.3 s for each answer"
    assert [line.split()[1:4] for line in lines[1:4]] == [[number, "200", "OK"] for number in "123"]
    assert lines[4] == ""
    assert lines[5].endswith(": 3 sent, 3 answered, 0 lost (0.0 %)")
    assert lines[6].startswith("  round trip  min ")
    assert lines[8] == "  answers     3 × 200 OK"
    assert (told, len(lines)) == ("", 9)


def test_data(capsys: pytest.CaptureFixture[str]) -> None:
    with peer(drop_first()) as bob:
        assert run(bob.target, "-c", "2", "-i", "0.1", "--json") == ExitCode.OK
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [violations(each, load("ping")) for each in found] == [[]] * 3
    assert sorted((each["number"], each["retransmissions"]) for each in found[:2]) == [(1, 1), (2, 0)]
    assert [found[2][name] for name in ("event", "answered", "lost", "repeated")] == ["summary", 2, 0, 1]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_closed_port(as_json: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{HOST}:{free_port()}", *QUICK, *as_json) == ExitCode.REFUSED
    assert capsys.readouterr().err.endswith(": no ping was answered: 3 × refused\n")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_name_without_address(
    as_json: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(_: Lookup, question: Question) -> LookupFailure:
        return LookupFailure(question, LookupFault.NXDOMAIN)

    monkeypatch.setattr(Lookup, "ask", ask)
    assert run("sip.invalid", *QUICK, *as_json) == ExitCode.UNRESOLVABLE
    shown, told = capsys.readouterr()
    assert len(told.splitlines()) == 1
    if as_json:
        data = json.loads(shown)
        assert violations(data, load("ping")) == []
        assert told == f"sipprobe: {data['failure']}\n"


def tally(*reaches: tuple[Reach, int], answered: int = 0) -> Tally:
    return Tally(1.0, answered, sum(count for _, count in reaches), 0, 0, 0, 0, 0, 0, (), reaches, None, ())


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (tally((Reach.NO_ANSWER, 9), answered=1), ExitCode.OK),
        (tally((Reach.REFUSED, 2), (Reach.NO_ANSWER, 1)), ExitCode.REFUSED),
        (tally((Reach.NO_ANSWER, 2)), ExitCode.NO_ANSWER),
        (tally((Reach.FILTERED, 2)), ExitCode.NO_ANSWER),
        (tally((Reach.TLS_FAILED, 2)), ExitCode.TLS_FAILED),
        (tally((Reach.NOT_SIP, 2)), ExitCode.NOT_SIP),
        (tally(), ExitCode.NO_ANSWER),
    ],
)
def test_exit_codes(found: Tally, code: ExitCode) -> None:
    assert verb.exit_code(found) == code


@contextmanager
def pinging(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("arguments", "interrupted"), [((), {}), (("--count", "1000"), {signal.SIGINT: 130, signal.SIGTERM: -15})]
)
def test_whoever_stops_it_gets_the_sum(
    number: signal.Signals, arguments: tuple[str, ...], interrupted: dict[signal.Signals, int]
) -> None:
    """And, where there is no other end, the exit code that tells of the endpoint."""
    with peer(ok) as bob, pinging(bob.target, "--interval", "0.1", *arguments) as running:
        assert running.stdout is not None
        for _ in range(3):
            running.stdout.readline()
        running.send_signal(number)
        shown, told = running.communicate(timeout=20)
    assert running.returncode == interrupted.get(number, ExitCode.OK)
    assert " answered, 0 lost (0.0 %)" in shown
    assert told == ""


def test_nobody_is_pinged_for_a_reader_that_has_gone() -> None:
    with peer(ok) as bob, pinging(bob.target, "--interval", "0.1") as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(20) == ExitCode.OK


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is one of Linux")
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_nobody_is_pinged_when_nothing_can_be_printed_any_more(as_json: tuple[str, ...]) -> None:
    """Which is told at once, and not when somebody ends it months later."""
    with peer(ok) as bob, Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, bob.target, *as_json], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False
        )
    assert (done.returncode, done.stderr) == (1, "sipprobe: cannot write the result: No space left on device\n")


async def test_tls_that_is_trusted(tmp_path_factory: pytest.TempPathFactory) -> None:
    certificate, key = self_signed([HOST])
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    file.write_bytes(certificate)
    tls = TlsConfig(certificate=certificate, key=key)
    async with open_responder(Persona(), [(Transport.TLS, SocketAddress(HOST, 0))], tls=tls) as responder:
        target = f"tls://{responder.address(Transport.TLS)}"
        for trusted, code in ((["--ca-file", str(file)], ExitCode.OK), ([], ExitCode.TLS_FAILED)):
            done = await trio.run_process([*COMMAND, target, *QUICK, *trusted], capture_stdout=True, check=False)
            assert done.returncode == code
            assert ("connected to tls" in done.stdout.decode()) is (code is ExitCode.OK)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["not a host"], "cannot read 'not a host'"),
        ([HOST, "--certificate", "/nonexistent"], "needs both --certificate and --key"),
        ([HOST, "--interval", "0.1", "--timeout", "32", "--all"], "would be under way at once"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str) -> None:
    done = sipprobe("ping", *arguments)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
