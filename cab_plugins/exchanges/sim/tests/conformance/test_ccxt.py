"""ccxt, which parses every answer its own way, against the local exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

ccxt = pytest.importorskip("ccxt.async_support", reason="ccxt is not installed")

SYMBOL = "BTC/USDT"


def pointed(urls: Any, base: str) -> Any:
    """Replace every address, so that none of the real exchange's is left."""
    if isinstance(urls, dict):
        return {name: pointed(value, base) for name, value in urls.items()}
    return base


@pytest.fixture
async def gate(venue: Any) -> AsyncIterator[Any]:
    exchange = ccxt.gate(
        {
            "apiKey": venue.key,
            "secret": venue.secret,
            "options": {"fetchMarkets": {"types": ["spot"]}, "unifiedAccount": False},
        }
    )
    exchange.number = str
    exchange.has["fetchCurrencies"] = False
    exchange.urls["api"] = pointed(exchange.urls["api"], venue.url)
    exchange.options["timeDifference"] = exchange.milliseconds() - await exchange.fetch_time()
    await exchange.load_markets()
    yield exchange
    await exchange.close()


async def bought(gate: Any, cost: int = 50, **params: Any) -> Any:
    return await gate.create_order(SYMBOL, "market", "buy", 0, None, {"cost": cost, **params})


async def test_loads_spot_markets(gate: Any) -> None:
    market = gate.markets[SYMBOL]
    assert market["spot"]
    assert market["active"]
    assert market["info"]["trade_status"] == "tradable"
    assert Decimal(str(market["precision"]["amount"])) > 0
    assert Decimal(str(market["limits"]["cost"]["min"])) > 0


async def test_loads_what_ccxt_asks_for_by_default(venue: Any) -> None:
    exchange = ccxt.gate({"apiKey": venue.key, "secret": venue.secret})
    exchange.urls["api"] = pointed(exchange.urls["api"], venue.url)
    try:
        exchange.options["timeDifference"] = exchange.milliseconds() - await exchange.fetch_time()
        markets = await exchange.load_markets()
        assert SYMBOL in markets
        assert all(market["spot"] for market in markets.values())
    finally:
        await exchange.close()


async def test_ticker_book_and_candles(gate: Any) -> None:
    ticker = await gate.fetch_ticker(SYMBOL)
    assert Decimal(ticker["bid"]) <= Decimal(ticker["last"]) <= Decimal(ticker["ask"])
    book = await gate.fetch_order_book(SYMBOL, 10)
    assert book["bids"][0][0] < book["asks"][0][0]
    rows = await gate.fetch_ohlcv(SYMBOL, "15m", limit=5)
    assert len(rows) == 5
    since = rows[0][0]
    assert [row[0] for row in await gate.fetch_ohlcv(SYMBOL, "15m", since=since, limit=3)] == [
        row[0] for row in rows[:3]
    ]
    for _, opening, high, low, close, volume in rows:
        low, high = Decimal(low), Decimal(high)
        assert low <= Decimal(opening) <= high
        assert low <= Decimal(close) <= high
        assert Decimal(volume) >= 0


async def test_balances(gate: Any) -> None:
    balance = await gate.fetch_balance()
    usdt = balance["USDT"]
    assert Decimal(usdt["free"]) + Decimal(usdt["used"]) == Decimal(usdt["total"]) > 0


async def test_a_market_buy_by_cost(gate: Any) -> None:
    made = await bought(gate, clientOrderId="t-ccxt-1")
    assert made["clientOrderId"] == "t-ccxt-1"
    assert made["status"] == "closed"
    info = made["info"]
    assert Decimal(info["filled_total"]) <= 50
    trades = await gate.fetch_order_trades(made["id"], SYMBOL)
    assert sum(Decimal(trade["amount"]) for trade in trades) == Decimal(info["filled_amount"])
    assert {trade["fee"]["currency"] for trade in trades} == {"BTC"}
    mine = await gate.fetch_my_trades(SYMBOL)
    assert {trade["info"]["text"] for trade in mine if trade["order"] == made["id"]} == {"t-ccxt-1"}
    closed = await gate.fetch_closed_orders(SYMBOL)
    assert made["id"] in {row["id"] for row in closed}
    with pytest.raises(ccxt.OrderNotFound):
        await gate.fetch_order(None, SYMBOL, {"clientOrderId": "t-ccxt-1"})


