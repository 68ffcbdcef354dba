from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.data.generator import generate
from cab_core.domain.market import Costs, Instrument
from cab_core.domain.matcher import Matcher
from cab_core.domain.orders import Intent, OrderType, Purpose, Rejected, Side
from cab_exchange_sim.engine import Exchange, OrderRequest, Refused, StopRequest, VenueSettings

PAIRS = ("BTC_USDT", "ETH_USDT")
BARS = {"BTC/USDT": generate("BTC/USDT", 4, 3), "ETH/USDT": generate("ETH/USDT", 4, 3)}
START = {"USDT": Decimal(5_000), "BTC": Decimal("0.1"), "ETH": Decimal(1), "GT": Decimal(3)}

accounts = st.sampled_from(["main", "other"])
pairs = st.sampled_from(PAIRS)
sides = st.sampled_from([Side.BUY, Side.SELL])
shares = st.integers(1, 120).map(lambda n: Decimal(n) / 100)
away = st.integers(-150, 150).map(lambda n: 1 + Decimal(n) / 10_000)

calls = st.one_of(
    st.tuples(st.just("market"), accounts, pairs, sides, shares),
    st.tuples(st.just("limit"), accounts, pairs, sides, shares, away),
    st.tuples(st.just("stop"), accounts, pairs, shares, away),
    st.tuples(st.just("cancel"), accounts, pairs),
    st.tuples(st.just("amend"), accounts, pairs, shares, away),
    st.tuples(st.just("countdown"), accounts, st.integers(5, 5_000)),
    st.tuples(st.just("advance"), st.integers(1, 20_000_000)),
)


def opened(**more: object) -> Exchange:
    options = {"partial_fill_prob": 0.4, "stops_lock_funds": True, "seed": 5} | more
    return Exchange(
        BARS,
        settings=VenueSettings(**options),
        balances={"main": START, "other": START},
    )


def price_of(exchange: Exchange, pair: str, factor: Decimal = Decimal(1)) -> Decimal:
    return (exchange.market(pair).last(exchange.now_ms) * factor).quantize(Decimal("0.01"))


def size(exchange: Exchange, account: str, pair: str, side: Side, share: Decimal, *, quote: bool) -> Decimal:
    """Return a share of what the account has, in base or quote; above 1 it has too little."""
    held = exchange.balances(account)[0]
    currency = "USDT" if side is Side.BUY else pair.partition("_")[0]
    amount = held[currency].available * share
    if side is Side.BUY and not quote:
        amount /= price_of(exchange, pair)
    return amount.quantize(Decimal("0.01") if side is Side.BUY and quote else Decimal("0.0001"))


def do(exchange: Exchange, call: tuple) -> None:
    """Carry out a call; a refusal is an answer like any other."""
    with contextlib.suppress(Refused):
        _do(exchange, *call)


def _do(exchange: Exchange, verb: str, *args) -> None:
    if verb == "advance":
        exchange.advance(exchange.now_ms + args[0])
        return
    account = args[0]
    if verb == "countdown":
        exchange.countdown(account, args[1])
        return
    pair = args[1]
    if verb == "market":
        side = args[2]
        amount = size(exchange, account, pair, side, args[3], quote=True)
        exchange.place(
            account, OrderRequest(pair=pair, side=side, type="market", amount=amount, tif="ioc", text="t-x")
        )
    elif verb == "limit":
        side = args[2]
        amount = size(exchange, account, pair, side, args[3], quote=False)
        price = price_of(exchange, pair, args[4])
        exchange.place(account, OrderRequest(pair=pair, side=side, type="limit", amount=amount, price=price))
    elif verb == "stop":
        amount = size(exchange, account, pair, Side.SELL, args[2], quote=False)
        trigger = price_of(exchange, pair, args[3])
        rule = "<=" if args[3] < 1 else ">="
        exchange.place_stop(
            account,
            StopRequest(
                pair=pair,
                trigger=trigger,
                rule=rule,
                ttl_s=7_200,
                side=Side.SELL,
                amount=amount,
                price=trigger * Decimal("0.99"),
            ),
        )
    elif verb == "cancel":
        for order in exchange.open_orders(account, pair)[:1]:
            exchange.cancel(account, order.order_id, pair)
    else:
        for order in exchange.open_orders(account, pair)[:1]:
            exchange.amend(
                account,
                order.order_id,
                pair,
                amount=order.amount * 2,
                price=price_of(exchange, pair, args[3]),
            )


