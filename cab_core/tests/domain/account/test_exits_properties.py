"""What must hold of protective exits on every path of prices."""

from __future__ import annotations

from decimal import Decimal

import attrs
from account_stories import BTC, RULES, D, bars, paths
from hypothesis import given
from hypothesis import strategies as st

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import ExitSale, Protection, on_candle, on_price, protect, quiet_band, sold
from cab_core.domain.market import Candle

quantities = st.integers(1, 100_000).map(lambda steps: D(steps) / 100_000)
rule_sets = st.sampled_from(
    [
        RULES,
        attrs.evolve(RULES, tp2_enabled=False),
        attrs.evolve(RULES, trailing=D("0.005")),
        attrs.evolve(RULES, breakeven_include_fees=False, tp1=D("0.001"), tp2=D("0.03")),
    ]
)


def opened(quantity: Decimal, rules: ExitRules) -> Protection:
    return protect(D(100), quantity, quantity * D("100.1"), rules)


@given(quantities, rule_sets, paths(), st.booleans())
def test_the_stop_never_falls_and_no_more_is_sold_than_held(
    quantity: Decimal, rules: ExitRules, path: list[Candle], best: bool
) -> None:
    p = opened(quantity, rules)
    taken = Decimal(0)
    for bar in path:
        following, sales = on_candle(p, bar, BTC, rules, best)
        assert following.stop >= p.stop
        assert following.stage >= p.stage
        if following.stage == 1:
            assert following.stop >= following.levels.breakeven
            assert following.peak is not None
            assert following.peak >= (p.peak or following.levels.tp1)
        for sale in sales:
            assert sale.quantity > 0
            assert sale.quantity % BTC.amount_step == 0
            assert sale.price <= bar.high
            # Targets are sold at their level even where the whole candle lies above it: never better.
            assert sale.price >= bar.low or sale.price in (p.levels.tp1, p.levels.tp2)
            taken += sale.quantity
            following = sold(following, sale.quantity)
        p = following
        assert p.quantity == quantity - taken >= 0


@given(quantities, rule_sets, paths(6), bars(), st.booleans(), st.data())
def test_nothing_happens_inside_of_the_quiet_band(
    quantity: Decimal, rules: ExitRules, path: list[Candle], bar: Candle, best: bool, data: st.DataObject
) -> None:
    p = opened(quantity, rules)
    for before in path:
        p, sales = on_candle(p, before, BTC, rules)
        for sale in sales:
            p = sold(p, sale.quantity)
    low, high = quiet_band(p, rules)
    if float(bar.low) > low and float(bar.high) < high:
        assert on_candle(p, bar, BTC, rules, best) == (p, [])
        assert on_price(p, bar.low, BTC, rules) == (p, [])
        assert on_price(p, bar.high, BTC, rules) == (p, [])
    price = D(repr(data.draw(st.floats(low, high, exclude_min=True, exclude_max=True))))
    assert on_candle(p, Candle(0, price, price, price, price), BTC, rules, best) == (p, [])


@given(quantities, rule_sets, paths())
def test_a_candle_equals_its_walk_price_by_price(
    quantity: Decimal, rules: ExitRules, path: list[Candle]
) -> None:
    """Visiting every armed level on the way open, low, high, close sells the same at the same prices.

    Only an open above a target or the peak differs on purpose: a candle sells at the level, never better,
    and holds its low against the stop of the candle before.
    """
    p = opened(quantity, rules)
    for bar in path:
        if bar.open > (p.levels.tp1 if p.peak is None else p.peak):
            return
        whole, sales = on_candle(p, bar, BTC, rules)
        walked, ticks = walk(p, bar, rules)
        plain = [(s.quantity, s.price, s.reason.removesuffix("_gap")) for s in sales]
        assert [(s.quantity, s.price, s.reason) for s in ticks] == plain
        p = whole
        for sale in sales:
            p = sold(p, sale.quantity)
        if not p.quantity // BTC.amount_step:
            return
        assert (p.stage, p.stop, p.kind, p.peak) == (walked.stage, walked.stop, walked.kind, walked.peak)


def walk(p: Protection, bar: Candle, rules: ExitRules) -> tuple[Protection, list[ExitSale]]:
    ticks: list[ExitSale] = []

    def visit(price: Decimal) -> bool:
        nonlocal p
        p, sales = on_price(p, price, BTC, rules)
        ticks.extend(sales)
        for sale in sales:
            p = sold(p, sale.quantity)
        return p.quantity < BTC.amount_step

    levels = p.levels
    if visit(bar.open) or (bar.low <= p.stop and visit(p.stop)) or visit(bar.low):
        return p, ticks
    for level in (levels.tp1, levels.tp2, bar.high):
        if bar.low < level <= bar.high and visit(level):
            return p, ticks
    if bar.close <= p.stop:
        visit(p.stop)
    else:
        visit(bar.close)
    return p, ticks
