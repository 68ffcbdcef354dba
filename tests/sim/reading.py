"""What the exchange shows, as the kernel's values, and the reasons of its refusals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.sim.wire import VenueSaidError

from cab_core.domain.bars import Bars
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Ack, Fill, Rejected, VenueOrder
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES
from cab_exchange_sim.engine import Order, Stop, Trade, symbol_of
from cab_exchange_sim.engine.candles import ServedCandle
from cab_exchange_sim.engine.market import Market

NOT_FOUND = frozenset({"ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"})
GONE = frozenset({"ORDER_CLOSED", "ORDER_CANCELLED"})

_REASONS = {
    "BALANCE_NOT_ENOUGH": "insufficient_funds",
    "TRADE_RESTRICTED": "not_tradable",
    "INVALID_CURRENCY_PAIR": "not_tradable",
    "ORDER_BOOK_NOT_FOUND": "no_quote",
    "TOO_MANY_REQUESTS": "rate_limited",
    "REQUEST_EXPIRED": "clock_skew",
    "AMOUNT_TOO_LITTLE": "below_min_notional",
    "INVALID_PRECISION": "bad_precision",
    "AUTO_TRIGGER_PRICE_LESS_LAST": "trigger_reached",
    **dict.fromkeys(NOT_FOUND | GONE, "not_open"),
}


def rejected(said: VenueSaidError) -> Rejected:
    """Return a refusal in the kernel's words."""
    reason = _REASONS.get(said.label)
    if reason is None:
        reason = "below_min_notional" if "too small" in str(said) else said.label.lower()
    return Rejected(reason, str(said), transient=reason in {"rate_limited", "clock_skew"})


def ack_of(order: Order) -> Ack:
    """Return how an order stands."""
    final = order.status != "open"
    return Ack(order.order_id, final=final, filled=order.filled, ended=order.finish_as if final else "")


def fill_of(trade: Trade, client_id: str) -> Fill:
    """Return one own trade."""
    return Fill(
        trade.trade_id,
        client_id,
        symbol_of(trade.pair),
        trade.side,
        trade.quantity,
        trade.price,
        trade.fee,
        trade.fee_currency,
        trade.ts_ms,
    )


def venue_order(order: Order) -> VenueOrder:
    """Return an ordinary order of a listing."""
    return VenueOrder(
        order_id=order.order_id,
        client_id=order.text if order.text.startswith("t-") else "",
        symbol=symbol_of(order.pair),
        side=order.side,
        stop=False,
        open=order.status == "open",
        quantity=None if order.in_quote else order.amount,
        filled=order.filled,
        created_ms=order.created_ms,
        limit=order.price,
    )


def venue_stop(stop: Stop, child: Order | None, client_id: str) -> VenueOrder:
    """Return a stop together with the order it has become."""
    waits = stop.status == "open"
    return VenueOrder(
        order_id=stop.stop_id,
        client_id=client_id,
        symbol=symbol_of(stop.pair),
        side=stop.request.side,
        stop=waits,
        open=waits or (child is not None and child.status == "open"),
        quantity=stop.request.amount,
        filled=ZERO if child is None else child.filled,
        created_ms=stop.created_ms,
        trigger=stop.request.trigger,
        limit=stop.request.price,
    )


def rules_of(market: Market) -> Instrument:
    """Return the rules of a symbol as they are told now."""
    known, status = market.instrument, market.conditions.trade_status
    return Instrument(
        known.symbol,
        known.amount_step,
        known.price_tick,
        known.cost_step,
        known.min_notional,
        known.min_amount,
        status in {"tradable", "buyable"},
        status in {"tradable", "sellable"},
        market.conditions.delisting_ms,
    )


def closed_bars(candles: Sequence[ServedCandle], timeframe: str, server_ms: int, limit: int) -> Bars:
    """Return the newest candles that are closed by their flag and by the venue's clock, each once."""
    length_ms = TIMEFRAMES.get(timeframe, TF_MS)
    found = {c.ts_ms: c for c in candles if c.closed and c.ts_ms + length_ms <= server_ms}
    rows = [found[ts_ms] for ts_ms in sorted(found)][-limit:]
    columns = [
        np.array([float(getattr(row, name)) for row in rows])
        for name in ("open", "high", "low", "close", "volume")
    ]
    return Bars.of(np.array([row.ts_ms for row in rows], np.int64), *columns)
