"""Indicators against hand-worked cases, the reference vectors and TA-Lib's own composition."""

from __future__ import annotations

import csv
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import talib

from cab_core.domain import indicators
from cab_core.domain.bars import Bars, FloatArray

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference"
NAN = math.nan


def column(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


def read(name: str) -> dict[str, FloatArray]:
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference vectors at {REFERENCE}")
    with (REFERENCE / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key] or NAN) for row in rows]) for key in rows[0]}


def computed(bars: Bars) -> dict[str, FloatArray]:
    """Return our value of each column of the reference, by its name there."""
    high, low, close, volume = bars.high, bars.low, bars.close, bars.volume
    bands, channel = indicators.bollinger(close), indicators.keltner(high, low, close)
    macd, trend = indicators.macd(close), indicators.supertrend(high, low, close)
    stochastic, movement = indicators.stochastic(high, low, close), indicators.directional(high, low, close)
    vwap = indicators.rolling_vwap(high, low, close, volume)
    atr = {n: indicators.atr(high, low, close, n) for n in (10, 14, 20)}
    squeezed = (bands.upper < channel.upper) & (bands.lower > channel.lower)
    return {
        **{f"ema{n}": indicators.ema(close, n) for n in (9, 12, 20, 21, 26, 50)},
        **{f"atr{n}": values for n, values in atr.items()},
        "sma20": indicators.sma(close, 20),
        "tr": indicators.true_range(high, low, close),
        "atr14_pct": 100.0 * atr[14] / close,
        "rsi14": indicators.rsi(close),
        "roc10": indicators.roc(close),
        "macd": macd.line,
        "macd_signal": macd.signal,
        "macd_hist": macd.histogram,
        "bb_upper": bands.upper,
        "bb_mid": bands.mid,
        "bb_lower": bands.lower,
        "bb_std_pop": bands.sigma,
        "bb_width": (bands.upper - bands.lower) / bands.mid,
        "bb_pct_b": (close - bands.lower) / (bands.upper - bands.lower),
        "donchian20_upper_prev": indicators.donchian_high(high, 20),
        "donchian20_lower_prev": indicators.donchian_low(low, 20),
        "donchian10_lower_prev": indicators.donchian_low(low, 10),
        "supertrend": trend.line,
        "supertrend_dir": trend.direction,
        "stoch_fast_k": stochastic.fast_k,
        "stoch_k": stochastic.k,
        "stoch_d": stochastic.d,
        "adx14": movement.adx,
        "plus_di14": movement.plus_di,
        "minus_di14": movement.minus_di,
        "kc_mid": channel.mid,
        "kc_upper": channel.upper,
        "kc_lower": channel.lower,
        "squeeze_on": np.where(np.isnan(atr[20]), NAN, squeezed),
        "squeeze_momentum": indicators.squeeze_momentum(high, low, close),
        "vwap96": vwap.vwap,
        "vwap96_std": vwap.sv,
        "vwap96_z": vwap.z,
        "vwap_utc_day": indicators.utc_day_vwap(bars.ts_ms, high, low, close, volume).vwap,
        "rvol20": indicators.relative_volume(volume),
    }


@pytest.mark.parametrize("data_set", ["real_btc", "synth_a"])
def test_every_indicator_equals_the_reference(data_set: str) -> None:
    market, expected = read(f"ohlcv_15m_{data_set}.csv"), read(f"indicators_{data_set}.csv")
    names = ("ts_ms", "open", "high", "low", "close", "volume")
    ours = computed(Bars.of(*(market[name] for name in names)))
    assert set(ours) == set(expected) - {"bar", "ts_ms"}
    for name, values in ours.items():
        rows = ~np.isnan(expected[name])
        assert rows.sum() > 600
        np.testing.assert_allclose(values[rows], expected[name][rows], rtol=1e-9, atol=1e-9, err_msg=name)
        if name not in {"stoch_fast_k", "stoch_k"}:  # the library aligns these with %D, later than they exist
            assert np.isnan(values[~rows]).all(), name


def test_ema_is_seeded_with_the_mean() -> None:
    # Mean of 1, 2, 3; then each step goes half of the way to the new value.
    expected = [NAN, NAN, 2.0, 2.0 + (10.0 - 2.0) / 2, 6.0 + (6.0 - 6.0) / 2, 6.0 + (0.0 - 6.0) / 2]
    np.testing.assert_allclose(indicators.ema(column(1, 2, 3, 10, 6, 0), 3), expected)


