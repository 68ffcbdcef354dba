"""Strategies the kit must accept: one in each form, one with a long memory."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from cab_core.sdk import (
    NOT_ENOUGH_BARS,
    Action,
    Bars,
    Context,
    Decision,
    FloatArray,
    MarketData,
    Signals,
    Strategy,
    When,
    decide,
    hookimpl,
    option,
    plugin,
)
from cab_core.testing import StrategyConformance


def mean(column: FloatArray, n: int) -> FloatArray:
    means = np.full(len(column), np.nan)
    if len(column) >= n:
        means[n - 1 :] = np.lib.stride_tricks.sliding_window_view(column, n).mean(axis=1)
    return means


@plugin
class MeanCross(Strategy):
    fast: int = option(10, ge=2, le=100, help="Bars of the fast mean.")
    slow: int = option(40, ge=3, le=400, help="Bars of the slow mean.")

    def __attrs_post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ValueError(f"fast = {self.fast} must be below slow = {self.slow}")

    def warmup_bars(self) -> int:
        return self.slow

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        fast, slow = mean(bars.close, self.fast), mean(bars.close, self.slow)
        strength = np.abs(fast / slow - 1.0) * 100.0
        table = [
            When(fast < slow, Action.SELL, "fast_below", strength),
            When(fast > slow, Action.BUY, "fast_above", strength),
        ]
        return decide(len(bars), self.warmup_bars(), table, "level", {"fast": fast, "slow": slow})


class TestMeanCross(StrategyConformance):
    plugin = MeanCross


class TestMeanCrossWithOptions(StrategyConformance):
    plugin = MeanCross
    options: ClassVar[dict[str, int]] = {"fast": 5, "slow": 20}


@plugin
class BarByBar(Strategy):
    lookback: int = option(20, ge=2, le=200, help="Bars to look back.")

    def warmup_bars(self) -> int:
        return self.lookback + 1

    @hookimpl
    async def generate(self, md: MarketData, ctx: Context) -> Decision:
        if len(md) < self.warmup_bars():
            return Decision("hold", reason=NOT_ENOUGH_BARS)
        change = float(md.close[-1] / md.close[-1 - self.lookback] - 1.0)
        if change > 0.01:
            return Decision("buy", 0.7, "rising", {"change": change})
        if change < -0.01:
            return Decision("sell", 0.7, "falling", {"change": change})
        return Decision("hold", reason="still")


class TestBarByBar(StrategyConformance):
    plugin = BarByBar


@plugin
class LongMemory(Strategy):
    span: int = option(20, ge=2, le=60, help="Span of the exponential mean in bars.")

    def warmup_bars(self) -> int:
        return self.span

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        average, averages = 0.0, []
        for i, price in enumerate(bars.close.tolist()):
            average = price if i == 0 else average + (price - average) * 2.0 / (self.span + 1)
            averages.append(average)
        line = np.array(averages)
        strength = np.abs(bars.close / line - 1.0) * 20.0
        table = [
            When(bars.close < line, Action.SELL, "below", strength),
            When(bars.close > line, Action.BUY, "above", strength),
        ]
        return decide(len(bars), self.warmup_bars(), table, "level")


class TestLongMemory(StrategyConformance):
    plugin = LongMemory
    settling_bars = 200
