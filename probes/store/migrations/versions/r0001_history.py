"""Checks, changes, switches, the outbox of alerts, and who writes."""

from alembic import op
from sqlalchemy import Column, Double, ForeignKey, Index, Integer, SmallInteger, Text, UniqueConstraint

revision = "0001"
down_revision = None


def facts() -> list[Column[object]]:
    """What a check found."""
    return [
        Column("verdict", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("status", Integer),
        Column("rtt", Double),
        Column("place", Text, nullable=False),
        Column("certificate_ends", Double),
    ]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "routes",
        Column("id", Integer, primary_key=True),
        Column("trunk", Text, nullable=False),
        Column("route", Text, nullable=False),
        UniqueConstraint("trunk", "route", name="routes_names"),
    )
    op.create_table(
        "checks",
        Column("route_id", Integer, ForeignKey("routes.id"), primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("at", Double, primary_key=True),
        Column("number", SmallInteger, primary_key=True, server_default="0"),
        *facts(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "changes",
        Column("id", Integer, primary_key=True),
        Column("route_id", Integer, ForeignKey("routes.id"), nullable=False),
        Column("at", Double, nullable=False),
        Column("before", Text, nullable=False),
        Column("after", Text, nullable=False),
        Column("since", Double, nullable=False),
        Column("kind", Text, nullable=False),
        Column("checked_at", Double, nullable=False),
        *facts(),
        Index("changes_by_route", "route_id", "at"),
    )
    op.create_table(
        "switches",
        Column("id", Integer, primary_key=True),
        Column("trunk", Text, nullable=False),
        Column("at", Double, nullable=False),
        Column("before", Text),
        Column("after", Text),
        Column("cause", Text, nullable=False),
        Index("switches_by_trunk", "trunk", "at"),
    )
    make_outbox()


def make_outbox() -> None:
    """Make the outbox of alerts, and the row that says who writes."""
    op.create_table(
        "deliveries",
        Column("alert", Text, primary_key=True),
        Column("channel", Text, primary_key=True),
        Column("at", Double, nullable=False),
        Column("trunk", Text, nullable=False),
        Column("route", Text, nullable=False),
        Column("payload", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt", Double),
        Column("error", Text, nullable=False),
        Index("deliveries_by_time", "at"),
    )
    op.create_table(
        "running",
        Column("id", Integer, primary_key=True),
        Column("process", Integer, nullable=False),
        Column("version", Text, nullable=False),
        Column("begun", Double, nullable=False),
        Column("ended", Double),
    )
