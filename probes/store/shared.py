"""A store that another program may be writing to: for a command that changes a row beside a service that runs.

SQLite itself has both wait for each other's transactions, which are short.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import trio
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from probes.health.trunk import WatchError
from probes.store.database import WriterLock, explained, make_file, writing_engine
from probes.store.insertion import is_about_the_file
from probes.store.migrate import migrate, require_current

T = TypeVar("T")


class SharedStore:
    """Reads and writes one transaction at a time, and keeps nothing in memory."""

    def __init__(self, path: Path, engine: Engine, held: ExitStack) -> None:
        """`open` makes one."""
        self._path, self._engine, self._held = path, engine, held

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file, or make one. One of an older version is made one of this version, unless another program writes
        to it. Raises WatchError with what to do about it.
        """
        make_file(path)
        with ExitStack() as held:
            try:
                held.enter_context(WriterLock(path))
            except WatchError:
                require_current(path)
            else:
                migrate(path)
            return cls(path, writing_engine(path), held.pop_all())

    async def ask(self, question: Callable[[Connection], T]) -> T:
        """What `question` finds, as `Store.ask`."""
        return await self.transact(question)

    async def transact(self, run: Callable[[Connection], T]) -> T:
        """Have `run` read and write in one transaction, as `Store.transact`."""
        return await trio.to_thread.run_sync(self._act, run)

    def enqueue(self, run: Callable[[Connection], object]) -> None:
        """Likewise, at once and without a word."""
        self._act(run)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()
        self._held.close()

    def _act(self, run: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return run(connection)
        except DBAPIError as error:
            if is_about_the_file(error):
                raise explained(self._path, error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
