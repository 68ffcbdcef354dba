"""Fees that a venue takes besides the first one of a trade.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; trades before it had one fee on record."""
    op.add_column("fills", sa.Column("further_fees", sa.Text, nullable=True))
