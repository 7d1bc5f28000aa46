"""The example of a service runs a command that there is, and lets the end that is meant be one."""

import shlex
import signal
from pathlib import Path

import pytest

from probes.cli.common import HANGUPS
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main

UNIT = Path(__file__).parents[2] / "docs/examples/sipprobe-watch.service"
TOLD = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#"))


def test_the_command_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    _, *words = shlex.split(TOLD["ExecStart"])
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == ExitCode.USAGE
    assert f"cannot read {words[1]}" in capsys.readouterr().err


def test_a_reload_is_the_signal_that_has_the_file_read_again() -> None:
    assert TOLD["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert HANGUPS == [signal.SIGHUP]
    assert TOLD["RestartForceExitStatus"] == "SIGHUP"


def test_how_trunks_are_is_no_failure_of_the_service() -> None:
    of_trunks = {*ExitCode} - {ExitCode.OK, ExitCode.USAGE, ExitCode.OWN_FAULT, ExitCode.INTERRUPTED}
    assert {ExitCode(int(code)) for code in TOLD["SuccessExitStatus"].split()} == of_trunks
    assert int(TOLD["RestartPreventExitStatus"]) == ExitCode.USAGE


SERVED = Path(__file__).parents[2] / "docs/examples/sipprobe.service"


def test_the_service_over_http_runs_a_command_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    told = dict(line.split("=", 1) for line in SERVED.read_text().splitlines() if "=" in line and line[0] != "#")
    _, *words = shlex.split(told["ExecStart"])
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == ExitCode.USAGE
    assert f"cannot read {words[1]}" in capsys.readouterr().err
    assert int(told["RestartPreventExitStatus"]) == ExitCode.USAGE
    assert told["StateDirectory"] in words[-1]
