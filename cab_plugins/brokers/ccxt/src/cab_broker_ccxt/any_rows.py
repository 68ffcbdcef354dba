"""ccxt's unified structures as our values (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cab_broker_ccxt.amounts import maybe, number
from cab_core.sdk import Instrument, Quote

Row = Mapping[str, Any]

#: ccxt's number of the precision mode in which a precision is a number of decimal places.
DECIMAL_PLACES = 2
CENT = Decimal("0.01")


def instrument_of(symbol: str, market: Row, mode: int) -> Instrument:
    """Read a market. What a venue does not tell is taken as fine as ccxt would send it."""
    limits, precision = market.get("limits") or {}, market.get("precision") or {}
    tick = _step(precision.get("price"), mode)
    active = market.get("active") is not False
    return Instrument(
        symbol,
        amount_step=_step(precision.get("amount"), mode),
        price_tick=tick,
        cost_step=max(tick, CENT),
        min_notional=number((limits.get("cost") or {}).get("min")),
        min_amount=number((limits.get("amount") or {}).get("min")),
        buyable=active,
        sellable=active,
    )


def _step(value: Any, mode: int) -> Decimal:
    found = maybe(value)
    if found is None:
        return Decimal("0.00000001")
    return Decimal(1).scaleb(-int(found)) if mode == DECIMAL_PLACES else found


def quote_of(book: Row, now_ms: int) -> Quote:
    """Read an order book; levels are floats there, turned by their shortest text."""
    sides = {
        name: [(number(row[0]), number(row[1])) for row in book.get(name) or ()] for name in ("bids", "asks")
    }
    bids, asks = sides["bids"], tuple(sides["asks"])
    ts_ms = int(book.get("timestamp") or now_ms)
    if bids and asks and bids[0][0] >= asks[0][0]:
        return Quote(None, None, ts_ms)
    return Quote(bids[0][0] if bids else None, asks[0][0] if asks else None, ts_ms, asks)
