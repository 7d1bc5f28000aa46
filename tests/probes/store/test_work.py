"""Transactions that are waited for: beside rows of the history, each by itself, on the disk when they are told."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio
from sqlalchemy import Connection, Engine, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from probes.health.trunk import WatchError
from probes.store.pending import Item
from probes.store.schema import api_keys
from probes.store.shared import SharedStore
from probes.store.store import Store
from probes.store.work import Work
from tests.probes.store.samples import NOW, Clock, check


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "service.db", clock=Clock(0)) as store:
        yield store


def adds(name: str) -> dict[str, object]:
    return {"id": name, "tenant": "acme", "name": name, "digest": name, "may_write": True, "created_at": NOW}


def add(connection: Connection, name: str) -> str:
    connection.execute(insert(api_keys), adds(name))
    return name


def names(connection: Connection) -> list[str]:
    return [*connection.scalars(select(api_keys.c.id).order_by(api_keys.c.id))]


def on_the_disk(store: Store) -> list[str]:
    """What another program sees."""
    connection = sqlite3.connect(f"{store.path.as_uri()}?mode=ro", uri=True)
    found = [row[0] for row in connection.execute("SELECT id FROM api_keys ORDER BY id")]
    connection.close()
    return found


async def test_it_is_on_the_disk_when_it_is_told(store: Store) -> None:
    assert await store.transact(lambda connection: add(connection, "a")) == "a"
    assert on_the_disk(store) == ["a"]
    assert await store.ask(names) == ["a"]


async def test_one_that_fails_is_undone_alone(store: Store) -> None:
    outcomes: dict[str, object] = {}

    def half(connection: Connection) -> None:
        add(connection, "half")
        raise ValueError("changed my mind")

    async def transact(name: str, run: object) -> None:
        try:
            outcomes[name] = await store.transact(run)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001
            outcomes[name] = type(error)

    await transact("first", lambda connection: add(connection, "first"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transact, "good", lambda connection: add(connection, "good"))
        nursery.start_soon(transact, "half", half)
        nursery.start_soon(transact, "twice", lambda connection: add(connection, "first"))
        nursery.start_soon(transact, "mistake", lambda connection: connection.execute(text("SELECT 1")).nothing)
        nursery.start_soon(transact, "also good", lambda connection: add(connection, "also good"))
        store.add(check(NOW))
    assert outcomes == {
        "first": "first",
        "good": "good",
        "half": ValueError,
        "twice": IntegrityError,
        "mistake": AttributeError,
        "also good": "also good",
    }
    assert on_the_disk(store) == ["also good", "first", "good"]
    await store.flush()
    assert [*store.checks(0, 1e11)] == [check(NOW)]


async def test_many_share_one_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    write = store._writer._insertion.write

    def counted(engine: Engine, batch: Sequence[Item], works: Sequence[Work[object]] = ()) -> None:
        written.append(len(works))
        write(engine, batch, works)

    monkeypatch.setattr(store._writer._insertion, "write", counted)
    hold, held = threading.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()

    def slow(connection: Connection) -> None:
        token.run_sync_soon(held.set)
        hold.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.transact, slow)
        await held.wait()
        for number in range(150):
            nursery.start_soon(store.transact, lambda connection, name=f"{number}": add(connection, name))
        await trio.testing.wait_all_tasks_blocked()
        hold.set()
    assert await store.ask(lambda connection: connection.scalar(select(func.count()).select_from(api_keys))) == 150
    assert written == [1, 100, 50]


async def test_who_is_cancelled_knows_that_it_is_written(store: Store) -> None:
    hold, held = threading.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()
    told = []

    def slow(connection: Connection) -> str:
        token.run_sync_soon(held.set)
        hold.wait()
        return add(connection, "slow")

    async def write() -> None:
        told.append(await store.transact(slow))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await held.wait()
        nursery.cancel_scope.cancel()
        threading.Timer(0.05, hold.set).start()
    assert told == ["slow"]
    assert on_the_disk(store) == ["slow"]
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.transact(lambda connection: add(connection, "never begun"))
    assert scope.cancelled_caught
    assert on_the_disk(store) == ["slow"]


async def test_file_that_cannot_be_written_is_told_at_once_and_nothing_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.store.database.WAIT", 0.01)
    with Store.open(tmp_path / "service.db", clock=Clock(0)) as store:
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.add(check(NOW))
        for name in ("a", "b"):  # the second one while the thread rests
            with trio.fail_after(5), pytest.raises(WatchError, match="another program has locked it: end that one"):
                await store.transact(lambda connection, name=name: add(connection, name))  # type: ignore[misc]
        other.execute("ROLLBACK")
        other.close()
        await store.transact(lambda connection: add(connection, "c"))
        await store.flush()
        assert on_the_disk(store) == ["c"]
        assert [*store.checks(0, 1e11)] == [check(NOW)]
        assert not store.trouble


async def test_closed_store_takes_none(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "service.db", clock=Clock(0))
    store.enqueue(lambda connection: add(connection, "soon"))
    store.close()
    assert on_the_disk(store) == ["soon"]
    with pytest.raises(WatchError, match="it is closed"):
        await store.transact(lambda connection: add(connection, "late"))
    with pytest.raises(WatchError, match="it is closed"):
        store.enqueue(lambda connection: add(connection, "late"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_mistake_that_ends_the_thread_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path / "service.db", clock=Clock(0))

    def mistaken(_: object) -> None:
        raise AssertionError("a mistake")

    monkeypatch.setattr(store._writer, "_attempt", mistaken)
    with trio.fail_after(5):
        with pytest.raises(WatchError):
            await store.transact(lambda connection: add(connection, "a"))
        store._writer._thread.join()
        with pytest.raises(WatchError, match="it is closed"):
            await store.transact(lambda connection: add(connection, "b"))
    store.close()


async def test_command_writes_beside_a_service(store: Store) -> None:
    with SharedStore.open(store.path) as shared:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(shared.transact, lambda connection, name=f"s{number}": add(connection, name))
                nursery.start_soon(store.transact, lambda connection, name=f"w{number}": add(connection, name))
        assert len(await shared.ask(names)) == 40
    assert len(await store.ask(names)) == 40


async def test_command_makes_the_file_and_holds_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    with SharedStore.open(path) as shared:
        await shared.transact(lambda connection: add(connection, "a"))
        shared.enqueue(lambda connection: add(connection, "b"))
        with pytest.raises(WatchError, match="another sipprobe writes to it"):
            Store.open(path)
        with pytest.raises(IntegrityError):
            await shared.transact(lambda connection: add(connection, "a"))
    with Store.open(path, clock=Clock(0)) as store:
        assert await store.ask(names) == ["a", "b"]
