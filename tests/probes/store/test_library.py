"""The libraries of the extra `daemon`: loaded when a store is opened, and asked for where they are missing."""

import subprocess
import sys

import pytest

LOADED = "print(*({'sqlalchemy', 'alembic'} & {name.partition('.')[0] for name in sys.modules}))"
MISSING = """
import sys, tempfile
from pathlib import Path
sys.modules[sys.argv[1]] = None
from probes.health.trunk import WatchError
from probes.store.store import History, Store
place = Path(tempfile.mkdtemp())
try:
    Store.open(place / "history.db")
except WatchError as error:
    print(error.message)
print(*place.iterdir())
"""


def said_by(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "program",
    [
        "import sys, probes, probes.store.store, probes.store.config, probes.health.outbox",
        "import sys, probes.cli.entry\nsys.argv = ['sipprobe', '--help']\ntry: probes.cli.entry.main()\n"
        "except SystemExit: pass",
    ],
)
def test_nothing_is_loaded_before_a_store_is_opened(program: str) -> None:
    assert said_by(f"{program}\n{LOADED}").splitlines()[-1] == ""


@pytest.mark.parametrize("library", ["sqlalchemy", "alembic"])
def test_what_is_missing_is_named_with_what_to_install(library: str) -> None:
    wanted = f"the history of a watch needs {library}, which is not installed: pip install '.[daemon]'"
    told, *_ = said_by(MISSING, library).splitlines()
    assert told == wanted
