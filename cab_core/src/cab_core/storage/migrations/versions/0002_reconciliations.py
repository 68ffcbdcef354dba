"""Results of reconciliations.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of results."""
    op.create_table(
        "reconciliations",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("ts_ms", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("corrected", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("symbol", "ts_ms", name="pk_reconciliations"),
    )
