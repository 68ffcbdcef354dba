"""The price between candles: a continuous path through open, one extreme, the other, and close.

Times are milliseconds; the instant at which a level is reached is exact (a fraction), never sampled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

import attrs
import numpy as np

from cab_core.domain.bars import Bars
from cab_core.domain.money import ONE, to_decimal
from cab_core.domain.timeframes import TF_MS
from cab_exchange_sim.engine.values import rounded

Instant: TypeAlias = int | Fraction

#: A candle's path has three parts of equal length.
LEG_MS = TF_MS // 3

#: Candles whose points are remembered.
_REMEMBERED = 8


@attrs.frozen(slots=True)
class Leg:
    """A straight part of the path: from ``start_ms`` at ``start`` to ``end_ms`` at ``end``."""

    start_ms: int
    end_ms: int
    start: Decimal
    end: Decimal


@attrs.frozen(slots=True)
class Touch:
    """When a level is reached and the price then: the level itself, or the price a jump went to."""

    at: Instant
    price: Decimal


class PricePath:
    """The recorded price of one pair.

    Args:
        bars: 15m candles, increasing; synthetic ones are left out: the price rests over holes.
        extremes: ``adverse``: the low comes first; ``best``: the high.
        tick: prices between the recorded ones are rounded to it.
    """

    def __init__(self, bars: Bars, extremes: Literal["adverse", "best"], tick: Decimal) -> None:
        self.bars = bars.take(~bars.synthetic)
        self._low_first = extremes == "adverse"
        self._tick = tick
        self._points: dict[int, tuple[Decimal, ...]] = {}

    @property
    def start_ms(self) -> int:
        """When the first candle opens."""
        return int(self.bars.ts_ms[0])

    @property
    def end_ms(self) -> int:
        """When the last candle closes."""
        return int(self.bars.ts_ms[-1]) + TF_MS

    def row_at(self, at: Instant) -> int:
        """Return the newest row that has opened, -1 before the first."""
        return int(np.searchsorted(self.bars.ts_ms, math.floor(at), side="right")) - 1

    def price_at(self, at_ms: int) -> Decimal:
        """Return the price at a millisecond; at the close of a candle it is the open of the next."""
        leg = next(self.legs(at_ms))
        if leg.start == leg.end or at_ms <= leg.start_ms:
            return leg.start
        passed = Decimal(at_ms - leg.start_ms) / (leg.end_ms - leg.start_ms)
        return rounded(leg.start + (leg.end - leg.start) * passed, self._tick)

    def legs(self, at: Instant) -> Iterator[Leg]:
        """Yield the parts of the path from the one that holds ``at``; the last one has no end to speak of."""
        row = self.row_at(at)
        if row < 0:
            yield self._flat(math.floor(at), self.start_ms, self._candle(0)[0])
            row = 0
        for current in range(row, len(self.bars)):
            for leg in self.legs_of(current):
                if leg.end_ms > at:
                    yield leg
        yield self._flat(max(self.end_ms, math.floor(at)), 1 << 62, self._candle(len(self.bars) - 1)[-1])

    def reach(
        self, level: Decimal, *, falling: bool, factor: Decimal, since: Instant, until: int
    ) -> Touch | None:
        """Return when the price times ``factor`` is first at or beyond ``level``, None if not by ``until``.

        Args:
            level: the level, in units of the scaled price.
            falling: beyond means at or below; otherwise at or above.
            factor: what scales the price: ``1 - half spread`` for bids.
            since: first instant that counts. A level reached then already is reached then.
            until: last instant that counts.
        """
        sign = ONE if falling else -ONE
        for leg in self.legs(since):
            if leg.start_ms > until:
                return None
            start, end = leg.start * factor, leg.end * factor
            touch = _touch(leg, start, end, level, sign, since)
            if touch is not None:
                return touch if touch.at <= until else None
        return None

    def legs_of(self, row: int) -> Iterator[Leg]:
        """Yield the three parts of a candle, and the rest over the hole behind it."""
        points = self._candle(row)
        opened = int(self.bars.ts_ms[row])
        for part in range(3):
            start = opened + part * LEG_MS
            yield Leg(start, start + LEG_MS, points[part], points[part + 1])
        if row + 1 < len(self.bars) and (following := int(self.bars.ts_ms[row + 1])) > opened + TF_MS:
            yield self._flat(opened + TF_MS, following, points[-1])

    def _candle(self, row: int) -> tuple[Decimal, ...]:
        known = self._points.get(row)
        if known is not None:
            return known
        bars = self.bars
        low, high = to_decimal(bars.low[row]), to_decimal(bars.high[row])
        first, second = (low, high) if self._low_first else (high, low)
        points = (to_decimal(bars.open[row]), first, second, to_decimal(bars.close[row]))
        while len(self._points) >= _REMEMBERED:
            del self._points[next(iter(self._points))]
        self._points[row] = points
        return points

    @staticmethod
    def _flat(start_ms: int, end_ms: int, price: Decimal) -> Leg:
        return Leg(start_ms, end_ms, price, price)


def _touch(
    leg: Leg, start: Decimal, end: Decimal, level: Decimal, sign: Decimal, since: Instant
) -> Touch | None:
    """Return the first touch within a leg from ``since`` on; ``sign`` is +1 for falling, -1 for rising."""
    begins_beyond = sign * start <= sign * level
    ends_beyond = sign * end <= sign * level
    if not begins_beyond and not ends_beyond:
        return None
    if since <= leg.start_ms or start == end:
        at, here = max(since, leg.start_ms), start
    else:
        at, here = since, start + (end - start) * _share(since, leg)
    if sign * here <= sign * level:
        return Touch(at, here)
    if not ends_beyond:
        return None
    share = (Fraction(start) - Fraction(level)) / (Fraction(start) - Fraction(end))
    return Touch(max(at, leg.start_ms + share * (leg.end_ms - leg.start_ms)), level)


def _share(at: Instant, leg: Leg) -> Decimal:
    """Return the part of the leg that has passed."""
    passed = Fraction(at - leg.start_ms) / (leg.end_ms - leg.start_ms)
    return Decimal(passed.numerator) / Decimal(passed.denominator)
