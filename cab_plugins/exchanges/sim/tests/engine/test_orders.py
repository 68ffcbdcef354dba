from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from cab_core.domain.orders import Side
from cab_exchange_sim.engine import Book, OrderRequest, Refused

TF = 900_000
ROWS = [(100.0, 110.0, 90.0, 100.0), (100.0, 101.0, 99.0, 100.0), (100.0, 101.0, 99.0, 100.0)]
PAIR = "BTC_USDT"


def test_a_real_market_buy_is_filled_to_the_last_digit(make, market):
    """5.0 quote against two asks: real data of the venue, with amounts of four decimals."""
    exchange = make(ROWS)
    instrument = exchange.market(PAIR).instrument
    exchange.market(PAIR).instrument = attrs.evolve(instrument, amount_step=Decimal("0.0001"))
    exchange.pair_conditions(PAIR).book = Book(
        bids=(), asks=((Decimal("68.01"), Decimal("0.0485")), (Decimal("68.02"), Decimal("0.025"))), ts_ms=0
    )
    order = exchange.place("main", market("buy", "5.0"))
    assert (order.value, order.left, order.fee) == (
        Decimal("4.998985"),
        Decimal("0.001015"),
        Decimal("0.000147"),
    )
    assert (order.status, order.finish_as, order.fee_currency) == ("closed", "filled", "BTC")
    assert [t.quantity for t in exchange.trades("main", PAIR)] == [Decimal("0.025"), Decimal("0.0485")]


def test_a_book_that_is_too_thin_fills_a_part(make, market):
    exchange = make(ROWS)
    exchange.pair_conditions(PAIR).book = Book(bids=((Decimal(99), Decimal("0.5")),), asks=(), ts_ms=0)
    order = exchange.place("main", market("sell", "1"))
    assert (order.status, order.finish_as, order.filled) == ("cancelled", "ioc", Decimal("0.5"))


@pytest.mark.parametrize(("mode", "currency"), [("gt", "GT"), ("point", "POINT")])
def test_fees_can_be_paid_in_a_third_coin(make, market, mode, currency):
    exchange = make(ROWS, fee_mode=mode)
    exchange.adjust("main", currency, Decimal(1))
    order = exchange.place("main", market("buy", "100"))
    paid = order.gt_fee if mode == "gt" else order.point_fee
    assert (order.fee, paid) == (0, Decimal("0.02"))
    held = exchange.balances("main")[0]
    assert (held["BTC"].available, held[currency].available) == (3, Decimal("0.98"))


def test_a_limit_order_rests_until_the_price_is_there_and_holds_its_funds(make, limit):
    exchange = make(ROWS)
    order = exchange.place("main", limit("buy", "2", "95"))
    assert (order.status, exchange.balances("main")[0]["USDT"].locked) == ("open", 190)
    exchange.advance(exchange.now_ms + TF)
    found = exchange.order("main", order.order_id, PAIR)
    assert (found.status, found.value, found.fee) == ("closed", 190, Decimal("0.004"))
    assert exchange.balances("main")[0]["USDT"].locked == 0


