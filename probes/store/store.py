"""The history of a watch, in a file: what each check found, how the health of routes changed, which routes calls took.
The service keeps its own beside it, in transactions (`Store.transact`).

`Store` is what a watch writes to, one for each file; a `History` reads the same file at the same time. Both are used
from any thread, need the extra `daemon`, and load its libraries when they are opened.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import trio

from probes.health.outbox import Delivery
from probes.health.terms import Change, Check, Happening, Switch
from probes.health.trunk import WatchError
from probes.store.config import StoreConfig
from probes.store.words import kept, kept_delivery, name
from sipcore.value import value

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from probes.store.database import WriterLock
    from probes.store.writer import Writer

T = TypeVar("T")
INSTALL = "pip install '.[daemon]'"
LAST_CHECKS = 20
"""Checks of each route and kind from which a watch goes on: more than rules count failures in a row, as a rule."""


@value
class Running:
    """Which program writes, or wrote last. Times are in seconds since 1970."""

    process: int
    version: str
    begun: float
    ended: float | None
    """None while it runs, and where it was killed."""


class History:
    """A history to be read, out of a file that `open` has opened. Each method raises WatchError where it cannot be
    read, the iterators as they go.
    """

    def __init__(self, path: Path, engine: "Engine") -> None:
        """`open` makes one."""
        from probes.store.queries import Queries

        self._path, self._engine = path, engine
        self._queries = Queries(engine)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file that a `Store` writes, now or at another time. Raises WatchError with what to do about it."""
        with _library():
            from probes.store.database import reading_engine, require_file
            from probes.store.migrate import require_current

        require_file(path)
        require_current(path)
        return cls(path, reading_engine(path))

    def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
        """The checks that were begun at `since` or later and before `until`, in the order of time, of one trunk or
        route or of all; `attempt` and `call` are None. They are read as they are asked for.
        """
        with self._explaining():
            yield from self._queries.checks(since, until, name(trunk), name(route))

    def changes(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Change]:
        """Likewise, the changes of health."""
        with self._explaining():
            yield from self._queries.changes(since, until, name(trunk), name(route))

    def switches(self, since: float, until: float, trunk: str = "") -> Iterator[Switch]:
        """Likewise, the switches to another route."""
        with self._explaining():
            yield from self._queries.switches(since, until, name(trunk))

    def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[Change, ...]:
        """The last change of each route before `at`: how the routes were at the time."""
        with self._explaining():
            return self._queries.changes_before(at, name(trunk), name(route))

    def last(self, checks: int = LAST_CHECKS) -> tuple[Happening, ...]:
        """What a watch has to know after a restart, in the order of time: of each route the last change, the last few
        checks of each kind and the last one that was answered, of each trunk the last switch. Routes that are no longer
        watched are among them.
        """
        with self._explaining():
            return self._queries.last(checks)

    def routes(self) -> tuple[tuple[str, str], ...]:
        """The trunks and routes of which something is known, by name."""
        with self._explaining():
            return self._queries.routes()

    def running(self) -> Running | None:
        """Which program writes, or wrote last; None before the first."""
        with self._explaining():
            row = self._queries.running()
        return None if row is None else Running(row["process"], row["version"], row["begun"], row["ended"])

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def look(self, question: Callable[["Connection"], T]) -> T:
        """What `question` finds by a connection that reads. Raises what it raises, and WatchError."""
        with self._explaining(), self._engine.begin() as connection:
            return question(connection)

    async def ask(self, question: Callable[["Connection"], T]) -> T:
        """The same in a thread."""
        return await trio.to_thread.run_sync(self.look, question)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        from probes.store.database import explaining

        with explaining(self._path):
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Store(History):
    """A history that is written to, by a thread of its own, and the outbox of its alerts.

    What is added is on the disk soon after, and in any case when `flush` returns or `close` does. While it cannot be
    written (`trouble` says why, and so does the log, once), it is kept in memory and tried again: changes, switches and
    deliveries all of them, and of checks the last `probes.store.pending.MAX_CHECKS`.
    """

    def __init__(self, path: Path, engine: "Engine", lock: "WriterLock", writer: "Writer") -> None:
        """`open` makes one."""
        super().__init__(path, engine)
        self._lock, self._writer = lock, writer

    @classmethod
    def open(cls, path: Path, config: StoreConfig | None = None, clock: Callable[[], float] = time.time) -> Self:
        """Open a file, or make one; one of an older version is copied beside itself, and made one of this version.

        `clock` tells the seconds since 1970, by which is deleted what is too old. Raises WatchError with what to do
        about it for a file that is no history, is of a newer version, cannot be written, or is another watch's.
        """
        with _library():
            from probes.store.database import WriterLock, make_file, reading_engine
            from probes.store.migrate import migrate
            from probes.store.writer import Writer

        make_file(path)
        lock = WriterLock(path)
        try:
            with _library():
                migrate(path)
            writer = Writer(path, config or StoreConfig(), clock, os.getpid())
        except BaseException:
            lock.release()
            raise
        return cls(path, reading_engine(path), lock, writer)

    def add(self, happening: Happening) -> None:
        """Have something written down, without waiting for it. What of it is kept is said in `probes.store.words`.

        Raises WatchError once the store is closed.
        """
        self._writer.add(kept(happening))

    def keep(self, delivery: Delivery) -> None:
        """Have a delivery written down as it is now, likewise."""
        self._writer.add(kept_delivery(delivery))

    def unsent(self) -> tuple[Delivery, ...]:
        """The deliveries on the disk that are still to be sent, oldest first."""
        with self._explaining():
            return self._queries.unsent()

    async def transact(self, run: Callable[["Connection"], T]) -> T:
        """Have `run` read and write by a connection, in one transaction, with nobody else's between; `run` is called in
        the thread that writes, and makes values of values. When this returns it is on the disk.

        Raises what `run` raises, and WatchError where the file cannot be written at present: nothing of it is written
        then, nor later. Once begun it is carried through, whoever is cancelled.
        """
        from probes.store.work import Work

        await trio.lowlevel.checkpoint_if_cancelled()
        token, told = trio.lowlevel.current_trio_token(), trio.Event()

        def tell() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(told.set)

        work = Work(run, tell)
        self._writer.submit(work)
        with trio.CancelScope(shield=True):
            await told.wait()
        return work.outcome()

    def enqueue(self, run: Callable[["Connection"], object]) -> None:
        """Have `run` done as by `transact`, without waiting for it, and without hearing of what it raises."""
        from probes.store.work import Work

        self._writer.submit(Work(run, lambda: None))

    @property
    def trouble(self) -> str:
        """What keeps it from writing at present, for people, and how many checks were given up; empty if nothing."""
        return self._writer.trouble

    async def flush(self) -> None:
        """Wait until all that was added before is on the disk. Raises WatchError where it cannot be written at present;
        it is tried again later.
        """
        if self._writer.is_idle:
            await trio.lowlevel.checkpoint()
        else:
            await trio.to_thread.run_sync(self._writer.flush, abandon_on_cancel=True)

    def close(self) -> None:
        """Write what waits, and close the file. Raises WatchError where it cannot be written, and is lost."""
        super().close()  # first, since it is the last connection that puts the log into the file, and must be able to
        try:
            self._writer.close()
        finally:
            self._lock.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except WatchError:
            if error is None:  # otherwise that one is what matters, and the log has this one
                raise


@contextmanager
def _library() -> Iterator[None]:
    """Tell how to install what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("probes"):
            raise
        raise WatchError(f"the history of a watch needs {error.name}, which is not installed: {INSTALL}") from error
