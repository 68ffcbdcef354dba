"""Twelve seeded series of candles on which every plugin is tried, and hand-made stories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np

from cab_core.sdk import Bars, FloatArray

#: Bars per series: more than the 1,000 of the longest window the kernel ever shows a strategy.
LENGTH = 1200
TF_MS = 15 * 60_000
#: 2024-01-01 00:00 UTC.
START_MS = 1_704_067_200_000

#: Series in which something happens; the others are legal oddities.
LIVELY = ("trend_up", "trend_down", "range", "crash", "squeeze", "choppy", "regimes")


def candles(
    close: FloatArray,
    rng: np.random.Generator,
    *,
    wick: float = 0.0015,
    volume: FloatArray | None = None,
    ts_ms: Sequence[int] | None = None,
) -> Bars:
    """Dress close prices as candles: opens at the previous close, random wicks, log-normal volume.

    Args:
        close: close prices, all positive.
        rng: source of wicks and volume.
        wick: mean wick length as a fraction of the price.
        volume: base volume per bar; random if None.
        ts_ms: open times; an unbroken 15m grid if None.
    """
    n = len(close)
    opens = np.concatenate((close[:1], close[:-1]))
    body_high, body_low = np.maximum(opens, close), np.minimum(opens, close)
    high = body_high * (1.0 + wick * rng.exponential(1.0, n))
    low = body_low / (1.0 + wick * rng.exponential(1.0, n))
    if volume is None:
        volume = 100.0 * rng.lognormal(0.0, 0.5, n)
    stamps = START_MS + TF_MS * np.arange(n) if ts_ms is None else ts_ms
    return Bars.of(stamps, opens, high, low, close, volume)


def story(closes: Sequence[float], *, volume: float = 100.0, wick: float = 0.001) -> Bars:
    """Return candles through hand-made closes: each opens at the previous close, with equal wicks.

    Args:
        closes: close prices, oldest first.
        volume: base volume of each bar.
        wick: how far high and low reach beyond the body, as a fraction of the price.
    """
    close = np.array(closes, dtype=np.float64)
    opens = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(opens, close) * (1.0 + wick)
    low = np.minimum(opens, close) * (1.0 - wick)
    stamps = START_MS + TF_MS * np.arange(len(close))
    return Bars.of(stamps, opens, high, low, close, np.full(len(close), volume))


def _walk(rng: np.random.Generator, drift: float, sigma: float, n: int = LENGTH) -> FloatArray:
    return np.asarray(100.0 * np.exp(np.cumsum(rng.normal(drift, sigma, n))))


def _range(rng: np.random.Generator) -> Bars:
    bars = np.arange(LENGTH)
    wave = 3.0 * np.sin(bars / 23.0) + 1.5 * np.sin(bars / 7.0)
    return candles(100.0 + wave + rng.normal(0.0, 0.15, LENGTH), rng)


def _crash(rng: np.random.Generator) -> Bars:
    close = _walk(rng, 0.0003, 0.003)
    fall = np.ones(LENGTH)
    fall[700:720] = np.linspace(1.0, 0.6, 20)
    fall[720:] = 0.6 + 0.25 * (1.0 - np.exp(-np.arange(LENGTH - 720) / 150.0))
    return candles(close * fall, rng, wick=0.003)


def _squeeze(rng: np.random.Generator) -> Bars:
    calm = np.tile(np.repeat([0.0004, 0.006], [90, 30]), LENGTH // 120)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1.0, LENGTH) * calm))
    return candles(close, rng, wick=0.0006)


def _regimes(rng: np.random.Generator) -> Bars:
    drift = np.repeat([0.0015, -0.0015, 0.0, 0.0025, -0.0025, 0.0], LENGTH // 6)
    sigma = np.repeat([0.002, 0.004, 0.001, 0.006, 0.008, 0.002], LENGTH // 6)
    return candles(100.0 * np.exp(np.cumsum(drift + sigma * rng.normal(0.0, 1.0, LENGTH))), rng)


def _flat(_: np.random.Generator) -> Bars:
    return story([100.0] * LENGTH, wick=0.0)


def _gaps(rng: np.random.Generator) -> Bars:
    """Missing candles filled as the kernel fills them, and one hole too long to be filled."""
    close = _walk(rng, 0.0, 0.003)
    missing = rng.random(LENGTH) < 0.05
    missing[:10] = False
    filled = np.maximum.accumulate(np.where(missing, 0, np.arange(LENGTH)))
    solid = candles(close[filled], rng)
    stamps = solid.ts_ms.copy()
    stamps[900:] += 300 * TF_MS
    opens = np.where(missing, solid.close, solid.open)
    high = np.where(missing, solid.close, solid.high)
    low = np.where(missing, solid.close, solid.low)
    volume = np.where(missing, 0.0, solid.volume)
    return Bars.of(stamps, opens, high, low, solid.close, volume, missing)


def _zero_volume(rng: np.random.Generator) -> Bars:
    return candles(_walk(rng, 0.0, 0.003), rng, volume=np.zeros(LENGTH))


_SERIES: Mapping[str, Callable[[np.random.Generator], Bars]] = MappingProxyType(
    {
        "trend_up": lambda rng: candles(_walk(rng, 0.0010, 0.003), rng),
        "trend_down": lambda rng: candles(_walk(rng, -0.0010, 0.003), rng),
        "range": _range,
        "crash": _crash,
        "squeeze": _squeeze,
        "choppy": lambda rng: candles(_walk(rng, 0.0, 0.012), rng, wick=0.006),
        "regimes": _regimes,
        "flat": _flat,
        "gaps": _gaps,
        "zero_volume": _zero_volume,
        "tiny_prices": lambda rng: candles(_walk(rng, 0.0, 0.004) * 1e-10, rng),
        "huge_prices": lambda rng: candles(_walk(rng, 0.0, 0.004) * 1e8, rng),
    }
)


@cache
def market(seed: int = 7) -> Mapping[str, Bars]:
    """Return the twelve series by name; the same seed gives the same candles everywhere."""
    return MappingProxyType(
        {name: make(np.random.default_rng([seed, i])) for i, (name, make) in enumerate(_SERIES.items())}
    )
