"""The file under a history: how it is opened, and what is told where that does not work.

It is an SQLite database in WAL mode, so that others read while one writes, and what is committed is on the disk
(synchronous=FULL) whatever becomes of the process or of the machine. WAL does not work over network shares.
"""

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from probes.health.trunk import WatchError

WAIT = 5.0
"""Seconds until a file that somebody else has locked counts as locked: a backup by SQLite's own tool takes less."""
WAL_BYTES = 64 << 20
"""What the log of changes beside the file is cut down to."""
PRIVATE = 0o600
"""Who watches trunks knows who calls whom by what: nobody else reads it unless its owner allows."""
LOCK_SUFFIX = ".lock"
"""Of the file whose lock tells that somebody writes. SQLite's own locks are held for moments only."""
MAX_LOCK = 20
"""Bytes of that file: the number of a process."""

ADVICE = {
    "SQLITE_FULL": "its disk is full: make room there",
    "SQLITE_READONLY": "it cannot be written: see who owns it, and whether its disk is mounted read-only",
    "SQLITE_CANTOPEN": "it cannot be opened: see who owns it and its directory",
    "SQLITE_PERM": "it cannot be opened: see who owns it and its directory",
    "SQLITE_BUSY": "another program has locked it: end that one",
    "SQLITE_LOCKED": "another program has locked it: end that one",
    "SQLITE_PROTOCOL": "it cannot be locked: keep it on a local disk, not on a network share",
    "SQLITE_NOTADB": "neither sipprobe watch nor sipprobe serve wrote it: name another file",
    "SQLITE_CORRUPT": "it is damaged: put it aside and begin a new one, or put back a copy",
    "SQLITE_IOERR": "its disk does not take it: it may be full or failing, or over a quota",
}
"""What to say of a failure, by the beginning of SQLite's name for it."""


def unusable(path: Path, text: str) -> WatchError:
    """The error for a file, which says what to do about it."""
    return WatchError(f"history {path}: {text}")


def explained(path: Path, error: Exception) -> WatchError:
    """The error for a file, by what went wrong with it."""
    if isinstance(error, WatchError):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    known: str = getattr(cause, "sqlite_errorname", "")
    for name, advice in ADVICE.items():
        if known.startswith(name):
            return unusable(path, advice)
    if isinstance(cause, sqlite3.Error | OSError):
        return unusable(path, str(cause))
    return unusable(path, f"a mistake of this program ({type(cause).__name__}): please report it")


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what the database says into errors that tell what to do."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise explained(path, error) from error


def reading_engine(path: Path) -> Engine:
    """Connections that only read, for any thread. A file that is not there is not made."""
    options = "mode=ro&immutable=1" if _is_for_ever(path) else "mode=ro"
    return _engine(lambda: _connect(f"{path.absolute().as_uri()}?{options}"), "BEGIN")


def _is_for_ever(path: Path) -> bool:
    """Whether a file lies complete where nothing can be written, so that SQLite cannot, and need not, lock it."""
    try:
        real = path.resolve()
        log = real.with_name(real.name + "-wal")
        has_log = log.exists() and log.stat().st_size > 0
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY) and not has_log
    except (OSError, ValueError):
        return False


def writing_engine(path: Path, *, foreign_keys: bool = True) -> Engine:
    """Connections that write, of which one is used at a time. The file has to be there."""

    def connect() -> sqlite3.Connection:
        connection = _connect(f"{path.absolute().as_uri()}?mode=rw")
        try:
            _set_up_for_writing(connection, path)
            connection.execute(f"PRAGMA foreign_keys = {foreign_keys:d}")
        except BaseException:
            connection.close()
            raise
        return connection

    return _engine(connect, "BEGIN IMMEDIATE")


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False)


def _engine(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    """`begin` is how transactions begin, since the standard library's own way locks late, and fails late."""
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True)

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begin_transaction)
    return engine


