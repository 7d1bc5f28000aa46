"""The tables of the history and of the service, in types that SQLite and PostgreSQL both have.

`migrations/` makes them, and changes those of older versions; a test compares the two.

What a trunk or a number of the service is found by, or may not share with others, is a column; all else of it is one
document in JSON, since it is nested, read and written whole, and never searched. Its key begins with its tenant.
"""

import re

from sqlalchemy import (
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

METADATA = MetaData()

_unstorable = re.compile(r"[\x00\x1a\ud800-\udfff]")
_escaped = re.compile(r"\x1a([0-9a-f]{4})")


class AnyText(TypeDecorator[str]):
    """Text with characters that databases do not take: NUL, and the surrogates that stand for bytes that are no UTF-8.

    They are written as the character SUBSTITUTE (which a terminal shows as nothing) and four hexadecimal digits.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """A text as it is stored."""
        return value and _unstorable.sub(lambda found: f"\x1a{ord(found[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """A text out of what is stored."""
        return value if not value or "\x1a" not in value else _escaped.sub(lambda found: chr(int(found[1], 16)), value)


def _facts() -> list[Column[object]]:
    """What a check found, beside its route, its kind and its time."""
    return [
        Column("verdict", Text, nullable=False),
        Column("reason", AnyText, nullable=False),
        Column("detail", AnyText, nullable=False),
        Column("status", Integer),
        Column("rtt", Double),
        Column("place", AnyText, nullable=False),
        Column("certificate_ends", Double),
        Column("wait", Double, nullable=False, server_default="0"),
    ]


routes = Table(
    "routes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("trunk", AnyText, nullable=False),
    Column("route", AnyText, nullable=False),
    UniqueConstraint("trunk", "route", name="routes_names"),
)
"""The names that all other rows have as a number."""

checks = Table(
    "checks",
    METADATA,
    Column("route_id", ForeignKey(routes.c.id), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("number", SmallInteger, primary_key=True, server_default="0"),
    *_facts(),
    sqlite_with_rowid=False,
)
"""Each check; `number` tells apart those of one route and kind that began at the same time. Rows lie in the order of
their key, so that those of one route are read in one go."""

changes = Table(
    "changes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("route_id", ForeignKey(routes.c.id), nullable=False),
    Column("at", Double, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("checked_at", Double, nullable=False),
    *_facts(),
    Index("changes_by_route", "route_id", "at"),
)
"""Each change of health, with what the check found that made it, which outlives the row of that check."""

switches = Table(
    "switches",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("trunk", AnyText, nullable=False),
    Column("at", Double, nullable=False),
    Column("before", AnyText),
    Column("after", AnyText),
    Column("cause", Text, nullable=False),
    Index("switches_by_trunk", "trunk", "at"),
)

deliveries = Table(
    "deliveries",
    METADATA,
    Column("alert", AnyText, primary_key=True),
    Column("channel", AnyText, primary_key=True),
    Column("at", Double, nullable=False),
    Column("trunk", AnyText, nullable=False),
    Column("route", AnyText, nullable=False),
    Column("payload", AnyText, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Double),
    Column("error", AnyText, nullable=False),
    Index("deliveries_by_time", "at"),
)
"""The outbox of alerts."""

running = Table(
    "running",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("process", Integer, nullable=False),
    Column("version", AnyText, nullable=False),
    Column("begun", Double, nullable=False),
    Column("ended", Double),
)
"""One row: which program writes, or wrote last."""


def _document() -> list[Column[object]]:
    """A document, its times, and its secrets."""
    return [
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        Column("document", Text, nullable=False),
        Column("secrets", Text),
        Column("secret_key", Text),
    ]


trunks = Table(
    "trunks",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    *_document(),
    Index("trunks_by_time", "tenant", "created_at"),
)

numbers = Table(
    "numbers",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("identity", AnyText, nullable=False),
    Column("claim", AnyText, nullable=False),
    Column("trunk_id", Text),
    *_document(),
    UniqueConstraint("claim", name="numbers_claims"),
    ForeignKeyConstraint(["tenant", "trunk_id"], ["trunks.tenant", "trunks.id"], name="numbers_trunks"),
    Index("numbers_by_time", "tenant", "created_at"),
    Index("numbers_by_identity", "tenant", "identity"),
    Index("numbers_by_trunk", "tenant", "trunk_id"),
)
"""`claim` is what no two numbers may share, whosesoever they are: see `probes.trunks.number.claim_of`. The foreign key
names the tenant too, so that no number is bound to somebody else's trunk."""

api_keys = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("digest", Text, nullable=False),
    Column("may_write", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
    UniqueConstraint("digest", name="api_keys_digests"),
    Index("api_keys_by_tenant", "tenant"),
)
"""`digest` is the SHA-256 of the key, in hexadecimal digits."""

jobs = Table(
    "jobs",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", AnyText, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("completed_at", Double),
    Column("trunk_id", Text),
    Column("number_id", Text),
    Column("token", AnyText),
    Column("asked", Text, nullable=False),
    Column("data", LargeBinary),
    Column("error", AnyText, nullable=False),
    Index("jobs_by_time", "tenant", "kind", "at"),
    Index("jobs_by_token", "tenant", "token"),
    Index("jobs_by_age", "at"),
)
"""Discoveries and test calls. `at` is when one was begun; what is named in it may be gone by now."""

ended_sessions = Table(
    "ended_sessions",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("until", Double, nullable=False),
    Index("ended_sessions_by_tenant", "tenant", "until"),
)
"""Sessions of browsers that were logged out, each until its cookies are worth nothing anyway."""

alerts = Table(
    "alerts",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("data", AnyText, nullable=False),
    Index("alerts_by_time", "tenant", "at"),
    Index("alerts_by_age", "at"),
)
"""What the service has told of late, as JSON, whoever else was told of it."""
