"""Trades as rows of the report's table and as marks on its charts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import floor, log10
from typing import Any

import attrs

from cab_core.domain.exits import Levels
from cab_core.domain.money import HUNDRED
from cab_core.domain.position import ExitFill, Position, TradeRecord
from cab_core.domain.trade_figures import r_multiple
from cab_core.report.text import duration, minute, number, signed_money, signed_percent, words


@attrs.frozen(slots=True, kw_only=True)
class TradeRow:
    """One row: texts to show, and numbers to sort by.

    Attributes:
        index: number of the trade, from 1; also its place in the charts' data.
        exits: reason and price of each sell.
        sign: 1 for a gain, -1 for a loss, 0 for neither.
        keys: what the columns are sorted by where their text does not do.
    """

    index: int
    symbol: str
    opened: str
    lasted: str
    entry: str
    votes: str
    price: str
    exits: tuple[tuple[str, str], ...]
    pnl: str
    pnl_pct: str
    r: str
    fees: str
    trace_id: str
    sign: int
    keys: dict[str, float]

    @property
    def reasons(self) -> str:
        """The exit reasons, for the filter."""
        return " ".join(reason for reason, _ in self.exits)


def trade_rows(trades: Sequence[TradeRecord]) -> list[TradeRow]:
    """Return the rows of closed trades in their order."""
    return [_row(index, trade) for index, trade in enumerate(trades, 1)]


def _row(index: int, trade: TradeRecord) -> TradeRow:
    r = r_multiple(trade)
    share = float(HUNDRED * trade.pnl / trade.cost) if trade.cost else None
    lasted = trade.closed_ms - trade.opened_ms
    return TradeRow(
        index=index,
        symbol=trade.symbol,
        opened=minute(trade.opened_ms),
        lasted=duration(lasted),
        entry=trade.entry_reason,
        votes=", ".join(trade.votes),
        price=price(trade.entry_price),
        exits=tuple((sale.reason, price(sale.price)) for sale in trade.exits),
        pnl=signed_money(trade.pnl),
        pnl_pct=signed_percent(share),
        r=number(r),
        fees=number(float(trade.fees_quote)),
        trace_id=trade.trace_id,
        sign=(trade.pnl > 0) - (trade.pnl < 0),
        keys={
            "opened": trade.opened_ms,
            "lasted": lasted,
            "price": float(trade.entry_price),
            "pnl": float(trade.pnl),
            "share": -1e9 if share is None else share,
            "r": -1e9 if r is None else r,
            "fees": float(trade.fees_quote),
        },
    )


def trade_marks(trades: Sequence[TradeRecord], held: Sequence[Position]) -> list[dict[str, Any]]:
    """Return what the charts draw of closed trades and, after them, of open positions.

    Times are seconds, prices floats; ``i`` is the number of the trade, 0 for an open position.
    """
    closed = [
        {
            **_mark(trade.symbol, trade.opened_ms, trade.entry_price, trade.levels, trade.exits),
            "i": index,
            "until": trade.closed_ms // 1000,
            "pnl": float(round(trade.pnl, 4)),
            "why": trade.entry_reason,
            "votes": ", ".join(trade.votes),
            "trace": trade.trace_id,
        }
        for index, trade in enumerate(trades, 1)
    ]
    return closed + [
        {
            **_mark(each.symbol, each.opened_ms, each.entry_price, _levels(each), each.exits),
            "i": 0,
            "until": None,
            "pnl": None,
            "why": each.entry_reason,
            "votes": ", ".join(each.votes),
            "trace": each.trace_id,
        }
        for each in held
    ]


def _levels(position: Position) -> Levels | None:
    return None if position.protection is None else position.protection.levels


def _mark(
    symbol: str, opened_ms: int, entry: Decimal, levels: Levels | None, exits: Sequence[ExitFill]
) -> dict[str, Any]:
    return {
        "s": symbol,
        "at": opened_ms // 1000,
        "entry": _float(entry),
        "levels": None if levels is None else [_float(x) for x in attrs.astuple(levels)],
        "exits": [
            [sale.ts_ms // 1000, _float(sale.price), words(sale.reason), float(round(sale.pnl, 4))]
            for sale in exits
        ],
    }


def _float(value: Decimal) -> float:
    """Return the float of a price, short in JSON: ten significant digits."""
    return float(f"{value:.10g}")


def price(value: Decimal) -> str:
    """Return a price with two decimals, or as many more as it takes to show six digits of it."""
    return f"{value:,.{_decimals(value)}f}"


def _decimals(value: Decimal) -> int:
    return max(2, 5 - floor(log10(value))) if value > 0 else 2
