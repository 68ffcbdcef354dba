"""ccxt's unified structures as our values (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cab_broker_ccxt.amounts import ZERO, maybe, number
from cab_core.sdk import Ack, Fill, Instrument, Quote, Side, VenueOrder, floor_step

Row = Mapping[str, Any]

#: ccxt's number of the precision mode in which a precision is a number of decimal places.
DECIMAL_PLACES = 2
CENT = Decimal("0.01")


def client_text(client_id: str, exchange_id: str) -> str:
    """Return the client id as the venue takes it: some take letters and digits alone."""
    return client_id if exchange_id in ("gate", "gateeu") else re.sub(r"[^0-9A-Za-z]", "", client_id)


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


def ack_of(order: Row, *, sized_in_quote: bool) -> Ack:
    """Read how an order stands.

    The filled amount of a market buy by cost is not believed: ccxt derives it from rounded figures.
    """
    status = str(order.get("status") or "open")
    filled = None if sized_in_quote else maybe(order.get("filled"))
    final = status != "open"
    return Ack(str(order["id"]), final=final, filled=filled, ended=status if final else "")


def venue_order(order: Row, symbol: str, text: str) -> VenueOrder:
    """Read an order of a listing."""
    return VenueOrder(
        order_id=str(order.get("id")),
        client_id=text,
        symbol=symbol,
        side=Side(str(order["side"])),
        stop=False,
        open=order.get("status") in ("open", None),
        quantity=maybe(order.get("amount")),
        filled=maybe(order.get("filled")) or ZERO,
        created_ms=int(order.get("timestamp") or 0),
        limit=maybe(order.get("price")),
    )


def fill_of(trade: Row, symbol: str, client_id: str) -> Fill:
    """Read one own trade."""
    fees = [fee for fee in (trade.get("fees") or [trade.get("fee") or {}]) if number(fee.get("cost")) != 0]
    fee = fees[0] if fees else {}
    return Fill(
        trade_id=str(trade["id"]),
        client_id=client_id,
        symbol=symbol,
        side=Side(str(trade["side"])),
        quantity=number(trade.get("amount")),
        price=number(trade.get("price")),
        fee=number(fee.get("cost")),
        fee_currency=str(fee.get("currency") or symbol.partition("/")[2]),
        ts_ms=int(trade.get("timestamp") or 0),
    )


def bought_base(cost: Decimal, ask: Decimal, rules: Instrument) -> Decimal:
    """Return the base to buy where a venue takes no cost: never worth more than the cost at the ask."""
    return floor_step(cost / ask, rules.amount_step)
