"""Questions of reports: sums over many rows, and what happened to the book in the order it happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from cab_core.storage.schema import decision_trace, journal


def reason_counts(conn: sa.Connection, since_ms: int, until_ms: int) -> dict[str, int]:
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
    return {reason: int(count) for reason, count in conn.execute(query)}


def journalled(conn: sa.Connection, *kinds: str) -> Iterator[tuple[int, str, str, Any]]:
    """Yield time, kind, ref and payload of the journal rows of some kinds, in the order of writing."""
    columns = (journal.c.ts_ms, journal.c.kind, journal.c.ref, journal.c.payload)
    query = sa.select(*columns).where(journal.c.kind.in_(kinds)).order_by(journal.c.seq)
    for ts_ms, kind, ref, payload in conn.execution_options(yield_per=1000).execute(query):
        yield ts_ms, kind, ref, json.loads(payload)
