"""Trades as rows of the report's table and as marks on its charts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import attrs

from cab_core.domain.currencies import quote_of
from cab_core.domain.exits import Levels
from cab_core.domain.figures import money, number, price, signed_money, signed_percent
from cab_core.domain.money import HUNDRED
from cab_core.domain.position import ExitFill, Position, TradeRecord
from cab_core.domain.trade_figures import r_multiple
from cab_core.report.text import duration, minute, words

_SHORT = Context(prec=10)


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
    r, quote = r_multiple(trade), quote_of(trade.symbol)
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
        pnl=signed_money(trade.pnl, quote),
        pnl_pct=signed_percent(share),
        r=number(r),
        fees=money(trade.fees_quote, quote),
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

    Times are seconds. A price or gain that is drawn is a float, one that is read a text beside it. ``i`` is
    the number of the trade, 0 for an open position.
    """
    closed = [
        {
            **_mark(trade.symbol, trade.opened_ms, trade.entry_price, trade.levels, trade.exits),
            "i": index,
            "until": trade.closed_ms // 1000,
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
    quote = quote_of(symbol)
    prices = None if levels is None else attrs.astuple(levels)
    return {
        "s": symbol,
        "at": opened_ms // 1000,
        "entry": _float(entry),
        "entryText": price(entry),
        "levels": None if prices is None else [_float(each) for each in prices],
        "levelTexts": None if prices is None else [price(each) for each in prices],
        "exits": [
            {
                "at": sale.ts_ms // 1000,
                "price": _float(sale.price),
                "text": f"{words(sale.reason)} {price(sale.price)}",
                "pnl": signed_money(sale.pnl, quote),
                "gain": sale.pnl > 0,
                "why": sale.reason,
            }
            for sale in exits
        ],
    }


def _float(value: Decimal) -> float:
    """Return the float of a price, short in JSON: ten significant digits."""
    return float(_SHORT.plus(value))
