"""A bar's value is the same bit for bit however many bars follow it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cab_core.domain import indicators as ind
from cab_core.domain.bars import Bars, FloatArray

Compute = Callable[[Bars, int], FloatArray | tuple[FloatArray, ...]]

INDICATORS: dict[str, Compute] = {
    "sma": lambda b, n: ind.sma(b.close, n),
    "ema": lambda b, n: ind.ema(b.close, n),
    "macd": lambda b, n: ind.macd(b.close, n, 2 * n, n),
    "true_range": lambda b, _: ind.true_range(b.high, b.low, b.close),
    "atr": lambda b, n: ind.atr(b.high, b.low, b.close, n),
    "rsi": lambda b, n: ind.rsi(b.close, n),
    "roc": lambda b, n: ind.roc(b.close, n),
    "bollinger": lambda b, n: ind.bollinger(b.close, n, 2.0),
    "donchian_high": lambda b, n: ind.donchian_high(b.high, n),
    "donchian_low": lambda b, n: ind.donchian_low(b.low, n),
    "highest": lambda b, n: ind.highest(b.high, n),
    "lowest": lambda b, n: ind.lowest(b.low, n),
    "stochastic": lambda b, n: ind.stochastic(b.high, b.low, b.close, n, 3, n),
    "directional": lambda b, n: ind.directional(b.high, b.low, b.close, n),
    "supertrend": lambda b, n: ind.supertrend(b.high, b.low, b.close, n, 2.0),
    "keltner": lambda b, n: ind.keltner(b.high, b.low, b.close, n, n, 1.5),
    "squeeze_momentum": lambda b, n: ind.squeeze_momentum(b.high, b.low, b.close, n),
    "rolling_vwap": lambda b, n: ind.rolling_vwap(b.high, b.low, b.close, b.volume, n),
    "utc_day_vwap": lambda b, _: ind.utc_day_vwap(b.ts_ms, b.high, b.low, b.close, b.volume),
    "utc_day_bars": lambda b, _: ind.utc_day_bars(b.ts_ms).astype(np.float64),
    "relative_volume": lambda b, n: ind.relative_volume(b.volume, n),
    "weighted_moments": lambda b, n: ind.weighted_moments(b.close, b.volume + 1.0, n),
    "previous": lambda b, _: ind.previous(b.close),
    "ratio": lambda b, _: ind.ratio(b.close, b.volume),
}


def columns(compute: Compute, bars: Bars, n: int) -> FloatArray:
    """Return all columns of an indicator as the rows of one array."""
    values = compute(bars, n)
    return np.vstack(values if isinstance(values, tuple) else (values,))


@st.composite
def markets(draw: st.DrawFn) -> Bars:
    """Markets that walk, stand still, jump and fall silent, at any price level and tick."""
    rows = draw(st.integers(0, 160))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([1e-9, 0.1, 100.0, 64_123.45]))
    sigma = draw(st.sampled_from([0.0, 1e-7, 0.003, 0.2]))
    moves = rng.normal(0.0, sigma, rows) * (rng.random(rows) < draw(st.sampled_from([0.1, 0.6, 1.0])))
    close = level * np.exp(np.cumsum(moves))
    reach = close * np.abs(rng.normal(0.0, sigma, rows)) * draw(st.sampled_from([0.0, 1.0]))
    volume = rng.lognormal(3.0, 2.0, rows) * (rng.random(rows) < draw(st.sampled_from([0.0, 0.7, 1.0])))
    stamps = 1_700_000_100_000 + 900_000 * np.arange(rows)
    return Bars.of(stamps, close, close + reach, close - reach, close, volume)


@pytest.mark.parametrize("name", sorted(INDICATORS))
@settings(max_examples=40, deadline=None)
@given(bars=markets(), n=st.integers(2, 40), data=st.data())
def test_a_longer_history_ahead_changes_nothing(name: str, bars: Bars, n: int, data: st.DataObject) -> None:
    whole = columns(INDICATORS[name], bars, n)
    assert whole.shape[1] == len(bars)
    assert whole.dtype == np.float64
    cut = data.draw(st.integers(0, len(bars)))
    part = columns(INDICATORS[name], bars[:cut], n)
    np.testing.assert_array_equal(part, whole[:, :cut])


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_cut_of_a_whole_window_agrees(name: str) -> None:
    rng = np.random.default_rng(11)
    close = 60_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, 1000)))
    close[400:430] = close[400]
    reach = close * np.abs(rng.normal(0.0, 0.001, 1000))
    volume = rng.lognormal(3.0, 1.0, 1000) * (np.arange(1000) % 100 > 4)
    stamps = 1_700_000_100_000 + 900_000 * np.arange(1000)
    bars = Bars.of(stamps, close, close + reach, close - reach, close, volume)
    whole = columns(INDICATORS[name], bars, 20)
    for cut in (*range(1, 1000, 7), *range(395, 455)):
        last = columns(INDICATORS[name], bars[:cut], 20)[:, -1]
        np.testing.assert_array_equal(last, whole[:, cut - 1], err_msg=f"cut after {cut} bars")


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_inputs_are_left_alone_and_too_few_bars_give_nan(name: str) -> None:
    ones = np.ones(3)
    bars = Bars.of(np.arange(3), ones, ones, ones, ones, ones)
    values = columns(INDICATORS[name], bars, 20)
    if name not in {"true_range", "utc_day_vwap", "utc_day_bars", "previous", "ratio"}:
        assert np.isnan(values).all()
    assert all((column == 1.0).all() for column in (bars.open, bars.high, bars.low, bars.close, bars.volume))
