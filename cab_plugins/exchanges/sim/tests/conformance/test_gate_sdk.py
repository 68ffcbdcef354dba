"""The venue's own Python SDK against the local exchange: it signs, parses and checks by itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

gate_api = pytest.importorskip("gate_api", reason="the official SDK (gate-api) is not installed")

PAIR = "BTC_USDT"
_TEXTS = itertools.count(1)


def text() -> str:
    return f"t-sdk-{next(_TEXTS)}"


def opened(url: str, key: str, secret: str) -> Any:
    return gate_api.ApiClient(gate_api.Configuration(host=url, key=key, secret=secret))


@pytest.fixture
def spot(venue: Any) -> Iterator[Any]:
    with opened(venue.url, venue.key, venue.secret) as client:
        yield gate_api.SpotApi(client)


@pytest.fixture
def last(spot: Any) -> Decimal:
    return Decimal(spot.list_tickers(currency_pair=PAIR)[0].last)


def order(side: str, amount: object, **fields: Any) -> Any:
    fields = {"type": "market", "time_in_force": "ioc", "account": "spot", "text": text()} | fields
    return gate_api.Order(currency_pair=PAIR, side=side, amount=str(amount), **fields)


def limit(side: str, amount: object, price: Decimal, **fields: Any) -> Any:
    price = price.quantize(Decimal("0.1"))
    return order(side, amount, type="limit", price=str(price), time_in_force="gtc", **fields)


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[int, str]:
    with pytest.raises(gate_api.exceptions.GateApiException) as refused:
        call(*args, **kwargs)
    return refused.value.status, refused.value.label


def held(spot: Any, currency: str) -> Decimal:
    rows = {row.currency: row for row in spot.list_spot_accounts()}
    return (
        Decimal(rows[currency].available) + Decimal(rows[currency].locked) if currency in rows else Decimal(0)
    )


def test_time_is_in_milliseconds(spot: Any) -> None:
    assert 1_500_000_000_000 < spot.get_system_time().server_time < 4_000_000_000_000


def test_currencies_and_pairs(spot: Any) -> None:
    assert {"BTC", "USDT"} <= {row.currency for row in spot.list_currencies()}
    pair = {row.id: row for row in spot.list_currency_pairs()}[PAIR]
    assert (pair.base, pair.quote, pair.trade_status) == ("BTC", "USDT", "tradable")
    assert Decimal(pair.min_quote_amount) > 0
    assert pair.precision >= 0
    assert pair.amount_precision > 0
    assert spot.get_currency_pair(PAIR).id == PAIR


def test_ticker_lies_within_its_book(spot: Any) -> None:
    ticker = spot.list_tickers(currency_pair=PAIR)[0]
    assert Decimal(ticker.highest_bid) <= Decimal(ticker.last) <= Decimal(ticker.lowest_ask)
    book = spot.list_order_book(PAIR, limit=5)
    asks, bids = ([Decimal(price) for price, _ in side] for side in (book.asks, book.bids))
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert bids[0] < asks[0]
    assert 0 < len(asks) <= 5
    assert book.current >= book.update > 0


def test_candles_are_ordered_and_whole(spot: Any) -> None:
    rows = spot.list_candlesticks(PAIR, interval="15m", limit=5)
    times = [int(row[0]) for row in rows]
    assert times == list(range(times[0], times[0] + 5 * 900, 900))
    for _, _, close, high, low, opening, _, closed in rows:
        assert Decimal(low) <= min(Decimal(opening), Decimal(close)) <= Decimal(high)
        assert closed in {"true", "false"}
    assert rows[0][7] == "true"


def test_a_market_buy_spends_quote_and_pays_its_fee_in_base(spot: Any) -> None:
    before = held(spot, "BTC"), held(spot, "USDT")
    asked = order("buy", 50)
    done = spot.create_order(asked)
    assert done.text == asked.text
    assert done.finish_as == "filled"
    assert done.fee_currency == "BTC"
    trades = spot.list_my_trades(currency_pair=PAIR, order_id=done.id)
    assert sum(Decimal(row.amount) for row in trades) == Decimal(done.filled_amount)
    assert sum(Decimal(row.fee) for row in trades) == Decimal(done.fee) > 0
    assert {row.text for row in trades} == {asked.text}
    assert {row.role for row in trades} == {"taker"}
    assert 49 < Decimal(done.filled_total) <= 50
    assert Decimal(done.left) == 50 - Decimal(done.filled_total)
    gained = Decimal(done.filled_amount) - Decimal(done.fee)
    assert (held(spot, "BTC"), held(spot, "USDT")) == (
        before[0] + gained,
        before[1] - Decimal(done.filled_total),
    )


def test_a_market_sell_gives_base_and_pays_its_fee_in_quote(spot: Any) -> None:
    before = held(spot, "BTC"), held(spot, "USDT")
    done = spot.create_order(order("sell", "0.002"))
    assert (done.status, done.finish_as, done.fee_currency) == ("closed", "filled", "USDT")
    assert Decimal(done.filled_amount) == Decimal("0.002")
    gained = Decimal(done.filled_total) - Decimal(done.fee)
    assert (held(spot, "BTC"), held(spot, "USDT")) == (before[0] - Decimal("0.002"), before[1] + gained)


def test_a_resting_order_is_found_by_id_and_text_until_it_ends(spot: Any, last: Decimal) -> None:
    asked = limit("buy", "0.01", last / 2)
    made = spot.create_order(asked)
    assert (made.status, made.finish_as) == ("open", "open")
    assert spot.get_order(made.id, PAIR).text == asked.text
    assert spot.get_order(asked.text, PAIR).id == made.id
    assert made.id in {row.id for row in spot.list_orders(PAIR, "open")}
    groups = spot.list_all_open_orders()
    assert made.id in {row.id for group in groups for row in group.orders if group.currency_pair == PAIR}
    ended = spot.cancel_order(made.id, PAIR)
    assert (ended.status, ended.finish_as) == ("cancelled", "cancelled")
    assert made.id in {row.id for row in spot.list_orders(PAIR, "finished")}
    assert spot.get_order(made.id, PAIR).status == "cancelled"
    assert refusal(spot.get_order, asked.text, PAIR)[0] == 404
    assert refusal(spot.cancel_order, made.id, PAIR)[1] in {"ORDER_CANCELLED", "ORDER_CLOSED"}


def test_resting_buys_lock_quote(spot: Any, last: Decimal) -> None:
    made = spot.create_order(limit("buy", "0.01", last / 2))
    locked = {row.currency: Decimal(row.locked) for row in spot.list_spot_accounts(currency="USDT")}["USDT"]
    assert locked == Decimal("0.01") * Decimal(made.price)
    assert [row.id for row in spot.cancel_orders(currency_pair=PAIR)] == [made.id]
    assert Decimal(spot.list_spot_accounts(currency="USDT")[0].locked) == 0


def test_an_order_amended_keeps_its_id(spot: Any, last: Decimal) -> None:
    made = spot.create_order(limit("buy", "0.01", last / 2))
    changed = spot.amend_order(made.id, gate_api.OrderPatch(amount="0.02"), currency_pair=PAIR)
    assert (changed.id, Decimal(changed.amount)) == (made.id, Decimal("0.02"))
    spot.cancel_order(made.id, PAIR)


def test_batches(spot: Any, last: Decimal) -> None:
    made = spot.create_batch_orders([limit("buy", "0.01", last / 2), order("sell", 1_000_000)])
    assert [row.succeeded for row in made] == [True, False]
    assert made[1].label == "BALANCE_NOT_ENOUGH"
    ended = spot.cancel_batch_orders([gate_api.CancelBatchOrder(currency_pair=PAIR, id=made[0].id)])
    assert [row.succeeded for row in ended] == [True]


def test_an_expired_request_is_not_accepted(spot: Any) -> None:
    now_ms = spot.get_system_time().server_time
    asked = order("buy", 50)
    assert refusal(spot.create_order, asked, x_gate_exptime=now_ms - 10_000)[0] < 500
    assert asked.text not in {row.text for row in spot.list_orders(PAIR, "finished")}
    in_time = order("buy", 50)
    assert spot.create_order(in_time, x_gate_exptime=now_ms + 3_600_000).text == in_time.text


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"amount": "1000000"}, "BALANCE_NOT_ENOUGH"),
        ({"currency_pair": "NO_SUCH"}, "INVALID_CURRENCY_PAIR"),
        ({"text": "mine"}, "INVALID_PARAM_VALUE"),
        ({"text": "t-" + "x" * 29}, "INVALID_PARAM_VALUE"),
        ({"amount": "0.5"}, "INVALID_PARAM_VALUE"),
        ({"time_in_force": "poc"}, "INVALID_PARAM_VALUE"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_refusals_carry_their_label(spot: Any, fields: dict[str, str], label: str) -> None:
    asked = order("buy", 50)
    for name, value in fields.items():
        setattr(asked, name, value)
    assert refusal(spot.create_order, asked) == (400, label)


def test_keys_and_signatures_are_checked(venue: Any) -> None:
    with opened(venue.url, venue.key, "not the secret") as client:
        assert refusal(gate_api.SpotApi(client).list_spot_accounts) == (401, "INVALID_SIGNATURE")
    with opened(venue.url, "nobody", venue.secret) as client:
        assert refusal(gate_api.SpotApi(client).list_spot_accounts) == (401, "INVALID_KEY")


def test_signs_the_query_before_it_is_encoded(spot: Any) -> None:
    assert spot.list_spot_accounts(currency="NO SUCH, NOR: THIS") == []


def stop(price: Decimal, rule: str, amount: str = "0.002") -> Any:
    tick = Decimal("0.1")
    return gate_api.SpotPriceTriggeredOrder(
        market=PAIR,
        trigger=gate_api.SpotPriceTrigger(price=str(price.quantize(tick)), rule=rule, expiration=3600),
        put=gate_api.SpotPricePutOrder(
            type="limit",
            side="sell",
            price=str((price * Decimal("0.98")).quantize(tick)),
            amount=amount,
            account="normal",
            time_in_force="gtc",
        ),
    )


def test_a_stop_waits_and_is_cancelled(spot: Any, last: Decimal) -> None:
    made = spot.create_spot_price_triggered_order(stop(last / 2, "<="))
    seen = spot.get_spot_price_triggered_order(str(made.id))
    assert (seen.status, seen.market, seen.trigger.rule) == ("open", PAIR, "<=")
    assert seen.trigger.expiration == 3600
    assert seen.ctime > 0
    assert made.id in {row.id for row in spot.list_spot_price_triggered_orders("open", market=PAIR)}
    assert spot.cancel_spot_price_triggered_order(str(made.id)).id == made.id
    assert made.id not in {row.id for row in spot.list_spot_price_triggered_orders("open", market=PAIR)}
    finished = {row.id: row for row in spot.list_spot_price_triggered_orders("finished", market=PAIR)}
    assert finished[made.id].status in {"canceled", "cancelled"}


def test_all_stops_of_a_pair_are_cancelled_at_once(spot: Any, last: Decimal) -> None:
    made = {spot.create_spot_price_triggered_order(stop(last / n, "<=")).id for n in (2, 3)}
    ended = spot.cancel_spot_price_triggered_order_list(market=PAIR)
    assert made <= {row.id for row in ended}
    assert spot.list_spot_price_triggered_orders("open", market=PAIR) == []


def test_a_stop_through_its_trigger_is_refused(spot: Any, last: Decimal) -> None:
    status, label = refusal(spot.create_spot_price_triggered_order, stop(last * 2, "<="))
    assert status == 400
    assert label.startswith("AUTO_TRIGGER_PRICE")


def test_a_countdown_says_when_it_triggers(spot: Any) -> None:
    now_ms = spot.get_system_time().server_time
    task = gate_api.CountdownCancelAllSpotTask(timeout=30, currency_pair=PAIR)
    assert spot.countdown_cancel_all_spot(task).trigger_time >= now_ms + 30_000
    spot.countdown_cancel_all_spot(gate_api.CountdownCancelAllSpotTask(timeout=0, currency_pair=PAIR))


def test_own_trades_come_newest_first_and_page(spot: Any) -> None:
    ids = [spot.create_order(order("buy", 20)).id for _ in range(3)]
    rows = spot.list_my_trades(currency_pair=PAIR, limit=3)
    assert [row.order_id for row in rows] == ids[::-1]
    numbers = [int(row.sequence_id) for row in rows]
    assert numbers == sorted(numbers, reverse=True)
    older = spot.list_my_trades(currency_pair=PAIR, limit=2, page=2)
    assert older[0].order_id == ids[0]


def test_public_trades_and_fees(spot: Any) -> None:
    assert all(Decimal(row.price) > 0 for row in spot.list_trades(PAIR, limit=5))
    fee = spot.get_fee(currency_pair=PAIR)
    assert Decimal(fee.taker_fee) >= 0