def test_true_range_spans_the_gap_and_atr_smooths_it_wilder_s_way() -> None:
    high, low, close = column(10, 12, 15, 11), column(9, 11, 14, 10), column(9.5, 11.5, 14.5, 10.5)
    np.testing.assert_allclose(indicators.true_range(high, low, close), [NAN, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(indicators.atr(high, low, close, 2), [NAN, NAN, 3.0, (3.0 + 4.5) / 2])


def test_rsi_by_hand() -> None:
    # Gains 2, 0, 3 and losses 0, 1, 0: seeds (1, 0.5), then (1 + 3) / 2 and (0.5 + 0) / 2.
    values = indicators.rsi(column(10, 12, 11, 14), 2)
    np.testing.assert_allclose(values, [NAN, NAN, 100 * 1 / 1.5, 100 * 2 / 2.25])


def test_oscillators_are_neutral_where_nothing_moved() -> None:
    still = np.full(40, 0.1)
    assert set(indicators.rsi(still)[14:]) == {50.0}
    for line in indicators.stochastic(still, still, still):
        assert set(line[17:]) == {50.0}


def test_rsi_keeps_its_value_through_a_long_standstill() -> None:
    wave = 100.0 + np.sin(np.arange(60.0))
    stopped = np.concatenate((wave, np.full(900, wave[-1])))
    values = indicators.rsi(stopped)
    assert values[-1] == pytest.approx(values[59], abs=1e-6)


def test_donchian_excludes_the_bar_itself() -> None:
    np.testing.assert_equal(indicators.donchian_high(column(1, 5, 2, 9), 2), [NAN, NAN, 5.0, 5.0])
    np.testing.assert_equal(indicators.donchian_low(column(3, 1, 2, 0), 2), [NAN, NAN, 1.0, 1.0])


def test_relative_volume_excludes_the_bar_itself_and_needs_volume_before() -> None:
    np.testing.assert_allclose(indicators.relative_volume(column(2, 4, 9, 13), 2), [NAN, NAN, 3.0, 2.0])
    assert np.isnan(indicators.relative_volume(column(0.1, 0.2, 0, 0, 7), 2)[-1])


def test_bollinger_uses_the_population_deviation() -> None:
    closes = [100.0, 102.0, 99.0, 101.5, 98.0]
    bands = indicators.bollinger(np.array(closes), 5, 2.0)
    mean, sigma = statistics.fmean(closes), statistics.pstdev(closes)
    last = [float(band[-1]) for band in bands]
    assert last == pytest.approx([mean + 2 * sigma, mean, mean - 2 * sigma, sigma])


@pytest.mark.parametrize("price", [0.1, 64_123.45, 1e-12])
def test_means_of_a_price_that_stopped_are_that_price(price: float) -> None:
    moving = price * (1.0 + 0.5 * np.sin(np.arange(50.0)))
    stopped = np.concatenate((moving, np.full(60, price)))
    assert indicators.sma(stopped, 20)[-1] == price
    assert indicators.bollinger(stopped, 20).sigma[-1] == 0.0
    assert indicators.ema(stopped[50:], 12)[-1] == price
    assert indicators.squeeze_momentum(stopped, stopped, stopped, 20)[-1] == 0.0
    assert indicators.rolling_vwap(stopped, stopped, stopped, np.ones(110), 30).sv[-1] == 0.0


def test_directional_movement_equals_the_library_where_it_is_defined() -> None:
    rng = np.random.default_rng(5)
    close = 100.0 + np.cumsum(rng.normal(size=300))
    high, low = close + rng.random(300), close - rng.random(300)
    movement = indicators.directional(high, low, close, 10)
    np.testing.assert_array_equal(movement.adx, talib.ADX(high, low, close, 10))
    assert int(np.argmax(~np.isnan(movement.adx))) == 19
    assert int(np.argmax(~np.isnan(movement.plus_di))) == 10


def supertrend_by_the_book(bars: Bars, n: int, k: float) -> tuple[list[float], list[float]]:
    """Return line and direction, written down bar by bar as the definition reads."""
    atr = indicators.atr(bars.high, bars.low, bars.close, n)
    middle, close = (bars.high + bars.low) / 2, bars.close
    line, direction = [NAN] * len(bars), [NAN] * len(bars)
    upper = lower = trend = 0.0
    for i in range(n, len(bars)):
        basic_upper, basic_lower = middle[i] + k * atr[i], middle[i] - k * atr[i]
        if i == n:
            upper, lower, trend = basic_upper, basic_lower, 1.0
        else:
            upper = basic_upper if basic_upper < upper or close[i - 1] > upper else upper
            lower = basic_lower if basic_lower > lower or close[i - 1] < lower else lower
            trend = (-1.0 if close[i] < lower else 1.0) if trend > 0 else (1.0 if close[i] > upper else -1.0)
        line[i], direction[i] = (lower if trend > 0 else upper), trend
    return line, direction


@pytest.mark.parametrize("tick", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(20))
def test_supertrend_follows_its_definition_also_on_coarse_ticks(seed: int, tick: float) -> None:
    rng = np.random.default_rng(seed)
    close = 100.0 + np.cumsum(rng.normal(size=200))
    close = np.round(close / tick) * tick if tick else close
    wick = rng.integers(0, 3, 200)
    bars = Bars.of(np.arange(200), close, close + wick, close - wick, close, np.ones(200))
    ours = indicators.supertrend(bars.high, bars.low, bars.close, 7, 1.5)
    line, direction = supertrend_by_the_book(bars, 7, 1.5)
    np.testing.assert_array_equal(ours.direction, direction)
    np.testing.assert_allclose(ours.line, line, rtol=1e-12)


def vwap_by_the_book(price: list[float], volume: list[float]) -> tuple[float, float]:
    weight = math.fsum(volume)
    mean = math.fsum(p * v for p, v in zip(price, volume, strict=True)) / weight
    squares = math.fsum(v * (p - mean) ** 2 for p, v in zip(price, volume, strict=True))
    return mean, math.sqrt(squares / weight)


@pytest.mark.parametrize("n", [8, 13, 96])
def test_rolling_vwap_keeps_its_accuracy_after_a_storm_of_volume(n: int) -> None:
    rng = np.random.default_rng(n)
    price = 60_000.0 * np.exp(np.cumsum(rng.normal(0, 0.003, 300)))
    volume = rng.random(300) * (rng.random(300) > 0.2)
    volume[50:60] *= 1e9
    ours = indicators.rolling_vwap(price, price, price, volume, n)
    for k in (n - 1, 58, 160, 250, 299):
        window = slice(k - n + 1, k + 1)
        if k < n - 1:
            continue
        mean, deviation = vwap_by_the_book(price[window].tolist(), volume[window].tolist())
        assert ours.vwap[k] == pytest.approx(mean, rel=1e-13)
        assert ours.sv[k] == pytest.approx(deviation, rel=1e-9)
        assert ours.z[k] == pytest.approx((price[k] - mean) / deviation, rel=1e-9, abs=1e-9)


def test_vwap_counts_only_bars_with_trades() -> None:
    price, volume = column(*[100.0, 50.0] * 10), column(*[3.0, 0.0] * 10)
    ours = indicators.rolling_vwap(price, price, price, volume, 8)
    assert (ours.vwap[-1], ours.sv[-1]) == (100.0, 0.0)
    assert np.isnan(ours.z[-1])
    silent = indicators.rolling_vwap(price, price, price, np.zeros(20), 8)
    assert np.isnan(silent.vwap).all()
    assert np.isnan(silent.sv).all()


def test_the_day_s_vwap_starts_anew_at_midnight_utc() -> None:
    hour = 3_600_000
    stamps = np.array([22, 23, 24, 25, 26]) * hour
    price, volume = column(10, 20, 30, 30, 60), column(1, 3, 0, 2, 2)
    ours = indicators.utc_day_vwap(stamps, price, price, price, volume)
    np.testing.assert_allclose(ours.vwap, [10.0, 17.5, NAN, 30.0, 45.0])
    np.testing.assert_allclose(ours.sv, [0.0, math.sqrt(18.75), NAN, 0.0, 15.0])
    np.testing.assert_array_equal(indicators.utc_day_bars(stamps), [1, 2, 1, 2, 3])


def test_a_strength_measured_by_nothing_is_nothing() -> None:
    np.testing.assert_array_equal(indicators.ratio(column(1, 0, 3), column(0, 0, 2)), [0.0, 0.0, 1.5])
