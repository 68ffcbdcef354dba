"""What operators' surfaces keep: alerts on their way, tokens, commands, memories; and the journal's head.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cab_core.storage.triggers import HEAD_MARK

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables, and mark the journal's newest row from now on."""
    _create_outbox()
    _create_tokens_and_commands()
    op.create_table(
        "memories",
        sa.Column("plugin", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("plugin", "key", name="pk_memories"),
    )
    _mark_journal()


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("notifier", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=True),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("amount", sa.Text, nullable=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("sent_ms", sa.BigInteger, nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", "notifier", name="pk_outbox"),
    )
    op.create_index("ix_outbox_sent_ms", "outbox", ["sent_ms"])


def _create_tokens_and_commands() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger, nullable=True),
        sa.Column("last_used_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("hash", name="uq_api_tokens_hash"),
    )
    op.create_table(
        "commands",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("body_hash", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=True),
        sa.Column("ts_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_commands"),
    )


def _mark_journal() -> None:
    is_audit = sa.text("kind = 'audit'")
    op.create_index("ix_journal_audit", "journal", ["seq"], sqlite_where=is_audit, postgresql_where=is_audit)
    op.execute(
        "INSERT INTO meta (key, value)"
        " SELECT 'journal_head', seq || ':' || hash FROM journal ORDER BY seq DESC LIMIT 1"
    )
    for statement in HEAD_MARK[op.get_context().dialect.name]:
        op.execute(statement)