@pytest.mark.parametrize("fee_mode", ["received", "gt"])
@settings(max_examples=60, deadline=None)
@given(st.lists(calls, min_size=5, max_size=40))
def test_money_is_neither_made_nor_lost(fee_mode: str, plan: list[tuple]) -> None:
    exchange = opened(fee_mode=fee_mode)
    for call in plan:
        do(exchange, call)
        for currency, amount in START.items():
            assert exchange.accounts.total(currency) == 2 * amount
        for account in ("main", "other"):
            for currency, held in exchange.balances(account)[0].items():
                assert held.available >= 0
                assert held.locked == _claimed(exchange, account, currency)


def _claimed(exchange: Exchange, account: str, currency: str) -> Decimal:
    """Return what open orders and waiting stops hold of a currency."""
    claimed = Decimal(0)
    for order in exchange.open_now(account):
        base, _, quote = order.pair.partition("_")
        if order.side is Side.SELL and currency == base:
            claimed += order.left
        elif order.side is Side.BUY and currency == quote:
            claimed += order.left * order.price
    for stop in exchange.waiting_stops(account):
        if stop.pair.partition("_")[0] == currency:
            claimed += stop.request.amount
    return claimed


@settings(max_examples=40, deadline=None)
@given(st.lists(calls, max_size=30))
def test_the_ledger_explains_every_balance(plan: list[tuple]) -> None:
    exchange = opened()
    for call in plan:
        do(exchange, call)
    for account in ("main", "other"):
        owned = dict(START)
        for entry in exchange.ledger.of_kind("fill"):
            if entry.account == account:
                base, _, quote = entry.pair.partition("_")
                sign = 1 if entry.side == "buy" else -1
                owned[base] += sign * entry.quantity
                owned[quote] -= sign * entry.value
                owned[entry.fee_currency] -= entry.fee
        held = exchange.balances(account)[0]
        assert {name: held[name].available + held[name].locked for name in owned} == owned


@settings(max_examples=25, deadline=None)
@given(st.lists(calls, max_size=30))
def test_the_same_calls_make_the_same_ledger(plan: list[tuple]) -> None:
    first, second = opened(), opened()
    for call in plan:
        do(first, call)
    for call in plan:
        do(second, call)
    assert first.ledger.digest() == second.ledger.digest()
    assert [entry.as_json() for entry in first.ledger] == [entry.as_json() for entry in second.ledger]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(sides, shares, st.integers(0, 200)), min_size=1, max_size=15),
    st.sampled_from([0.0, 0.5]),
)
def test_it_fills_as_the_paper_broker_does(orders: list[tuple], probability: float) -> None:
    """The same intents at the same instants: fills, fees and balances are equal to the last digit."""
    costs = Costs(Decimal("0.002"), Decimal("0.0005"), Decimal("0.0001"))
    exchange = opened(costs=costs, partial_fill_prob=probability)
    paper = Matcher({"BTC/USDT": Instrument("BTC/USDT")}, costs, START, seed=5, partial_fill_prob=probability)
    for number, (side, share, bars) in enumerate(orders):
        exchange.advance(min(exchange.now_ms + bars * 900_000, exchange.end_ms))
        amount = size(exchange, "main", "BTC_USDT", side, share, quote=True)
        sized = {"cost": amount} if side is Side.BUY else {"quantity": amount}
        intent = Intent(
            f"k{number}", "BTC/USDT", side, Purpose.MANUAL, "", "", 0, type=OrderType.MARKET, **sized
        )
        quote = exchange.market("BTC_USDT").prices(exchange.now_ms)
        answer = paper.submit(intent, quote, exchange.now_ms)
        request = OrderRequest(
            pair="BTC_USDT", side=side, type="market", amount=amount, tif="ioc", text=intent.client_id
        )
        if isinstance(answer, Rejected):
            with pytest.raises(Refused):
                exchange.place("main", request)
            continue
        order = exchange.place("main", request)
        mine = [
            (t.quantity, t.price, t.fee, t.fee_currency, t.ts_ms)
            for t in exchange.trades("main", "BTC_USDT", order_id=order.order_id)
        ]
        assert mine == [
            (f.quantity, f.price, f.fee, f.fee_currency, f.ts_ms) for f in paper.fills_of(intent.client_id)
        ]
    held = exchange.balances("main")[0]
    assert {name: held[name].available for name in START} == paper.free
