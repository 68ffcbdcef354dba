"""Candles as the exchange serves them: built from the recorded ones, the running one last."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import attrs
import numpy as np

from cab_core.domain.bars import Bars
from cab_core.domain.money import to_decimal
from cab_core.domain.timeframes import DAY_MS, HOUR_MS, MINUTE_MS, TF_MS
from cab_exchange_sim.engine.path import PricePath
from cab_exchange_sim.engine.values import Refused, rounded
from cab_exchange_sim.engine.venue import CandleConditions

INTERVALS = {
    "15m": TF_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "1d": DAY_MS,
    "7d": 7 * DAY_MS,
}

MAX_POINTS = 1_000
MAX_HISTORY = 10_000
DEFAULT_POINTS = 100

_CENT = Decimal("0.01")


@attrs.frozen(slots=True)
class ServedCandle:
    """One candle. Volumes in base and quote; ``closed`` is what the exchange says, not what is true."""

    ts_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    closed: bool

    @classmethod
    def of_row(cls, bars: Bars, row: int, *, closed: bool) -> ServedCandle:
        """Return a row of recorded candles."""
        opened, close = to_decimal(bars.open[row]), to_decimal(bars.close[row])
        volume = to_decimal(bars.volume[row])
        value = rounded(volume * (opened + close) / 2, _CENT)
        high, low = to_decimal(bars.high[row]), to_decimal(bars.low[row])
        return cls(int(bars.ts_ms[row]), opened, high, low, close, volume, value, closed)


class Candles:
    """The candles of one pair in all intervals.

    A candle of an interval that lacks one of its recorded parts is not served: the recording has a hole.
    """

    def __init__(self, path: PricePath) -> None:
        self._path = path
        self._grouped: dict[int, Bars] = {TF_MS: path.bars}

    def served(
        self,
        interval: str,
        now_ms: int,
        conditions: CandleConditions,
        *,
        limit: int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> list[ServedCandle]:
        """Return candles, oldest first: the newest ``limit``, or those that open between two times.

        Raises:
            Refused: the interval is unknown, or more is asked for than the exchange gives.
        """
        tf_ms = INTERVALS.get(interval)
        if tf_ms is None:
            raise Refused("INVALID_PARAM_VALUE", f"invalid interval {interval!r}")
        first_ms, last_ms = _range(tf_ms, now_ms, limit, from_ms, to_ms)
        bars = self._bars(tf_ms)
        start = int(np.searchsorted(bars.ts_ms, first_ms))
        stop = int(np.searchsorted(bars.ts_ms, min(last_ms, now_ms - tf_ms), side="right"))
        found = [
            ServedCandle.of_row(bars, row, closed=int(bars.ts_ms[row]) + tf_ms + conditions.late_ms <= now_ms)
            for row in range(start, stop)
        ]
        running = self._running(tf_ms, now_ms) if conditions.unfinished else None
        if running is not None and first_ms <= running.ts_ms <= last_ms:
            found.append(attrs.evolve(running, closed=conditions.unfinished_as_closed))
        return list(_spoiled(found, conditions))

    def day(self, now_ms: int) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Return high, low, base and quote volume of the 24 hours until now."""
        bars = self._path.bars
        stop = self._path.row_at(now_ms) + 1
        rows = slice(max(0, stop - DAY_MS // TF_MS), max(stop, 1))
        base = to_decimal(round(float(bars.volume[rows].sum()), 3))
        value = to_decimal(round(float((bars.volume[rows] * bars.close[rows]).sum()), 2))
        return to_decimal(bars.high[rows].max()), to_decimal(bars.low[rows].min()), base, value

    def open_a_day_ago(self, now_ms: int) -> Decimal:
        """Return the price 24 hours ago, or the first there is."""
        return self._path.price_at(max(now_ms - DAY_MS, self._path.start_ms))

    def _bars(self, tf_ms: int) -> Bars:
        if tf_ms not in self._grouped:
            self._grouped[tf_ms] = grouped(self._path.bars, tf_ms)
        return self._grouped[tf_ms]

    def _running(self, tf_ms: int, now_ms: int) -> ServedCandle | None:
        """Return the candle that is not closed at ``now_ms``, made from what has happened in it."""
        opened = now_ms // tf_ms * tf_ms
        bars = self._path.bars
        stop = self._path.row_at(now_ms)
        if stop < 0 or now_ms >= self._path.end_ms:
            return None
        start = int(np.searchsorted(bars.ts_ms, opened))
        if start > stop:
            return None
        parts = [ServedCandle.of_row(bars, row, closed=False) for row in range(start, stop)]
        if now_ms < int(bars.ts_ms[stop]) + TF_MS:
            parts.append(self._begun(stop, now_ms))
        else:
            parts.append(ServedCandle.of_row(bars, stop, closed=False))
        return ServedCandle(
            opened,
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            sum((part.volume for part in parts), Decimal(0)),
            sum((part.quote_volume for part in parts), Decimal(0)),
            False,  # noqa: FBT003 - the flag's place in the row
        )

    def _begun(self, row: int, now_ms: int) -> ServedCandle:
        opened = int(self._path.bars.ts_ms[row])
        seen = [self._path.price_at(opened)]
        seen += [leg.end for leg in self._path.legs_of(row) if leg.end_ms <= now_ms]
        seen.append(self._path.price_at(now_ms))
        share = Decimal(now_ms - opened) / TF_MS
        volume = rounded(to_decimal(self._path.bars.volume[row]) * share, Decimal("0.001"))
        value = rounded(volume * (seen[0] + seen[-1]) / 2, _CENT)
        return ServedCandle(opened, seen[0], max(seen), min(seen), seen[-1], volume, value, closed=False)


def grouped(bars: Bars, tf_ms: int) -> Bars:
    """Return the candles of ``tf_ms``, counted from the epoch, whose 15m candles are all recorded."""
    bucket = bars.ts_ms // tf_ms
    first = np.concatenate(([0], np.flatnonzero(np.diff(bucket)) + 1))
    last = np.concatenate((first[1:], [len(bars)])) - 1
    complete = (last - first + 1) == tf_ms // TF_MS
    return Bars.of(
        bucket[first] * tf_ms,
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
    ).take(complete)


def _range(
    tf_ms: int, now_ms: int, limit: int | None, from_ms: int | None, to_ms: int | None
) -> tuple[int, int]:
    """Return the first and last open time asked for."""
    running = now_ms // tf_ms * tf_ms
    if limit is not None and (from_ms is not None or to_ms is not None):
        raise Refused("INVALID_PARAM_VALUE", "limit conflicts with from and to")
    points = DEFAULT_POINTS if limit is None else limit
    if not 1 <= points <= MAX_POINTS:
        raise Refused("INVALID_PARAM_VALUE", f"invalid limit {points}: 1 to {MAX_POINTS}")
    last = running if to_ms is None else min(to_ms, running)
    first = last - (points - 1) * tf_ms if from_ms is None else from_ms
    if (last - first) // tf_ms >= MAX_POINTS:
        what = f"Candlestick range too broad. Maximum {MAX_POINTS} data points are allowed per request"
        raise Refused("INVALID_PARAM_VALUE", what)
    if first < running - MAX_HISTORY * tf_ms:
        what = f"Candlestick too long ago. Maximum {MAX_HISTORY} points ago are allowed"
        raise Refused("INVALID_PARAM_VALUE", what)
    return first, last


def _spoiled(candles: list[ServedCandle], conditions: CandleConditions) -> Iterator[ServedCandle]:
    for candle in candles:
        if candle.ts_ms in conditions.missing_ms:
            continue
        yield candle
        if candle.ts_ms in conditions.doubled_ms:
            yield candle
