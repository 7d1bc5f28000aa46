"""`sipprobe sweep`: results as they come, in words and as data, exit codes, and a state that is left behind."""

import io
import json
import os
import pty
import shlex
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from probes.cli import sweep as verb
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.cli.streams import Outlet, OutputError
from probes.sweep.found import Tally
from probes.sweep.order import State
from probes.sweep.ranges import Range, Targets
from sipcore.errors import FailureReason, TransportFailure
from tests.probes.cli.test_discover import ROOT, Terminal
from tests.probes.discovery.network import free_port, ok
from tests.probes.report.schemas import load, violations
from tests.probes.sweep.hosts import Respond, hosts

BANNER = "Server: kamailio (5.6.3 (x86_64/linux))"
QUICK = ("--timeout", "0.2")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["sweep", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def beside(respond: Respond, *arguments: str) -> int:
    """Run the command while hosts answer at the port that it is given."""

    async def serve() -> int:
        async with hosts(respond) as port:
            code: int = await trio.to_thread.run_sync(lambda: run("--port", str(port), *arguments))
            return code

    return trio.run(serve)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host names that this machine knows: one."""

    def look_up(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        name.encode("idna")
        if name != "lab.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (host, 0)) for host in ("127.0.0.3", "127.0.0.5")]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def answer(data: bytes, host: str) -> bytes | None:
    return ok(data, BANNER) if host.endswith(("3", "4")) else None


def test_words(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert beside(answer, "127.0.0.0/29", *QUICK) == ExitCode.OK
    shown, told = capsys.readouterr()
    lines = shown.splitlines()
    assert sorted(line.partition(":")[0] for line in lines[:2]) == ["127.0.0.3", "127.0.0.4"]
    assert all("200 OK" in line and "kamailio" in line for line in lines[:2])
    assert lines[2] == ""
    assert lines[3].startswith("8 places asked in ")
    assert lines[3].endswith(": 2 answered, 6 silent")
    assert lines[4] == "  18 requests repeated" or lines[4].startswith("  --seed ")
    assert lines[-2:] == ["", "  Kamailio 5.6.3          2"]
    assert (told, "\x1b" in shown, list(folder.iterdir())) == ("", False, [])


def test_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert beside(answer, "127.0.0.0/29", *QUICK, "--json") == ExitCode.OK
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [violations(each, load("sweep")) for each in found] == [[]] * 4
    assert [each["type"] for each in found] == ["place", "place", "kind", "summary"]
    assert found[2]["product"] == "Kamailio"
    assert (found[3]["complete"], found[3]["answered"]) == (True, 2)


@pytest.mark.parametrize(("options", "lines"), [((), 1), (("--all",), 2)])
def test_refusals_are_printed_when_asked_for(
    options: tuple[str, ...], lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("127.0.0.1", "--port", str(free_port()), *options) == ExitCode.REFUSED
    assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.mark.parametrize(
    ("tally", "code"),
    [
        (Tally(4, 4, answered=1, not_sip=1, refused=1, silent=1), ExitCode.OK),
        (Tally(4, 4, not_sip=1, refused=2, silent=1), ExitCode.NOT_SIP),
        (Tally(4, 4, refused=1, silent=3), ExitCode.REFUSED),
        (Tally(4, 4, silent=4), ExitCode.NO_ANSWER),
    ],
)
def test_exit_codes(tally: Tally, code: ExitCode) -> None:
    assert verb.exit_code(tally) == code


def test_ranges_from_standard_input_and_exclusions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("# the lab\n127.0.0.3\n127.0.0.8-9, 127.0.0.4\n"))
    (folder / "never").write_text("127.0.0.3-8\n")
    assert beside(answer, "-", "127.0.0.13", "--exclude", "never", *QUICK) == ExitCode.OK
    assert capsys.readouterr().out.startswith("127.0.0.13:")


def test_host_names_are_looked_up(names: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert beside(answer, "lab.example", *QUICK, "--json", "--seed", "77") == ExitCode.OK
    place, _, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (place["address"], summary["places"], summary["seed"]) == ("127.0.0.3", 2, 77)


def test_many_host_names_had_better_be_addresses(
    names: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verb, "MAX_NAMES", 2)
    assert run("lab.example", "lab.example,lab.example") == ExitCode.USAGE
    assert capsys.readouterr().err == "sipprobe: more than 2 host names; give their addresses\n"


def test_standard_input_that_is_no_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), "utf-8", "surrogateescape"))
    assert run("-") == ExitCode.USAGE
    assert capsys.readouterr().err == "sipprobe: cannot read standard input: it is no text\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["192.0.2"], "'192.0.2' is no address; give 192.0.2.7, 192.0.2.0/24"),
        (["nowhere.example"], "'nowhere.example' is no address, and as a host name: Name or service not known"),
        (["wrong..example"], "'wrong..example' is no address"),
        (["é" * 63], "is neither an address nor a host name"),
        (["2001:db8::/64"], "no sweep gets to the end of them; give the parts where hosts are"),
        ([""], "no addresses given"),
        (["192.0.2.1", "--seed", "4294967296"], "--seed"),
        (["192.0.2.1", "--rate", "50001"], "--rate"),
        (["192.0.2.0/23"], "say --yes-large if you may probe all of them"),
        (["192.0.2.1", "--exclude", "192"], "cannot read 192: No such file"),
        (["192.0.2.1", "--exclude", "binary"], "cannot read binary: it is no text"),
        (["192.0.2.1", "--exclude", "wrong"], "wrong, line 2: '192.0.2' is no address; give 192.0.2.7"),
        (["192.0.2.1", "--resume", "wrong"], "wrong is no state of a sweep"),
        (["192.0.2.1", "--resume", "binary"], "cannot read binary: it is no text"),
        (["192.0.2.1", "--resume", "other"], "other is the state of a sweep of other ranges"),
        (["192.0.2.1", "--resume", "nowhere/state"], "cannot write nowhere/state: No such file"),
        (["192.0.2.1", *(f"--port={number}" for number in range(1, 18))], "a sweep takes 1 to 16 ports"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], told: str, names: None, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "wrong").write_text("# this is\n192.0.2\n")
    (folder / "other").write_text(str(State("digest", 1)))
    assert run(*arguments) == ExitCode.USAGE
    shown, error = capsys.readouterr()
    assert shown == ""
    assert told in error
    assert len(error.splitlines()) == 1 or "Usage: " in error


@pytest.mark.parametrize(
    ("options", "shown"), [([], "0 answered, 1 not asked"), (["--json"], '"complete": false')], ids=["words", "json"]
)
def test_no_way_there(
    options: list[str],
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
) -> None:
    def no_route(hop: object) -> str:
        raise TransportFailure(FailureReason.UNREACHABLE, "udp 192.0.2.1:5060: no route to the network")

    monkeypatch.setattr("probes.sweep.run.route_host", no_route)
    assert run("192.0.2.1", *options) == ExitCode.UNREACHABLE
    output, error = capsys.readouterr()
    assert shown in output
    assert output.count("\n") == 1
    assert error == "sipprobe: udp 192.0.2.1:5060: no route to the network\n"
    assert list(folder.iterdir()) == []


def test_the_state_is_used_and_gone_when_all_is_done(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    port, file = free_port(), folder / "state"
    targets = Targets([Range.parse("127.0.0.0/29")], [port])
    file.write_text(str(State(targets.digest, 7, 5)))
    assert run("127.0.0.0/29", "--port", str(port), "--resume", str(file), *QUICK) == ExitCode.REFUSED
    assert capsys.readouterr().out.startswith("3 places asked")
    assert list(folder.iterdir()) == []


def test_an_interruption_leaves_a_state(folder: Path) -> None:
    """On a terminal there is a bar meanwhile; Ctrl-C ends it, and what is left to do can be done later."""

    async def serve() -> tuple[str, int]:
        async with hosts(answer) as port:

            def watch() -> tuple[str, int]:
                options = ("--port", str(port), "--timeout", "30", "--resume", str(folder / "state"))
                terminal = Terminal("sweep", "127.0.0.0/28", *options)
                terminal.read_until("4 answered, 0 silent")
                terminal.interrupt()
                terminal.read_until("")
                return terminal.output, terminal.close()

            return await trio.to_thread.run_sync(watch)

    output, code = trio.run(serve)
    assert code == ExitCode.INTERRUPTED
    assert "16 places asked" in output
    assert "Traceback" not in output
    (file,) = folder.iterdir()
    assert f"--resume {file}" in " ".join(output.split())
    state = State.parse(file.read_text())
    assert 0 <= state.index < 16


def in_a_shell(command: str, folder: Path) -> str:
    """All that a command line, with pipes and redirections, shows on a terminal."""
    master, slave = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    with subprocess.Popen(["sh", "-c", command], stdout=slave, stderr=slave, cwd=folder, env=environment):
        os.close(slave)
        shown = b""
        with suppress(OSError):  # how Linux says that nobody has the other end open any more
            while data := os.read(master, 65536):
                shown += data
    os.close(master)
    return shown.decode()


@pytest.mark.parametrize(("to", "is_drawn"), [("| cat", False), ("> found", True)])
def test_a_bar_is_not_drawn_where_whoever_reads_a_pipe_may_print(to: str, is_drawn: bool, folder: Path) -> None:
    async def serve() -> str:
        async with hosts(answer) as port:
            command = [sys.executable, "-m", "probes.cli.main", "sweep", "127.0.0.0/28", f"--port={port}"]
            return await trio.to_thread.run_sync(
                in_a_shell, f"{shlex.join([*command, '--timeout=1.0', '--rate=200'])} {to}", folder
            )

    shown = trio.run(serve)
    assert ("0 silent" in shown) == is_drawn
    if not is_drawn:
        assert "16 places asked" in shown
        assert "\x1b" not in shown


def test_no_line_of_the_summary_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    assert run("127.0.0.1", "--port", str(free_port()), *QUICK) == ExitCode.REFUSED
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(" ".join(lines).split()).endswith("0 answered, 1 refused or unreachable")
    assert max(map(len, lines)) <= 30


def test_the_state_is_written_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the machine fail, what was printed until a moment ago is known; and nothing stops where it cannot be."""
    monkeypatch.setattr(verb, "SAVE_PAUSE", 0.0)
    monkeypatch.setattr(verb, "REFRESH", 0.01)
    states: list[State] = []

    def respond(data: bytes, host: str) -> bytes:
        states.append(State.parse((folder / "state").read_text()))
        while len(states) == 6 and not (folder / "state.new").is_dir():
            with suppress(FileExistsError):  # the file of that name is just being written
                (folder / "state.new").mkdir()
        return ok(data)

    assert beside(respond, "127.0.0.0/29", "--rate", "20", "--resume", "state") == ExitCode.OK
    counts = [state.count for state in states]
    assert counts == sorted(counts)
    assert 0 < counts[-1] < 8
    assert [file.name for file in folder.iterdir()] == ["state.new"]


class Full(io.StringIO):
    """Standard output on a disk that has no room."""

    def write(self, _: str) -> int:
        raise OutputError(28, "No space left on device")


def is_kept(folder: Path) -> bool:
    """Whether there is a state with nothing done: what could not be printed is not done with."""
    (file,) = folder.iterdir()
    return file.suffix == ".resume" and State.parse(file.read_text()).count == 0


def test_a_sweep_that_cannot_print_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    monkeypatch.setattr("sys.stdout", Full())
    assert beside(answer, "127.0.0.0/29", "--timeout", "30") == ExitCode.FAILED
    assert "cannot write the result: No space left" in capsys.readouterr().err
    assert is_kept(folder)


def test_a_sweep_that_nobody_reads_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BufferedWriter(Outlet(writing)), "utf-8"))
    assert beside(answer, "127.0.0.0/29", "--timeout", "30") == ExitCode.OK  # something answered
    os.close(writing)
    assert "sipprobe: stopped; go on" in capsys.readouterr().err
    assert is_kept(folder)


def test_a_state_that_cannot_be_written_in_the_end_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    monkeypatch.setattr("sys.stdout", Full())
    (folder / "sweep-0000004d.resume").mkdir()
    assert beside(answer, "127.0.0.0/29", "--timeout", "30", "--seed", "77") == ExitCode.FAILED
    assert "sipprobe: stopped; cannot write sweep-0000004d.resume: Is a directory" in capsys.readouterr().err


def test_help_says_what_is_sent_and_to_whom(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == ExitCode.OK
    shown = " ".join(capsys.readouterr().out.split())
    assert "Probe only networks that you run or are allowed to probe" in shown
    assert "one OPTIONS request" in shown
