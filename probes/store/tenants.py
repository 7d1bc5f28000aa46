"""The trunks and numbers of tenants as rows, read and written by a connection. Secrets are encrypted in them.

Each function that reads takes the tenant, so that a row of another one cannot come out.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, union, update

from probes.health.trunk import WatchError
from probes.store.keyring import Keyring
from probes.store.rows import Row
from probes.store.schema import numbers, trunks
from probes.trunks.documents import VERSION, Document, document_of, number_of, trunk_of
from probes.trunks.model import Number, Trunk
from probes.trunks.number import claim_of
from sipcore.errors import LocalError

MAX_DOCUMENT = 256 << 10
"""Characters of one document, secrets among them: a trunk with all that it may have takes a hundredth."""
MOST_NAMED = 500
"""Rows that one statement names: SQLite takes 32,766 values, and older ones 999."""


def used_keys(connection: Connection) -> frozenset[str]:
    """The names of the keys with which there are secrets."""
    found = union(select(trunks.c.secret_key), select(numbers.c.secret_key))
    return frozenset(key for key in connection.scalars(found) if key is not None)


def tenants(connection: Connection) -> tuple[str, ...]:
    """Whoever has a trunk or a number."""
    return tuple(sorted(connection.scalars(union(select(trunks.c.tenant), select(numbers.c.tenant)))))


class Tenants:
    """Rows of trunks and numbers, whose secrets `keyring` encrypts."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def trunks(self, connection: Connection, tenant: str) -> tuple[Trunk, ...]:
        """All of a tenant, oldest first."""
        query = select(trunks).where(trunks.c.tenant == tenant).order_by(trunks.c.created_at, trunks.c.id)
        return tuple(self._trunk(row) for row in connection.execute(query).mappings())

    def trunk(self, connection: Connection, tenant: str, trunk_id: str) -> Trunk | None:
        """One of a tenant; None if it has none of this id."""
        query = select(trunks).where(trunks.c.tenant == tenant, trunks.c.id == trunk_id)
        row = connection.execute(query).mappings().first()
        return None if row is None else self._trunk(row)

    def add_trunk(self, connection: Connection, trunk: Trunk) -> None:
        """Write a new one. Raises LocalError for what cannot be stored."""
        connection.execute(insert(trunks), self._row(trunk, "trunk"))

    def put_trunk(self, connection: Connection, trunk: Trunk) -> None:
        """Write one that is there already, likewise."""
        where = (trunks.c.tenant == trunk.tenant) & (trunks.c.id == trunk.id)
        connection.execute(update(trunks).where(where).values(self._row(trunk, "trunk")))

    def remove_trunk(self, connection: Connection, tenant: str, trunk_id: str) -> None:
        """Forget one, to which no number is bound."""
        connection.execute(delete(trunks).where(trunks.c.tenant == tenant, trunks.c.id == trunk_id))

    def numbers(self, connection: Connection, tenant: str, trunk_id: str | None = None) -> tuple[Number, ...]:
        """All of a tenant, or those that are bound to a trunk, oldest first."""
        query = select(numbers).where(numbers.c.tenant == tenant).order_by(numbers.c.created_at, numbers.c.id)
        if trunk_id is not None:
            query = query.where(numbers.c.trunk_id == trunk_id)
        return tuple(self._number(row) for row in connection.execute(query).mappings())

    def number(self, connection: Connection, tenant: str, number_id: str) -> Number | None:
        """One of a tenant; None if it has none of this id."""
        query = select(numbers).where(numbers.c.tenant == tenant, numbers.c.id == number_id)
        row = connection.execute(query).mappings().first()
        return None if row is None else self._number(row)

    def number_named(self, connection: Connection, tenant: str, identity: str) -> Number | None:
        """One of a tenant; None if it has none of this very identity."""
        query = select(numbers).where(numbers.c.tenant == tenant, numbers.c.identity == identity)
        row = connection.execute(query).mappings().first()
        return None if row is None else self._number(row)

    def count(self, connection: Connection, tenant: str) -> tuple[int, int]:
        """How many trunks and numbers a tenant has."""
        queries = (select(func.count()).select_from(each).where(each.c.tenant == tenant) for each in (trunks, numbers))
        of_trunks, of_numbers = (connection.execute(query).scalar_one() for query in queries)
        return of_trunks, of_numbers

    def numbers_named(self, connection: Connection, tenant: str, identities: Sequence[str]) -> tuple[Number, ...]:
        """Those of a tenant that have one of these very identities, however many they are."""
        found: list[Number] = []
        for some in _portions(identities):
            query = select(numbers).where(numbers.c.tenant == tenant, numbers.c.identity.in_(some))
            found += (self._number(row) for row in connection.execute(query).mappings())
        return tuple(found)

    def claimed(self, connection: Connection, claims: Sequence[str]) -> frozenset[str]:
        """Which of these claims there are already, whosesoever they are."""
        found: set[str] = set()
        for some in _portions(claims):
            found.update(connection.scalars(select(numbers.c.claim).where(numbers.c.claim.in_(some))))
        return frozenset(found)

    def is_claimed(self, connection: Connection, number: Number) -> bool:
        """Whether there is another one, whosesoever it is, that excludes it."""
        same = (numbers.c.tenant == number.tenant) & (numbers.c.id == number.id)
        claim = claim_of(number.tenant, number.identity)
        return connection.scalar(select(numbers.c.id).where(numbers.c.claim == claim, ~same)) is not None

    def add_number(self, connection: Connection, number: Number) -> None:
        """Write a new one. Raises LocalError for what cannot be stored, and IntegrityError where it is claimed."""
        connection.execute(insert(numbers), self._row_of_number(number))

    def add_numbers(self, connection: Connection, made: Sequence[Number]) -> None:
        """Write new ones at once, likewise."""
        if made:
            connection.execute(insert(numbers), [self._row_of_number(number) for number in made])

    def put_number(self, connection: Connection, number: Number) -> None:
        """Write one that is there already, likewise."""
        where = (numbers.c.tenant == number.tenant) & (numbers.c.id == number.id)
        connection.execute(update(numbers).where(where).values(self._row_of_number(number)))

    def put_numbers(self, connection: Connection, changed: Sequence[Number]) -> None:
        """Write some that are there already at once, likewise."""
        if changed:
            where = (numbers.c.tenant == bindparam("own_tenant")) & (numbers.c.id == bindparam("own_id"))
            rows = [self._row_of_number(each) | {"own_tenant": each.tenant, "own_id": each.id} for each in changed]
            connection.execute(update(numbers).where(where), rows)

    def remove_number(self, connection: Connection, tenant: str, number_id: str) -> None:
        """Forget one."""
        connection.execute(delete(numbers).where(numbers.c.tenant == tenant, numbers.c.id == number_id))

    def remove_numbers(self, connection: Connection, tenant: str, number_ids: Sequence[str]) -> None:
        """Forget some of them."""
        for some in _portions(number_ids):
            connection.execute(delete(numbers).where(numbers.c.tenant == tenant, numbers.c.id.in_(some)))

    def encrypt_anew(self, connection: Connection) -> int:
        """Encrypt all secrets with the current key. Returns of how many rows they are. Raises WatchError."""
        count = 0
        for table, name in ((trunks, "trunk"), (numbers, "number")):
            of_row = (table.c.tenant == bindparam("own_tenant")) & (table.c.id == bindparam("own_id"))
            query = select(table.c.tenant, table.c.id, table.c.secrets, table.c.secret_key)
            for row in connection.execute(query.where(table.c.secrets.is_not(None))).mappings().all():
                place = (name, row["tenant"], row["id"])
                sealed = self._keyring.sealed(self._keyring.opened(row["secrets"], row["secret_key"], place), place)
                values = {"secrets": sealed, "secret_key": self._keyring.current}
                own = {"own_tenant": row["tenant"], "own_id": row["id"]}
                connection.execute(update(table).where(of_row).values(values), own)
                count += 1
        return count

    def _row_of_number(self, number: Number) -> dict[str, object]:
        own = {"identity": number.identity, "claim": claim_of(number.tenant, number.identity)}
        return {**self._row(number, "number"), **own, "trunk_id": number.trunk_id}

    def _row(self, told: Trunk | Number, table: str) -> dict[str, object]:
        """The columns that both have."""
        document = document_of(told)
        text = json.dumps(document.data)
        sealed = self._keyring.sealed(document.secrets, (table, told.tenant, told.id)) if document.secrets else None
        if len(text) + len(sealed or "") > MAX_DOCUMENT:
            message = f"a {table} takes more than {MAX_DOCUMENT} characters as JSON: leave some of it out"
            raise LocalError(message, section="RFC 8259 §9")
        return {
            "tenant": told.tenant,
            "id": told.id,
            "created_at": told.created_at,
            "updated_at": told.updated_at,
            "revision": told.revision,
            "version": VERSION,
            "document": text,
            "secrets": sealed,
            "secret_key": None if sealed is None else self._keyring.current,
        }

    def _trunk(self, row: Row) -> Trunk:
        with _reading(row, "trunk"):
            return replace(trunk_of(self._document(row, "trunk")), **_place(row))

    def _number(self, row: Row) -> Number:
        with _reading(row, "number"):
            found = number_of(self._document(row, "number"))
            return replace(found, **_place(row), identity=row["identity"], trunk_id=row["trunk_id"])

    def _document(self, row: Row, table: str) -> Document:
        if row["version"] > VERSION:
            raise WatchError(f"the store has a {table} that a newer version wrote: use that one")
        secrets = {}
        if row["secrets"] is not None:
            secrets = self._keyring.opened(row["secrets"], row["secret_key"], (table, row["tenant"], row["id"]))
        return Document(json.loads(row["document"]), secrets)


@contextmanager
def _reading(row: Row, table: str) -> Iterator[None]:
    """Tell of a row that this program has not written, without its content."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError):
        raise WatchError(
            f"the store has a {table} that cannot be read: put back a copy, or delete {row['id']}"
        ) from None


def _portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one statement takes, again and again."""
    for begin in range(0, len(texts), MOST_NAMED):
        yield texts[begin : begin + MOST_NAMED]


def _place(row: Row) -> dict[str, Any]:
    """What rows of both tables are found by, and how often they were written."""
    return {name: row[name] for name in ("id", "tenant", "created_at", "updated_at", "revision")}
