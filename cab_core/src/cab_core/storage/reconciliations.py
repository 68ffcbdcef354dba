"""Comparisons of the book with the venue, and which of the venue's orders are on record."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.orders import OrderState
from cab_core.domain.timeframes import DAY_MS
from cab_core.ports import Reconciled
from cab_core.storage.journal import append
from cab_core.storage.schema import fills, order_intents, reconciliations
from cab_core.storage.sql import upsert

#: How long results are kept. What was found or done stays in the journal.
KEPT_MS = 30 * DAY_MS

_OUTDATED = reconciliations.delete().where(
    reconciliations.c.symbol == sa.bindparam("of"), reconciliations.c.ts_ms < sa.bindparam("before_ms")
)


def save_reconciliation(conn: sa.Connection, result: Reconciled, ts_ms: int, *, trace_id: str = "-") -> None:
    """Keep a result for 30 days; one with findings or corrections goes into the journal too."""
    values: dict[str, Any] = {
        "duration_ms": result.duration_ms,
        "findings": list(result.findings),
        "corrected": list(result.corrected),
    }
    upsert(conn, reconciliations, {"symbol": result.symbol, "ts_ms": ts_ms}, values)
    conn.execute(_OUTDATED, {"of": result.symbol, "before_ms": ts_ms - KEPT_MS})
    if result.findings or result.corrected:
        append(conn, "reconciliation", values, ts_ms=ts_ms, ref=result.symbol, trace_id=trace_id)


@attrs.frozen(slots=True)
class ReconciliationRow:
    """One stored result; ``findings`` and ``corrected`` as plain data."""

    symbol: str
    ts_ms: int
    duration_ms: int
    findings: list[dict[str, Any]]
    corrected: list[str]


def load_reconciliations(
    conn: sa.Connection, symbol: str | None = None, since_ms: int = 0
) -> list[ReconciliationRow]:
    """Return results from ``since_ms`` on, oldest first."""
    query = sa.select(reconciliations).where(reconciliations.c.ts_ms >= since_ms)
    if symbol is not None:
        query = query.where(reconciliations.c.symbol == symbol)
    found = conn.execute(query.order_by(reconciliations.c.ts_ms, reconciliations.c.symbol))
    return [ReconciliationRow(*row) for row in found]


def known_orders(conn: sa.Connection, ids: Collection[str]) -> dict[str, OrderState]:
    """Return those of some client ids and venue's order ids that the intents or the fills name.

    With the state of the attempt; what only a fill names is done.
    """
    if not ids:
        return {}
    wanted = sorted(ids)
    named = conn.execute(sa.select(fills.c.client_id).where(fills.c.client_id.in_(wanted))).scalars()
    found = dict.fromkeys(named, OrderState.DONE)
    for column in (order_intents.c.order_id, order_intents.c.client_id):
        rows = conn.execute(sa.select(column, order_intents.c.state).where(column.in_(wanted)))
        found |= {known: OrderState(state) for known, state in rows}
    return found
