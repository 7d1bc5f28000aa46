"""Where a history may lie: links, pipes, files of other programs, and disks that cannot be written."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from probes.health.trunk import WatchError
from probes.store.store import History, Store
from tests.probes.store.samples import Clock, check
from tests.probes.store.test_faults import can_mount

ROOT = Path(__file__).parents[3]
READS = """
import sys
from pathlib import Path
from probes.health.trunk import WatchError
from probes.store.store import History, Store
path = Path(sys.argv[1])
with History.open(path) as history:
    print([one.at for one in history.checks(0, 1e11)])
try:
    Store.open(path)
except WatchError as error:
    print(error.message)
"""


def filled(path: Path) -> Path:
    with Store.open(path, clock=Clock(0)) as store:
        store.add(check(1.0))
    return path


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as one:
        one.bind(str(path))


@pytest.mark.parametrize("make", [pipe, listener])
def test_what_is_no_file_is_refused_and_not_waited_for(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "h"
    make(path)
    with pytest.raises(WatchError, match="it is no file that can be written again and again: name another one"):
        Store.open(path)
    with pytest.raises(WatchError, match="there is no such file"):
        History.open(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.symlink_to(tmp_path / "gone.db")
    with pytest.raises(WatchError, match="it is a link that leads to no file: name the file itself"):
        Store.open(path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666])
def test_an_empty_file_becomes_private(mode: int, tmp_path: Path) -> None:
    """With all that SQLite makes beside it."""
    path = tmp_path / "history.db"
    path.touch()
    path.chmod(mode)
    with Store.open(path, clock=Clock(0)) as store:
        store.add(check(1.0))
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_an_empty_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    path.touch()
    path.chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(WatchError, match=r"others may read it, and secrets go into it: chmod 600 .*history\.db, which"):
        Store.open(path)
    assert path.stat().st_size == 0


def test_a_link_is_no_way_around_the_lock(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "history.db")
    with Store.open(tmp_path / "history.db"), pytest.raises(WatchError, match="another sipprobe writes to it"):
        Store.open(link)
    with Store.open(link, clock=Clock(0)) as store:
        store.add(check(1.0))
        with pytest.raises(WatchError, match="another sipprobe writes to it"):
            Store.open(tmp_path / "history.db")
    with History.open(tmp_path / "history.db") as history:
        assert [one.at for one in history.checks(0, 1e11)] == [1.0]


def test_a_link_in_place_of_the_lock_costs_no_other_file(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("17")
    (tmp_path / "history.db.lock").symlink_to(precious)
    with pytest.raises(WatchError, match=r"history.db.lock beside it cannot be written: Too many levels of symbolic"):
        Store.open(tmp_path / "history.db")
    assert precious.read_text() == "17"


@pytest.mark.parametrize("content", ["a file of somebody else", "1" * 30, "\n"])
def test_a_file_of_another_program_in_place_of_the_lock_stays(content: str, tmp_path: Path) -> None:
    lock = tmp_path / "history.db.lock"
    lock.write_text(content)
    with pytest.raises(WatchError, match=r"history.db.lock beside it is another program's: name another file"):
        Store.open(tmp_path / "history.db")
    assert lock.read_text() == content


def test_a_pipe_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "history.db.lock")
    with pytest.raises(WatchError, match="beside it is another program's"):
        Store.open(tmp_path / "history.db")


def test_a_lock_that_a_killed_watch_has_left_is_taken(tmp_path: Path) -> None:
    for content in ("4711\n", ""):
        (tmp_path / "history.db.lock").write_text(content)
        filled(tmp_path / "history.db")


def test_a_file_that_does_not_say_its_version_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "history.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM alembic_version")
    for kind in (Store, History):
        with pytest.raises(WatchError, match="it does not say of which version it is"):
            kind.open(path)


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk takes a mount namespace: allow user namespaces")
def test_a_copy_on_a_disk_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    filled(tmp_path / "history.db")
    (tmp_path / "disk").mkdir()
    mount = '''mount -t tmpfs none "$1/disk" && cp "$1/history.db" "$1/disk" && mount -o remount,ro "$1/disk" &&
    exec "$2" -c "$3" "$1/disk/history.db"'''
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, READS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    lock = "history.db.lock beside it cannot be written: Read-only file system"
    assert done.stdout.splitlines() == ["[1.0]", f"history {tmp_path}/disk/history.db: {lock}"]
