"""Files of other versions, and of other programs."""

import logging
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from probes.health.trunk import WatchError
from probes.store import alerts, ended_sessions
from probes.store.database import make_file, reading_engine
from probes.store.insertion import LOGGER
from probes.store.jobs import Jobs, StoredJob
from probes.store.keyring import Keyring, key_file_of
from probes.store.migrate import REVISIONS, SCRIPTS, migrate
from probes.store.schema import METADATA
from probes.store.store import History, Store
from probes.store.tenants import Tenants, used_keys
from probes.trunks.model import Number, Secret
from tests.probes.store.samples import NOW, Clock, change, check, delivery, switch
from tests.probes.trunks.samples import TRUNK

ROOT = Path(__file__).parents[3]
FIRST = ROOT / "fixtures/store/0001.sql"
"""A file of the first revision, as SQLite's own tool writes it out: `sqlite3 history.db .dump`, and its head."""
SECOND = ROOT / "fixtures/store/0002.sql"
"""Likewise, one of the second revision, with what the service keeps."""
THIRD = ROOT / "fixtures/store/0003.sql"
"""Likewise, one of the third revision, with a session that was logged out and an alert."""
FOURTH = ROOT / "fixtures/store/0004.sql"
"""Likewise, one of the fourth revision, with a check of a peer that asked to be left alone."""
KEY = "A" * 43 + "=\n"
"""The key that its secrets are encrypted with."""
SECOND_TRUNK = replace(
    TRUNK,
    id="6f0c1a52-0000-4000-8000-000000000001",
    tenant="acme",
    extras={"watsonx": {"security": {"api_key": Secret("k1")}}},
    created_at=NOW,
    updated_at=NOW + 1,
    revision=2,
)
SECOND_NUMBER = Number("6f0c1a52-0000-4000-8000-000000000002", "acme", "+4930901820", "main", SECOND_TRUNK.id)
ENDED = {"0123456789abcdef0123456789abcdef": NOW + 43200}
ALERT = '{"text": "berlin is down"}'
SECOND_JOB = StoredJob("tc_1", "acme", "call", "sip:echo@example.net", "completed", NOW, NOW + 3, data='{"a": 1}' * 500)
NEXT = """
from alembic import op
from sqlalchemy import Column, Integer, Text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("running", Column("host", Text))
    with op.batch_alter_table("routes", recreate="always") as routes:
        routes.add_column(Column("rank", Integer))
    {more}
"""


def of_the_first_revision(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(FIRST.read_text())
    connection.close()
    return path


def of_the_service(dump: Path, path: Path) -> Path:
    """A file that a service wrote, and its key."""
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text())
    connection.close()
    key_file_of(path).write_text(KEY)
    key_file_of(path).chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("dump", "wait"), [(SECOND, 0.0), (THIRD, 0.0), (FOURTH, 40.0)], ids=["second", "third", "fourth"]
)
async def test_what_the_service_keeps_is_read(dump: Path, wait: float, tmp_path: Path) -> None:
    path = of_the_service(dump, tmp_path / "service.db")
    with Store.open(path, clock=Clock(0)) as store:
        rows = Tenants(Keyring.open(key_file_of(path), store.look(used_keys)))
        assert store.look(lambda connection: rows.trunks(connection, "acme")) == (SECOND_TRUNK,)
        assert store.look(lambda connection: rows.numbers(connection, "acme")) == (SECOND_NUMBER,)
        assert await Jobs(store).find("acme", "call", "tc_1") == SECOND_JOB
        assert [*store.checks(0, 1e11)] == [check(NOW, wait=wait)]


