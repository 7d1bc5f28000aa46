"""The README's examples work as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from probes.cli.main import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
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
