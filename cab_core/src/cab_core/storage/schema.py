"""The tables. The migrations under ``migrations/`` lead to the same schema (a test compares them)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Table

from cab_core.storage.packing import Packed
from cab_core.storage.triggers import APPEND_ONLY, HEAD_MARK
from cab_core.storage.types import Json, Money

#: Revision of the newest migration; stored in ``alembic_version``.
HEAD = "0005"

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

#: SQLite makes only a column spelled INTEGER its row id.
_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _ms(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, sa.BigInteger, nullable=nullable)


def _text(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, sa.Text, primary_key=primary_key, nullable=nullable)


alembic_version = Table("alembic_version", metadata, Column("version_num", sa.String(32), nullable=False))
alembic_version.append_constraint(
    sa.PrimaryKeyConstraint(alembic_version.c.version_num, name="alembic_version_pkc")
)

meta = Table("meta", metadata, _text("key", primary_key=True), _text("value"))

journal = Table(
    "journal",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    _ms("ts_ms"),
    Column("epoch", sa.BigInteger, nullable=False),
    _text("trace_id"),
    _text("kind"),
    _text("ref"),
    _text("payload"),
    _text("prev_hash"),
    _text("hash"),
    sqlite_autoincrement=True,
)
_IS_AUDIT = sa.text("kind = 'audit'")
sa.Index("ix_journal_audit", journal.c.seq, sqlite_where=_IS_AUDIT, postgresql_where=_IS_AUDIT)

order_intents = Table(
    "order_intents",
    metadata,
    _text("client_id", primary_key=True),
    _text("key"),
    Column("attempt", sa.Integer, nullable=False),
    _text("symbol"),
    _text("side"),
    _text("purpose"),
    _text("type"),
    _text("state"),
    Column("cost", Money),
    Column("quantity", Money),
    Column("reference", Money),
    Column("trigger_price", Money),
    Column("limit_price", Money),
    _text("reason"),
    _text("trace_id"),
    _ms("created_ms"),
    _ms("sent_ms", nullable=True),
    _ms("updated_ms"),
    _text("order_id", nullable=True),
    _text("message"),
    Column("payload", Json, nullable=False),
    sa.UniqueConstraint("key", "attempt"),
)
sa.Index(None, order_intents.c.state)
sa.Index(None, order_intents.c.created_ms)

fills = Table(
    "fills",
    metadata,
    _text("exchange", primary_key=True),
    _text("symbol", primary_key=True),
    _text("trade_id", primary_key=True),
    _text("client_id"),
    _text("side"),
    Column("quantity", Money, nullable=False),
    Column("price", Money, nullable=False),
    Column("fee", Money, nullable=False),
    _text("fee_currency"),
    _ms("ts_ms"),
    Column("reference", Money),
    Column("further_fees", Json, nullable=True),
)
sa.Index(None, fills.c.ts_ms)
sa.Index(None, fills.c.client_id)

positions = Table(
    "positions",
    metadata,
    _text("symbol", primary_key=True),
    Column("state", Json, nullable=False),
    _ms("updated_ms"),
)

account = Table(
    "account",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=False),
    Column("baseline", Money, nullable=False),
    Column("peak", Money, nullable=False),
    _ms("peak_since_ms"),
    Column("quote_free", Money, nullable=False),
    Column("book", Json, nullable=False),
    _ms("updated_ms"),
)

equity = Table(
    "equity",
    metadata,
    Column("ts_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("equity", Money, nullable=False),
    Column("peak", Money, nullable=False),
    Column("drawdown_pct", Money, nullable=False),
)

decision_trace = Table(
    "decision_trace",
    metadata,
    _text("trace_id", primary_key=True),
    _text("symbol"),
    _ms("candle_ts_ms"),
    Column("close", Money),
    _text("action"),
    _text("reason"),
    _text("order_key", nullable=True),
    sa.UniqueConstraint("symbol", "candle_ts_ms"),
)
sa.Index(None, decision_trace.c.candle_ts_ms)

#: What a trace holds beside its row, in a table of its own: details that go leave whole pages empty then. A
#: row that only becomes shorter gives nothing back.
trace_details = Table(
    "trace_details",
    metadata,
    _text("trace_id", primary_key=True),
    _ms("candle_ts_ms"),
    Column("payload", Packed, nullable=False),
)
sa.Index(None, trace_details.c.candle_ts_ms)

risk_counters = Table(
    "risk_counters",
    metadata,
    _text("date", primary_key=True),
    _text("scope", primary_key=True),
    _text("rule", primary_key=True),
    Column("value", Money, nullable=False),
    _ms("updated_at_ms"),
    _text("trace_id"),
)

risk_halts = Table(
    "risk_halts",
    metadata,
    _text("rule", primary_key=True),
    Column("since_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    _ms("until_ms", nullable=True),
    _text("reason"),
    _text("cleared_by", nullable=True),
    _ms("released_ms", nullable=True),
)

regime_state = Table(
    "regime_state",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=False),
    _text("state"),
    Column("score", sa.Float, nullable=False),
    _ms("since_ms"),
    _ms("updated_ms"),
    Column("payload", Json, nullable=False),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    _text("symbol", primary_key=True),
    Column("ts_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("duration_ms", sa.Integer, nullable=False),
    Column("findings", Json, nullable=False),
    Column("corrected", Json, nullable=False),
)

paper_state = Table("paper_state", metadata, _text("key", primary_key=True), _text("value"))

outbox = Table(
    "outbox",
    metadata,
    _text("id", primary_key=True),
    _text("notifier", primary_key=True),
    _text("message", nullable=True),
    _text("severity"),
    _text("kind"),
    _text("symbol"),
    _text("rule"),
    _text("text"),
    _text("trace_id"),
    Column("count", sa.Integer, nullable=False),
    Column("amount", Money, nullable=True),
    _ms("created_ms"),
    _ms("due_ms"),
    _ms("sent_ms", nullable=True),
    Column("attempts", sa.Integer, nullable=False),
    _text("last_error"),
)
sa.Index(None, outbox.c.sent_ms)

api_tokens = Table(
    "api_tokens",
    metadata,
    _text("id", primary_key=True),
    _text("name"),
    _text("role"),
    _text("hash"),
    _ms("created_ms"),
    _text("created_by"),
    _ms("revoked_ms", nullable=True),
    _ms("last_used_ms", nullable=True),
    sa.UniqueConstraint("hash"),
)

commands = Table(
    "commands",
    metadata,
    _text("key", primary_key=True),
    _text("actor"),
    _text("action"),
    _text("body_hash"),
    Column("result", Json, nullable=True),
    _ms("ts_ms"),
)

memories = Table(
    "memories",
    metadata,
    _text("plugin", primary_key=True),
    _text("key", primary_key=True),
    _text("value"),
)


def create_all(conn: sa.Connection) -> None:
    """Create every table and trigger at revision `HEAD` in an empty database."""
    metadata.create_all(conn, checkfirst=False)
    for statement in (*APPEND_ONLY[conn.dialect.name], *HEAD_MARK[conn.dialect.name]):
        conn.exec_driver_sql(statement)
    conn.execute(alembic_version.insert().values(version_num=HEAD))
