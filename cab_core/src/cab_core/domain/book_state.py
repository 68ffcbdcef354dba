"""The book as JSON-safe data and back: for storage beside each fill, and for checkpoints of a replay."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cab_core.domain.book import VIEWED_ROUND_TRIPS, Book
from cab_core.domain.codec import decimals, money_converter
from cab_core.domain.ledger import Lot
from cab_core.domain.market import Instrument
from cab_core.domain.position import Position, TradeRecord
from cab_core.domain.risk import RoundTrip
from cab_core.domain.seen import SeenTrades

#: Days of realized PnL that travel with the account; older ones follow from the stored trades.
KEPT_DAYS = 40


def position_state(book: Book, symbol: str) -> dict[str, Any] | None:
    """Return the symbol's open position with its protection, None if flat."""
    position = book.positions.get(symbol)
    return None if position is None else dict(money_converter().unstructure(position))


def account_state(book: Book) -> dict[str, Any]:
    """Return everything but positions and closed trades, bounded in size: what is written with each fill.

    Holds the lots (dust included), the newest trade ids, the last 50 round trips and 40 days of realized PnL.
    """
    newest = sorted(book.realized_by_day)[-KEPT_DAYS:]
    days = {day: book.realized_by_day[day] for day in newest}
    return _account(book, book.round_trips[-VIEWED_ROUND_TRIPS:], days)


def to_state(book: Book) -> dict[str, Any]:
    """Return the whole book: ``account``, ``positions`` by symbol, and ``trades``; an exact round trip."""
    convert = money_converter().unstructure
    return {
        "account": _account(book, book.round_trips, book.realized_by_day),
        "positions": {symbol: convert(position) for symbol, position in book.positions.items()},
        "trades": convert(book.trades, list[TradeRecord]),
    }


def from_state(state: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> Book:
    """Rebuild a book from `to_state`, or from `account_state` and the `position_state` of each open position.

    Args:
        state: ``account`` and ``positions``; ``trades`` may be missing.
        instruments: rules of every symbol that is traded or open. Of others the book keeps what it knows:
            their dust, which trades it has seen.
    """
    account = state["account"]
    convert = money_converter().structure
    book = Book(Decimal(account["baseline"]), instruments)
    book.quote_free = Decimal(account["quote_free"])
    book.peak = Decimal(account["peak"])
    book.realized = Decimal(account["realized"])
    book.realized_by_day = {int(day): Decimal(text) for day, text in account["realized_by_day"].items()}
    book.round_trips = convert(account["round_trips"], list[RoundTrip])
    book.last_fill_ms = dict(account["last_fill_ms"])
    book.marks = {symbol: Decimal(text) for symbol, text in account["marks"].items()}
    book.recent = deque((ts_ms, client_id, Decimal(text)) for ts_ms, client_id, text in account["recent"])
    for symbol, lots in account["lots"].items():
        book.ledger.restore(symbol, convert(lots, list[Lot]))
    for symbol, seen in account["seen"].items():
        book.seen.setdefault(symbol, SeenTrades()).restore(seen["ids"].items(), seen["floor_ms"])
    book.positions = {symbol: convert(data, Position) for symbol, data in state["positions"].items()}
    book.trades = convert(state.get("trades", []), list[TradeRecord])
    return book


def _account(book: Book, trips: list[RoundTrip], realized_by_day: Mapping[int, Decimal]) -> dict[str, Any]:
    convert = money_converter().unstructure
    return {
        "baseline": str(book.baseline),
        "quote_free": str(book.quote_free),
        "peak": str(book.peak),
        "realized": str(book.realized),
        "realized_by_day": decimals(realized_by_day),
        "round_trips": convert(trips, list[RoundTrip]),
        "last_fill_ms": dict(book.last_fill_ms),
        "marks": decimals(book.marks),
        "recent": [[ts_ms, client_id, str(value)] for ts_ms, client_id, value in book.recent],
        "lots": {s: convert(list(book.ledger.lots(s)), list[Lot]) for s in book.ledger.symbols()},
        "seen": {
            symbol: {"ids": dict(seen.ids), "floor_ms": seen.floor_ms} for symbol, seen in book.seen.items()
        },
    }
