"""Protective exits: reference vectors and the stories a user would tell (spec section 9)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from account_stories import BTC, RULES, D, candle

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import (
    Protection,
    after_take_profit_1,
    not_lower,
    on_candle,
    on_price,
    protect,
    quiet_band,
    sold,
)
from cab_core.domain.market import Candle, Instrument
from cab_core.domain.orders import Purpose


def fresh(quantity: str = "0.5", rules: ExitRules = RULES) -> Protection:
    """A position bought at 100 with 0.1 % fee in quote: levels 95, 102, 105."""
    return protect(D(100), D(quantity), D(quantity) * D("100.1"), rules)


def reasons(sales: list[Any]) -> list[tuple[str, Decimal, Decimal]]:
    return [(sale.reason, sale.quantity, sale.price) for sale in sales]


def close(ours: Decimal, theirs: str) -> bool:
    return abs(ours - D(theirs)) <= D("1e-20") * max(D(1), abs(D(theirs)))


@pytest.mark.parametrize("best", [False, True])
def test_reference_vectors_hold(exit_cases: dict[str, Any], best: bool) -> None:
    assert len(exit_cases["exits"]) == 39
    for case in exit_cases["exits"]:
        _check_case(case, best)


def _check_case(case: dict[str, Any], best: bool) -> None:
    given, expected = case["params"], case["expected_best" if best else "expected"]
    rules = ExitRules.from_percents(
        stop_loss_pct=D(given["sl"]),
        trailing_stop_pct=D(given["tr"]),
        take_profit_1_pct=D(given["tp1"]),
        take_profit_2_pct=D(given["tp2"]),
        fee_pct=D(given["fee"]) * 100,
    )
    instrument = Instrument("BTC/USDT", amount_step=D(given.get("step", "0.00001")), min_notional=D(5))
    p = protect(D(given["entry"]), D(given["qty"]), D(given["cost"]), rules)
    fills = []
    for bar, prices in enumerate(case["candles"]):
        p, sales = on_candle(p, Candle(bar, *map(D, prices)), instrument, rules, best)
        for sale in sales:
            fills.append((bar, sale.reason, sale.quantity, sale.price))
            p = sold(p, sale.quantity)
        if not p.quantity:
            break
    wanted = expected["fills"]
    assert [(bar, reason) for bar, reason, _, _ in fills] == [(f["bar"], f["reason"]) for f in wanted]
    for (_, _, quantity, price), want in zip(fills, wanted, strict=True):
        assert close(quantity, want["qty"])
        assert close(price, want["price"])
    assert close(p.quantity, expected["remaining"])
    assert close(p.stop, expected["stop"])
    assert p.stage == expected["stage"]
    assert (p.peak is None) == (expected["peak"] is None)
    if p.peak is not None:
        assert close(p.peak, expected["peak"])
    for name, price in expected["levels"].items():
        assert close(getattr(p.levels, name), price)


def test_tp1_moves_sl_to_breakeven() -> None:
    p, sales = on_price(fresh(), D("102"), BTC, RULES)
    assert reasons(sales) == [("take_profit_1", D("0.25"), D("102"))]
    assert p.kind == "breakeven"
    assert p.stop == p.levels.breakeven
    fee = D("0.001")
    assert abs(p.stop * (1 - fee) - D("100.1")) < D("1e-20")  # selling there nets exactly what was paid


def test_trailing_stop_moves_up_only() -> None:
    p, _ = on_price(fresh(), D("102"), BTC, RULES)
    stops = []
    for bid in ("103", "104.5", "103.5", "104.9", "102.5", "104.8"):
        p, sales = on_price(p, D(bid), BTC, RULES)
        assert not sales
        stops.append(p.stop)
    assert stops == sorted(stops)
    assert stops[-1] == D("104.9") * D("0.97")
    assert p.kind == "trailing_stop"
    assert p.peak == D("104.9")


def test_multi_stage_exit_execution() -> None:
    p = fresh()
    p, sales = on_price(p, D("102.5"), BTC, RULES)
    assert reasons(sales) == [("take_profit_1", D("0.25"), D("102.5"))]
    p = sold(p, sales[0].quantity)
    p, sales = on_price(p, D("104.9"), BTC, RULES)
    assert sales == []
    p, sales = on_price(p, D("101.7"), BTC, RULES)
    assert reasons(sales) == [("trailing_stop", D("0.25"), D("101.7"))]
    assert sales[0].purpose is Purpose.TRAIL


def test_a_price_at_tp2_in_stage_0_takes_both_profits() -> None:
    _, sales = on_price(fresh(), D("106"), BTC, RULES)
    assert reasons(sales) == [
        ("take_profit_1", D("0.25"), D("106")),
        ("take_profit_2", D("0.25"), D("106")),
    ]


def test_without_tp2_the_rest_runs_with_the_trail() -> None:
    rules = attrs.evolve(RULES, tp2_enabled=False)
    p, sales = on_price(fresh(), D("110"), BTC, rules)
    assert [sale.reason for sale in sales] == ["take_profit_1"]
    assert p.stop == D("110") * D("0.97")


def test_deciding_sells_nothing_by_itself() -> None:
    p = fresh()
    following, sales = on_price(p, D("102"), BTC, RULES)
    assert following.quantity == p.quantity
    again, same = on_price(p, D("102"), BTC, RULES)  # a crash before the fill: decided again, the same
    assert (again, same) == (following, sales)


def test_a_lost_decision_about_tp1_can_be_recovered() -> None:
    p = fresh()
    decided, _ = on_price(p, D("102"), BTC, RULES)
    assert after_take_profit_1(p, RULES) == decided


def test_a_tight_trail_beats_breakeven_at_once() -> None:
    rules = attrs.evolve(RULES, trailing=D("0.01"))
    p, _ = on_price(fresh(rules=rules), D("102"), BTC, rules)
    assert p.kind == "trailing_stop"
    assert p.stop == D("102") * D("0.99")


def test_breakeven_is_capped_at_tp1_and_may_ignore_fees() -> None:
    dear = protect(D(100), D("0.5"), D("55"), RULES)
    assert dear.levels.breakeven == dear.levels.tp1 == D("102")
    plain = fresh(rules=attrs.evolve(RULES, breakeven_include_fees=False))
    assert plain.levels.breakeven == D(100)


@pytest.mark.catalogue(48)
@pytest.mark.parametrize(
    ("quantity", "reason", "amount"),
    [
        ("0.10294", "take_profit_1_all", "0.10294"),  # half is worth 5.24994, below 1.05 times 5
        ("0.10296", "take_profit_1", "0.05148"),  # 5.25096: just enough
    ],
)
def test_a_half_too_small_to_sell_takes_everything(quantity: str, reason: str, amount: str) -> None:
    _, sales = on_price(fresh(quantity), D(102), BTC, RULES)
    assert reasons(sales) == [(reason, D(amount), D(102))]


@pytest.mark.catalogue(48)
def test_a_half_below_the_least_amount_takes_everything() -> None:
    rules = attrs.evolve(BTC, amount_step=D("0.1"), min_amount=D(1))
    p = protect(D(10), D("1.9"), D("19.04"), RULES)
    _, sales = on_price(p, D("10.3"), rules, RULES)
    assert reasons(sales) == [("take_profit_1_all", D("1.9"), D("10.3"))]


def test_an_odd_quantity_is_halved_downward_and_sold_to_the_last_step() -> None:
    _, sales = on_price(fresh("0.500019"), D("106"), BTC, RULES)
    assert [sale.quantity for sale in sales] == [D("0.25000"), D("0.25001")]


def test_less_than_a_step_is_no_sale() -> None:
    assert on_price(fresh("0.000009"), D("90"), BTC, RULES)[1] == []


def test_worst_takes_the_order_of_the_extremes_that_is_worth_less() -> None:
    bar = candle("100", "103", "94", "101")
    worst = on_candle(fresh(), bar, BTC, RULES)[1]
    best = on_candle(fresh(), bar, BTC, RULES, best=True)[1]
    assert [sale.reason for sale in worst] == ["stop_loss"]
    assert [sale.reason for sale in best] == ["take_profit_1", "breakeven"]


def test_worst_lets_the_low_hit_the_stop_that_the_high_raised() -> None:
    p, _ = on_price(fresh(), D("102"), BTC, RULES)
    p = sold(p, D("0.25"))
    bar = candle("102", "104.9", "101.5", "104")
    _, sales = on_candle(p, bar, BTC, RULES)
    assert reasons(sales) == [("trailing_stop", D("0.25"), D("104.9") * D("0.97"))]
    assert on_candle(p, bar, BTC, RULES, best=True)[1] == []


def test_the_close_is_held_against_the_stop_that_the_high_raised_in_both_orders() -> None:
    p, _ = on_price(fresh(), D("102"), BTC, RULES)
    p = sold(p, D("0.25"))
    for best in (False, True):
        _, sales = on_candle(p, candle("103", "104.9", "101.5", "101.6"), BTC, RULES, best)
        assert reasons(sales) == [("trailing_stop", D("0.25"), D("104.9") * D("0.97"))]


@pytest.mark.parametrize("best", [False, True])
def test_a_gap_through_the_stop_sells_at_the_open(best: bool) -> None:
    _, sales = on_candle(fresh(), candle("93", "104", "92", "103"), BTC, RULES, best)
    assert reasons(sales) == [("stop_loss_gap", D("0.5"), D("93"))]
    assert sales[0].gap
    assert not on_price(fresh(), D("90"), BTC, RULES)[1][0].gap
    assert sales[0].purpose is Purpose.STOP_LOSS


def test_an_open_exactly_at_the_stop_is_sold_at_the_open() -> None:
    _, sales = on_candle(fresh(), candle("95", "104", "95", "103"), BTC, RULES)
    assert reasons(sales) == [("stop_loss_gap", D("0.5"), D("95"))]


def test_late_news_never_lowers_stage_stop_or_peak() -> None:
    early, _ = on_price(fresh(), D("102"), BTC, RULES)
    late, _ = on_price(early, D("104.9"), BTC, RULES)
    for first, second in ((early, late), (late, early), (fresh(), late), (late, fresh())):
        merged = not_lower(first, second)
        assert (merged.stage, merged.stop, merged.kind, merged.peak) == (1, late.stop, late.kind, late.peak)


def test_the_quiet_band_lies_just_inside_of_what_acts() -> None:
    p = fresh()
    assert quiet_band(p, RULES) == pytest.approx((95, 102), rel=1e-8)
    p, _ = on_price(p, D("104"), BTC, RULES)
    assert quiet_band(p, RULES) == pytest.approx((float(p.stop), 104), rel=1e-8)
