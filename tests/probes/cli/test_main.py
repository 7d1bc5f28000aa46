"""The command itself: its verbs, its start, and how it ends."""

import codecs
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from probes.cli import main as command
from probes.cli.exit_codes import ExitCode
from sipcore.errors import LocalError

ROOT = Path(__file__).parents[3]
HEAVY = {"trio", "dns", "OpenSSL", "cryptography", "pylibsrtp", "rich"}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `sipprobe` with these arguments, in this process."""
    monkeypatch.setattr(sys, "argv", ["sipprobe", *arguments])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["discover", "--help"]])
def test_what_needs_no_network_loads_none(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['sipprobe', *{arguments!r}]\n"
        "from probes.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    output, _, loaded = done.stdout.rpartition("loaded:")
    assert HEAVY & set(loaded.split()) == set()
    assert output.startswith(("Usage: sipprobe", "sipprobe "))


def test_each_verb_has_one_line_of_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == ExitCode.OK
    lines = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    for verb in command.VERBS:
        assert sum(line.split()[:1] == [verb] for line in lines) == 1


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"1.2.3 of {name}")
    assert run(monkeypatch, "--version") == ExitCode.OK
    assert capsys.readouterr().out == "sipprobe 1.2.3 of sipcore\n"


def test_version_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "DISTRIBUTION", "no-such-distribution")
    assert run(monkeypatch, "--version") == ExitCode.OK
    assert "not installed" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["frobnicate"], ["--frobnicate"], ["discover"], ["discover", "x", "y"]])
def test_a_command_line_that_cannot_be_used(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error: " in captured.err


def raising(error: BaseException) -> Callable[..., Callable[..., NoReturn]]:
    def make(*_: object) -> Callable[..., NoReturn]:
        def run_app(**_: object) -> NoReturn:
            raise error

        return run_app

    return make


REFUSAL = LocalError("that cannot be", section="RFC 3261 §1")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (REFUSAL, ExitCode.USAGE, "sipprobe: that cannot be\n"),
        (ExceptionGroup("", [ExceptionGroup("", [REFUSAL])]), ExitCode.USAGE, "sipprobe: that cannot be\n"),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), ExitCode.INTERRUPTED, ""),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
    ],
)
def test_how_errors_end(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "make_app", raising(error))
    assert run(monkeypatch, "discover", "x") == code
    assert capsys.readouterr().err == told


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_app", raising(ExceptionGroup("", [ZeroDivisionError()])))
    with pytest.raises(ExceptionGroup):
        command.main()


def outcome_of(*arguments: str, stdout: str) -> tuple[int, str]:
    """The exit code, and what is said on standard error, of the command with its standard output as a shell has it."""
    words = shlex.join([sys.executable, "-m", "probes.cli.main", *arguments])
    done = subprocess.run(["/bin/sh", "-c", f"{words} {stdout}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr + done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full here")
@pytest.mark.parametrize("arguments", [["--version"], ["dns", "192.0.2.1"], ["dns", "192.0.2.1", "--json"]])
def test_a_full_disk(arguments: list[str]) -> None:
    code, text = outcome_of(*arguments, stdout=">/dev/full")
    assert (code, text) == (ExitCode.FAILED, "sipprobe: cannot write the result: No space left on device\n")


@pytest.mark.parametrize("arguments", [["--version"], ["dns", "192.0.2.1"], ["dns", "192.0.2.1", "--json"]])
def test_whoever_closed_standard_output_gets_the_exit_code_alone(arguments: list[str]) -> None:
    assert outcome_of(*arguments, stdout=">&-") == (ExitCode.OK, "")


def test_a_terminal_that_is_not_utf_8() -> None:
    codecs.register_error("probe", command._in_ascii)
    assert "├── 200 OK é ▶│".encode("ascii", "probe") == b"+-- 200 OK \\xe9 >|"
    assert "é ▶".encode("latin-1", "probe") == b"\xe9 >"


@pytest.mark.parametrize(
    "arguments",
    [
        ["discover", "192.0.2.1", "--timeout", "nan"],
        ["tls", "192.0.2.1", "--deadline", "nan"],
        ["dns", "192.0.2.1", "--pause", "nan"],
        ["codecs", "192.0.2.1", "--ring-time", "nan"],
    ],
)
def test_a_time_that_is_no_number(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == ExitCode.USAGE
    assert "nan is no number" in capsys.readouterr().err