async def test_a_limit_order_rests_and_is_cancelled_by_its_text(gate: Any) -> None:
    half = gate.price_to_precision(SYMBOL, float((await gate.fetch_ticker(SYMBOL))["last"]) / 2)
    made = await gate.create_order(SYMBOL, "limit", "buy", "0.01", half, {"clientOrderId": "t-ccxt-2"})
    assert made["status"] == "open"
    assert made["id"] in {row["id"] for row in await gate.fetch_open_orders(SYMBOL)}
    assert (await gate.fetch_order(None, SYMBOL, {"clientOrderId": "t-ccxt-2"}))["id"] == made["id"]
    assert (await gate.cancel_order("t-ccxt-2", SYMBOL))["status"] == "canceled"
    with pytest.raises(ccxt.InvalidOrder):
        await gate.cancel_order(made["id"], SYMBOL)
    assert await gate.fetch_open_orders(SYMBOL) == []


async def test_the_cancel_of_nothing_by_client_id_cancels_nothing(gate: Any) -> None:
    half = gate.price_to_precision(SYMBOL, float((await gate.fetch_ticker(SYMBOL))["last"]) / 2)
    made = await gate.create_order(SYMBOL, "limit", "buy", "0.01", half)
    with pytest.raises(ccxt.BaseError):
        await gate.cancel_order_with_client_order_id("t-ccxt-none", SYMBOL)
    assert (await gate.fetch_order(made["id"], SYMBOL))["status"] == "open"
    await gate.cancel_all_orders(SYMBOL)
    assert (await gate.fetch_order(made["id"], SYMBOL))["status"] == "canceled"


async def test_a_stop_is_placed_found_and_cancelled(gate: Any) -> None:
    last = float((await gate.fetch_ticker(SYMBOL))["last"])
    trigger, limit = (gate.price_to_precision(SYMBOL, last * share) for share in (0.5, 0.49))
    params = {"triggerPrice": trigger, "expiration": 3600}
    made = await gate.create_order(SYMBOL, "limit", "sell", "0.002", limit, params)
    listed = {row["id"]: row for row in await gate.fetch_open_orders(SYMBOL, params={"trigger": True})}
    assert listed[made["id"]]["info"]["trigger"]["rule"] == "<="
    seen = await gate.fetch_order(made["id"], SYMBOL, {"trigger": True})
    assert seen["status"] == "open"
    await gate.cancel_order(made["id"], SYMBOL, {"trigger": True})
    assert await gate.fetch_open_orders(SYMBOL, params={"trigger": True}) == []
    ended = {row["id"]: row for row in await gate.fetch_closed_orders(SYMBOL, params={"trigger": True})}
    assert ended[made["id"]]["status"] == "canceled"


async def test_refusals_arrive_as_the_errors_of_their_labels(gate: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        await bought(gate, 1_000_000)
    with pytest.raises(ccxt.BadRequest):
        await bought(gate, 50, text="illegal")
    with pytest.raises(ccxt.OrderNotFound):
        await gate.fetch_order("12345", SYMBOL)
    last = float((await gate.fetch_ticker(SYMBOL))["last"])
    above = gate.price_to_precision(SYMBOL, last * 2)
    with pytest.raises(ccxt.InvalidOrder):
        await gate.create_order(SYMBOL, "limit", "sell", "0.002", above, {"stopLossPrice": above})


async def test_a_wrong_clock_is_told(gate: Any) -> None:
    gate.options["timeDifference"] += 90_000
    with pytest.raises(ccxt.AuthenticationError, match="REQUEST_EXPIRED"):
        await gate.fetch_balance()
