"""Questions of reports: sums over many rows."""

from __future__ import annotations

import sqlalchemy as sa

from cab_core.storage.schema import decision_trace


def reason_counts(
    conn: sa.Connection, since_ms: int, until_ms: int, symbol: str | None = None
) -> dict[str, int]:
    """Return how often each reason left a candle opened in ``[since_ms, until_ms)`` without an order."""
    query = (
        sa.select(decision_trace.c.reason, sa.func.count())
        .where(
            decision_trace.c.candle_ts_ms >= since_ms,
            decision_trace.c.candle_ts_ms < until_ms,
            decision_trace.c.action == "hold",
        )
        .group_by(decision_trace.c.reason)
        .order_by(sa.func.count().desc(), decision_trace.c.reason)
    )
    if symbol is not None:
        query = query.where(decision_trace.c.symbol == symbol)
    return {reason: int(count) for reason, count in conn.execute(query)}
