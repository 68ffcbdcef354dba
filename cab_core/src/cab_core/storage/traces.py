"""Decision traces: one row per symbol and candle, for ever; the details of holds only for a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.journal import append
from cab_core.storage.schema import decision_trace, order_intents, trace_details
from cab_core.storage.sql import affected, insert_new, update, upsert

#: Rows are fetched in parts: there are more than fit into memory.
_IN_PARTS = {"yield_per": 1000}

_TRACES: sa.Select[Any] = sa.select(*decision_trace.c, trace_details.c.payload).select_from(
    decision_trace.outerjoin(trace_details, decision_trace.c.trace_id == trace_details.c.trace_id)
)


@attrs.frozen(slots=True, kw_only=True)
class TraceRow:
    """The trace of one evaluation.

    Attributes:
        candle_ts_ms: open time of the decision candle. ``close``: its close, None without data.
        action: final action. ``reason``: the one machine-readable reason.
        order_key: key of the intent it led to, None without an order.
        payload: the whole chain as JSON; empty where the candle never came, and once its details are gone.
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
    payload = values.pop("payload")
    if not insert_new(conn, decision_trace, ("symbol", "candle_ts_ms"), values):
        return False
    if payload:
        _save_details(conn, trace.trace_id, trace.candle_ts_ms, payload)
    del values["symbol"], values["trace_id"]  # a row of the journal names both anyway
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
    candle = sa.select(decision_trace.c.candle_ts_ms).where(decision_trace.c.trace_id == trace_id)
    candle_ts_ms = conn.execute(candle).scalar()
    if candle_ts_ms is None:
        raise KeyError(f"no trace {trace_id}")
    update(conn, decision_trace, {"trace_id": trace_id}, outcome)
    _save_details(conn, trace_id, candle_ts_ms, payload)
    append(conn, "cycle.outcome", outcome, ts_ms=ts_ms, trace_id=trace_id)


def get_trace(conn: sa.Connection, trace_id: str) -> TraceRow | None:
    """Return the trace with this id, None if there is none."""
    return _one(conn, _TRACES.where(decision_trace.c.trace_id == trace_id))


def find_trace(
    conn: sa.Connection, symbol: str | None = None, at_ms: int | None = None, *, ordered: bool = False
) -> TraceRow | None:
    """Return the newest trace of ``symbol`` (None: any) whose candle opened by ``at_ms`` (None: ever).

    ``ordered`` leaves out cycles that led to no order.
    """
    query = _TRACES.order_by(decision_trace.c.candle_ts_ms.desc(), decision_trace.c.symbol)
    if symbol is not None:
        query = query.where(decision_trace.c.symbol == symbol)
    if at_ms is not None:
        query = query.where(decision_trace.c.candle_ts_ms <= at_ms)
    if ordered:
        query = query.where(decision_trace.c.order_key.is_not(None))
    return _one(conn, query.limit(1))


def reason_since(conn: sa.Connection, trace: TraceRow) -> int:
    """Return the open time of the first candle of the symbol from which on its action and reason held."""
    own = decision_trace.c.symbol == trace.symbol
    until = decision_trace.c.candle_ts_ms <= trace.candle_ts_ms
    other = sa.or_(decision_trace.c.action != trace.action, decision_trace.c.reason != trace.reason)
    before = sa.select(sa.func.max(decision_trace.c.candle_ts_ms)).where(own, until, other).scalar_subquery()
    after = decision_trace.c.candle_ts_ms > sa.func.coalesce(before, -1)
    first = sa.select(sa.func.min(decision_trace.c.candle_ts_ms)).where(own, until, after)
    return int(conn.execute(first).scalar_one())


def load_traces(
    conn: sa.Connection, *, symbol: str | None = None, since_ms: int = 0, until_ms: int | None = None
) -> list[TraceRow]:
    """Return the traces of candles in ``[since_ms, until_ms)``, oldest first."""
    query = _TRACES.where(decision_trace.c.candle_ts_ms >= since_ms)
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


def evaluated(conn: sa.Connection) -> Iterator[tuple[str, int, str]]:
    """Yield symbol, candle and trace id of every evaluation by symbol, oldest first, without loading all."""
    columns = (decision_trace.c.symbol, decision_trace.c.candle_ts_ms, decision_trace.c.trace_id)
    query = sa.select(*columns).order_by(*columns[:2])
    for row in conn.execute(query, execution_options=_IN_PARTS):
        yield row.symbol, row.candle_ts_ms, row.trace_id


def ordered_payloads(conn: sa.Connection) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield order key and chain of every cycle that led to an order."""
    query = _TRACES.with_only_columns(decision_trace.c.order_key, trace_details.c.payload)
    query = query.where(decision_trace.c.order_key.is_not(None), trace_details.c.payload.is_not(None))
    for row in conn.execute(query, execution_options=_IN_PARTS):
        yield row.order_key, row.payload


def recent_traces(conn: sa.Connection, symbol: str, limit: int) -> list[TraceRow]:
    """Return the newest ``limit`` traces of a symbol, oldest first."""
    query = _TRACES.where(decision_trace.c.symbol == symbol)
    query = query.order_by(decision_trace.c.candle_ts_ms.desc()).limit(limit)
    return [_trace(row) for row in reversed(conn.execute(query).all())]


def thin_traces(conn: sa.Connection, before_ms: int, limit: int, ts_ms: int) -> int:
    """Let the details of up to ``limit`` holds go, the oldest first, and return of how many.

    Only candles that opened before ``before_ms`` are touched. The row stays, with its action and its reason,
    so that lists, counts and ``cab why`` still answer. A cycle that belongs to an order keeps everything.
    """
    oldest = sa.select(trace_details.c.trace_id).where(*_thinnable(before_ms))
    oldest = oldest.order_by(trace_details.c.candle_ts_ms).limit(limit).correlate(None)
    thin = trace_details.delete().where(trace_details.c.trace_id.in_(oldest))
    thinned = affected(conn.execute(thin))
    if thinned:
        append(conn, "cycle.thinned", {"cycles": thinned, "before_ms": before_ms}, ts_ms=ts_ms)
    return thinned


def count_thinnable(conn: sa.Connection, before_ms: int) -> int:
    """Return of how many holds `thin_traces` would let the details go."""
    query = sa.select(sa.func.count()).select_from(trace_details).where(*_thinnable(before_ms))
    return int(conn.execute(query).scalar_one())


def _thinnable(before_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what old details of holds have in common."""
    ordered = sa.select(order_intents.c.trace_id)  # a protective exit may belong to a hold
    return trace_details.c.candle_ts_ms < before_ms, trace_details.c.trace_id.not_in(ordered)


def _save_details(conn: sa.Connection, trace_id: str, candle_ts_ms: int, payload: Mapping[str, Any]) -> None:
    upsert(conn, trace_details, {"trace_id": trace_id}, {"candle_ts_ms": candle_ts_ms, "payload": payload})


def _one(conn: sa.Connection, query: sa.Select[Any]) -> TraceRow | None:
    row = conn.execute(query).first()
    return None if row is None else _trace(row)


def _trace(row: sa.Row[Any]) -> TraceRow:
    return TraceRow(**{**row._asdict(), "payload": row.payload or {}})
