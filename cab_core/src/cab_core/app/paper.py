"""A paper session on recorded candles: the orchestrator on a virtual clock, continuing where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from cab_core.app.session import Parts, Session, Venue, assemble, open_broker
from cab_core.clock import VirtualClock
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.feed import RecordedFeed
from cab_core.cycle.market import RecordedMarket
from cab_core.domain.book import Book
from cab_core.domain.candles import Series
from cab_core.domain.money import to_decimal
from cab_core.domain.timeframes import TF_MS
from cab_core.ports import Remembered


@attrs.frozen(eq=False, kw_only=True)
class PaperSetup(Parts):
    """The parts of a session, and the recorded market it trades on.

    Attributes:
        series: prepared candles by symbol.
        trade_from_ms: open time of the first candle to trade on at a first start, None for the very first;
            earlier ones are history.
        speed: virtual seconds per second, 0 for as fast as possible.
    """

    series: Mapping[str, Series]
    trade_from_ms: int | None = None
    speed: float = 0.0

    async def open(self) -> Session:
        """Open the session: load what is remembered, settle what was left open."""
        past = await self.storage.remember()
        config = self.config
        evaluated = _evaluated(config.symbols, past.last_candles, self.trade_from_ms)
        walked = {s: int(past.values.get(f"walked:{s}", "0")) for s in config.symbols}
        clock = VirtualClock(_resume_ms(self.series, evaluated, past), self.speed)
        market = RecordedMarket(self.series, clock, config.costs)
        feed = RecordedFeed(market, clock, config.grace_ms, walked, evaluated)
        broker = open_broker(self.plugins.broker, config, clock, market=market, state=self.state)
        session = await assemble(self, Venue(clock, market, feed, broker), past)
        await session.take_up()
        _stand_where_walked(self.series, walked, evaluated, feed, session.trader.book, config)
        return session


def _evaluated(
    symbols: Sequence[str], last_candles: Mapping[str, int], trade_from_ms: int | None
) -> dict[str, int]:
    """Return by symbol the open time of the last candle that needs no evaluation; absent where all do.

    Time never goes back behind what the account has lived through: a symbol that joins later, or that was
    left out for a while, begins with the newest candle that any symbol has evaluated.
    """
    if last_candles:
        least = max(last_candles.values()) - TF_MS
        return {symbol: max(last_candles.get(symbol, least), least) for symbol in symbols}
    return {} if trade_from_ms is None else dict.fromkeys(symbols, trade_from_ms - TF_MS)


def _resume_ms(series: Mapping[str, Series], evaluated: Mapping[str, int], past: Remembered) -> int:
    """Return the instant to go on from: the last one that is on record, or before the first walk to come."""
    closes = []
    for symbol, prepared in series.items():
        stamps = prepared.bars.ts_ms
        left = stamps[stamps > evaluated.get(symbol, -1)]
        if len(left):
            closes.append(int(left[0]) + TF_MS)
    recorded = [found.intent.created_ms for found in past.open_intents]
    return max(min(closes, default=0) - 1, past.as_of_ms or 0, *recorded)


def _stand_where_walked(
    series: Mapping[str, Series],
    walked: Mapping[str, int],
    evaluated: Mapping[str, int],
    feed: RecordedFeed,
    book: Book,
    config: CycleConfig,
) -> None:
    """After a restart between a candle's walk and its evaluation, stand at that candle's close again."""
    for symbol, close_ms in walked.items():
        if close_ms <= evaluated.get(symbol, -TF_MS) + TF_MS:
            continue
        found = (series[symbol].bars.ts_ms == close_ms - TF_MS).nonzero()[0]
        if not len(found):
            continue
        row = int(found[0])
        bid = config.costs.bid(to_decimal(series[symbol].bars.close[row]))
        feed.stand_at(symbol, bid)
        book.mark(symbol, bid)
