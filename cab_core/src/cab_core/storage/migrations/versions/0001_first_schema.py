"""First schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_APPEND_ONLY = {
    "sqlite": (
        """
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END
""",
        """
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END
""",
        """
CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal
WHEN NEW.seq <= (SELECT coalesce(max(seq), 0) FROM journal)
BEGIN SELECT RAISE(ABORT, 'journal is append-only'); END
""",
    ),
    "postgresql": (
        """
CREATE FUNCTION journal_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'journal is append-only'; END $$
""",
        """
CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal
FOR EACH ROW EXECUTE FUNCTION journal_refuse()
""",
        """
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal
FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse()
""",
    ),
}


def upgrade() -> None:
    """Create all tables."""
    _create_journal()
    _create_orders()
    _create_account()
    _create_decisions()
    _create_risk()
    bind = op.get_bind()
    for statement in _APPEND_ONLY[bind.dialect.name]:
        bind.exec_driver_sql(statement.strip())


def _create_journal() -> None:
    """Create the facts about the database and the journal."""
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "journal",
        sa.Column("seq", _SEQ, nullable=False, autoincrement=False),
        sa.Column("ts_ms", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_journal"),
        sqlite_autoincrement=True,
    )


def _create_orders() -> None:
    """Create intents and fills."""
    op.create_table(
        "order_intents",
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cost", sa.Text),
        sa.Column("quantity", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("trigger_price", sa.Text),
        sa.Column("limit_price", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("sent_ms", sa.BigInteger),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_order_intents"),
        sa.UniqueConstraint("key", "attempt", name="uq_order_intents_key_attempt"),
    )
    op.create_index("ix_order_intents_created_ms", "order_intents", ["created_ms"])
    op.create_index("ix_order_intents_state", "order_intents", ["state"])
    op.create_table(
        "fills",
        sa.Column("exchange", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("trade_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("quantity", sa.Text, nullable=False),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("fee", sa.Text, nullable=False),
        sa.Column("fee_currency", sa.Text, nullable=False),
        sa.Column("ts_ms", sa.BigInteger, nullable=False),
        sa.Column("reference", sa.Text),
        sa.PrimaryKeyConstraint("exchange", "symbol", "trade_id", name="pk_fills"),
    )
    op.create_index("ix_fills_client_id", "fills", ["client_id"])
    op.create_index("ix_fills_ts_ms", "fills", ["ts_ms"])


def _create_account() -> None:
    """Create positions, account and equity curve."""
    op.create_table(
        "positions",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("symbol", name="pk_positions"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("baseline", sa.Text, nullable=False),
        sa.Column("peak", sa.Text, nullable=False),
        sa.Column("peak_since_ms", sa.BigInteger, nullable=False),
        sa.Column("quote_free", sa.Text, nullable=False),
        sa.Column("book", sa.Text, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_table(
        "equity",
        sa.Column("ts_ms", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("equity", sa.Text, nullable=False),
        sa.Column("peak", sa.Text, nullable=False),
        sa.Column("drawdown_pct", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("ts_ms", name="pk_equity"),
    )


def _create_decisions() -> None:
    """Create traces, regime and macro readings."""
    op.create_table(
        "decision_trace",
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("candle_ts_ms", sa.BigInteger, nullable=False),
        sa.Column("close", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("order_key", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("trace_id", name="pk_decision_trace"),
        sa.UniqueConstraint("symbol", "candle_ts_ms", name="uq_decision_trace_symbol_candle_ts_ms"),
    )
    op.create_index("ix_decision_trace_candle_ts_ms", "decision_trace", ["candle_ts_ms"])
    op.create_table(
        "regime_state",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_regime_state"),
    )
    op.create_table(
        "macro_observations",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("fetched_ms", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("observed_ms", sa.BigInteger),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("source", "fetched_ms", name="pk_macro_observations"),
    )


def _create_risk() -> None:
    """Create risk counters, halts and the paper venue's memory."""
    op.create_table(
        "risk_counters",
        sa.Column("date", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("date", "scope", "rule", name="pk_risk_counters"),
    )
    op.create_table(
        "risk_halts",
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("until_ms", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cleared_by", sa.Text),
        sa.Column("released_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("rule", "since_ms", name="pk_risk_halts"),
    )
    op.create_table(
        "paper_state",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_paper_state"),
    )