def _set_up_for_writing(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file only, and before the next one writes to it
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise unusable(path, "its file system does not do what SQLite's WAL mode asks for: keep it on a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")


class WriterLock:
    """Held by the one program that writes to a file, and let go with its process, however that ends.

    It is a lock on a file of its own: closing any descriptor of the database would end the locks that SQLite holds. It
    lies beside the file itself, whatever links lead there.
    """

    def __init__(self, path: Path, cure: str = "end that one, or give this one a file of its own") -> None:
        """Take the lock of the file `path`. Raises WatchError when another program has it, with `cure`: what to do."""
        self._cure = cure
        real = path.resolve()
        self._path = real.with_name(real.name + LOCK_SUFFIX)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # nobody leads us elsewhere
        try:
            self._descriptor = os.open(self._path, flags, PRIVATE)
        except OSError as error:
            raise unusable(path, f"{self._path.name} beside it cannot be written: {_reason(error)}") from error
        try:
            self._take(path)
        except OSError as error:
            os.close(self._descriptor)
            raise unusable(path, f"{self._path.name} beside it cannot be written: {_reason(error)}") from error
        except WatchError:
            os.close(self._descriptor)
            raise

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, MAX_LOCK, 0).decode(errors="replace").strip()
            raise unusable(path, f"another sipprobe writes to it (process {holder}): {self._cure}") from error
        told = os.pread(self._descriptor, MAX_LOCK + 1, 0) if stat.S_ISREG(os.fstat(self._descriptor).st_mode) else b"?"
        if told and not (told.strip().isdigit() and len(told) <= MAX_LOCK):
            raise unusable(path, f"{self._path.name} beside it is another program's: name another file")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others write. The file stays: another program may be waiting at it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def require_file(path: Path) -> None:
    """Raise WatchError where there is no file to be read."""
    try:
        is_file = path.is_file()
    except (OSError, ValueError) as error:
        raise unusable(path, f"it cannot be read: {_reason(error)}") from error
    if not is_file:
        raise unusable(path, "there is no such file: `sipprobe watch` writes it, and its trunks' file names it")


def make_file(path: Path) -> None:
    """Make the file if there is none. Raises WatchError where it cannot be made, or is none.

    One that is there is not opened: closing it again would end the locks that SQLite holds in this process. An empty
    one becomes private, as one that is made: secrets go into it, and SQLite gives its mode to the files beside it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    except FileExistsError:
        found = _require_regular(path)
        if not found.st_size and stat.S_IMODE(found.st_mode) & ~PRIVATE:
            _make_private(path)
    except FileNotFoundError as error:
        raise _no_directory(path) from error
    except (OSError, ValueError) as error:
        raise unusable(path, f"it cannot be written: {_reason(error)}") from error


def require_place(path: Path) -> bool:
    """Whether there is a file that can be written. Raises WatchError where there is none, nor can be made one, or where
    what is there is none. Nothing is made.
    """
    try:
        is_there = os.path.lexists(path)
        is_writable = os.access(path if is_there else path.parent, os.W_OK)
    except ValueError as error:
        raise unusable(path, f"it cannot be written: {_reason(error)}") from error
    if is_there:
        _require_regular(path)
    elif not path.parent.is_dir():
        raise _no_directory(path)
    if not is_writable:
        what = "it" if is_there else f"the directory {path.parent}"
        raise unusable(path, f"{what} cannot be written by who starts this: give the right to, or name another file")
    return is_there


def _no_directory(path: Path) -> WatchError:
    return unusable(path, f"there is no directory {path.parent}: make it first")


def _make_private(path: Path) -> None:
    try:
        path.chmod(PRIVATE)
    except OSError as error:
        text = f"others may read it, and secrets go into it: chmod 600 {path}, which was tried: {_reason(error)}"
        raise unusable(path, text) from error


def _require_regular(path: Path) -> os.stat_result:
    """What is known of a file. Raise WatchError for what only has the name of one; a named pipe would have us wait for
    ever.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise unusable(path, "it is a link that leads to no file: name the file itself") from error
    except OSError as error:
        raise unusable(path, f"it cannot be read: {_reason(error)}") from error
    if stat.S_ISDIR(found.st_mode):
        raise unusable(path, "it is a directory: name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise unusable(path, "it is no file that can be written again and again: name another one")
    return found


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
