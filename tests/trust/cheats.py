"""Strategies that break their contract, each in one way: what looks like a good idea and is none."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from cab_core.sdk import (
    Action,
    Bars,
    BoolArray,
    Context,
    Decision,
    FloatArray,
    MarketData,
    Signals,
    Strategy,
    When,
    decide,
    hookimpl,
    plugin,
)

WARMUP = 60


def mean(values: FloatArray, period: int) -> FloatArray:
    """Return the mean of the last ``period`` values, NaN before there are so many."""
    out = np.full(len(values), np.nan)
    if len(values) >= period:
        total = np.cumsum(np.insert(values, 0, 0.0))
        out[period - 1 :] = (total[period:] - total[:-period]) / period
    return out


def answers(n: int, buy: BoolArray, sell: BoolArray, strength: FloatArray | None = None) -> Signals:
    """Return the answers of a strategy that buys and sells at these rows."""
    table = (When(buy, Action.BUY, "up", strength), When(sell, Action.SELL, "down", strength))
    return decide(n, WARMUP, table, "quiet")


def turns(values: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return where values turn from falling to rising and back, by earlier values alone."""
    step = np.diff(values, prepend=values[:1])
    before = np.concatenate((step[:1], step[:-1]))
    return (step > 0) & (before <= 0), (step < 0) & (before >= 0)


class Cheat(Strategy):
    """What they share."""

    def warmup_bars(self) -> int:
        """Bars before the first answer."""
        return WARMUP


@plugin
class Honest(Cheat):
    """Knows nothing but the past: what the others are held against."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Follow the turns of an average."""
        return answers(len(bars), *turns(mean(bars.close, 40)))


@plugin
class Shifts(Cheat):
    """Buys before a rise: ``shift(-1)``."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Compare with the next close."""
        later = np.append(bars.close[1:], bars.close[-1:])
        return answers(len(bars), later > bars.close * 1.002, later < bars.close * 0.998)


@plugin
class Scales(Cheat):
    """Scales by minimum and maximum of the whole window."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Buy what is low and sell what is high, seen from the end."""
        low, high = bars.close.min(initial=np.inf), bars.close.max(initial=0.0)
        place = (bars.close - low) / max(high - low, 1e-9)
        return answers(len(bars), place < 0.05, place > 0.95)


@plugin
class Slopes(Cheat):
    """Takes the slope from ``numpy.gradient``, whose differences are central."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Follow the turns of the slope."""
        slope = np.gradient(bars.close) if len(bars) > 1 else np.zeros(len(bars))
        return answers(len(bars), slope > bars.close * 0.002, slope < bars.close * -0.002)


@plugin
class Centres(Cheat):
    """Smooths with a window around each bar."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Follow the turns of a centred average."""
        n = len(bars)
        smooth = np.convolve(bars.close, np.ones(9) / 9, "same")[:n] if n > 9 else bars.close
        return answers(n, *turns(smooth))


@plugin
class PeeksOnce(Cheat):
    """Is honest, but for one bar in a thousand with a signal: there it knows the next close."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Follow the turns of an average, and change side once in a while."""
        buy, sell = turns(mean(bars.close, 40))
        later = np.append(bars.close[1:], bars.close[-1:])
        rare = (bars.ts_ms // 900_000) % 997 == 0
        return answers(len(bars), (buy & ~rare) | (rare & (later > bars.close)), sell & ~rare)


@plugin
class Counts(Cheat):
    """Counts how often it was asked, and decides by that."""

    asked: ClassVar[int] = 0

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Change sides with every call."""
        type(self).asked += 1
        buy, sell = turns(mean(bars.close, 40))
        return answers(len(bars), buy, sell) if self.asked % 2 else answers(len(bars), sell, buy)


@plugin
class FitsOnce(Cheat):
    """Learns its level from the first window it sees and keeps it."""

    level: ClassVar[float] = 0.0

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Buy below what it has learned, sell above."""
        if not self.level and len(bars) > WARMUP:
            type(self).level = float(bars.close.mean())
        return answers(len(bars), bars.close < self.level * 0.98, bars.close > self.level * 1.02)


@plugin
class Remembers(Cheat):
    """Goes bar by bar and remembers on which side it is."""

    long: ClassVar[bool] = False

    @hookimpl
    def generate(self, md: MarketData, ctx: Context) -> Decision:
        """Buy and sell in turn."""
        del ctx
        closes = md.bars.close
        if len(closes) < WARMUP or abs(closes[-1] / closes[-2] - 1) < 0.003:
            return Decision("hold", reason="quiet")
        type(self).long = not self.long
        return Decision("buy" if self.long else "sell", 0.8, "in_turn")


@plugin
class Sums(Cheat):
    """Sums up from where the window begins: another window, another answer."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Act at every fortieth row of the window."""
        rows = np.arange(len(bars))
        return answers(len(bars), rows % 40 == 7, rows % 40 == 27)


@plugin
class Measures(Cheat):
    """Grows bolder with the length of the window."""

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        """Follow the turns of an average, with a confidence that grows with the window."""
        bold = np.full(len(bars), len(bars) / 1000.0)
        return answers(len(bars), *turns(mean(bars.close, 40)), bold)