@pytest.mark.parametrize(
    ("request_of", "label"),
    [
        (lambda limit, _: limit("buy", "1", "101", tif="poc"), "POC_FILL_IMMEDIATELY"),
        (lambda limit, _: limit("buy", "1", "95", tif="fok"), "FOK_NOT_FILL"),
        (lambda limit, _: limit("buy", "0.01", "95"), "INVALID_PARAM_VALUE"),
        (lambda limit, _: limit("buy", "1", "0.123456789"), "INVALID_PRECISION"),
        (lambda limit, _: limit("sell", "3", "120"), "BALANCE_NOT_ENOUGH"),
        (lambda _, market: market("buy", "2.99"), "INVALID_PARAM_VALUE"),
        (lambda _, market: market("buy", "5000"), "BALANCE_NOT_ENOUGH"),
        (lambda _, market: market("sell", "0.0000001"), "INVALID_PRECISION"),
        (lambda _, market: market("buy", "50", tif="gtc"), "INVALID_PARAM_VALUE"),
        (lambda _, market: market("buy", "50", text="mine"), "INVALID_PARAM_VALUE"),
        (lambda _, market: market("buy", "50", text="t-" + "x" * 29), "INVALID_PARAM_VALUE"),
        (lambda _, market: market("buy", "50", pair="DOGE_USDT"), "INVALID_CURRENCY_PAIR"),
        (lambda _, market: market("buy", "50", expires_ms=1), "REQUEST_EXPIRED"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(make, limit, market, request_of, label):
    exchange = make(ROWS)
    before = exchange.balances("main")
    with pytest.raises(Refused) as refused:
        exchange.place("main", request_of(limit, market))
    assert refused.value.label == label
    assert exchange.balances("main") == before
    assert exchange.every_order() == []
    assert [entry.reason for entry in exchange.ledger] == [label]


def test_over_precise_numbers_can_be_cut(make, limit):
    exchange = make(ROWS, precision="truncate")
    order = exchange.place("main", limit("sell", "1.0000009", "120.123456789"))
    assert (order.amount, order.price) == (1, Decimal("120.12345678"))


@pytest.mark.parametrize(
    ("status", "side", "allowed"),
    [
        ("sellable", "buy", False),
        ("sellable", "sell", True),
        ("buyable", "sell", False),
        ("untradable", "sell", False),
    ],
)
def test_a_pair_takes_only_the_side_it_trades(make, market, status, side, allowed):
    exchange = make(ROWS)
    exchange.pair_conditions(PAIR).trade_status = status
    if allowed:
        assert exchange.place("main", market(side, "1")).filled == 1
    else:
        with pytest.raises(Refused, match="TRADE_RESTRICTED"):
            exchange.place("main", market(side, "10"))


def test_a_delisted_pair_takes_nothing(make, market):
    exchange = make(ROWS)
    exchange.pair_conditions(PAIR).delisting_ms = exchange.now_ms + TF
    assert exchange.place("main", market("sell", "1")).filled == 1
    exchange.advance(exchange.now_ms + TF)
    with pytest.raises(Refused, match="INVALID_CURRENCY_PAIR"):
        exchange.place("main", market("sell", "1"))


def test_the_text_of_a_finished_order_is_no_longer_found(make, market, limit):
    exchange = make(ROWS)
    exchange.place("main", market("buy", "50", "t-a"))
    exchange.place("main", limit("buy", "1", "80", "t-b"))
    assert exchange.order("main", "t-b", PAIR).status == "open"
    with pytest.raises(Refused, match="CLIENT_ID_NOT_FOUND"):
        exchange.order("main", "t-a", PAIR)


def test_another_policy_finds_it_for_a_while(make, market):
    exchange = make(ROWS, text_lookup="30m")
    exchange.place("main", market("buy", "50", "t-a"))
    exchange.advance(exchange.now_ms + 1_799_999)
    assert exchange.order("main", "t-a", PAIR).filled
    exchange.advance(exchange.now_ms + 1)
    with pytest.raises(Refused, match="CLIENT_ID_NOT_FOUND"):
        exchange.order("main", "t-a", PAIR)


@pytest.mark.parametrize(("policy", "accepted"), [("accept", 2), ("open", 2), ("always", 1)])
def test_a_second_order_of_the_same_text(make, market, policy, accepted):
    exchange = make(ROWS, duplicate_text=policy)
    exchange.place("main", market("buy", "50", "t-a"))
    if accepted == 2:
        exchange.place("main", market("buy", "50", "t-a"))
    else:
        with pytest.raises(Refused, match="REPEATED_CREATION"):
            exchange.place("main", market("buy", "50", "t-a"))
    assert len(exchange.ledger.accepted("t-a")) == accepted


def test_cancelling_gives_back_what_was_held_and_says_what_ended_before(make, limit, market):
    exchange = make(ROWS)
    order = exchange.place("main", limit("buy", "2", "80", "t-a"))
    assert exchange.cancel("main", "t-a", PAIR).finish_as == "cancelled"
    assert exchange.balances("main")[0]["USDT"].available == 1000
    with pytest.raises(Refused, match="ORDER_CANCELLED"):
        exchange.cancel("main", order.order_id, PAIR)
    done = exchange.place("main", market("buy", "50"))
    with pytest.raises(Refused, match="ORDER_CLOSED"):
        exchange.cancel("main", done.order_id, PAIR)
    with pytest.raises(Refused, match="ORDER_NOT_FOUND"):
        exchange.cancel("other", order.order_id, PAIR)


def test_amending_moves_price_and_funds(make, limit):
    exchange = make(ROWS)
    order = exchange.place("main", limit("buy", "2", "80"))
    changed = exchange.amend("main", order.order_id, PAIR, price=Decimal(90), amount=Decimal(3))
    assert exchange.balances("main")[0]["USDT"].locked == 270
    with pytest.raises(Refused, match="BALANCE_NOT_ENOUGH"):
        exchange.amend("main", order.order_id, PAIR, amount=Decimal(50))
    assert exchange.order("main", changed.order_id, PAIR).amount == 3
    assert exchange.balances("main")[0]["USDT"].locked == 270


def test_a_countdown_cancels_orders_unless_it_is_renewed_and_leaves_stops(make, limit, stop):
    exchange = make(ROWS)
    exchange.place("main", limit("buy", "1", "50"))
    exchange.place_stop("main", stop("50", "49"))
    exchange.countdown("main", 10)
    exchange.advance(exchange.now_ms + 9_000)
    exchange.countdown("main", 10)
    exchange.advance(exchange.now_ms + 9_999)
    assert exchange.open_orders("main", PAIR)
    exchange.advance(exchange.now_ms + 1)
    assert not exchange.open_orders("main", PAIR)
    assert exchange.stops("main")


def test_what_is_delayed_is_seen_later_but_true_at_once(make, market):
    exchange = make(ROWS)
    conditions = exchange.pair_conditions(PAIR)
    conditions.order_delay_ms, conditions.trade_delay_ms = 2_000, 5_000
    exchange.conditions.balance_delay_ms = 3_000
    order = exchange.place("main", market("buy", "100"))
    seen = []
    for _ in range(7):
        held = exchange.balances("main")[0]["USDT"].available == 900
        seen.append((len(exchange.finished_orders("main", PAIR)), len(exchange.trades("main", PAIR)), held))
        exchange.advance(exchange.now_ms + 1_000)
    assert seen == [(0, 0, False)] * 2 + [(1, 0, False)] + [(1, 0, True)] * 2 + [(1, 1, True)] * 2
    assert exchange.ledger.accepted("t-m")[0].order_id == order.order_id


def test_a_delayed_cancel_is_still_shown_as_open(make, limit):
    exchange = make(ROWS)
    order = exchange.place("main", limit("buy", "1", "50"))
    exchange.advance(exchange.now_ms + 10_000)
    exchange.pair_conditions(PAIR).order_delay_ms = 2_000
    exchange.cancel("main", order.order_id, PAIR)
    assert [shown.order_id for shown in exchange.open_orders("main", PAIR)] == [order.order_id]
    exchange.advance(exchange.now_ms + 2_000)
    assert exchange.open_orders("main", PAIR) == []


def test_fill_part_and_reason_can_be_prescribed(make, market):
    exchange = make(ROWS)
    conditions = exchange.pair_conditions(PAIR)
    conditions.fill_part, conditions.finish_as = Decimal("0.4"), "price_protect_cancelled"
    order = exchange.place("main", market("sell", "1"))
    assert (order.status, order.finish_as, order.filled) == (
        "cancelled",
        "price_protect_cancelled",
        Decimal("0.4"),
    )
    conditions.fill_part = Decimal(0)
    empty = exchange.place("main", market("buy", "100"))
    assert (empty.filled, empty.left) == (0, 100)
    assert exchange.balances("main")[0]["USDT"].locked == 0


def test_a_phantom_order_moves_money_without_a_request(make):
    exchange = make(ROWS)
    request = OrderRequest(pair=PAIR, side=Side.SELL, type="market", amount=Decimal(1), tif="ioc")
    order = exchange.phantom("main", request)
    assert (order.source, order.text) == ("phantom", "")
    assert exchange.balances("main")[0]["BTC"].available == 1


def test_the_last_seven_days_of_trades_are_given_and_never_more_than_thirty(make, market):
    exchange = make(ROWS)
    exchange.place("main", market("sell", "1"))
    day = 86_400_000
    start = exchange.now_ms
    exchange.advance(start + 8 * day)
    assert exchange.trades("main", PAIR) == []
    assert len(exchange.trades("main", PAIR, from_ms=start)) == 1
    assert exchange.trades("main", PAIR, from_ms=start - 8 * day) == []
    with pytest.raises(Refused, match="30 days"):
        exchange.trades("main", PAIR, from_ms=start, to_ms=start + 31 * day)
