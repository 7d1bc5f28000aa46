"""The Pythons that the package says it works with, and what the Makefile sets up for the one that it is given."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAMED = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["project"]["classifiers"]))
OLDEST, *_ = NAMED


def test_the_pythons_named_leave_none_out() -> None:
    numbers = list(map(int, NAMED))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_the_oldest_one_is_the_same_everywhere() -> None:
    assert PROJECT["project"]["requires-python"] == f">=3.{OLDEST}"
    assert PROJECT["tool"]["mypy"]["python_version"] == f"3.{OLDEST}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py3{OLDEST}"
    assert f"version_info < (3, {OLDEST})" in (ROOT / "Makefile").read_text()
    for name in ("Makefile", "README.md"):
        first = re.search(r"Python (?:≥ )?3\.(\d+)", (ROOT / name).read_text())
        assert first
        assert first[1] == OLDEST, name


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed: apt-get install make")
def test_make_sets_up_again_for_another_python(tmp_path: Path) -> None:
    """A system that was upgraded has none of the Python that its environment was made of."""

    def set_up(version: str) -> bool:
        python = tmp_path / "python3"
        python.write_text(f"#!/bin/sh\necho {version}\n")
        python.chmod(0o755)
        command = ["make", "--dry-run", "demo", f"PYTHON={python}", f"VENV={tmp_path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        return "setting up" in done.stdout

    assert set_up("3.11.2")
    (tmp_path / "ready-3.11.2").touch()
    assert not set_up("3.11.2")
    assert set_up("3.13.5")
