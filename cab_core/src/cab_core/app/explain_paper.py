"""Why a cycle of a paper or live run did what it did: read from its database, nothing computed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs

from cab_core.app.by_hand import by_hand, sold_by_hand
from cab_core.app.explain import (
    Explanation,
    Positions,
    candle_at,
    fill_json,
    intent_json,
    is_held,
    position_json,
)
from cab_core.app.history import History, Past
from cab_core.app.standing import Standing, standing_of_database
from cab_core.app.times import minute
from cab_core.domain.orders import Purpose
from cab_core.domain.position import Position, TradeRecord
from cab_core.domain.timeframes import TF_MS
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
        history: its past.
    """

    where: str | Path
    history: History

    @classmethod
    def of(cls, settings: Settings) -> PaperTraces:
        """Return those of the configured database."""
        return cls(settings.database_url.reveal() or settings.db_path, History.of(settings))

    def written_ns(self) -> int:
        """Return when a SQLite file was last written, 0 if it does not exist or is a server."""
        if not isinstance(self.where, Path):
            return 0
        files = (self.where, self.where.with_name(f"{self.where.name}-wal"))
        return max((file.stat().st_mtime_ns for file in files if file.is_file()), default=0)

    def by_id(self, trace_id: str, symbol: str | None = None) -> Explanation | None:
        """Explain the cycle, or the close by hand, with this id; None without it, or without a database.

        Raises:
            NotFoundError: it closed several symbols, and none is named.
        """
        return self._visit(lambda conn: traced(conn, trace_id, self.history, symbol))

    def at(self, symbol: str | None, at_ms: int) -> Explanation | None:
        """Explain the cycle whose candle is open at ``at_ms`` or closes then; None without it.

        Raises:
            NotFoundError: several symbols have such a candle, and none is named.
        """
        open_ms = candle_at(at_ms)

        def look(conn: Connection) -> Explanation | None:
            found = find_trace(conn, symbol, open_ms)
            if found is None or found.candle_ts_ms != open_ms:
                return None
            return explained(conn, found, self.history)

        return self._visit(look)

    def last_ordered(self, symbol: str | None) -> Explanation | None:
        """Explain the newest cycle that decided an order; None without one."""
        return self._visit(lambda conn: explained(conn, find_trace(conn, symbol, ordered=True), self.history))

    def standing(self, symbol: str | None) -> list[Standing]:
        """Return where each symbol stands; nothing without a database."""
        return self._visit(lambda conn: standing_of_database(conn, symbol)) or []

    def _visit(self, look: Callable[[Connection], T | None]) -> T | None:
        try:
            return visit(self.where, look)
        except NoDatabaseError:
            return None


def traced(
    conn: Connection, trace_id: str, history: History, symbol: str | None = None
) -> Explanation | None:
    """Return the whole chain of what a trace id names: a recorded cycle, or a close by hand.

    Raises:
        NotFoundError: the candle of the cycle never came, or several symbols were closed and none is named.
    """
    row = get_trace(conn, trace_id)
    if row is not None:
        return explained(conn, row, history)
    closed = by_hand(conn, trace_id)
    if symbol is None and len(closed) > 1:
        names = ", ".join(sorted(closed))
        raise NotFoundError("several symbols were closed", where=trace_id, fix=f"name one of them: {names}")
    asked = next(iter(closed), "") if symbol is None else symbol
    if asked not in closed:
        return None
    stored = [each for each in find_intents(conn, trace_id) if each.intent.symbol == asked]
    return _closed(conn, stored, closed[asked], history)


def explained(conn: Connection, row: TraceRow | None, history: History) -> Explanation | None:
    """Return the whole chain of a recorded cycle, JSON-safe; None without one.

    Args:
        conn: its database.
        row: the cycle.
        history: the past of the same database.

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
    stored = find_intents(conn, row.trace_id)
    # The instant of the decision itself is not on record; the close of its candle is the same to every fill.
    now_ms = row.candle_ts_ms + TF_MS + 1
    known, booked = history.look(conn, _account) or ((), ())
    # Orders of one instant, as on a recorded market, are told in the order in which they were filled.
    places = {client_id: place for place, client_id in reversed([*enumerate(booked)])}
    stored.sort(key=lambda each: (each.intent.created_ms, places.get(each.intent.client_id, len(booked))))
    orders = [_order(conn, each) for each in stored]
    filled_ms = {fill["ts_ms"] for order in orders for fill in order["fills"]}
    position = Positions(known, row.symbol).of_cycle(row.trace_id, now_ms, filled_ms)
    return {
        "source": "database",
        "run_id": None,
        "thinned": not row.payload,
        "by_hand": None,
        **_remains(row.trace_id, row.symbol, row.candle_ts_ms, row.close),
        **row.payload,
        "action": row.action,
        "reason": row.reason,
        "held_before": position is not None and is_held(position, now_ms),
        "orders": orders,
        "position": None if position is None else _position(conn, position),
    }


def _closed(conn: Connection, stored: Sequence[StoredIntent], said: str, history: History) -> Explanation:
    """Return the chain of a close by hand: no candle was asked, somebody was at the desk."""
    intent = stored[0].intent
    known, _ = history.look(conn, _account) or ((), ())
    position = Positions(known, intent.symbol).of_cycle(intent.trace_id, intent.created_ms, ())
    return {
        "source": "database",
        "run_id": None,
        "thinned": False,
        "by_hand": said,
        **_remains(intent.trace_id, intent.symbol, intent.created_ms // TF_MS * TF_MS, None),
        "action": intent.side.value,
        "reason": intent.reason,
        "held_before": True,
        "orders": [_order(conn, each) for each in stored],
        "position": None if position is None else _position(conn, position),
    }


def _position(conn: Connection, position: TradeRecord | Position) -> dict[str, Any]:
    """Return a position, with who sold it where that was no rule."""
    told = position_json(position)
    for sale in told["exits"]:
        if sale["reason"] == Purpose.MANUAL:
            sale["by_hand"] = sold_by_hand(conn, position.symbol, sale["ts_ms"])
    return told


def _remains(trace_id: str, symbol: str, candle_ts_ms: int, close: Decimal | None) -> dict[str, Any]:
    """Return a chain without any step of a decision."""
    return {
        "trace_id": trace_id,
        "symbol": symbol,
        "candle_ts_ms": candle_ts_ms,
        "close": None if close is None else float(close),
        "candle": None,
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


def _account(past: Past) -> tuple[list[TradeRecord | Position], list[str]]:
    """Return all positions, and whose fills were booked, in order."""
    held: list[TradeRecord | Position] = [*past.book.trades, *past.book.positions.values()]
    return held, [booked.fill.client_id for booked in past.booked]
