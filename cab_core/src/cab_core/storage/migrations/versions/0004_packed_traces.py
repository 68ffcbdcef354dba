"""Details of traces packed in a table of their own; without the table of readings, which nothing filled.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cab_core.storage.packing import pack

revision = "0004"
down_revision = "0003"

#: Rows packed at a time.
_BATCH = 500

_traces = sa.table(
    "decision_trace",
    sa.column("trace_id", sa.Text),
    sa.column("candle_ts_ms", sa.BigInteger),
    sa.column("payload", sa.Text),
)
_details = sa.table(
    "trace_details",
    sa.column("trace_id", sa.Text),
    sa.column("candle_ts_ms", sa.BigInteger),
    sa.column("payload", sa.LargeBinary),
)


def upgrade() -> None:
    """Move the details of traces to a table of their own."""
    op.create_table(
        "trace_details",
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("candle_ts_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("trace_id", name="pk_trace_details"),
    )
    _pack()
    op.create_index("ix_trace_details_candle_ts_ms", "trace_details", ["candle_ts_ms"])
    with op.batch_alter_table("decision_trace") as table:  # SQLite: written anew, so without holes
        table.drop_column("payload")
    op.drop_table("macro_observations")


def _pack() -> None:
    """Pack batch by batch, as they were written: a database may be larger than this machine's memory."""
    conn, columns = op.get_bind(), _traces.c
    later = sa.tuple_(columns.candle_ts_ms, columns.trace_id) > sa.tuple_(
        sa.bindparam("ts", type_=sa.BigInteger), sa.bindparam("id", type_=sa.Text)
    )
    page = (
        sa.select(columns.candle_ts_ms, columns.trace_id, columns.payload)
        .where(columns.candle_ts_ms >= sa.bindparam("ts"), later)
        .order_by(columns.candle_ts_ms, columns.trace_id)
        .limit(_BATCH)
    )
    last: dict[str, object] = {"ts": -1, "id": ""}
    while rows := conn.execute(page, last).all():
        last = {"ts": rows[-1].candle_ts_ms, "id": rows[-1].trace_id}
        packed = [
            {"trace_id": row.trace_id, "candle_ts_ms": row.candle_ts_ms, "payload": pack(row.payload)}
            for row in rows
            if row.payload != "{}"  # the candle never came
        ]
        if packed:
            conn.execute(_details.insert(), packed)
