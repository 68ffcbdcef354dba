"""Positions with their exit state, the account, and the equity curve."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.journal import append
from cab_core.storage.schema import account, equity, positions
from cab_core.storage.sql import upsert
from cab_core.storage.types import canonical

_ONLY = {"id": 1}

_STATE = sa.select(sa.type_coerce(positions.c.state, sa.Text)).where(
    positions.c.symbol == sa.bindparam("symbol")
)
_FIGURES = (account.c.baseline, account.c.peak, account.c.peak_since_ms, account.c.quote_free)
_ACCOUNT = sa.select(account)
_ACCOUNT_FIGURES = sa.select(*_FIGURES)


@attrs.frozen(slots=True, kw_only=True)
class AccountRow:
    """The account as last saved. Money in quote currency.

    Attributes:
        baseline: equity counts from here. ``peak``: running maximum of equity.
        peak_since_ms: from when the peak is counted: the first start, or the last reset of ``max_drawdown``.
        quote_free: free quote currency.
        book: the ledger and whatever else the caller keeps, as JSON.
    """

    baseline: Decimal
    peak: Decimal
    peak_since_ms: int
    quote_free: Decimal
    book: Mapping[str, Any]
    updated_ms: int


@attrs.frozen(slots=True)
class EquityPoint:
    """One point of the equity curve; ``drawdown_pct`` in percent of the peak."""

    ts_ms: int
    equity: Decimal
    peak: Decimal
    drawdown_pct: Decimal


def save_position(
    conn: sa.Connection,
    symbol: str,
    state: Mapping[str, Any] | None,
    ts_ms: int,
    *,
    trace_id: str = "-",
    traded: bool = False,
) -> None:
    """Save the whole state of a symbol's position; None removes it (flat).

    The same state again is neither written nor journalled: a cycle without an event must not cost a row for
    ever. ``traded`` says that trades of the symbol were booked along with it: a position that came and went
    between two saves left no other mark.
    """
    stored = conn.execute(_STATE, {"symbol": symbol}).scalar()
    same = stored == (None if state is None else canonical(state))
    if same and not traded:
        return
    if state is None:
        conn.execute(positions.delete().where(positions.c.symbol == symbol))
    else:
        upsert(conn, positions, {"symbol": symbol}, {"state": state, "updated_ms": ts_ms})
    append(conn, "position", {"state": state}, ts_ms=ts_ms, ref=symbol, trace_id=trace_id)


def load_positions(conn: sa.Connection) -> dict[str, dict[str, Any]]:
    """Return the saved state of each open position by symbol."""
    return {row.symbol: row.state for row in conn.execute(sa.select(positions).order_by(positions.c.symbol))}


def save_account(conn: sa.Connection, row: AccountRow, *, trace_id: str = "-") -> None:
    """Save the account. The journal gets its figures when they change; the book follows from the fills."""
    before = conn.execute(_ACCOUNT_FIGURES).first()
    values = attrs.asdict(row, recurse=False)
    upsert(conn, account, _ONLY, values)
    if before != tuple(values[column.name] for column in _FIGURES):
        del values["book"]
        append(conn, "account", values, ts_ms=row.updated_ms, trace_id=trace_id)


def load_account(conn: sa.Connection) -> AccountRow | None:
    """Return the account, None before the first start saved it."""
    row = conn.execute(_ACCOUNT).first()
    if row is None:
        return None
    names = (field.name for field in attrs.fields(AccountRow))
    return AccountRow(**{name: getattr(row, name) for name in names})


def save_equity(conn: sa.Connection, point: EquityPoint) -> None:
    """Add a point to the equity curve. It is a projection of fills and prices, so it is not journalled."""
    values = attrs.asdict(point)
    upsert(conn, equity, {"ts_ms": values.pop("ts_ms")}, values)


def last_equity(conn: sa.Connection) -> EquityPoint | None:
    """Return the newest point of the equity curve, None if there is none."""
    row = conn.execute(sa.select(equity).order_by(equity.c.ts_ms.desc()).limit(1)).first()
    return None if row is None else EquityPoint(*row)
