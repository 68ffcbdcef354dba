"""Own trades. Each is applied once: unique per exchange, symbol and trade id."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.domain.orders import Fill, Side
from cab_core.storage.journal import append
from cab_core.storage.schema import fills
from cab_core.storage.sql import insert_new

#: The order's id is on record with the order.
_STORED = attrs.filters.exclude("order_id")


def save_fill(conn: sa.Connection, exchange: str, fill: Fill, *, trace_id: str = "-") -> bool:
    """Record a trade; return False, writing nothing, if it was recorded before."""
    row = {"exchange": exchange, **attrs.asdict(fill, filter=_STORED)}
    row["further_fees"] = row["further_fees"] or None
    if not insert_new(conn, fills, ("exchange", "symbol", "trade_id"), row):
        return False
    append(conn, "fill", row, ts_ms=fill.ts_ms, ref=fill.client_id, trace_id=trace_id)
    return True


def fees_from(stored: Sequence[Sequence[str]] | None) -> tuple[tuple[str, Decimal], ...]:
    """Return the further fees of a stored or journalled trade; those of former versions have none."""
    return tuple((currency, Decimal(amount)) for currency, amount in stored or ())


def load_fills(
    conn: sa.Connection,
    *,
    symbol: str | None = None,
    since_ms: int = 0,
    until_ms: int | None = None,
    client_id: str | None = None,
) -> list[Fill]:
    """Return recorded trades by exchange time and trade id, the order in which lots are consumed.

    ``since_ms`` and ``until_ms`` are both within.
    """
    query = sa.select(fills).where(fills.c.ts_ms >= since_ms)
    if symbol is not None:
        query = query.where(fills.c.symbol == symbol)
    if until_ms is not None:
        query = query.where(fills.c.ts_ms <= until_ms)
    if client_id is not None:
        query = query.where(fills.c.client_id == client_id)
    found = conn.execute(query.order_by(fills.c.ts_ms, fills.c.trade_id))
    return [_fill(row) for row in found]


def _fill(row: sa.Row[Any]) -> Fill:
    return Fill(
        trade_id=row.trade_id,
        client_id=row.client_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        price=row.price,
        fee=row.fee,
        fee_currency=row.fee_currency,
        ts_ms=row.ts_ms,
        reference=row.reference,
        further_fees=fees_from(row.further_fees),
    )
