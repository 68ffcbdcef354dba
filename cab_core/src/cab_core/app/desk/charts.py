"""What belongs on a symbol's chart: closed candles, fills, the strategies' signals, protective prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import attrs
import numpy as np

from cab_core.app.desk.views import CandlesView, EquityPointView, Marker, PriceLine
from cab_core.domain.bars import Bars
from cab_core.domain.figures import number, price, quantity
from cab_core.domain.money import to_decimal
from cab_core.domain.position import Position, TradeRecord
from cab_core.domain.timeframes import TF_MS
from cab_core.storage import Connection, TraceRow
from cab_core.storage.pages import FILLS, Wanted, page, thinned_equity
from cab_core.storage.traces import recent_traces

#: Fills drawn on one chart, at most.
_FILLS = 1000


@attrs.frozen(slots=True, kw_only=True)
class Columns:
    """Closed candles as columns, oldest first."""

    ts_ms: Sequence[int]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]


def columns_of(bars: Bars, limit: int) -> Columns:
    """Return the newest candles of a market."""
    shown = bars[max(0, len(bars) - limit) :]
    volume = np.nan_to_num(shown.volume)
    return Columns(
        ts_ms=shown.ts_ms.tolist(),
        open=shown.open.tolist(),
        high=shown.high.tolist(),
        low=shown.low.tolist(),
        close=shown.close.tolist(),
        volume=volume.tolist(),
    )


def recorded_closes(conn: Connection, symbol: str, limit: int) -> Columns:
    """Return the evaluated candles of a symbol: only their closes are on record, so they have no body."""
    known = [trace for trace in recent_traces(conn, symbol, limit) if trace.close is not None]
    closes = [float(trace.close) for trace in known if trace.close is not None]
    return Columns(
        ts_ms=[trace.candle_ts_ms for trace in known],
        open=closes,
        high=closes,
        low=closes,
        close=closes,
        volume=[0.0] * len(closes),
    )


def candles_view(
    conn: Connection,
    symbol: str,
    columns: Columns,
    trades: Iterable[TradeRecord],
    position: Position | None,
) -> CandlesView:
    """Return candles with their markers and price lines.

    Args:
        conn: the database, for fills and signals.
        symbol: ``BASE/QUOTE``.
        columns: the candles to show.
        trades: closed trades of any symbol and time.
        position: the symbol's open position.
    """
    begin = columns.ts_ms[0] if columns.ts_ms else 0
    end = columns.ts_ms[-1] + TF_MS if columns.ts_ms else 0
    shown = [t for t in trades if t.symbol == symbol and t.closed_ms >= begin and t.opened_ms < end]
    lines = [line for trade in shown for line in _levels(trade, trade.closed_ms)]
    lines += [] if position is None else list(_open_lines(position))
    return CandlesView(
        symbol=symbol,
        timeframe="15m",
        ts_ms=columns.ts_ms,
        open=columns.open,
        high=columns.high,
        low=columns.low,
        close=columns.close,
        volume=columns.volume,
        markers=sorted(_markers(conn, symbol, begin, end, len(columns.ts_ms)), key=lambda m: m.ts_ms),
        lines=lines,
    )


def equity_points(conn: Connection, since_ms: int | None, points: int) -> list[EquityPointView]:
    """Return the equity curve, thinned to at most ``points``."""
    return [EquityPointView(**row) for row in thinned_equity(conn, since_ms or 0, max(1, points))]


def _markers(conn: Connection, symbol: str, begin: int, end: int, candles: int) -> Iterator[Marker]:
    wanted = Wanted(limit=_FILLS, symbol=symbol, since_ms=begin, until_ms=end + TF_MS)
    for row in page(conn, FILLS, wanted):
        text = f"{row['side']} {quantity(row['quantity'])} at {price(row['price'])}"
        reason = f": {row['reason']}" if row["reason"] else ""
        yield Marker(
            ts_ms=row["ts_ms"],
            price=row["price"],
            kind=row["side"],
            text=f"{text}{reason}",
            trace_id=row["trace_id"] or "",
        )
    for trace in recent_traces(conn, symbol, candles):
        if begin <= trace.candle_ts_ms < end:
            yield from _signals(trace)


def _signals(trace: TraceRow) -> Iterator[Marker]:
    price = trace.close or to_decimal(0.0)
    for row in trace.payload.get("strategies", ()):
        if row["action"] != "hold":
            stopped = f", stopped by {row['stopped_by']}" if row["stopped_by"] else ""
            yield Marker(
                ts_ms=trace.candle_ts_ms,
                price=price,
                kind=f"signal:{row['name']}",
                text=f"{row['action']} {number(row['confidence_fused'])}: {row['reason']}{stopped}",
                trace_id=trace.trace_id,
            )


def _levels(held: TradeRecord | Position, to_ms: int | None) -> Iterator[PriceLine]:
    if isinstance(held, TradeRecord):
        protected = held.levels
    else:
        protected = None if held.protection is None else held.protection.levels
    if protected is None:
        return
    prices: dict[str, Decimal] = {
        "stop_loss": protected.sl,
        "take_profit_1": protected.tp1,
        "take_profit_2": protected.tp2,
    }
    for name, at in prices.items():
        yield PriceLine(name=name, price=at, from_ms=held.opened_ms, to_ms=to_ms)


def _open_lines(position: Position) -> Iterator[PriceLine]:
    """Yield the levels of an open position, and its stop where that has moved since the entry."""
    yield from _levels(position, None)
    p = position.protection
    if p is not None and p.stop != p.levels.sl:
        since_ms = position.exits[0].ts_ms if position.exits else position.opened_ms
        yield PriceLine(name=p.kind, price=p.stop, from_ms=since_ms, to_ms=None)
