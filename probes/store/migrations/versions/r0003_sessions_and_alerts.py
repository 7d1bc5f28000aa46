"""Sessions that were logged out, and the alerts of the service."""

from alembic import op
from sqlalchemy import Column, Double, Index, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ended_sessions",
        Column("nonce", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("until", Double, nullable=False),
        Index("ended_sessions_by_tenant", "tenant", "until"),
    )
    op.create_table(
        "alerts",
        Column("tenant", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("at", Double, nullable=False),
        Column("data", Text, nullable=False),
        Index("alerts_by_time", "tenant", "at"),
        Index("alerts_by_age", "at"),
    )
