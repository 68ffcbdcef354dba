"""Decision traces: one row per symbol and candle, kept 90 days."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.timeframes import DAY_MS
from cab_core.storage.journal import append
from cab_core.storage.schema import decision_trace
from cab_core.storage.sql import affected, insert_new, update

KEEP_MS = 90 * DAY_MS


@attrs.frozen(slots=True, kw_only=True)
class TraceRow:
    """The trace of one evaluation.

    Attributes:
        candle_ts_ms: open time of the decision candle. ``close``: its close, None without data.
        action: final action. ``reason``: the one machine-readable reason.
        order_key: key of the intent it led to, None without an order.
        payload: the whole chain as JSON.
    """

    trace_id: str
    symbol: str
    candle_ts_ms: int
    close: Decimal | None
    action: str
    reason: str
    order_key: str | None = None
    payload: Mapping[str, Any]


def save_trace(conn: sa.Connection, trace: TraceRow, ts_ms: int) -> bool:
    """Record the evaluation of a candle; return False, writing nothing, if it was evaluated before."""
    values = attrs.asdict(trace, recurse=False)
    if not insert_new(conn, decision_trace, ("symbol", "candle_ts_ms"), values):
        return False
    del values["payload"]
    append(conn, "cycle", values, ts_ms=ts_ms, ref=trace.symbol, trace_id=trace.trace_id)
    return True


def update_trace(
    conn: sa.Connection,
    trace_id: str,
    *,
    action: str,
    reason: str,
    order_key: str | None,
    payload: Mapping[str, Any],
    ts_ms: int,
) -> None:
    """Replace the outcome of a recorded evaluation, e.g. when a delayed entry was decided later.

    Raises:
        KeyError: no such trace.
    """
    outcome = {"action": action, "reason": reason, "order_key": order_key}
    if not update(conn, decision_trace, {"trace_id": trace_id}, {**outcome, "payload": payload}):
        raise KeyError(f"no trace {trace_id}")
    append(conn, "cycle.outcome", outcome, ts_ms=ts_ms, trace_id=trace_id)


def get_trace(conn: sa.Connection, trace_id: str) -> TraceRow | None:
    """Return the trace with this id, None if there is none."""
    return _one(conn, sa.select(decision_trace).where(decision_trace.c.trace_id == trace_id))


def find_trace(
    conn: sa.Connection, symbol: str | None = None, at_ms: int | None = None, *, ordered: bool = False
) -> TraceRow | None:
    """Return the newest trace of ``symbol`` (None: any) whose candle opened by ``at_ms`` (None: ever).

    ``ordered`` leaves out cycles that led to no order.
    """
    query = sa.select(decision_trace).order_by(decision_trace.c.candle_ts_ms.desc(), decision_trace.c.symbol)
    if symbol is not None:
        query = query.where(decision_trace.c.symbol == symbol)
    if at_ms is not None:
        query = query.where(decision_trace.c.candle_ts_ms <= at_ms)
    if ordered:
        query = query.where(decision_trace.c.order_key.is_not(None))
    return _one(conn, query.limit(1))


def load_traces(
    conn: sa.Connection, *, symbol: str | None = None, since_ms: int = 0, until_ms: int | None = None
) -> list[TraceRow]:
    """Return the traces of candles in ``[since_ms, until_ms)``, oldest first."""
    query = sa.select(decision_trace).where(decision_trace.c.candle_ts_ms >= since_ms)
    if symbol is not None:
        query = query.where(decision_trace.c.symbol == symbol)
    if until_ms is not None:
        query = query.where(decision_trace.c.candle_ts_ms < until_ms)
    query = query.order_by(decision_trace.c.candle_ts_ms, decision_trace.c.symbol)
    return [_trace(row) for row in conn.execute(query)]


def last_candles(conn: sa.Connection) -> dict[str, int]:
    """Return the open time of the last evaluated candle by symbol."""
    newest = sa.func.max(decision_trace.c.candle_ts_ms).label("newest")
    query = sa.select(decision_trace.c.symbol, newest).group_by(decision_trace.c.symbol)
    return {row.symbol: row.newest for row in conn.execute(query)}


def prune_traces(conn: sa.Connection, now_ms: int, keep_ms: int = KEEP_MS) -> int:
    """Delete traces of candles older than ``keep_ms`` and return how many."""
    statement = decision_trace.delete().where(decision_trace.c.candle_ts_ms < now_ms - keep_ms)
    removed = affected(conn.execute(statement))
    if removed:
        append(conn, "cycle.pruned", {"removed": removed, "keep_ms": keep_ms}, ts_ms=now_ms)
    return removed


def _one(conn: sa.Connection, query: sa.Select[Any]) -> TraceRow | None:
    row = conn.execute(query).first()
    return None if row is None else _trace(row)


def _trace(row: sa.Row[Any]) -> TraceRow:
    return TraceRow(**row._asdict())
