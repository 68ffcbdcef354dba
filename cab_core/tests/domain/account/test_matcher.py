"""A simulated account: balances, idempotent orders, resting stops, restart (spec 10.1)."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import attrs
from account_stories import BTC, START_MS, SYMBOL, D
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.market import Costs, Quote
from cab_core.domain.matcher import REMEMBERED, Matcher
from cab_core.domain.orders import Ack, Intent, OrderType, Purpose, Rejected, Side

COSTS = Costs(fee=D("0.002"))


def quote(price: str) -> Quote:
    return Quote(D(price), D(price), START_MS)


def venue(usdt: str = "1000", **more: object) -> Matcher:
    return Matcher({SYMBOL: BTC}, COSTS, {"USDT": D(usdt)}, **more)  # type: ignore[arg-type]  # passed through


def buy(key: str = "b", cost: str = "50.00") -> Intent:
    return Intent(key, SYMBOL, Side.BUY, Purpose.ENTRY, "first", "trace", START_MS, cost=D(cost))


def sell(quantity: str, key: str = "s") -> Intent:
    return Intent(
        key, SYMBOL, Side.SELL, Purpose.SIGNAL_SELL, "signal_sell", "trace", START_MS, quantity=D(quantity)
    )


def stop(quantity: str, trigger: str, limit: str, key: str = "stop") -> Intent:
    return attrs.evolve(
        sell(quantity, key),
        type=OrderType.STOP_LIMIT,
        trigger=D(trigger),
        limit=D(limit),
        reference=D(trigger),
    )


def took(order: Intent, filled: str, *, final: bool = True) -> Ack:
    return Ack(order.client_id, final=final, filled=D(filled))


def refusal(answer: Ack | Rejected) -> str:
    assert isinstance(answer, Rejected)
    return answer.reason


def test_the_same_client_id_gets_the_first_answer_and_no_second_order() -> None:
    account = venue()
    first = account.submit(buy(), quote("100"), START_MS)
    balances = account.balances()
    assert account.submit(buy(), quote("1"), START_MS + 9) == first == took(buy(), "0.49975")
    assert account.balances() == balances
    assert len(account.fills_since(SYMBOL, 0)) == 1


def test_a_refusal_is_remembered_unless_it_is_transient() -> None:
    account = venue("20")
    assert refusal(account.submit(buy(), quote("100"), START_MS)) == "insufficient_funds"
    account.free["USDT"] = D(1000)
    assert refusal(account.submit(buy(), quote("100"), START_MS)) == "insufficient_funds"
    assert account.find(buy().client_id) is None
    priceless = buy("other")
    assert refusal(account.submit(priceless, Quote(None, None, START_MS), START_MS)) == "no_quote"
    assert account.submit(priceless, quote("100"), START_MS) == took(priceless, "0.49975")


def test_nothing_is_sold_that_is_not_there() -> None:
    account = venue()
    assert refusal(account.submit(sell("0.5"), quote("100"), START_MS)) == "insufficient_funds"
    account.submit(buy(), quote("100"), START_MS)
    bought = account.free["BTC"]  # less than was filled: the fee was taken from it
    assert refusal(account.submit(sell("0.49975", "t"), quote("100"), START_MS)) == "insufficient_funds"
    assert account.submit(sell("0.49875", "u"), quote("100"), START_MS) == took(sell("0", "u"), "0.49875")
    assert account.free["BTC"] == bought - D("0.49875") > 0


def test_an_unknown_symbol_is_refused() -> None:
    order = attrs.evolve(buy(), symbol="DOGE/USDT")
    assert refusal(venue().submit(order, quote("1"), START_MS)) == "unknown_symbol"


def test_a_stop_fires_at_its_trigger_and_fills_at_the_bid() -> None:
    account = venue()
    account.submit(buy(), quote("100"), START_MS)
    order = stop("0.49", "95", "94.5")
    assert account.submit(order, quote("100"), START_MS) == took(order, "0", final=False)
    assert account.open_orders(SYMBOL) == [order.client_id]
    assert account.locked["BTC"] == D("0.49")
    assert account.observe(SYMBOL, quote("95.01"), START_MS + 1) == []
    (trade,) = account.observe(SYMBOL, quote("94.8"), START_MS + 2)
    assert (trade.price, trade.quantity, trade.trade_id) == (D("94.8"), D("0.49"), f"{order.client_id}-1")
    assert (trade.reference, trade.ts_ms) == (D("95"), START_MS + 2)
    assert account.open_orders(SYMBOL) == []
    assert account.locked["BTC"] == 0
    assert account.find(order.client_id) == took(order, "0.49")
    assert account.observe(SYMBOL, quote("90"), START_MS + 3) == []


def test_a_stop_jumped_over_rests_until_the_bid_is_back_at_its_limit() -> None:
    account = venue()
    account.submit(buy(), quote("100"), START_MS)
    account.submit(stop("0.49", "95", "94.5"), quote("100"), START_MS)
    assert account.observe(SYMBOL, quote("90"), START_MS + 1) == []
    (trade,) = account.observe(SYMBOL, quote("96"), START_MS + 2)  # fired: now a plain limit order
    assert trade.price == D("96")


def test_locked_base_cannot_be_sold_until_the_stop_is_canceled() -> None:
    account = venue()
    account.submit(buy(), quote("100"), START_MS)
    order = stop("0.49", "95", "94.5")
    account.submit(order, quote("100"), START_MS)
    assert refusal(account.submit(sell("0.49", "x"), quote("100"), START_MS)) == "insufficient_funds"
    assert account.cancel(order.client_id) == took(order, "0")
    assert refusal(account.cancel(order.client_id)) == "not_open"
    assert account.submit(sell("0.49", "y"), quote("100"), START_MS) == took(sell("0", "y"), "0.49")


def test_stops_may_leave_funds_free_and_then_fail_when_they_are_gone() -> None:
    account = venue(stops_lock_funds=False)
    account.submit(buy(), quote("100"), START_MS)
    order = stop("0.49", "95", "94.5")
    account.submit(order, quote("100"), START_MS)
    account.submit(sell("0.49", "x"), quote("100"), START_MS)
    assert account.observe(SYMBOL, quote("95"), START_MS + 1) == []
    assert account.open_orders(SYMBOL) == []
    assert account.free["BTC"] >= 0


def test_malformed_or_late_stops_are_refused() -> None:
    account = venue()
    account.submit(buy(), quote("100"), START_MS)
    cases = {
        "trigger_reached": stop("0.49", "101", "100", "1"),
        "bad_precision": stop("0.49", "95.0000000001", "94", "2"),
        "below_min_notional": stop("0.01", "95", "94", "3"),
        "insufficient_funds": stop("0.6", "95", "94", "4"),
        "bad_order": attrs.evolve(stop("0.49", "95", "94", "5"), limit=None),
    }
    for reason, order in cases.items():
        assert refusal(account.submit(order, quote("100"), START_MS)) == reason


def test_a_partial_fill_leaves_the_rest_canceled() -> None:
    account = venue(partial_fill_prob=1.0)
    answer = account.submit(buy(), quote("100"), START_MS)
    (trade,) = account.fills_since(SYMBOL, 0)
    assert answer == took(buy(), str(trade.quantity))
    assert 0 < trade.quantity < D("0.49975")
    assert account.balances()["USDT"] == D(1000) - trade.value


def test_own_trades_are_listed_from_a_time_on() -> None:
    account = venue()
    for number in range(3):
        account.submit(buy(str(number)), quote("100"), START_MS + number)
    assert [t.ts_ms for t in account.fills_since(SYMBOL, START_MS + 1)] == [START_MS + 1, START_MS + 2]
    assert account.fills_since("ETH/USDT", 0) == []


def test_a_restart_continues_from_the_saved_changes() -> None:
    account = venue(tracked=True)
    saved: dict[str, str | None] = {}
    order = stop("0.1", "95", "94.5")
    account.submit(buy(), quote("100"), START_MS)
    saved |= account.changes()
    account.submit(order, quote("100"), START_MS + 1)
    saved |= account.changes()
    account.submit(sell("0.2"), quote("101"), START_MS + 2)
    account.submit(buy("poor", "5000.00"), quote("101"), START_MS + 2)
    failed = account.changes()
    account.unsaved(failed)
    assert account.changes() == failed
    saved |= failed
    assert account.changes() == {}
    again = venue(tracked=True)
    again.restore(json.loads(json.dumps(saved)))
    assert (again.free, again.locked) == (account.free, account.locked)
    assert again.open_orders(SYMBOL) == [order.client_id]
    assert again.fills_since(SYMBOL, 0) == account.fills_since(SYMBOL, 0)
    assert again.submit(buy(), quote("1"), START_MS + 3) == took(buy(), "0.49975")
    assert refusal(again.submit(buy("poor", "5000.00"), quote("1"), START_MS)) == "insufficient_funds"
    assert again.observe(SYMBOL, quote("95"), START_MS + 4) == account.observe(
        SYMBOL, quote("95"), START_MS + 4
    )


def test_what_is_remembered_and_saved_stays_bounded_and_a_stop_that_rests_is_never_forgotten() -> None:
    account = venue("1000000", tracked=True)
    account.submit(buy(cost="500.00"), quote("100"), START_MS)
    order = stop("0.1", "95", "94.5")
    account.submit(order, quote("100"), START_MS)
    saved: dict[str, str] = {"stop/gone": "null"}  # as earlier versions left it

    def save() -> None:
        for key, text in account.changes().items():
            saved.pop(key, None)
            if text is not None:
                saved[key] = text

    for number in range(3 * REMEMBERED):
        account.submit(buy(f"b{number}", "5.00"), quote("100"), START_MS + number)
        if number % REMEMBERED == 5:
            save()
            account, before = venue(tracked=True), account
            account.restore(dict(sorted(saved.items(), reverse=True)))
            assert (account.free, account.locked) == (before.free, before.locked)
    save()
    assert len(saved) <= 2 * REMEMBERED + 3
    assert "stop/gone" not in saved
    assert len(account.fills_since(SYMBOL, 0)) == REMEMBERED
    newest = buy(f"b{3 * REMEMBERED - 1}", "5.00")
    assert account.submit(newest, quote("1"), START_MS) == account.find(newest.client_id)
    assert account.open_orders(SYMBOL) == [order.client_id]
    assert account.find(order.client_id) == Ack(order.client_id, final=False, filled=Decimal(0))


orders = st.lists(
    st.tuples(st.sampled_from(["buy", "sell", "stop", "price"]), st.integers(1, 60), st.integers(50, 200)),
    max_size=25,
)


@given(orders, st.sampled_from([0.0, 0.5]), st.booleans())
def test_nothing_is_made_or_lost_and_no_balance_is_negative(
    steps: list[tuple[str, int, int]], partial: float, locking: bool
) -> None:
    account = venue("500", partial_fill_prob=partial, stops_lock_funds=locking)
    for number, (kind, size, price) in enumerate(steps):
        at, ts_ms = quote(str(price)), START_MS + number
        if kind == "buy":
            account.submit(buy(str(number), f"{size}.00"), at, ts_ms)
        elif kind == "sell":
            account.submit(sell(str(D(size) / 100), str(number)), at, ts_ms)
        elif kind == "stop":
            account.submit(stop(str(D(size) / 100), str(price - 5), str(price - 6), str(number)), at, ts_ms)
        account.observe(SYMBOL, at, ts_ms)
        amounts: list[Decimal] = [*account.free.values(), *account.locked.values()]
        assert min(amounts) >= 0
    trades = account.fills_since(SYMBOL, 0)
    base, cash = Fraction(0), Fraction(500)
    for trade in trades:
        sign = 1 if trade.side is Side.BUY else -1
        base += sign * Fraction(trade.quantity)
        cash -= sign * Fraction(trade.quantity) * Fraction(trade.price)
        if trade.fee_currency == "BTC":
            base -= Fraction(trade.fee)
        else:
            cash -= Fraction(trade.fee)
    held = account.balances()
    assert Fraction(held.get("BTC", D(0))) == base
    assert Fraction(held["USDT"]) == cash
    assert len({trade.trade_id for trade in trades}) == len(trades)
