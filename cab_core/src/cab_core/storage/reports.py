"""Questions of reports: sums over many rows."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from cab_core.storage.schema import decision_trace, equity


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


def deepest_drawdown(conn: sa.Connection, since_ms: int, until_ms: int) -> Decimal | None:
    """Return the greatest drawdown of the equity curve in ``[since_ms, until_ms)``; None without a point."""
    query = sa.select(equity.c.drawdown_pct).where(equity.c.ts_ms >= since_ms, equity.c.ts_ms < until_ms)
    found = conn.execute(query, execution_options={"yield_per": 1000}).scalars()
    return max(found, default=None)
