from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.domain.bars import Bars
from cab_exchange_sim.engine.path import PricePath

T0 = 1_704_067_200_000
TF = 900_000
TICK = Decimal("0.00000001")

prices = st.integers(80, 120)


@st.composite
def markets(draw: st.DrawFn) -> Bars:
    """Up to six candles with a hole here and there; closes and next opens may differ (a jump)."""
    rows = []
    at = T0
    for _ in range(draw(st.integers(1, 6))):
        opened, close, up, down = draw(prices), draw(prices), draw(st.integers(0, 9)), draw(st.integers(0, 9))
        rows.append((at, opened, max(opened, close) + up, min(opened, close) - down, close, 1.0))
        at += TF * draw(st.sampled_from([1, 1, 1, 3]))
    return Bars.of(*zip(*rows, strict=True))


def candle(order: str = "adverse") -> PricePath:
    return PricePath(Bars.of([T0, T0 + TF], [100, 96], [110, 97], [90, 95], [95, 96], [1, 1]), order, TICK)


@pytest.mark.parametrize(
    ("order", "expected"),
    [("adverse", [100, 95, 90, 100, 110, 96]), ("best", [100, 105, 110, 100, 90, 96])],
)
def test_the_price_goes_to_one_extreme_then_the_other_then_the_next_open(
    order: str, expected: list[int]
) -> None:
    path = candle(order)
    at = [T0, T0 + TF // 6, T0 + TF // 3, T0 + TF // 2, T0 + 2 * TF // 3, T0 + TF]
    assert [path.price_at(ms) for ms in at] == expected


def test_before_the_first_candle_and_after_the_last_the_price_stands_still() -> None:
    path = candle()
    assert path.price_at(T0 - 10**9) == 100
    assert path.price_at(path.end_ms) == path.price_at(path.end_ms + 10**12) == 96


def test_a_level_within_a_move_is_met_at_itself_and_a_jump_at_the_price_behind_it() -> None:
    path = PricePath(
        Bars.of([T0, T0 + TF], [100, 80], [100, 80], [97, 80], [99, 80], [1, 1]), "adverse", TICK
    )
    one = Decimal(1)
    inside = path.reach(Decimal(98), falling=True, factor=one, since=T0, until=T0 + TF)
    assert inside is not None
    assert (inside.at, inside.price) == (T0 + Fraction(2, 3) * 300_000, 98)
    jumped = path.reach(Decimal(90), falling=True, factor=one, since=T0, until=T0 + TF)
    assert jumped is not None
    assert (jumped.at, jumped.price) == (T0 + TF, 80)
    assert path.reach(Decimal(90), falling=True, factor=one, since=T0, until=T0 + TF - 1) is None


@settings(deadline=None)
@given(markets(), st.integers(75, 125), st.booleans(), st.integers(0, 5 * TF), st.integers(0, 9 * TF))
def test_a_level_is_reached_neither_later_nor_earlier_than_the_price_shows(
    bars: Bars, level: int, falling: bool, since: int, until: int
) -> None:
    path = PricePath(bars, "adverse", TICK)
    since, until = T0 + since, T0 + until
    touch = path.reach(Decimal(level), falling=falling, factor=Decimal(1), since=since, until=until)
    step = 10_000
    shown = [ms for ms in range(since, until + 1, step) if _beyond(path.price_at(ms), level, falling)]
    if touch is None:
        assert not shown
        return
    assert since <= touch.at <= until
    assert _beyond(touch.price, level, falling)
    assert all(ms >= touch.at for ms in shown)


def _beyond(price: Decimal, level: int, falling: bool) -> bool:
    return price <= level if falling else price >= level
