"""`sipprobe call --scenario` as a process: several calls, one summary, one exit code, and options above the file."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from probes.cli.call_scenario import OPTIONS
from probes.cli.exit_codes import ExitCode
from tests.probes.cli.test_call import describe, peer, ring, sipprobe
from tests.probes.discovery.network import HOST
from tests.probes.report import schemas

FILE = """
[[call]]
name = "one"
target = "{target}"
hold = 0.1
expect = "{expect}"

[[call]]
target = "tcp://127.0.0.1:9"
expect = "refused"
"""


def written(folder: Path, text: str) -> str:
    file = folder / "calls.toml"
    file.write_text(text)
    return str(file)


def objects(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_all_as_it_should_be(tmp_path: Path) -> None:
    with peer(describe) as bob:
        file = written(tmp_path, FILE.format(target=bob.target, expect="connected"))
        done = sipprobe("call", "--scenario", file)
    assert done.returncode == ExitCode.OK, done.stdout
    assert done.stdout.startswith("call 1 of 2: one\n")
    lines = done.stdout.splitlines()
    assert lines[-1] == "2 of 2 calls are as they should be"
    assert [line.split()[0] for line in lines[-3:-1]] == ["ok", "ok"]


def test_the_first_that_is_not_as_it_should_be_gives_the_exit_code(tmp_path: Path) -> None:
    with peer(describe) as bob:
        file = written(tmp_path, FILE.format(target=bob.target, expect="busy"))
        done = sipprobe("call", "--scenario", file, "--json")
    assert done.returncode == ExitCode.UNEXPECTED
    told = objects(done.stdout)
    assert [schemas.violations(line, schemas.load("scenario")) for line in told] == [[], [], []]
    first, second, summary = told
    own = {"event", "name", "exit_code"}
    assert schemas.violations({name: first[name] for name in first.keys() - own}, schemas.load("call")) == []
    assert (first["name"], first["exit_code"], second["name"], second["exit_code"]) == ("one", 12, "call 2", 0)
    assert summary == {"event": "summary", "calls": 2, "ok": 1, "failed": 1, "omitted": 0}


def test_each_call_goes_to_the_collector(tmp_path: Path) -> None:
    with peer(describe) as bob, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind((HOST, 0))
        collector.settimeout(20)
        call = f'[[call]]\ntarget = "{bob.target}"\nhold = 0.1\n'
        done = sipprobe(
            "call", "--scenario", written(tmp_path, call * 2), "--hep", f"{HOST}:{collector.getsockname()[1]}"
        )
        packets = [collector.recv(65536) for _ in range(10)]
    assert done.returncode == ExitCode.OK, done.stderr
    assert sum(b"INVITE sip:" in packet for packet in packets) == 2


def test_options_stand_above_the_file(tmp_path: Path) -> None:
    with peer(ring) as bob:
        file = written(tmp_path, FILE.format(target=bob.target, expect="connected"))
        options = ["--ring-timeout", "0.2", "--expect", "not-answered", "--header", "X-One: 1", "--transport", "udp"]
        done = sipprobe(
            "call", bob.target, "--scenario", file, "--json", *options, "--user", "a", SIPPROBE_PASSWORD="p"
        )
    assert done.returncode == ExitCode.OK, done.stdout
    assert [each["target"] for each in objects(done.stdout)[:2]] == [f"{bob.target};transport=udp"] * 2


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("[[call]]\nhodl = 3\n", [], "calls.toml:2: call 1: there is no key 'hodl'; did you mean hold?"),
        (FILE.format(target="sip:100@h", expect="busy"), ["--save", "x.json"], "--save is for one call"),
        (FILE.format(target="sip:100@h", expect="busy"), ["--header", "X-Trunk"], "write it as 'Name: value'"),
        (
            '[[call]]\ntarget = "sip:100@h"\nuser = "a"\npassword_env = "NO_SUCH_VARIABLE"\n',
            [],
            "calls.toml:4: call 1: the environment has no variable NO_SUCH_VARIABLE",
        ),
        (
            '[[call]]\ntarget = "sip:100@h"\nuser = "a"\npassword_file = "nowhere"\n',
            [],
            "cannot read the password from",
        ),
    ],
)
def test_what_cannot_work(text: str, options: list[str], said: str, tmp_path: Path) -> None:
    done = sipprobe("call", "--scenario", written(tmp_path, text), *options)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_not_there() -> None:
    done = sipprobe("call", "--scenario", "/nowhere/calls.toml")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "sipprobe: cannot read /nowhere/calls.toml: No such file or directory\n"


def test_a_password_that_cannot_be_read_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes("geheim-ü".encode("latin-1"))
    text = '[[call]]\ntarget = "sip:100@h"\nuser = "a"\npassword_file = "password"\n'
    done = sipprobe("call", "--scenario", written(tmp_path, text))
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == f"sipprobe: cannot read the password from {tmp_path / 'password'}: it is no text\n"


def test_every_option_has_its_key() -> None:
    from probes.calls.keys import KEYS

    assert set(OPTIONS.values()) <= set(KEYS)
    assert set(KEYS) - set(OPTIONS.values()) == {"name", "password_env", "password", "password_in_clear"}
