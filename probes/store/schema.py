"""The tables of the history, in types that SQLite and PostgreSQL both have.

`migrations/` makes them, and changes those of older versions; a test compares the two.
"""

import re

from sqlalchemy import (
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
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
