"""The README's examples work as they stand there."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from probes.cli.main import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
*PROGRAMS, CLIENT = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
"""What embeds the packages, and what asks the service."""
COMMANDS = re.findall(r"^\$ sipprobe (\S+)(.*?)(?:\s{2,}#.*)?$", README, re.MULTILINE)
TARGETS = re.findall(r"^\$ make (\S+)", README, re.MULTILINE)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_runs(number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAMS[number]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    expected = (("udp 127.0.0.1:", "connected PCMU"), ("200 example",), ())
    for text in expected[number]:
        assert text in done.stdout


def test_there_is_a_program_for_each_use() -> None:
    assert len(PROGRAMS) == 3


def test_the_client_of_the_service_runs(tmp_path: Path) -> None:
    sipprobe = [sys.executable, "-m", "probes.cli.main"]
    (tmp_path / "service.toml").write_text('bind = "127.0.0.1:0"\n[reach]\nallow = ["127.0.0.0/8"]\n')
    make_key = [*sipprobe, "keys", "add", "acme", "laptop"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    made = subprocess.run(make_key, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    with ExitStack() as running:

        def first_line(*arguments: str) -> str:
            """What a verb says when it has begun; it runs until the test is over."""
            command = [*sipprobe, *arguments]
            process = running.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
            )
            running.callback(process.terminate)
            assert process.stdout is not None
            return process.stdout.readline()

        port = re.search(r"tcp 127\.0\.0\.1:(\d+)", first_line("respond", "--port", "0", "--no-tls"))
        url = first_line("serve", "service.toml").removeprefix("serving ").strip()
        assert port is not None
        program = CLIENT.replace('"host": "sbc.example.com"', f'"host": "127.0.0.1", "port": {port[1]}')
        program = program.replace("http://127.0.0.1:8080", url)
        environment["SIPPROBE_KEY"] = made.stdout.strip()
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "connected answered, held for 2.0 s, hung up here\n"


@pytest.mark.parametrize(("verb", "rest"), COMMANDS)
def test_a_command_exists_with_its_options(verb: str, rest: str) -> None:
    assert verb in VERBS
    shown = subprocess.run(
        [sys.executable, "-m", "probes.cli.main", verb, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    ).stdout
    for option in re.findall(r"--[a-z-]+", rest):
        assert option in shown


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    name = "bench-%" if target.startswith("bench-") else target
    assert re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE)
