"""Markets that are odd but legal, and asking a strategy about them without a murmur."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from cab_core.sdk import Bars, Signals
from cab_core.testing.answers import signals_of
from cab_core.testing.series import LIVELY, TF_MS, market, story


def quiet_answer(plugin: Any, bars: Bars) -> Signals:
    """Return the answer; any warning, also of numpy, is raised as an exception."""
    with warnings.catch_warnings(), np.errstate(divide="warn", invalid="warn", over="warn", under="ignore"):
        warnings.simplefilter("error")
        return signals_of(plugin, bars)


def odd_markets(warmup: int) -> Iterator[tuple[str, Bars]]:
    """Yield named markets: short ones, and all that can happen to a price without being illegal."""
    ordinary = market()["regimes"]
    for n in sorted({0, 1, 2, 3, max(0, warmup - 1), warmup, warmup + 1}):
        yield f"a market of {n} bars", ordinary[:n]
    n = warmup + 60
    for name, bars in market().items():
        if name not in LIVELY:
            yield name, bars[: max(n, 300)]
    yield "flat at a tiny price", story([1e-12] * n, wick=0.0)
    yield "flat at a huge price", story([1e12] * n, wick=0.0)
    yield "flat, then one step", story([100.0] * (n - 5) + [101.0] * 5, wick=0.0)
    yield "a price that multiplies by 1000", story([1.0] * (n // 2) + [1000.0] * (n - n // 2))
    yield "a price that falls to a thousandth", story([1000.0] * (n // 2) + [1.0] * (n - n // 2))
    yield "a straight rise", story(np.linspace(1.0, 1000.0, n).tolist(), wick=0.0)
    yield "a straight fall", story(np.linspace(1000.0, 1.0, n).tolist(), wick=0.0)
    yield "two alternating prices", story([100.0, 101.0] * (n // 2))
    yield "enormous volume", story([100.0 + k % 7 for k in range(n)], volume=1e15)
    yield "volume once in a while", _sparse(ordinary[:n])
    yield "only synthetic bars", _synthetic(ordinary[:n])
    yield "a year missing in the middle", _holed(ordinary[:n])


def _sparse(bars: Bars) -> Bars:
    volume = np.where(np.arange(len(bars)) % 25 == 0, bars.volume, 0.0)
    return Bars.of(bars.ts_ms, bars.open, bars.high, bars.low, bars.close, volume)


def _synthetic(bars: Bars) -> Bars:
    n = len(bars)
    price = np.full(n, 100.0)
    return Bars.of(bars.ts_ms, price, price, price, price, np.zeros(n), np.ones(n, np.bool_))


def _holed(bars: Bars) -> Bars:
    stamps = bars.ts_ms.copy()
    stamps[len(stamps) // 2 :] += 365 * 96 * TF_MS
    return Bars.of(stamps, bars.open, bars.high, bars.low, bars.close, bars.volume)
