"""Which version a file is of, and how one of an older version becomes one of this version.

Alembic's table `alembic_version` names the revision. Alembic itself is loaded only to make or change tables.
"""

import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from probes.store.database import PRIVATE, explaining, reading_engine, require_place, unusable, writing_engine
from probes.store.insertion import LOGGER

APPLICATION_ID = int.from_bytes(b"sipw")
"""What SQLite files of ours have in their head, which tells them from those of other programs."""
REVISIONS = ("0001", "0002", "0003", "0004")
"""All revisions in `migrations/versions`, oldest first."""
SCRIPTS = "probes.store:migrations"
"""Where Alembic finds them."""
WRITERS = "`sipprobe watch` or `sipprobe serve`"
"""Who writes: what is wanted of a file may be a watch's or a service's."""
NEW = ""
"""The revision of a file without tables."""
_log = logging.getLogger(LOGGER)


def _revision_of(connection: Connection, path: Path, known: Sequence[str]) -> str:
    """The revision that a file has. Raises WatchError for what is no history, or one of a newer version."""
    found: int = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    tables: int = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    if not found and not tables:
        return NEW
    if found != APPLICATION_ID:
        raise unusable(path, "it is the database of another program: name another file")
    revisions: Sequence[str] = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    if len(revisions) != 1:
        raise unusable(path, "it does not say of which version it is: put it aside and begin a new one")
    if (revision := revisions[0]) not in known:
        raise unusable(path, "it was written by a newer version: use that one, or begin a new file")
    return revision


def require_current(path: Path) -> None:
    """Raise WatchError for a file that cannot be read as it is."""
    revision = _found(path, REVISIONS)
    if revision == NEW:
        raise unusable(path, f"nothing was written to it yet: start {WRITERS} first")
    if revision != REVISIONS[-1]:
        text = f"it was written by an older version: start {WRITERS} of this one with it once, which keeps a copy"
        raise unusable(path, text)


def require_usable(path: Path) -> bool:
    """Raise WatchError for a file that could not be opened to be written, or made; it is neither made nor changed.
    Whether it is there, with all tables of this version.
    """
    return require_place(path) and _found(path, REVISIONS) == REVISIONS[-1]


def migrate(path: Path, revisions: Sequence[str] = REVISIONS, scripts: str = SCRIPTS) -> None:
    """Make the tables of a new file, or those of this version out of older ones, all of it or nothing.

    What is there is copied first, into a file named after the revision that it has. Raises WatchError.
    """
    revision = _found(path, revisions)
    if revision == revisions[-1]:
        return
    copy = path.with_name(f"{path.name}.{revision}")
    if revision != NEW:
        _copy(path, copy)
    engine = writing_engine(path, foreign_keys=False)  # which would not let tables be made anew that others refer to
    try:
        with explaining(path), engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            _upgrade(connection, scripts)
    finally:
        engine.dispose()
    if revision != NEW:
        _log.info("%s is of revision %s now; as it was before, it is kept as %s", path, revisions[-1], copy.name)


def _found(path: Path, known: Sequence[str]) -> str:
    """The revision of a file, which is only read: it may be somebody else's."""
    engine = reading_engine(path)
    try:
        with explaining(path), engine.begin() as connection:
            return _revision_of(connection, path, known)
    finally:
        engine.dispose()


def _copy(path: Path, copy: Path) -> None:
    """A copy of the database as it is, changes that are still in its log among them."""
    part = copy.with_name(copy.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        source, target = sqlite3.connect(path), sqlite3.connect(part)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        part.rename(copy)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        text = f"it is of an older version, and cannot be copied to {copy.name} before it is changed: {error}"
        raise unusable(path, text) from error


def _upgrade(connection: Connection, scripts: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", scripts)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
