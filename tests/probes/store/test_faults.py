"""What becomes of a history when its process is killed, its disk is full, or its file is taken away."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from probes.health.trunk import WatchError
from probes.store.database import WriterLock
from probes.store.pending import Pending
from probes.store.store import History, Store
from tests.probes.store.samples import Clock, change, check, switch

ROOT = Path(__file__).parents[3]
WRITES = """
import sys, trio
from pathlib import Path
from probes.store.store import Store
from tests.probes.store.samples import Clock, change, check, switch

async def main():
    first = int(sys.argv[2])
    with Store.open(Path(sys.argv[1]), clock=Clock(0)) as store:
        for at in range(first, first + 1_000_000):
            store.add(check(at))
            store.add(change(at))
            store.add(switch(at))
            await store.flush()
            print(at, flush=True)

trio.run(main)
"""
"""Says which rows it knows to be written."""
FILLS = """
import logging, os, sys, trio
from pathlib import Path
from probes.health.trunk import WatchError
from probes.store.store import History, Store
from tests.probes.store.samples import Clock, change, check, delivery, switch

logging.basicConfig(stream=sys.stdout, format="log: %(message)s")
place = Path(sys.argv[1])

def fill():
    with (place / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            pass

async def main():
    fill()
    for pages in (0, 4):
        os.truncate(place / "ballast", (place / "ballast").stat().st_size - pages * 4096)
        try:
            Store.open(place / "other.db")
        except WatchError as error:
            print("open:", error.message)
    for left in place.iterdir():
        left.unlink()
    with Store.open(place / "history.db", clock=Clock(0)) as store:
        store.add(check(1))
        await store.flush()
        fill()
        for number in range(2, 1002):
            store.add(check(number))
            store.add(change(number))
        store.keep(delivery())
        try:
            await store.flush()
        except WatchError as error:
            print("flush:", error.message)
        print("trouble:", store.trouble)
        print("read:", len([*store.checks(0, 1e11)]))
        (place / "ballast").unlink()
        await store.flush()
        rows = len([*store.checks(0, 1e11)]), len([*store.changes(0, 1e11)]), store.unsent() == (delivery(),)
        print("then:", store.trouble, *rows)

trio.run(main)
"""


def run(program: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize("times", [3])
def test_killing_it_loses_nothing_that_was_acknowledged(times: int, tmp_path: Path) -> None:
    path, first = tmp_path / "history.db", 0
    for number in range(times):
        with run(WRITES, path, first) as child:
            assert child.stdout
            known = [int(child.stdout.readline()) for _ in range(20 * (number + 1))]
            child.send_signal(signal.SIGKILL)
            known += map(int, child.stdout.read().split())
        with History.open(path) as history:
            running = history.running()
            assert running
            assert running.ended is None
            rows = (history.checks(first, 1e11), history.changes(first, 1e11), history.switches(first, 1e11))
            for kept in rows:
                ats = [one.at for one in kept]
                assert ats[: len(known)] == known
                assert len(ats) - len(known) <= 1, "what was being written"
        first = known[-1] + 2
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_another_process_reads_what_one_writes_and_does_not_write(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with run(WRITES, path, 0) as child:
        assert child.stdout
        try:
            known = [int(child.stdout.readline()) for _ in range(10)]
            with History.open(path) as history:
                for _ in range(20):
                    assert [one.at for one in history.checks(0, 1e11)][:10] == known
            with pytest.raises(WatchError, match=rf"another sipprobe writes to it \(process {child.pid}\)"):
                Store.open(path)
        finally:
            child.kill()
    with Store.open(path, clock=Clock(0)) as store:
        assert len([*store.switches(0, 1e11)]) >= 10


def can_mount() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk takes a mount namespace: allow user namespaces")
def test_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1500k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, FILLS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    full = f"history {tmp_path}/history.db: its disk is full: make room there"
    said = done.stdout.splitlines()
    said[-2:] = sorted(said[-2:], reverse=True)  # which of the two threads says its own first is open
    assert said == [
        f"open: history {tmp_path}/other.db: other.db.lock beside it cannot be written: No space left on device",
        f"open: history {tmp_path}/other.db: its disk does not take it: it may be full or failing, or over a quota",
        f"log: {full}; what happens meanwhile is kept in memory",
        f"flush: {full}",
        f"trouble: {full}",
        "read: 1",
        "then:  1001 1000 True",
        f"log: history {tmp_path}/history.db: it is written again; 0 checks were given up meanwhile",
    ]


async def test_locked_file_is_told_and_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.store.database.WAIT", 0.01)
    path = tmp_path / "history.db"
    with Store.open(path, clock=Clock(0)) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.add(check())
        with pytest.raises(WatchError, match="another program has locked it: end that one"):
            await store.flush()
        assert "another program has locked it" in store.trouble
        other.execute("ROLLBACK")
        other.close()
        await store.flush()
        assert [*store.checks(0, 1e11)] == [check()]


@pytest.mark.parametrize("other", ["nothing", "another file"])
async def test_file_that_is_taken_away_is_told_and_written_when_it_is_back(tmp_path: Path, other: str) -> None:
    path, away = tmp_path / "history.db", tmp_path / "away.db"
    with Store.open(path, clock=Clock(0)) as store:
        path.rename(away)
        if other == "another file":
            path.touch()
        store.add(change())
        with pytest.raises(WatchError, match="it was moved or deleted while it is written"):
            await store.flush()
        away.rename(path)
        await store.flush()
        assert [*store.changes(0, 1e11)] == [change()]


async def test_what_is_lost_at_the_end_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "history.db"
    store = Store.open(path, clock=Clock(0))
    path.unlink()
    store.add(check())
    store.add(switch())
    with pytest.raises(WatchError, match=r"the last 2 checks, changes and alerts are lost: .* moved or deleted"):
        store.close()
    assert "the last 2 checks, changes and alerts are lost" in caplog.text


async def test_checks_are_given_up_while_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.store.writer.Pending", lambda: Pending(max_checks=10))
    path, away = tmp_path / "history.db", tmp_path / "away.db"
    with Store.open(path, clock=Clock(0)) as store:
        path.rename(away)
        store.add(change())
        with pytest.raises(WatchError):
            await store.flush()
        for number in range(30):
            store.add(check(number))
            store.add(change(number))
        assert store.trouble.endswith("(20 checks were given up)")
        away.rename(path)
        await store.flush()
        assert store.trouble == ""
        assert [one.at for one in store.checks(0, 1e11)] == [*range(20, 30)]
        assert len([*store.changes(0, 1e11)]) == 31


async def test_disk_that_is_too_slow_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("probes.store.writer.Pending", lambda: Pending(max_checks=10))
    path = tmp_path / "history.db"
    with Store.open(path, clock=Clock(0)) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # which the writer waits for
        for number in range(1000):
            store.add(check(number))
            store.add(change(number))
        assert "its disk is too slow for what is watched" in store.trouble
        assert store.trouble.endswith("checks were given up)")
        other.execute("ROLLBACK")
        other.close()
        await store.flush()
        assert store.trouble == ""
        assert len([*store.changes(0, 1e11)]) == 1000
        assert [*store.checks(990, 1e11)] == [check(number) for number in range(990, 1000)]
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2, messages
    assert "too slow" in messages[0]
    assert "it is written again" in messages[1]


def test_word_of_another_version_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with Store.open(path, clock=Clock(0)) as store:
        store.add(check())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE checks SET verdict = 'splendid'")
    connection.close()
    with (
        History.open(path) as history,
        pytest.raises(WatchError, match="the history has 'splendid', which this version does not know"),
    ):
        next(history.checks(0, 1e11))


def test_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with Store.open(path, clock=Clock(0)) as store:
        for number in range(1000):
            store.add(check(number))
    page = 4096
    data = bytearray(path.read_bytes())
    data[page * 2 :] = b"\xa5" * (len(data) - page * 2)
    path.write_bytes(data)
    with pytest.raises(WatchError, match="it is damaged: put it aside and begin a new one, or put back a copy"):
        Store.open(path)


@pytest.mark.parametrize("text", ["no/such/directory/history.db", "", "trunks"])
def test_place_where_no_file_can_be_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "trunks").mkdir()
    with pytest.raises(WatchError, match=r"there is no directory .*: make it first|it is a directory: name a file"):
        Store.open(tmp_path / text)
    assert [path.name for path in tmp_path.iterdir()] == ["trunks"]


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_name_that_no_file_can_have_is_told(tmp_path: Path, name: str) -> None:
    for kind in (Store, History):
        with pytest.raises(WatchError, match=r"File name too long|null byte|no such file"):
            kind.open(tmp_path / name)


def test_there_is_nothing_to_read_yet(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with pytest.raises(WatchError, match="there is no such file: `sipprobe watch` writes it"):
        History.open(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(
        WatchError, match="nothing was written to it yet: start `sipprobe watch` or `sipprobe serve` first"
    ):
        History.open(path)


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Store.open(tmp_path / "history.db") as store:
            store.add(check())
            trio.run(store.flush)
            assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with WriterLock(path):
        pass
    with WriterLock(path), pytest.raises(WatchError, match=f"process {os.getpid()}"):
        WriterLock(path)
