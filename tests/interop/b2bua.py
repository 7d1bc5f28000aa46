"""Sippy's B2BUA: it is a callee to one side and a caller to the other, and media goes past it from end to end.

It is a Python package, which `make bench` installs. Where nothing may be missing, what it takes of it is fetched once.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from tests.interop.debian import cache
from tests.interop.lab import HOST, Lab, MissingError, Server, version

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
PACKAGES = ("sippy", "ElPeriodic", "pycryptodome")
"""The package, and those of its dependencies that calls take."""
VERSION = "import importlib.metadata; print(importlib.metadata.version('sippy'))"


def sippy(lab: Lab, port: int, *, fetch: bool) -> AbstractContextManager[Server]:
    """Sippy's B2BUA, which takes every call on to `port`. Raises MissingError where it is not there."""
    own = lab.ports(1)
    started = command(own, port, fetch=fetch)
    (lab.folder / "sippy").mkdir()
    return lab.running(Server("sippy", version([*_python(fetch=fetch), "-c", VERSION]), HOST, own, tcp_port=0), started)


def command(own: int, port: int, *, fetch: bool) -> list[str]:
    """What to run to have Sippy take every call at `own` on to `port`.

    Raises MissingError where it is not there, and not to be fetched.
    """
    options = ["-f", "-l", HOST, "-p", str(own), "-n", f"{HOST}:{port}"]
    return [*_python(fetch=fetch), "-m", "sippy.b2bua_simple", *options]


def _python(*, fetch: bool) -> list[str]:
    """What runs Python with the package."""
    command = ["env", "SIPLOG_BEND=stderr"]
    if importlib.util.find_spec("sippy") is None:
        folder = cache() / "sippy"
        if not folder.exists():
            if not fetch:
                raise MissingError("sippy is not installed: make bench")
            _fetch(folder)
        command.append(f"PYTHONPATH={folder}")
    return [*command, sys.executable]


def _fetch(folder: Path) -> None:
    uv = shutil.which("uv")
    installer = [uv, "pip", "--python", sys.executable] if uv else [sys.executable, "-m", "pip"]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".sippy-") as unfinished:
        target = Path(unfinished) / "packages"
        options = ["--quiet", "--no-deps", "--target", str(target), "--constraint", str(CONSTRAINTS)]
        subprocess.run([*installer, "install", *options, *PACKAGES], check=True)
        target.rename(folder)  # last, so that a folder of that name is complete
