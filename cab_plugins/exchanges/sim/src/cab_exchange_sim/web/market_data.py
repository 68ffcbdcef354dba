"""The public endpoints of the spot market."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cab_core.domain.timeframes import MINUTE_MS
from cab_exchange_sim.web.gateway import Admitted
from cab_exchange_sim.web.rendering import Row, candle_row, pair_row, plain, ticker_row


@get("/spot/time", sync_to_thread=False)
def server_time(public: Admitted) -> Row:
    """Return the exchange's time."""
    return {"server_time": public.exchange.server_ms}


@get("/spot/currencies", sync_to_thread=False)
def currencies(public: Admitted) -> list[Row]:
    """Return all currencies."""
    markets = public.exchange.markets.values()
    names = dict.fromkeys(name for market in markets for name in (market.base, market.quote))
    return [
        {
            "currency": name,
            "name": name,
            "delisted": False,
            "withdraw_disabled": False,
            "withdraw_delayed": False,
            "deposit_disabled": False,
            "trade_disabled": False,
            "chain": name,
        }
        for name in names
    ]


@get("/spot/currency_pairs", sync_to_thread=False)
def currency_pairs(public: Admitted) -> list[Row]:
    """Return the rules of all pairs."""
    return [pair_row(market) for market in public.exchange.markets.values()]


@get("/spot/currency_pairs/{pair:str}", sync_to_thread=False)
def currency_pair(public: Admitted, pair: FromPath[str]) -> Row:
    """Return the rules of one pair."""
    return pair_row(public.exchange.market(pair))


@get("/spot/tickers", sync_to_thread=False)
def tickers(public: Admitted) -> list[Row]:
    """Return one ticker or all."""
    exchange, pair = public.exchange, public.query.text("currency_pair")
    markets = [exchange.market(pair)] if pair else list(exchange.markets.values())
    return [ticker_row(market, exchange.now_ms) for market in markets]


@get("/spot/order_book", sync_to_thread=False)
def order_book(public: Admitted) -> Row:
    """Return the book."""
    exchange = public.exchange
    depth = public.query.whole("limit") or 10
    book = exchange.book(public.query.text("currency_pair", None), depth)
    shown: Row = {
        "current": exchange.server_ms,
        "update": book.ts_ms + exchange.conditions.clock_skew_ms,
        "asks": [[plain(price), plain(amount)] for price, amount in book.asks],
        "bids": [[plain(price), plain(amount)] for price, amount in book.bids],
    }
    if public.query.text("with_id") == "true":
        shown["id"] = book.ts_ms
    return shown


@get("/spot/trades", sync_to_thread=False)
def public_trades(public: Admitted) -> list[Row]:
    """Return made-up trades of others: one each minute at the recorded price, newest first."""
    exchange = public.exchange
    market = exchange.market(public.query.text("currency_pair", None))
    newest = exchange.now_ms // MINUTE_MS
    oldest = max(newest - (public.query.whole("limit") or 100), market.path.start_ms // MINUTE_MS)
    return [
        {
            "id": str(minute),
            "create_time": str(minute * 60),
            "create_time_ms": f"{minute * MINUTE_MS}.000000",
            "currency_pair": market.pair,
            "side": "buy" if minute % 2 else "sell",
            "amount": "1",
            "price": plain(market.path.price_at(minute * MINUTE_MS)),
            "sequence_id": str(minute),
        }
        for minute in range(newest, oldest, -1)
    ]


@get("/spot/candlesticks", sync_to_thread=False)
def candlesticks(public: Admitted) -> list[list[str]]:
    """Return candles, oldest first, the running one last."""
    query = public.query
    found = public.exchange.candles(
        query.text("currency_pair", None),
        query.text("interval", "30m"),
        limit=query.whole("limit"),
        from_ms=query.seconds("from"),
        to_ms=query.seconds("to"),
    )
    return [candle_row(candle) for candle in found]


@get(
    [
        "/margin/currency_pairs",
        "/futures/{settle:str}/contracts",
        "/delivery/{settle:str}/contracts",
        "/options/underlyings",
        "/options/contracts",
    ],
    sync_to_thread=False,
)
def nothing(public: Admitted) -> list[Any]:  # noqa: ARG001 - asked for so that limits and maintenance apply
    """Return that there are no margin pairs and no derivatives."""
    return []


HANDLERS: list[HTTPRouteHandler] = [
    server_time,
    currencies,
    currency_pairs,
    currency_pair,
    tickers,
    order_book,
    public_trades,
    candlesticks,
    nothing,
]
