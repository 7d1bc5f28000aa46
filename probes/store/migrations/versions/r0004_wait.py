"""How long a peer that takes no calls asked to be left alone, with each check."""

from alembic import op
from sqlalchemy import Column, Double

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; nobody knows it of the checks of before."""
    for table in ("checks", "changes"):
        op.add_column(table, Column("wait", Double, nullable=False, server_default="0"))
