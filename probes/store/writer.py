"""The one thread that writes: it commits together what has come in since its last commit.

For rows of the history nobody waits but `flush` and `close`. While the file cannot be written, they wait in memory and
are tried again; what then becomes too much is said in `probes.store.pending`. Works are waited for: they fail then.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, update

from probes.health.trunk import WatchError
from probes.product import PRODUCT
from probes.store.config import StoreConfig
from probes.store.database import explained, unusable, writing_engine
from probes.store.insertion import LOGGER, Insertion
from probes.store.pending import Item, Pending
from probes.store.retention import steps
from probes.store.schema import running
from probes.store.work import Work

RETRY = 1.0
"""Seconds until the next attempt after a failed one, doubled after each, up to `MAX_RETRY`."""
MAX_RETRY = 30.0
SWEEP = 3600.0
"""Seconds from one look for what is too old to the next."""
MOST_WORKS = 100
"""Works in one transaction: what one row costs in it is little beside waiting for the disk once."""
TOO_SLOW = "its disk is too slow for what is watched: check less often, or keep it on a faster one"
_log = logging.getLogger(LOGGER)


class Writer:
    """Writes to the file `path`, whose lock its owner holds, until it is closed."""

    def __init__(self, path: Path, config: StoreConfig, clock: Callable[[], float], process: int) -> None:
        """Begin to write. Raises WatchError where the file cannot be written."""
        self._path, self._config, self._clock = path, config, clock
        self._file = path.stat().st_ino
        self._engine = writing_engine(path)
        self._insertion = Insertion()
        self._sweep: Iterator[None] | None = None
        self._next_sweep = 0.0
        self._delay = RETRY
        self._changed = threading.Condition()  # guards what follows, and tells of it
        self._pending = Pending()
        self._works: list[Work[Any]] = []
        self._trouble = ""
        self._attempt_number = self._failed_attempt = 0
        """Of the attempt to write that was begun last, and of the last one that failed."""
        self._given_up = 0
        """How many checks had been given up when the last trouble was over."""
        self._hurry = self._closing = self._ended = False
        try:
            self._say_begun(process)
        except Exception as error:
            self._engine.dispose()
            raise explained(path, error) from error
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def add(self, item: Item) -> None:
        """Have a row written. Raises WatchError after `close`."""
        with self._changed:
            if self._closing:
                raise unusable(self._path, "it is closed")
            given_up = self._pending.given_up
            self._pending.add(item)
            is_new = self._pending.given_up > given_up and not self._trouble
            if is_new:
                self._trouble = unusable(self._path, TOO_SLOW).message
            self._changed.notify_all()
        if is_new:
            _log.warning("%s", self.trouble)

    def submit(self, work: Work[Any]) -> None:
        """Have something done in the next transaction, once, whatever comes of it. Raises WatchError after `close`."""
        with self._changed:
            if self._closing or self._ended:
                raise unusable(self._path, "it is closed")
            self._works.append(work)
            self._changed.notify_all()

    @property
    def trouble(self) -> str:
        """What keeps it from writing at present, and how many checks were given up; empty if nothing does."""
        with self._changed:
            lost = self._pending.given_up - self._given_up
            return self._trouble + (f" ({lost} checks were given up)" if self._trouble and lost else "")

    @property
    def is_idle(self) -> bool:
        """Whether all is written."""
        with self._changed:
            return not self._pending

    def flush(self) -> None:
        """Wait until what was added so far is on the disk. Raises WatchError when an attempt fails that was begun
        later than that.
        """
        with self._changed:
            mark, attempt = self._pending.mark, self._attempt_number
            self._hurry = True
            self._changed.notify_all()
            while not self._pending.has_passed(mark):
                if self._failed_attempt > attempt or self._ended:
                    raise WatchError(self._trouble or unusable(self._path, "it is closed").message)
                self._changed.wait()

    def close(self) -> None:
        """Write what waits, and end. Raises WatchError where that does not work, and something is lost."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if left := len(self._pending):
            self._pending = Pending()
            text = f"the last {left} checks, changes and alerts are lost: {self._trouble}"
            _log.error("%s", text)
            raise WatchError(text)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            with self._changed:
                self._ended = True
                left = self._works[:]
                self._changed.notify_all()
            self._end(left, is_done=False)
            self._engine.dispose()

    def _step(self) -> bool:
        """Wait for something to do, and do it. Says whether there will be more."""
        with self._changed:
            if not self._pending and not self._works and not self._closing:
                self._changed.wait(max(0.0, self._next_sweep - time.monotonic()))
            batch, closing = self._pending.batch(), self._closing
            works = self._works[:MOST_WORKS]
            self._attempt_number += 1
            self._hurry = False
        if not batch and not works:
            if closing:
                self._attempt(self._say_ended)
            else:
                self._sweep_if_due()
            return not closing
        is_done = self._attempt(lambda: self._insertion.write(self._engine, batch, works))
        self._end(works, is_done=is_done)
        if is_done:
            self._settle(batch)
            self._sweep_if_due()
            return True
        with self._changed:
            self._pending.give_back()
            self._failed_attempt = self._attempt_number
            self._changed.notify_all()
        return not closing and self._rest()

    def _end(self, works: list[Work[Any]], *, is_done: bool) -> None:
        """Tell those who wait for works what has come of them."""
        with self._changed:
            del self._works[: len(works)]
        trouble = self.trouble or unusable(self._path, "it is closed").message
        for work in works:
            work.end(None if is_done else WatchError(trouble))

    def _settle(self, batch: list[Item]) -> None:
        """What was to be written is, and so trouble is over where nothing waits any more."""
        with self._changed:
            self._pending.settle(batch)
            is_over = bool(self._trouble) and not self._pending
            lost = self._pending.given_up - self._given_up
            if is_over:
                self._trouble, self._given_up = "", self._pending.given_up
            self._changed.notify_all()
        if is_over:
            _log.warning("history %s: it is written again; %d checks were given up meanwhile", self._path, lost)

    def _attempt(self, act: Callable[[], None]) -> bool:
        """Do something with the file. A failure is told once."""
        try:
            if self._path.stat().st_ino != self._file:
                raise FileNotFoundError
            act()
        except Exception as error:  # noqa: BLE001  # whatever it is, what waits is not to be lost for it
            self._fail(error)
            return False
        self._delay = RETRY
        return True

    def _fail(self, error: Exception) -> None:
        self._engine.dispose()
        if isinstance(error, FileNotFoundError):
            told = unusable(self._path, "it was moved or deleted while it is written: put it back, or start again")
        else:
            told = explained(self._path, error)
        with self._changed:
            is_new = self._trouble != told.message
            self._trouble = told.message
        if is_new:
            _log.warning("%s; what happens meanwhile is kept in memory", told.message)

    def _rest(self) -> bool:
        """Wait until the next attempt, or until somebody is in a hurry."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurry or self._works or self._closing, self._delay)
        self._delay = min(2 * self._delay, MAX_RETRY)
        return True

    def _sweep_if_due(self) -> None:
        if time.monotonic() >= self._next_sweep and not self._attempt(self._sweep_a_little):
            self._end_sweep()

    def _sweep_a_little(self) -> None:
        """One step of deleting what is too old."""
        if self._sweep is None:
            self._sweep = steps(self._engine, self._config, self._clock())
        for _ in self._sweep:
            break
        else:
            self._end_sweep()

    def _end_sweep(self) -> None:
        self._sweep, self._next_sweep = None, time.monotonic() + SWEEP

    def _say_begun(self, process: int) -> None:
        row = {"id": 1, "process": process, "version": PRODUCT, "begun": self._clock(), "ended": None}
        with self._engine.begin() as connection:
            connection.execute(delete(running))
            connection.execute(insert(running), row)

    def _say_ended(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(running).values(ended=self._clock()))
