"""How simulated orders fill: prices, precision, minimums, fees, partial fills (spec 10.1)."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from account_stories import BTC, START_MS, SYMBOL, D
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.market import Costs, Quote
from cab_core.domain.matching import Match, fill_of, filled_part, market_buy, market_sell
from cab_core.domain.orders import Intent, Purpose, Rejected, Side

COSTS = Costs(fee=D("0.002"), slippage=D("0.0005"), half_spread=D("0.0001"))
QUOTE = Quote(D("99.99"), D("100.01"), START_MS)


def test_a_buy_fills_at_the_ask_plus_slippage_with_its_fee_in_base() -> None:
    match = market_buy(D("50.00"), QUOTE, BTC, COSTS)
    assert isinstance(match, Match)
    assert match.price == D("100.01") * D("1.0005")
    assert match.quantity == D("0.49970")  # 50 / 100.060005 floored to the step
    assert (match.fee, match.fee_currency) == (D("0.49970") * D("0.002"), "BTC")


def test_a_sell_fills_at_the_bid_less_slippage_with_its_fee_in_quote() -> None:
    match = market_sell(D("0.5"), QUOTE, BTC, COSTS)
    assert isinstance(match, Match)
    assert match.price == D("99.99") * D("0.9995")
    assert match.quantity == D("0.5")
    assert (match.fee, match.fee_currency) == (D("0.5") * match.price * D("0.002"), "USDT")


def test_without_a_quote_the_last_price_has_a_spread_of_two_hundredths_of_a_percent() -> None:
    nothing = Quote(None, None, START_MS)
    buy = market_buy(D("50.00"), nothing, BTC, COSTS, last=D(100))
    sell = market_sell(D("0.5"), nothing, BTC, COSTS, last=D(100))
    assert isinstance(buy, Match)
    assert isinstance(sell, Match)
    assert buy.price == D("100.01") * D("1.0005")
    assert sell.price == D("99.99") * D("0.9995")
    assert (buy, sell) == (
        market_buy(D("50.00"), QUOTE, BTC, COSTS),
        market_sell(D("0.5"), QUOTE, BTC, COSTS),
    )


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        ("50.001", "bad_precision"),
        ("0", "bad_precision"),
        ("-50", "bad_precision"),
        ("NaN", "bad_precision"),
        ("Infinity", "bad_precision"),
        ("4.99", "below_min_notional"),
    ],
)
def test_refused_buys(cost: str, reason: str) -> None:
    refused = market_buy(D(cost), QUOTE, BTC, COSTS)
    assert isinstance(refused, Rejected)
    assert (refused.reason, refused.transient) == (reason, False)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [("0.500001", "bad_precision"), ("0", "bad_precision"), ("0.05", "below_min_notional")],
)
def test_refused_sells(quantity: str, reason: str) -> None:
    refused = market_sell(D(quantity), QUOTE, BTC, COSTS)
    assert isinstance(refused, Rejected)
    assert refused.reason == reason


def test_a_float_is_no_amount() -> None:
    refused = market_sell(0.5, QUOTE, BTC, COSTS)  # type: ignore[arg-type]  # what a careless plugin might send
    assert isinstance(refused, Rejected)
    assert refused.reason == "bad_precision"


def test_without_any_price_the_refusal_is_transient() -> None:
    refused = market_buy(D("50.00"), Quote(None, None, START_MS), BTC, COSTS)
    assert refused == Rejected("no_quote", "BTC/USDT has no price now", transient=True)


def test_a_price_so_high_that_a_step_is_too_dear() -> None:
    refused = market_buy(D("50.00"), Quote(D(10**8), D(10**8), START_MS), BTC, COSTS)
    assert isinstance(refused, Rejected)
    assert refused.reason == "below_amount_step"


def test_the_fill_carries_a_deterministic_trade_id() -> None:
    intent = Intent(
        "key", SYMBOL, Side.BUY, Purpose.ENTRY, "first", "trace", START_MS, cost=D("50.00"), reference=D(100)
    )
    match = market_buy(D("50.00"), QUOTE, BTC, COSTS)
    assert isinstance(match, Match)
    trade = fill_of(match, intent, 1, START_MS + 7)
    assert trade.trade_id == f"{intent.client_id}-1"
    assert (trade.client_id, trade.symbol, trade.side) == (intent.client_id, SYMBOL, Side.BUY)
    assert (trade.quantity, trade.price, trade.fee) == (match.quantity, match.price, match.fee)
    assert (trade.ts_ms, trade.reference) == (START_MS + 7, D(100))


@given(
    st.integers(500, 1_000_000).map(lambda c: D(c) / 100),
    st.integers(100, 10_000_000).map(lambda c: D(c) / 100),
    st.sampled_from([D("0.1"), D("0.5"), D(1)]),
)
def test_a_buy_never_spends_more_than_its_cost(cost: Decimal, ask: Decimal, part: Decimal) -> None:
    match = market_buy(cost, Quote(ask, ask, START_MS), BTC, COSTS, part=part)
    if isinstance(match, Rejected):
        assert match.reason == "below_amount_step"
        return
    assert match.value <= cost
    assert match.quantity % BTC.amount_step == 0
    if part == 1:
        assert cost - match.value < match.price * BTC.amount_step  # nor leaves a step unbought
    else:
        assert match.quantity >= BTC.amount_step


def test_partial_fills_depend_on_seed_and_client_id_alone() -> None:
    ids = [f"t-c{number}-1" for number in range(400)]
    drawn = [filled_part(7, client_id, 0.3) for client_id in ids]
    assert [filled_part(7, client_id, 0.3) for client_id in reversed(ids)] == drawn[::-1]
    assert [filled_part(8, client_id, 0.3) for client_id in ids] != drawn
    partial = [part for part in drawn if part != 1]
    assert 80 < len(partial) < 160
    assert set(partial) == {D(n) / 10 for n in range(1, 10)}
    assert {filled_part(7, client_id, 0.0) for client_id in ids} == {D(1)}
    assert 1 not in {filled_part(7, client_id, 1.0) for client_id in ids}


def test_partial_fills_do_not_depend_on_the_process() -> None:
    code = "from cab_core.domain.matching import filled_part; print(filled_part(7, 't-cabc-1', 1.0))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {f"{filled_part(7, 't-cabc-1', 1.0)}\n".encode()}
