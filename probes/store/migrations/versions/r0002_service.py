"""Trunks, numbers, API keys and jobs of the service."""

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)

revision = "0002"
down_revision = "0001"


def document() -> list[Column[object]]:
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


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "trunks",
        Column("tenant", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        *document(),
        Index("trunks_by_time", "tenant", "created_at"),
    )
    op.create_table(
        "numbers",
        Column("tenant", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("identity", Text, nullable=False),
        Column("claim", Text, nullable=False),
        Column("trunk_id", Text),
        *document(),
        UniqueConstraint("claim", name="numbers_claims"),
        ForeignKeyConstraint(["tenant", "trunk_id"], ["trunks.tenant", "trunks.id"], name="numbers_trunks"),
        Index("numbers_by_time", "tenant", "created_at"),
        Index("numbers_by_identity", "tenant", "identity"),
        Index("numbers_by_trunk", "tenant", "trunk_id"),
    )
    op.create_table(
        "api_keys",
        Column("id", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("may_write", Boolean, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("last_used_at", Double),
        Column("revoked_at", Double),
        UniqueConstraint("digest", name="api_keys_digests"),
        Index("api_keys_by_tenant", "tenant"),
    )
    op.create_table(
        "jobs",
        Column("tenant", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("at", Double, nullable=False),
        Column("completed_at", Double),
        Column("trunk_id", Text),
        Column("number_id", Text),
        Column("token", Text),
        Column("asked", Text, nullable=False),
        Column("data", LargeBinary),
        Column("error", Text, nullable=False),
        Index("jobs_by_time", "tenant", "kind", "at"),
        Index("jobs_by_token", "tenant", "token"),
        Index("jobs_by_age", "at"),
    )
