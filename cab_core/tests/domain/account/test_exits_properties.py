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


@given(quantities, rule_sets, paths(), st.booleans())
def test_the_policies_bound_both_orders_of_the_extremes(
    quantity: Decimal, rules: ExitRules, path: list[Candle], best: bool
) -> None:
    """Per candle and state: worst <= low first, high first <= best, each walked price by price.

    What a policy does is one of the two walks, sale by sale and to the state that it ends in.
    """
    check_bounds(opened(quantity, rules), path, rules, best)


def test_the_policies_bound_both_orders_on_real_candles(real_candles: list[Candle]) -> None:
    rules = attrs.evolve(RULES, stop_loss=D("0.008"), trailing=D("0.003"), tp1=D("0.004"), tp2=D("0.01"))
    for first in range(0, len(real_candles) - 48, 12):
        path = real_candles[first : first + 48]
        entry = path[0].open
        p = protect(entry, D("0.5"), D("0.5") * entry * D("1.001"), rules)
        check_bounds(p, path, rules, best=bool(first % 24))


def check_bounds(p: Protection, path: list[Candle], rules: ExitRules, best: bool) -> None:
    """Compare both policies with both orders, candle by candle along the states that ``best`` leads to."""
    for bar in path:
        low_first = walk(p, (bar.open, bar.low, bar.high, bar.close), rules)
        high_first = walk(p, (bar.open, bar.high, bar.low, bar.close), rules)
        ends = [on_candle(p, bar, BTC, rules, policy) for policy in (False, True)]
        worths = [worth(p, sales, bar.close) for _, sales in (low_first, high_first)]
        assert worth(p, ends[0][1], bar.close) == min(worths)
        assert worth(p, ends[1][1], bar.close) == max(worths)
        for end in ends:
            assert told(*end) in (told(*low_first), told(*high_first))
        p, sales = ends[best]
        for sale in sales:
            p = sold(p, sale.quantity)
        if p.quantity < BTC.amount_step:
            return


def worth(p: Protection, sales: list[ExitSale], close: Decimal) -> Decimal:
    """What was sold, and what is still held at the close."""
    rest = p.quantity - sum((sale.quantity for sale in sales), Decimal(0))
    return sum((sale.quantity * sale.price for sale in sales), rest * close)


def told(p: Protection, sales: list[ExitSale]) -> tuple[object, ...]:
    return (p.stage, p.stop, p.kind, p.peak, [(s.quantity, s.price, s.reason) for s in sales])


def walk(p: Protection, points: tuple[Decimal, ...], rules: ExitRules) -> tuple[Protection, list[ExitSale]]:
    """Look at one price after another on the way: every point, and every level that lies between two.

    A look sells at the price it sees; an open above a target is the exception, for there the level counts.
    """
    if points[0] <= p.stop:
        return on_candle(p, Candle(0, *[points[0]] * 4), BTC, rules)
    ticks: list[ExitSale] = []
    before = min(points[0], p.levels.tp1 if p.peak is None else p.peak)
    for point in points:
        levels = sorted({p.levels.tp1, p.levels.tp2} if point > before else {p.stop}, reverse=point < before)
        between = [level for level in levels if min(before, point) <= level <= max(before, point)]
        for price in (*between, point):
            p, sales = on_price(p, price, BTC, rules)
            for sale in sales:
                p = sold(p, sale.quantity)
            ticks += sales
            if p.quantity < BTC.amount_step:
                return p, ticks
        before = point
    return p, ticks
