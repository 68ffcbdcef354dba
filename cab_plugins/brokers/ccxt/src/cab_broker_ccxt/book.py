"""The order book's best prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from cab_broker_ccxt.amounts import maybe
from cab_broker_ccxt.api import Api, objects
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.rules import pair_of
from cab_core.sdk import Quote

DEPTH = 20
#: How old the answer may be, and how long the book may have stood still, on the venue's clock.
ANSWER_STALE_MS, BOOK_STALE_MS = 10_000, 60_000

Level = tuple[Decimal, Decimal]


async def quote_of(api: Api, symbol: str) -> Quote:
    """Return the best prices; sides that are empty, crossed or stale are None: unknown, never a guess.

    Without a bid the last traded price is asked for as well. All of it is urgent: a stop waits for it.

    Raises:
        VenueError: the venue does not answer.
    """
    await api.sync()
    params = {"currency_pair": pair_of(symbol), "limit": DEPTH}
    book = await api.row("publicSpotGetOrderBook", params, urgent=True)
    quote = read_quote(book, api.server.now_ms(), api.server.offset_ms)
    return quote if quote.bid is not None else attrs.evolve(quote, last=await _last(api, symbol))


async def _last(api: Api, symbol: str) -> Decimal | None:
    """Return the last traded price, None if the venue does not tell."""
    try:
        tickers = await api.rows("publicSpotGetTickers", {"currency_pair": pair_of(symbol)}, urgent=True)
    except VenueError:
        return None
    return next((maybe(row.get("last")) for row in objects(tickers)), None)


def read_quote(book: dict[str, Any], server_ms: int, offset_ms: int) -> Quote:
    """Read an answer of ``/spot/order_book`` (pure)."""
    made_ms, changed_ms = maybe(book.get("current")), maybe(book.get("update"))
    asks, bids = _levels(book.get("asks")), _levels(book.get("bids"))
    if made_ms is None:
        return Quote(None, None, 0)
    ts_ms = int(made_ms) - offset_ms
    stale = server_ms - made_ms > ANSWER_STALE_MS
    if stale or (changed_ms is not None and server_ms - changed_ms > BOOK_STALE_MS):
        return Quote(None, None, ts_ms)
    bid, ask = (bids[0][0] if bids else None), (asks[0][0] if asks else None)
    if bid is not None and ask is not None and bid >= ask:
        return Quote(None, None, ts_ms)
    return Quote(bid, ask, ts_ms, asks)


def _levels(rows: Any) -> tuple[Level, ...]:
    """Read price levels up to the first that makes no sense."""
    levels: list[Level] = []
    for row in rows if isinstance(rows, list) else []:
        price, amount = (
            (maybe(row[0]), maybe(row[1])) if isinstance(row, list) and len(row) > 1 else (None, None)
        )
        if price is None or amount is None or price <= 0 or amount <= 0:
            break
        levels.append((price, amount))
    return tuple(levels)
