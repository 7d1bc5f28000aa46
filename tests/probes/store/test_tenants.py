"""Trunks and numbers as rows: whatever they hold comes back, and no secret of them stands in the file."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import IntegrityError

from probes.health.trunk import WatchError
from probes.store.database import make_file, writing_engine
from probes.store.keyring import Keyring, key_file_of
from probes.store.migrate import migrate
from probes.store.schema import numbers as numbers_table
from probes.store.tenants import MAX_DOCUMENT, Tenants, tenants, used_keys
from probes.trunks.model import AlertTerms, Credentials, Json, Number, Outbound, Secret, Trunk
from sipcore.errors import LocalError
from tests.probes.store.samples import NOW
from tests.probes.trunks import samples


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "service.db"
    make_file(path)
    migrate(path)
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = writing_engine(path)
    yield engine
    engine.dispose()


@pytest.fixture
def rows(path: Path) -> Tenants:
    return Tenants(Keyring.open(key_file_of(path), ()))


def placed(told: Trunk, trunk_id: str = "t1", tenant: str = "acme") -> Trunk:
    return replace(told, id=trunk_id, tenant=tenant, created_at=NOW, updated_at=NOW + 1, revision=1)


def test_any_trunk_and_number_comes_back(engine: Engine, rows: Tenants) -> None:
    ids = count()

    @settings(max_examples=60)
    @given(samples.trunks, samples.some_numbers, samples.texts)
    def comes_back(trunk: Trunk, number: Number, identity: str) -> None:
        name = f"{next(ids)}"
        trunk = placed(trunk, name)
        number = replace(number, id=name, tenant="acme", identity=f"{name} {identity}", trunk_id=name, revision=7)
        with engine.begin() as connection:
            rows.add_trunk(connection, trunk)
            rows.add_number(connection, number)
        with engine.begin() as connection:
            assert rows.trunk(connection, "acme", name) == trunk
            assert rows.number(connection, "acme", name) == number
            assert rows.number_named(connection, "acme", number.identity) == number
            assert rows.numbers(connection, "acme", name) == (number,)
            assert rows.trunk(connection, "other", name) is None
            assert rows.number(connection, "other", name) is None
            assert rows.number_named(connection, "other", number.identity) is None

    comes_back()


def test_no_secret_stands_in_the_file(engine: Engine, rows: Tenants, path: Path) -> None:
    kept = 0

    @settings(max_examples=30)
    @given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40))
    def is_encrypted(secret: str) -> None:
        nonlocal kept
        kept += 1
        secret = f"Zq7{secret}"  # or it may be a word of the file's own, such as the name of a column
        outbound = Outbound(
            credentials=Credentials("visible-name", Secret(secret)),
            alerts=AlertTerms(webhook=f"https://example.net/{secret}"),
        )
        extras: dict[str, Json] = {"watsonx": {"api_key": Secret(secret), "list": [Secret(secret)]}}
        with engine.begin() as connection:
            rows.add_trunk(connection, placed(Trunk(name="x", outbound=outbound, extras=extras), f"{kept}"))
        files = [each.read_bytes() for each in path.parent.iterdir()]
        assert not any(secret.encode() in content for content in files)
        assert any(b"visible-name" in content for content in files)

    is_encrypted()


def test_secret_is_bound_to_its_row_and_field(engine: Engine, rows: Tenants) -> None:
    with engine.begin() as connection:
        for name in ("t1", "t2"):
            outbound = Outbound(credentials=Credentials("u", Secret(f"of {name}")))
            rows.add_trunk(connection, placed(Trunk(name=name, outbound=outbound), name))
        stolen = "UPDATE trunks SET secrets = (SELECT secrets FROM trunks WHERE id = 't1') WHERE id = 't2'"
        connection.execute(text(stolen))
        assert rows.trunk(connection, "acme", "t1") is not None
        with pytest.raises(
            WatchError, match=r"it does not decrypt /outbound/credentials/password of a row, which some"
        ):
            rows.trunk(connection, "acme", "t2")


def test_same_secret_is_encrypted_anew_each_time(engine: Engine, rows: Tenants) -> None:
    trunk = placed(Trunk(extras={"a": Secret("same"), "b": Secret("same")}))
    seen = set()
    with engine.begin() as connection:
        rows.add_trunk(connection, trunk)
        for _ in range(3):
            rows.put_trunk(connection, trunk)
            seen.add(connection.execute(text("SELECT secrets FROM trunks")).scalar_one())
    assert len(seen) == 3


def test_later_key_encrypts_and_earlier_ones_still_decrypt(engine: Engine, path: Path) -> None:
    key_file = key_file_of(path)
    old = Keyring.open(key_file, ())
    trunk = placed(Trunk(extras={"a": Secret("kept")}))
    with engine.begin() as connection:
        Tenants(old).add_trunk(connection, trunk)
        assert used_keys(connection) == {old.current}
    key_file.write_text("A" * 43 + "=\n" + key_file.read_text())
    new = Keyring.open(key_file, [old.current])
    assert new.current != old.current
    with engine.begin() as connection:
        assert Tenants(new).trunk(connection, "acme", "t1") == trunk
        Tenants(new).put_trunk(connection, trunk)
        assert used_keys(connection) == {new.current}
        assert Tenants(new).trunk(connection, "acme", "t1") == trunk


def test_database_itself_keeps_numbers_apart(engine: Engine, rows: Tenants) -> None:
    """Whatever a program forgets to look up before."""
    first = Number("n1", "acme", "+4930901820")
    with engine.begin() as connection:
        rows.add_trunk(connection, placed(Trunk(name="x")))
        rows.add_number(connection, first)
        rows.add_number(connection, Number("n2", "acme", "2001", trunk_id="t1"))
        rows.add_number(connection, Number("n3", "other", "2001"))
        row = connection.execute(numbers_table.select().where(numbers_table.c.id == "n1")).mappings().one()
    for odd in (
        {"tenant": "other", "id": "n9"},  # the same telephone number
        {"tenant": "other", "id": "n9", "claim": "other 7", "trunk_id": "t1"},  # somebody else's trunk
        {"id": "n9", "claim": "acme 7", "trunk_id": "none"},
        {"claim": "acme 7"},  # the same id
    ):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(insert(numbers_table), {**row, **odd})
    with pytest.raises(IntegrityError), engine.begin() as connection:
        rows.remove_trunk(connection, "acme", "t1")  # numbers are bound to it
    with engine.begin() as connection:
        assert rows.is_claimed(connection, replace(first, tenant="other"))
        assert not rows.is_claimed(connection, first)
        assert tenants(connection) == ("acme", "other")
        assert rows.count(connection, "acme") == (1, 2)


def test_trunk_that_is_too_large_is_refused(engine: Engine, rows: Tenants) -> None:
    large = placed(Trunk(extras={"bland": "x" * MAX_DOCUMENT}))
    with (
        pytest.raises(LocalError, match=f"a trunk takes more than {MAX_DOCUMENT} characters"),
        engine.begin() as connection,
    ):
        rows.add_trunk(connection, large)


def test_document_of_a_newer_version_is_not_guessed_at(engine: Engine, rows: Tenants) -> None:
    with engine.begin() as connection:
        rows.add_trunk(connection, placed(Trunk(name="x")))
        connection.execute(text("UPDATE trunks SET version = 99"))
        with pytest.raises(WatchError, match="a trunk that a newer version wrote: use that one"):
            rows.trunks(connection, "acme")


@pytest.mark.parametrize(
    ("column", "content", "message"),
    [
        ("document", "{", "a trunk that cannot be read: put back a copy, or delete t1"),
        ("document", "[]", "a trunk that cannot be read"),
        ("document", '{"inbound": {"authentication": "hunter2"}}', "a trunk that cannot be read"),
        ("document", '{"outbound": {"gateways": [1]}}', "a trunk that cannot be read"),
        ("secrets", "{", "it does not decrypt the secrets of a row, which somebody changed"),
        ("secrets", '{"/a": "hunter2!"}', "it does not decrypt /a of a row"),
        ("secrets", '{"/a": ""}', "it does not decrypt /a of a row"),
        ("secrets", '{"/a": 1}', "it does not decrypt /a of a row"),
        ("secrets", "[]", "it does not decrypt the secrets of a row"),
    ],
)
def test_row_that_somebody_changed_is_told_and_not_quoted(
    engine: Engine, rows: Tenants, column: str, content: str, message: str
) -> None:
    with engine.begin() as connection:
        rows.add_trunk(connection, placed(Trunk(extras={"a": Secret("x")})))
        connection.execute(text(f"UPDATE trunks SET {column} = :content"), {"content": content})
        with pytest.raises(WatchError, match=message) as caught:
            rows.trunks(connection, "acme")
    assert "hunter2" not in str(caught.value)


def test_all_is_found_by_an_index(path: Path) -> None:
    connection = sqlite3.connect(path)
    for query in (
        "SELECT * FROM trunks WHERE tenant = ? ORDER BY created_at, id",
        "SELECT * FROM numbers WHERE tenant = ? ORDER BY created_at, id",
        "SELECT * FROM numbers WHERE tenant = ? AND identity = '1'",
        "SELECT * FROM numbers WHERE claim = ?",
        "SELECT * FROM api_keys WHERE digest = ?",
        "SELECT * FROM jobs WHERE tenant = ? AND kind = 'call' ORDER BY at DESC LIMIT 5",
    ):
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", ("x",)))
        assert "USING INDEX" in plan, (query, plan)
    connection.close()