@pytest.mark.parametrize(
    ("dump", "sessions", "told"),
    [(SECOND, {}, ()), (THIRD, ENDED, (("acme", ALERT),)), (FOURTH, ENDED, (("acme", ALERT),))],
    ids=["second", "third", "fourth"],
)
def test_sessions_that_were_logged_out_and_alerts_are_read(
    dump: Path, sessions: dict[str, float], told: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    path = of_the_service(dump, tmp_path / "service.db")
    with Store.open(path, clock=Clock(0)) as store:
        assert store.look(lambda connection: ended_sessions.of(connection, NOW)) == sessions
        assert store.look(alerts.every) == told


@pytest.mark.parametrize(("dump", "revision"), [(FIRST, "0001"), (SECOND, "0002"), (THIRD, "0003"), (FOURTH, "0004")])
def test_what_is_of_the_last_revision_is_not_copied(dump: Path, revision: str, tmp_path: Path) -> None:
    """Each file says which revision it is of, and an older one is copied before it is changed."""
    path = of_the_service(dump, tmp_path / "service.db")
    Store.open(path, clock=Clock(0)).close()
    assert (tmp_path / f"service.db.{revision}").exists() is (revision != REVISIONS[-1])


def test_there_is_a_file_of_each_revision() -> None:
    assert [path.stem for path in sorted(THIRD.parent.glob("*.sql"))] == [*REVISIONS]


def with_another_revision(place: Path, more: str = "") -> str:
    """The migrations, and one that is to come."""
    scripts = place / "migrations"
    shutil.copytree(ROOT / "probes/store/migrations", scripts)
    (scripts / "versions/r0005_next.py").write_text(NEXT.format(more=more))
    return str(scripts)


def test_first_revision_is_read(tmp_path: Path) -> None:
    with Store.open(of_the_first_revision(tmp_path / "history.db"), clock=Clock(0)) as store:
        assert [*store.checks(0, 1e11)] == [check(NOW), check(NOW + 60, detail="a\0b\ud800")]
        assert [*store.changes(0, 1e11)] == [change(NOW)]
        assert [*store.switches(0, 1e11)] == [switch(NOW)]
        assert store.unsent() == (delivery(),)


def test_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()] == [*reversed(REVISIONS)]


def test_migrations_make_the_tables_of_the_schema(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "history.db"
    make_file(path)
    caplog.set_level(logging.INFO, LOGGER)
    migrate(path)
    assert not caplog.messages
    engine = reading_engine(path)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_older_file_is_copied_and_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = of_the_first_revision(tmp_path / "history.db")
    caplog.set_level(logging.INFO, LOGGER)
    migrate(path, (*REVISIONS, "0005"), with_another_revision(tmp_path))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0005",)]
    assert connection.execute("SELECT trunk, rank FROM routes").fetchall() == [("berlin", None)]
    assert connection.execute("SELECT count(*) FROM checks").fetchall() == [(2,)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    copy = tmp_path / "history.db.0001"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert caplog.messages == [f"{path} is of revision 0005 now; as it was before, it is kept as history.db.0001"]
    with Store.open(copy, clock=Clock(0)) as store:
        assert len([*store.checks(0, 1e11)]) == 2


def test_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = of_the_first_revision(tmp_path / "history.db")
    scripts = with_another_revision(tmp_path, "op.execute('SELECT * FROM nowhere')")
    with pytest.raises(WatchError, match="no such table: nowhere"):
        migrate(path, (*REVISIONS, "0005"), scripts)
    with Store.open(path, clock=Clock(0)) as store:
        assert len([*store.checks(0, 1e11)]) == 2


def test_file_that_cannot_be_copied_is_not_changed(tmp_path: Path) -> None:
    path = of_the_first_revision(tmp_path / "history.db")
    (tmp_path / "history.db.0001").mkdir()
    with pytest.raises(WatchError, match=r"of an older version, and cannot be copied to history\.db\.0001"):
        migrate(path, (*REVISIONS, "0005"), with_another_revision(tmp_path))
    (tmp_path / "history.db.0001").rmdir()
    Store.open(path, clock=Clock(0)).close()
    assert (tmp_path / "history.db.0001").is_file()  # so it was one of the first revision until now


def test_older_file_is_not_changed_by_who_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = of_the_first_revision(tmp_path / "history.db")
    monkeypatch.setattr("probes.store.migrate.REVISIONS", (*REVISIONS, "0005"))
    told = "an older version: start `sipprobe watch` or `sipprobe serve` of this one with it once, which keeps a copy"
    with pytest.raises(WatchError, match=told):
        History.open(path)


def test_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    Store.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    for kind in (Store, History):
        with pytest.raises(WatchError, match="written by a newer version: use that one, or begin a new file"):
            kind.open(path)
    assert path.read_bytes() == before


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "phonebook.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.close()
    before = path.read_bytes()
    for kind in (Store, History):
        with pytest.raises(WatchError, match="the database of another program: name another file"):
            kind.open(path)
    assert path.read_bytes() == before


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "trunks.toml"
    text = "[[trunk]]\nname = 'berlin'\n" * 100
    path.write_text(text)
    for kind in (Store, History):
        with pytest.raises(WatchError, match="neither sipprobe watch nor sipprobe serve wrote it: name another file"):
            kind.open(path)
    assert path.read_text() == text
