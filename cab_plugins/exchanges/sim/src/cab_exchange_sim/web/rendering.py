"""Values of the engine as JSON in Gate's words: numbers as plain text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias
from zlib import crc32

from cab_core.domain.money import HUNDRED, ZERO
from cab_exchange_sim.engine import Order, Stop, Trade
from cab_exchange_sim.engine.candles import ServedCandle
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.values import decimals, rounded

Row: TypeAlias = dict[str, Any]

#: What the venue shows as text of an order that has none, by where it came from.
_SOURCES = {"api": "apiv4", "stop": "api", "phantom": "web"}

_PERCENT = Decimal("0.01")


#: User ids have eight digits here.
_FIRST_USER, _USERS = 10_000_000, 90_000_000


def user_id(account: str) -> int:
    """Return the number of an account: the same for all of its keys, and at every start."""
    return _FIRST_USER + crc32(account.encode()) % _USERS


def plain(value: Decimal) -> str:
    """Return a number without exponent and without zeros at its end."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


def order_row(order: Order, market: Market) -> Row:
    """Return an order."""
    tick = market.instrument.price_tick
    average = rounded(order.value / order.filled, tick) if order.filled else ZERO
    return {
        "id": order.order_id,
        "text": order.text or _SOURCES[order.source],
        "amend_text": "-",
        "create_time": str(order.created_ms // 1000),
        "update_time": str(order.updated_ms // 1000),
        "create_time_ms": order.created_ms,
        "update_time_ms": order.updated_ms,
        "status": order.status,
        "currency_pair": order.pair,
        "type": order.type,
        "account": "spot",
        "side": order.side.value,
        "amount": plain(order.amount),
        "price": plain(order.price or ZERO),
        "time_in_force": order.tif,
        "iceberg": "0",
        "left": plain(order.left),
        "filled_amount": plain(order.filled),
        "fill_price": plain(order.value),
        "filled_total": plain(order.value),
        "avg_deal_price": plain(average),
        "fee": plain(order.fee),
        "fee_currency": order.fee_currency,
        "point_fee": plain(order.point_fee),
        "gt_fee": plain(order.gt_fee),
        "gt_maker_fee": "0",
        "gt_taker_fee": "0",
        "gt_discount": order.gt_fee > 0,
        "rebated_fee": "0",
        "rebated_fee_currency": order.fee_currency,
        "finish_as": order.finish_as,
        "stp_id": 0,
        "stp_act": "-",
    }


def trade_row(trade: Trade) -> Row:
    """Return an own trade."""
    return {
        "id": trade.trade_id,
        "create_time": str(trade.ts_ms // 1000),
        "create_time_ms": f"{trade.ts_ms}.000000",
        "currency_pair": trade.pair,
        "side": trade.side.value,
        "role": trade.role,
        "amount": plain(trade.quantity),
        "price": plain(trade.price),
        "order_id": trade.order_id,
        "fee": plain(trade.fee),
        "fee_currency": trade.fee_currency,
        "point_fee": plain(trade.point_fee),
        "gt_fee": plain(trade.gt_fee),
        "amend_text": "-",
        "sequence_id": str(trade.sequence),
        "text": trade.text or "apiv4",
        "deal": plain(trade.quantity * trade.price),
    }


def stop_row(stop: Stop) -> Row:
    """Return a price order."""
    request = stop.request
    return {
        "id": int(stop.stop_id),
        "user": user_id(stop.account),
        "market": stop.pair,
        "trigger": {"price": plain(request.trigger), "rule": request.rule, "expiration": request.ttl_s},
        "put": {
            "type": request.type,
            "side": request.side.value,
            "price": plain(request.price or ZERO),
            "amount": plain(request.amount),
            "account": "normal",
            "time_in_force": request.tif,
            "text": request.text or "api",
        },
        "ctime": stop.created_ms // 1000,
        "ftime": 0 if stop.ended_ms is None else stop.ended_ms // 1000,
        "fired_order_id": int(stop.fired_order_id or 0),
        "status": stop.status,
        "reason": stop.reason,
    }


def candle_row(candle: ServedCandle) -> list[str]:
    """Return a candle: time, quote volume, close, high, low, open, base volume, whether it is closed."""
    numbers = (candle.quote_volume, candle.close, candle.high, candle.low, candle.open, candle.volume)
    closed = "true" if candle.closed else "false"
    return [str(candle.ts_ms // 1000), *(plain(number) for number in numbers), closed]


def pair_row(market: Market) -> Row:
    """Return the rules of a pair."""
    instrument, conditions = market.instrument, market.conditions
    delisting_ms = conditions.delisting_ms or 0
    return {
        "id": market.pair,
        "base": market.base,
        "base_name": market.base,
        "quote": market.quote,
        "quote_name": market.quote,
        "fee": plain(market.fee * HUNDRED),
        "min_base_amount": plain(instrument.min_amount) if instrument.min_amount else None,
        "min_quote_amount": plain(instrument.min_notional),
        "max_quote_amount": "5000000",
        "amount_precision": decimals(instrument.amount_step),
        "precision": decimals(instrument.price_tick),
        "trade_status": conditions.trade_status,
        "sell_start": 0,
        "buy_start": 0,
        "delisting_time": delisting_ms // 1000,
        "type": "normal",
        "trade_url": "",
    }


def ticker_row(market: Market, now_ms: int) -> Row:
    """Return a ticker."""
    book = market.book(now_ms, 1)
    high, low, base, value = market.candles.day(now_ms)
    last, before = market.last(now_ms), market.candles.open_a_day_ago(now_ms)
    (bid, bid_size), (ask, ask_size) = (side[0] if side else (ZERO, ZERO) for side in (book.bids, book.asks))
    return {
        "currency_pair": market.pair,
        "last": plain(last),
        "lowest_ask": plain(ask),
        "lowest_size": plain(ask_size),
        "highest_bid": plain(bid),
        "highest_size": plain(bid_size),
        "change_percentage": plain(rounded(HUNDRED * (last - before) / before, _PERCENT)),
        "base_volume": plain(base),
        "quote_volume": plain(value),
        "high_24h": plain(high),
        "low_24h": plain(low),
    }
