"""Why a cycle of a paper or live run did what it did: read from its database, nothing computed again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs

from cab_core.app.explain import (
    Explanation,
    candle_at,
    fill_json,
    intent_json,
    levels_json,
    money,
)
from cab_core.app.times import minute
from cab_core.cycle.context import from_json
from cab_core.domain.exits import protect
from cab_core.domain.orders import Fill, Side
from cab_core.errors import NotFoundError
from cab_core.settings.schema import Settings
from cab_core.storage import (
    Connection,
    NoDatabaseError,
    StoredIntent,
    TraceRow,
    find_trace,
    get_trace,
    load_fills,
    visit,
)
from cab_core.storage.pages import find_intents

T = TypeVar("T")


@attrs.frozen
class PaperTraces:
    """The traces of one database.

    Attributes:
        where: path or address.
    """

    where: str | Path

    @classmethod
    def of(cls, settings: Settings) -> PaperTraces:
        """Return those of the configured database."""
        return cls(settings.database_url.reveal() or settings.db_path)

    def written_ns(self) -> int:
        """Return when a SQLite file was last written, 0 if it does not exist or is a server."""
        if not isinstance(self.where, Path):
            return 0
        files = (self.where, self.where.with_name(f"{self.where.name}-wal"))
        return max((file.stat().st_mtime_ns for file in files if file.is_file()), default=0)

    def by_id(self, trace_id: str) -> Explanation | None:
        """Explain the cycle with this id; None without it, or without a database."""
        return self._visit(lambda conn: explained(conn, get_trace(conn, trace_id)))

    def at(self, symbol: str | None, at_ms: int) -> Explanation | None:
        """Explain the cycle whose candle is open at ``at_ms`` or closes then; None without it.

        Raises:
            NotFoundError: several symbols have such a candle, and none is named.
        """
        open_ms = candle_at(at_ms)

        def look(conn: Connection) -> Explanation | None:
            found = find_trace(conn, symbol, open_ms)
            return explained(conn, found) if found is not None and found.candle_ts_ms == open_ms else None

        return self._visit(look)

    def last_ordered(self, symbol: str | None) -> Explanation | None:
        """Explain the newest cycle that decided an order; None without one."""
        return self._visit(lambda conn: explained(conn, find_trace(conn, symbol, ordered=True)))

    def _visit(self, look: Callable[[Connection], T | None]) -> T | None:
        try:
            return visit(self.where, look)
        except NoDatabaseError:
            return None


def explained(conn: Connection, row: TraceRow | None) -> Explanation | None:
    """Return the whole chain of a recorded cycle, JSON-safe; None without one.

    Raises:
        NotFoundError: its candle never came.
    """
    if row is None:
        return None
    if row.close is None:
        raise NotFoundError(
            f"the candle of {row.symbol} at {minute(row.candle_ts_ms)} UTC never came: {row.reason}",
            where=row.trace_id,
            fix="choose another cycle",
        )
    stored = find_intents(conn, trace_id=row.trace_id)
    return {
        "source": "database",
        "run_id": None,
        "thinned": not row.payload,
        **(row.payload or _remains(row)),
        "action": row.action,
        "reason": row.reason,
        "candle": None,
        "held_before": row.reason == "already_long" or row.action == "sell",
        "orders": [_order(conn, intent) for intent in stored],
        "position": _position(conn, row, stored),
    }


def _remains(row: TraceRow) -> dict[str, Any]:
    """Return a chain of which only the candle and the reason are left."""
    return {
        "trace_id": row.trace_id,
        "symbol": row.symbol,
        "candle_ts_ms": row.candle_ts_ms,
        "close": None if row.close is None else float(row.close),
        "trend": None,
        "volume_ratio": None,
        "strategies": [],
        "ai_probability": None,
        "aggregate": None,
        "regime": None,
        "risk": [],
        "size": None,
        "order": None,
    }


def _order(conn: Connection, stored: StoredIntent) -> dict[str, Any]:
    fills = load_fills(conn, client_id=stored.intent.client_id)
    return {
        **intent_json(stored.intent),
        "state": stored.state.value,
        "message": stored.message,
        "fills": [fill_json(fill) for fill in fills],
    }


def _position(conn: Connection, row: TraceRow, stored: list[StoredIntent]) -> dict[str, Any] | None:
    """Return the position that an entry opened, and what became of it so far."""
    entries = [intent for intent in stored if intent.intent.side is Side.BUY]
    fills = [fill for each in entries for fill in load_fills(conn, client_id=each.intent.client_id)]
    if not fills:
        return None
    opened_ms = fills[0].ts_ms
    sales = find_intents(conn, position=f"{row.symbol}@{opened_ms}")
    bought = sum((fill.quantity for fill in fills), Decimal(0))
    entry_price = sum((fill.value for fill in fills), Decimal(0)) / bought
    return {
        "symbol": row.symbol,
        "opened_ms": opened_ms,
        "closed_ms": None,
        "entry_price": money(entry_price),
        "quantity": money(bought),
        "entry_reason": row.reason,
        "entry_trace_id": row.trace_id,
        "votes": list(from_json(entries[0].payload).votes),
        "levels": _levels(entries[0], fills, entry_price),
        "exits": [
            {
                "ts_ms": fill.ts_ms,
                "quantity": money(fill.quantity),
                "price": money(fill.price),
                "reason": from_json(each.payload).reason,
                "pnl_quote": None,
            }
            for each in sales
            for fill in load_fills(conn, client_id=each.intent.client_id)
        ],
        "fees_quote": None,
        "pnl_quote": None,
    }


def _levels(entry: StoredIntent, fills: list[Fill], price: Decimal) -> dict[str, str | None] | None:
    rules = from_json(entry.payload).rules
    if rules is None:
        return None
    base, _, quote = entry.intent.symbol.partition("/")
    received = sum((f.quantity - f.fee_in(base) for f in fills), Decimal(0))
    paid = sum((f.value + f.fee_in(quote) for f in fills), Decimal(0))
    return levels_json(protect(price, received, paid, rules).levels)
