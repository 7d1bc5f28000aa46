"""The beginning of the command: interrupted while it is read, and run."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from probes.cli.entry import main
from probes.cli.exit_codes import ExitCode

ROOT = Path(__file__).parents[3]
INTERRUPTED_IN = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from probes.cli.entry import main
sys.argv = ["sipprobe", "dns", "192.0.2.1"]
main()
"""


@pytest.mark.parametrize("module", ["typer", "sipcore.errors", "probes.cli.dns", "probes.checks.dns"])
def test_an_interrupt_while_modules_are_read_is_no_traceback(module: str) -> None:
    words = [sys.executable, "-c", INTERRUPTED_IN.format(module=module)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "")


def test_it_runs_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sipprobe", "dns", "192.0.2.1"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == ExitCode.OK
    assert "needs no DNS" in capsys.readouterr().out


def test_the_installed_command_begins_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"sipprobe": "probes.cli.entry:main"}
