"""What is held and what the account is worth, from a book: the session's, or the one its database saved."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from cab_core.app.desk.views import AccountView, PositionView
from cab_core.app.history import any_instrument
from cab_core.domain.book import Book
from cab_core.domain.book_state import from_state
from cab_core.domain.currencies import quote_of
from cab_core.domain.equity import drawdown_pct
from cab_core.domain.money import ZERO
from cab_core.domain.orders import OrderType
from cab_core.domain.position import Position
from cab_core.settings.schema import Settings
from cab_core.storage import Connection, intents_open, load_account, load_positions
from cab_core.storage.pages import fill_symbols


def saved_book(conn: Connection, settings: Settings) -> Book | None:
    """Return the book as the bot last saved it, None before it did."""
    account = load_account(conn)
    if account is None or "lots" not in account.book:
        return None
    held = load_positions(conn)
    symbols = dict.fromkeys([*settings.symbols, *held, *account.book["seen"], *fill_symbols(conn)])
    rules = {symbol: attrs.evolve(any_instrument(settings), symbol=symbol) for symbol in symbols}
    return from_state({"account": account.book, "positions": held}, rules)


def resting_stops(conn: Connection) -> dict[str, str]:
    """Return by symbol the exchange's order id of the stop that rests there."""
    return {
        stored.intent.symbol: stored.order_id
        for stored in intents_open(conn)
        if stored.intent.type is OrderType.STOP_LIMIT and stored.order_id is not None
    }


def position_view(
    position: Position, bid: Decimal | None, resting_stop: str | None, *, watched: bool
) -> PositionView:
    """Return an open position, valued at ``bid``."""
    value = None if bid is None else position.quantity * bid
    unrealized = None if value is None else value - position.cost
    p = position.protection
    return PositionView(
        symbol=position.symbol,
        quantity=position.quantity,
        cost=position.cost,
        entry_price=position.entry_price,
        opened_ms=position.opened_ms,
        entry_reason=position.entry_reason,
        entry_trace_id=position.trace_id,
        votes=position.votes,
        bid=bid,
        value=value,
        realized=position.realized,
        unrealized=unrealized,
        unrealized_pct=None if unrealized is None or not position.cost else _pct(unrealized, position.cost),
        fees_quote=position.fees_quote,
        stage=None if p is None else p.stage,
        stop=None if p is None else p.stop,
        stop_kind=None if p is None else p.kind,
        take_profit_1=None if p is None else p.levels.tp1,
        take_profit_2=None if p is None else p.levels.tp2,
        resting_stop=resting_stop,
        watched=watched,
    )


def account_view(book: Book, symbols: Sequence[str]) -> AccountView:
    """Return what the account is worth."""
    equity = book.equity()
    peak = max(book.peak, equity)
    marks = book.marks
    held = book.positions.values()
    return AccountView(
        quote=quote_of(next(iter(symbols), "")),
        equity=equity,
        baseline=book.baseline,
        peak=peak,
        drawdown_pct=drawdown_pct(peak, equity),
        realized=book.realized,
        unrealized=book.unrealized(),
        quote_free=book.quote_free,
        invested=sum((p.quantity * marks.get(p.symbol, p.entry_price) for p in held), ZERO),
    )


def _pct(part: Decimal, whole: Decimal) -> float:
    return float(100 * part / whole)
