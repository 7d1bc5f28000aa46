"""`sipprobe call` as a process: exit codes, one-line errors, and where the password comes from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode


def sipprobe(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if name != "SIPPROBE_PASSWORD"} | variables
    command = [sys.executable, "-m", "probes.cli.main", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment, stdin=subprocess.DEVNULL
    )


def test_a_closed_port() -> None:
    done = sipprobe("call", "tcp://127.0.0.1:9")
    assert done.returncode == ExitCode.REFUSED
    assert "nothing listens there" in done.stdout
    assert "initiated" in done.stdout


def test_a_closed_port_as_data() -> None:
    done = sipprobe("call", "udp://127.0.0.1:9", "--json")
    assert done.returncode == ExitCode.REFUSED
    data = json.loads(done.stdout)
    assert (data["status"], data["kind"]) == ("failed", "refused")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["not a host"], "cannot read 'not a host'"),
        (["http://example.com"], "http:// is not a SIP transport"),
        (["127.0.0.1", "--transport", "sctp"], "sctp"),
        (["127.0.0.1", "--codec", "MP3"], "no codec MP3"),
        (["127.0.0.1", "--user", "alice"], "SIPPROBE_PASSWORD"),
        (["127.0.0.1", "--user", "alice", "--password-file", "/nonexistent"], "/nonexistent"),
        (["127.0.0.1", "--ca-file", "/nonexistent"], "/nonexistent"),
        (["127.0.0.1", "--from", "not a uri"], "scheme"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str) -> None:
    done = sipprobe("call", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_there_is_no_password_argument() -> None:
    done = sipprobe("call", "127.0.0.1", "--password", "secret")
    assert done.returncode == ExitCode.USAGE
    assert "--password-file" in sipprobe("call", "--help").stdout


def test_the_password_of_a_file_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    done = sipprobe("call", "tcp://127.0.0.1:9", "--user", "alice", "--password-file", str(file))
    assert done.returncode == ExitCode.REFUSED
    assert "correct horse" not in done.stdout + done.stderr
