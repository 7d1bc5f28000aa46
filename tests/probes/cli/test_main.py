"""The command itself: its verbs, its start, and how it ends."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from probes.cli import main as command
from probes.cli.exit_codes import ExitCode
from probes.cli.given import Command
from probes.cli.streams import OutputError
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


@pytest.mark.parametrize(
    ("line", "parameter", "told"),
    [
        ("keys list --store ''", "--store", "it is empty: give FILE, or leave it out."),
        ("keys add acme first --store=", "--store", "it is empty: give FILE, or leave it out."),
        ("keys list ''", "[TENANT]", "it is empty: give TENANT, or leave it out."),
        ("serve --store ''", "--store", "it is empty: give FILE, or leave it out."),
        ("serve --check --bind ''", "--bind", "it is empty: give ADDR:PORT, or leave it out."),
        ("call 192.0.2.1 --user ''", "--user", "it is empty: give NAME, or leave it out."),
        ("call 192.0.2.1 --save a.json --save ''", "--save", "it is empty: give FILE, or leave it out."),
        ("watch ''", "FILE", "it is empty: give FILE."),
    ],
)
def test_what_is_given_empty_is_refused(
    line: str,
    parameter: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *shlex.split(line)) == ExitCode.USAGE
    assert f"Invalid value for '{parameter}': {told}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_verb_looks_for_what_is_given_empty() -> None:
    verbs: list[object] = [typer.main.get_command(command.make_app())]
    for verb in verbs:
        verbs += getattr(verb, "commands", {}).values()
    alone = [verb for verb in verbs if not hasattr(verb, "commands")]
    assert len(alone) > len(command.VERBS)
    assert all(isinstance(verb, Command) for verb in alone)


def test_help_is_given_whatever_else_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "serve", "--store", "", "--help") == ExitCode.OK
    assert "Serve trunks over HTTP" in capsys.readouterr().out


def test_each_verb_has_one_line_of_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == ExitCode.OK
    lines = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    for verb in command.VERBS:
        assert sum(line.split()[:1] == [verb] for line in lines) == 1


def test_no_line_of_help_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == ExitCode.OK
    assert re.findall(r".*\.\.\.$", capsys.readouterr().out.partition("Commands:")[2], re.MULTILINE) == []


@pytest.mark.parametrize("verb", command.VERBS)
def test_help_names_what_an_option_takes(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not the type that holds it, nor a way to turn off what is off. Of arguments, typer 0.29 shows the type."""
    assert run(monkeypatch, verb, "--help") == ExitCode.OK
    shown = capsys.readouterr().out
    assert re.findall(r"<(?:int|float|str|path)[^>]*>|/ --no-", shown.partition("Options:")[2]) == []
    assert max(map(len, shown.splitlines())) <= 80


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
        (OSError(24, "Too many open files"), ExitCode.FAILED, "sipprobe: Too many open files\n"),
        (PermissionError(13, "Permission denied", "x.toml"), ExitCode.FAILED, "sipprobe: x.toml: Permission denied\n"),
        (OSError("no such interface"), ExitCode.FAILED, "sipprobe: no such interface\n"),
        (ExceptionGroup("", [OSError(12, "Out of memory")]), ExitCode.FAILED, "sipprobe: Out of memory\n"),
        (OutputError(28, "No space left"), ExitCode.FAILED, "sipprobe: cannot write the result: No space left\n"),
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


@pytest.mark.parametrize("errors", [[ZeroDivisionError()], [OSError(24, "Too many open files"), ZeroDivisionError()]])
def test_a_fault_of_ours_is_not_hidden(errors: list[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "make_app", raising(ExceptionGroup("", errors)))
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


REFUSED = ["127.0.0.1:9", "--timeout", "0.2"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], ExitCode.OK),
        (["--help"], ExitCode.OK),
        (["explain"], ExitCode.OK),
        (["dns", "localhost"], ExitCode.OK),
        (["discover", *REFUSED, "--json"], ExitCode.REFUSED),
        (["tls", *REFUSED], ExitCode.REFUSED),
        (["call", "127.0.0.1:9"], ExitCode.REFUSED),
    ],
)
def test_a_reader_that_has_gone_changes_no_exit_code(arguments: list[str], code: ExitCode) -> None:
    """As behind `| head -1`; it went before the first line, so that no run is lucky."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "probes.cli.main", *arguments]
    done = subprocess.run(words, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == code
    assert "pipe" not in done.stderr.lower()


def completed(shell: str, words: str) -> str:
    """What a shell is told of how a command line may go on."""
    environment = {"_SIPPROBE_COMPLETE": f"complete_{shell}", "COMP_WORDS": words, "_TYPER_COMPLETE_ARGS": words}
    environment |= {"COMP_CWORD": str(words.count(" ")), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-c", "from probes.cli.main import main; main()"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sipprobe dis", "discover"),
        ("sipprobe explain sip-a", "sip-alg"),
        ("sipprobe ping --interv", "--interval"),
        ("sipprobe call --transport w", "wss"),
    ],
)
def test_a_shell_completes(shell: str, words: str, told: str) -> None:
    assert told in completed(shell, words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from probes.cli.main import main; main()"],
        cwd=ROOT,
        env=os.environ | {command.COMPLETION: f"source_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert command.COMPLETION in done.stdout


def test_completion_is_no_clutter_in_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == ExitCode.OK
    assert "completion" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["discover", "192.0.2.1", "--timeout", "nan"],
        ["tls", "192.0.2.1", "--deadline", "nan"],
        ["dns", "192.0.2.1", "--pause", "nan"],
        ["codecs", "192.0.2.1", "--ring-time", "nan"],
        ["call", "192.0.2.1", "--hold", "nan"],
        ["respond", "--ring", "nan"],
        ["sweep", "192.0.2.1", "--timeout", "nan"],
        ["ping", "192.0.2.1", "--interval", "nan"],
    ],
)
def test_a_time_that_is_no_number(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == ExitCode.USAGE
    assert re.search(
        "nan is no number|should be (?:less|greater)", capsys.readouterr().err
    )  # typer 0.29 says the latter
