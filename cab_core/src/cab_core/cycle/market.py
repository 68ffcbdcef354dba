"""Recorded candles as a market on an injected clock.

After the close of candle C the price is the open of C+1, if that follows without a hole. In a hole there is
none, and a filled candle is a hole. One millisecond before the close of C+1 its whole walk is delivered at
once (`due`), for protective exits to be judged along it. Both shells see prices through this module, so they
see the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs
import numpy as np

from cab_core.clock import Clock
from cab_core.domain.bars import Bars
from cab_core.domain.candles import Series
from cab_core.domain.market import Candle, Costs, Quote
from cab_core.domain.money import to_decimal
from cab_core.domain.resample import resample
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import NotFoundError


def bid_candle(bars: Bars, row: int, costs: Costs) -> Candle:
    """Return candle ``row`` as bids in money: what protective exits are judged along."""
    return Candle(
        int(bars.ts_ms[row]),
        costs.bid(to_decimal(bars.open[row])),
        costs.bid(to_decimal(bars.high[row])),
        costs.bid(to_decimal(bars.low[row])),
        costs.bid(to_decimal(bars.close[row])),
        after_hole=open_at(bars, int(bars.ts_ms[row]) - 1) is None,
    )


def open_at(bars: Bars, at_ms: int) -> float | None:
    """Return where the candle opened that is under way at a time; None in a hole and beyond the recording."""
    row = int(bars.ts_ms.searchsorted(at_ms, side="right")) - 1
    if row < 0 or bars.synthetic[row] or bars.ts_ms[row] + TF_MS <= at_ms:
        return None
    return float(bars.open[row])


@attrs.define(slots=True)
class _Tape:
    """One symbol's recorded candles and how far the market has played them."""

    bars: Bars
    series: Series
    #: Rows whose walk has been delivered.
    played: int = 0
    #: The price during a walk, in force until the walked candle has closed.
    at_bid: Quote | None = None


class RecordedMarket:
    """Candles of several symbols played on a clock. Implements `cab_core.sdk.Market`.

    Args:
        series: prepared 15m candles by symbol.
        clock: tells which candles have closed.
        costs: half spread around the recorded price.
    """

    def __init__(self, series: Mapping[str, Series], clock: Clock, costs: Costs) -> None:
        self._tapes = {symbol: _Tape(_recorded(s.bars), s) for symbol, s in series.items()}
        self._clock = clock
        self._costs = costs

    def start_at(self, symbol: str, ts_ms: int) -> None:
        """Take all candles that closed by ``ts_ms`` as played already."""
        self._tape(symbol).played = self._closed(self._tape(symbol).bars, ts_ms)

    def due(self, symbol: str) -> list[Candle]:
        """Return the walks (bids) that are complete by now and were not delivered yet, oldest first."""
        tape = self._tape(symbol)
        until = self._closed(tape.bars, self._clock.now_ms() + 1)
        rows = range(tape.played, until)
        tape.played = until
        return [bid_candle(tape.bars, row, self._costs) for row in rows]

    def move_to(self, symbol: str, bid: Decimal) -> None:
        """Stand at ``bid`` for the rest of the present candle: the level a walk has come to."""
        self._tape(symbol).at_bid = Quote(bid, self._costs.ask_of_bid(bid), self._clock.now_ms())

    async def quote(self, symbol: str) -> Quote:
        """Return bid and ask now; neither in a hole."""
        tape = self._tape(symbol)
        now_ms = self._clock.now_ms()
        closed = self._closed(tape.bars, now_ms)
        if tape.at_bid is not None and closed < tape.played:
            return tape.at_bid
        price = open_at(tape.bars, now_ms)
        return Quote(None, None, now_ms) if price is None else self._costs.quote(to_decimal(price), now_ms)

    def closed(self, symbol: str, at_ms: int) -> bool:
        """Say whether no candle is under way at a time: nothing fills then."""
        return open_at(self._tape(symbol).bars, at_ms) is None

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest closed candles; higher timeframes are resampled from the recorded ones."""
        tape = self._tape(symbol)
        if timeframe == "15m":
            return tape.bars[: self._closed(tape.bars, self._clock.now_ms())][-limit:]
        until = int(np.searchsorted(tape.series.bars.ts_ms, self._clock.now_ms() - TF_MS, side="right"))
        return resample(tape.series.bars[:until], "15m", timeframe)[-limit:]

    @property
    def symbols(self) -> tuple[str, ...]:
        """The recorded symbols in order."""
        return tuple(self._tapes)

    def next_walk_ms(self, symbol: str) -> int | None:
        """Return when the next candle to be walked closes; None at the end of the recording."""
        tape = self._tape(symbol)
        return None if tape.played == len(tape.bars) else int(tape.bars.ts_ms[tape.played]) + TF_MS

    def open_times(self, symbol: str, after_ms: int) -> list[int]:
        """Return the open times of the candles later than ``after_ms``."""
        stamps = self._tape(symbol).bars.ts_ms
        times: list[int] = stamps[stamps > after_ms].tolist()
        return times

    def all_open_times(self, after_ms: int) -> list[int]:
        """Return the open times of the candles of any symbol later than ``after_ms``, increasing."""
        return sorted({ts_ms for symbol in self._tapes for ts_ms in self.open_times(symbol, after_ms)})

    def first_close_ms(self, symbol: str, after_ms: int) -> int | None:
        """Return when the first candle that opened after ``after_ms`` closes."""
        times = self.open_times(symbol, after_ms)
        return times[0] + TF_MS if times else None

    def _tape(self, symbol: str) -> _Tape:
        if symbol not in self._tapes:
            known = ", ".join(self._tapes)
            raise NotFoundError(f"no recorded candles of {symbol}", fix=f"recorded symbols: {known}")
        return self._tapes[symbol]

    @staticmethod
    def _closed(bars: Bars, now_ms: int) -> int:
        return int(np.searchsorted(bars.ts_ms, now_ms - TF_MS, side="right"))


def _recorded(bars: Bars) -> Bars:
    """Drop the synthetic rows: they were never traded."""
    return Bars.of(*(column[~bars.synthetic] for column in bars.columns()))
