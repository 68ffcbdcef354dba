from __future__ import annotations

from decimal import Decimal

import pytest

from cab_core.domain.orders import Side
from cab_exchange_sim.engine import Refused

TF = 900_000
FALL = [(100.0, 101.0, 90.0, 95.0), (95.0, 96.0, 94.0, 95.0)]
GAP = [(100.0, 101.0, 99.0, 100.0), (80.0, 92.0, 79.0, 85.0), (85.0, 86.0, 84.0, 85.0)]


def only_stop(exchange):
    return exchange.stops("main", waiting=False)[0]


def test_it_fires_at_its_trigger_and_sells_at_the_price_of_that_instant(make, stop):
    exchange = make(FALL)
    placed = exchange.place_stop("main", stop("95", "93"))
    exchange.advance(exchange.now_ms + TF)
    ended = only_stop(exchange)
    assert (ended.stop_id, ended.status) == (placed.stop_id, "finish")
    child = exchange.order("main", ended.fired_order_id, "BTC_USDT")
    assert (child.status, child.filled, child.value) == ("closed", 1, 95)
    [trade] = exchange.trades("main", "BTC_USDT")
    assert (trade.price, trade.fee, trade.fee_currency) == (95, Decimal("0.19"), "USDT")
    # From 100 to 90 in five minutes: 95 is met half-way.
    assert trade.ts_ms == exchange.now_ms - TF + 150_000


def test_it_does_not_fire_a_millisecond_too_early(make, stop):
    exchange = make(FALL)
    exchange.place_stop("main", stop("95", "93"))
    exchange.advance(exchange.now_ms + 149_999)
    assert exchange.stops("main")
    exchange.advance(exchange.now_ms + 1)
    assert not exchange.stops("main")


def test_a_gap_through_its_limit_leaves_the_child_resting_until_the_price_is_back(make, stop):
    exchange = make(GAP)
    exchange.place_stop("main", stop("95", "90"))
    exchange.advance(exchange.now_ms + TF)
    child = exchange.order("main", only_stop(exchange).fired_order_id, "BTC_USDT")
    assert (child.status, child.filled) == ("open", 0)
    exchange.advance(exchange.now_ms + TF)
    [trade] = exchange.trades("main", "BTC_USDT")
    assert (trade.price, trade.role) == (90, "maker")


@pytest.mark.parametrize(
    ("trigger", "rule", "label"),
    [
        ("100", "<=", "AUTO_TRIGGER_PRICE_LESS_LAST"),
        ("105", "<=", "AUTO_TRIGGER_PRICE_LESS_LAST"),
        ("100", ">=", "AUTO_TRIGGER_PRICE_GREATE_LAST"),
    ],
)
def test_a_trigger_that_is_reached_already_is_refused(make, stop, trigger, rule, label):
    exchange = make(FALL)
    with pytest.raises(Refused) as refused:
        exchange.place_stop("main", stop(trigger, "99", rule=rule))
    assert refused.value.label == label
    assert not exchange.stops("main")


def test_it_expires_when_its_time_is_over(make, stop):
    exchange = make(FALL)
    exchange.place_stop("main", stop("95", "93", ttl_s=100))
    exchange.advance(exchange.now_ms + TF)
    assert (only_stop(exchange).status, exchange.trades("main", "BTC_USDT")) == ("expired", [])


def test_a_cancelled_one_never_fires_and_cannot_be_cancelled_again(make, stop):
    exchange = make(FALL)
    placed = exchange.place_stop("main", stop("95", "93"))
    exchange.cancel_stop("main", placed.stop_id)
    with pytest.raises(Refused, match="ORDER_CLOSED"):
        exchange.cancel_stop("main", placed.stop_id)
    exchange.advance(exchange.now_ms + TF)
    assert (only_stop(exchange).status, exchange.trades("main", "BTC_USDT")) == ("canceled", [])


def test_it_fails_when_it_fires_and_the_coins_are_gone(make, stop, market):
    exchange = make(FALL)
    exchange.place_stop("main", stop("95", "93", "2"))
    exchange.place("main", market("sell", "1"))
    exchange.advance(exchange.now_ms + TF)
    assert only_stop(exchange).status == "failed"
    assert "BALANCE_NOT_ENOUGH" in only_stop(exchange).reason
    assert exchange.balances("main")[0]["BTC"].available == 1


@pytest.mark.parametrize("how", ["order", "pair"])
def test_it_fails_when_the_venue_lets_it_down(make, stop, how):
    exchange = make(FALL)
    exchange.place_stop("main", stop("95", "93"))
    if how == "order":
        exchange.pair_conditions("BTC_USDT").stop_fails = "TOO_BUSY"
    else:
        exchange.pair_conditions("BTC_USDT").trade_status = "untradable"
    exchange.advance(exchange.now_ms + TF)
    assert only_stop(exchange).status == "failed"
    assert exchange.balances("main")[0]["BTC"].available == 2


def test_where_stops_lock_funds_the_coins_are_held_until_it_ends(make, stop, market):
    exchange = make(FALL, stops_lock_funds=True)
    placed = exchange.place_stop("main", stop("95", "93", "1.5"))
    with pytest.raises(Refused, match="BALANCE_NOT_ENOUGH"):
        exchange.place("main", market("sell", "1"))
    exchange.cancel_stop("main", placed.stop_id)
    assert exchange.place("main", market("sell", "1")).status == "closed"


def test_a_stop_above_the_price_buys_when_it_is_reached(make, stop):
    exchange = make(FALL)
    exchange.place_stop("main", stop("101", "102", rule=">=", side=Side.BUY))
    exchange.advance(exchange.now_ms + TF)
    [trade] = exchange.trades("main", "BTC_USDT")
    assert (trade.side, trade.price) == (Side.BUY, 101)


def test_another_account_neither_sees_nor_cancels_it(make, stop):
    exchange = make(FALL)
    placed = exchange.place_stop("main", stop("95", "93"))
    assert exchange.stops("other") == []
    with pytest.raises(Refused, match="ORDER_NOT_FOUND"):
        exchange.cancel_stop("other", placed.stop_id)


def test_a_part_of_the_child_fills_at_once_and_the_rest_later(make, stop):
    exchange = make(FALL)
    conditions = exchange.pair_conditions("BTC_USDT")
    conditions.limit_part, conditions.limit_rest_ms = Decimal("0.4"), 60_000
    exchange.place_stop("main", stop("95", "90"))
    exchange.advance(exchange.now_ms + 150_000)
    [child] = exchange.open_orders("main", "BTC_USDT")
    assert (child.filled, child.left) == (Decimal("0.4"), Decimal("0.6"))
    exchange.advance(exchange.now_ms + 60_000)
    assert [trade.price for trade in exchange.trades("main", "BTC_USDT")] == [93, 95]
    assert exchange.open_orders("main", "BTC_USDT") == []


@pytest.mark.parametrize("steps", [1, 7, 900])
def test_how_the_way_is_cut_into_steps_changes_nothing(make, stop, limit, steps):
    whole, cut = make(GAP), make(GAP)
    for exchange in (whole, cut):
        exchange.place_stop("main", stop("95", "90"))
        exchange.place_stop("main", stop("98", "97", ttl_s=1_000))
        exchange.place("main", limit("buy", "2", "85"))
        exchange.countdown("main", 2_000)
    end_ms = whole.end_ms
    whole.advance(end_ms)
    for n in range(1, steps + 1):
        cut.advance(whole.markets["BTC_USDT"].path.start_ms + 3 * TF * n // steps)
    assert cut.ledger.digest() == whole.ledger.digest()
