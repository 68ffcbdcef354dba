"""What a symbol's newest candle is evaluated with when its higher timeframes come late, or not at all."""

from __future__ import annotations

from collections import Counter

import attrs
import numpy as np
import pytest

from cab_core.cycle.config import CycleConfig
from cab_core.cycle.moment import MomentReader
from cab_core.domain.aggregation import AggregationSettings
from cab_core.domain.bars import Bars
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.timeframes import HOUR_MS, MINUTE_MS, TIMEFRAMES
from cab_core.errors import CabError

SYMBOL = "BTC/USDT"
NOON_MS = 1_700_000_000_000 // (24 * HOUR_MS) * 24 * HOUR_MS + 12 * HOUR_MS


@attrs.define
class Venue:
    """Lists every closed candle, but those of ``late`` one too few, and those of ``silent`` not at all."""

    now_ms: int = NOON_MS
    late: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    asked: Counter[str] = attrs.field(factory=Counter)

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        assert symbol == SYMBOL
        self.asked[timeframe] += 1
        if timeframe in self.silent:
            raise CabError(f"the venue does not answer for {timeframe}")
        length_ms = TIMEFRAMES[timeframe]
        last = self.now_ms // length_ms * length_ms - length_ms * (2 if timeframe in self.late else 1)
        stamps = np.arange(last - (limit - 1) * length_ms, last + 1, length_ms)
        flat = np.full(len(stamps), 100.0)
        return Bars.of(stamps, flat, flat, flat, flat, flat)

    async def quote(self, symbol: str) -> Quote:
        raise CabError(f"{symbol} has no price")


def reader(venue: Venue) -> MomentReader:
    config = CycleConfig(
        aggregation=AggregationSettings(("x",)),
        instruments={SYMBOL: Instrument(SYMBOL)},
        strategies_enabled=False,
    )
    return MomentReader(SYMBOL, venue, None, config)  # type: ignore[arg-type]  # no strategy is asked


@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
async def test_a_higher_candle_that_is_listed_late_is_asked_for_until_it_is_there(timeframe: str):
    day_ms = NOON_MS + 12 * HOUR_MS
    venue = Venue(day_ms, late=frozenset({timeframe}))
    read = reader(venue)
    for minute in (0, 15):
        venue.now_ms = day_ms + minute * MINUTE_MS
        await read.read(venue.now_ms)
    venue.late = frozenset()
    for minute in (30, 45):
        venue.now_ms = day_ms + minute * MINUTE_MS
        await read.read(venue.now_ms)
    assert read.higher is not None
    assert int(read.higher.columns[timeframe].close_ms[-1]) == day_ms
    others = {"1h", "4h", "1d"} - {timeframe}
    assert venue.asked == {"15m": 4, timeframe: 3, **dict.fromkeys(others, 1)}


async def test_a_candle_is_evaluated_though_a_higher_timeframe_cannot_be_had():
    """What a sale needs is there; that a buy must wait is said."""
    venue = Venue(silent=frozenset({"4h"}))
    read = reader(venue)
    for _ in range(2):
        moment = await read.read(venue.now_ms)
        assert moment is not None
        assert isinstance(moment.error, CabError)
    venue.silent = frozenset()
    moment = await read.read(venue.now_ms)
    assert moment is not None
    assert moment.error is None
    assert read.higher is not None
    assert {int(c.close_ms[-1]) for tf, c in read.higher.columns.items() if tf != "1w"} == {
        NOON_MS,
        NOON_MS - 12 * HOUR_MS,
    }
