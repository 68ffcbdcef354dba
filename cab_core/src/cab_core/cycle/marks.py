"""Valuing open positions in replay: the marks a paper run would hold, and the peak over skipped bars."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from cab_core.cycle.market import price_after
from cab_core.cycle.tape import Tape
from cab_core.cycle.trader import Trader
from cab_core.domain.bars import FloatArray
from cab_core.domain.book import Book
from cab_core.domain.market import Costs
from cab_core.domain.money import to_decimal
from cab_core.domain.timeframes import DAY_MS

#: Float equities this close to the highest are compared exactly, in Decimal.
_CLOSE = 1e-12


class Grid:
    """The candle closes of all symbols on one time axis.

    Attributes:
        times: int64 [G], every close time of any symbol, increasing.
        closes: float64 [S, G], the last close known at each time; NaN before a symbol's first.
    """

    def __init__(self, tapes: Sequence[Tape], costs: Costs) -> None:
        self._tapes = tapes
        self._costs = costs
        self._factor = 1 - float(costs.half_spread)
        stamps = [tape.bars.ts_ms for tape in tapes]
        alike = all(len(s) == len(stamps[0]) and bool((s == stamps[0]).all()) for s in stamps[1:])
        opens = stamps[0] if alike else np.unique(np.concatenate(stamps))
        self.times = opens + (tapes[0].close_ms(0) - int(tapes[0].bars.ts_ms[0]))
        self.closes = [t.bars.close if alike else _carried(t, opens) for t in tapes]
        self._done = 0
        self._judged: tuple[Decimal, int] | None = None

    @property
    def end_ms(self) -> int:
        """The last close of all."""
        return int(self.times[-1])

    def advance(self, trader: Trader, now_ms: int) -> None:
        """Take the equity snapshots of all closes up to ``now_ms``: the peak rises to the highest of them.

        The critical rules are asked at each close where they could have something new to say.
        """
        book, first = trader.book, self._done
        self._done = int(self.times.searchsorted(now_ms, side="right"))
        for row in self._worst(trader, first):
            self._raise_peak(book, first, row)
            self._mark_at(book, row)
            book.raise_peak()
            trader.judge_account(int(self.times[row]))
            first = row + 1
        self._raise_peak(book, first, self._done)

    def _worst(self, trader: Trader, first: int) -> list[int]:
        """Return the rows at which equity or drawdown are worse than at any row before of that stretch.

        Between fills nothing else moves, so a rule that trips in the stretch first trips at one of them. The
        loss of a day begins anew at midnight.
        """
        book = trader.book
        if not trader.watches or first == self._done:
            return []
        booked = (book.realized, len(book.round_trips))
        if not self._held(book):
            fresh, self._judged = booked != self._judged, booked
            return [first] if fresh else []
        self._judged = booked
        equity = self._equity(book, first, self._done)
        peak = np.maximum(np.maximum.accumulate(equity), float(book.peak))
        drawdown = (peak - equity) / np.abs(peak)
        worse = (drawdown >= _before(np.maximum.accumulate(drawdown), 0.0) - _CLOSE) & (drawdown > _CLOSE)
        days = self.times[first : self._done] // DAY_MS
        starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        for start, stop in pairwise(starts):
            lowest = _before(np.minimum.accumulate(equity[start:stop]), np.inf)
            worse[start:stop] |= equity[start:stop] <= lowest + _CLOSE * np.abs(equity[start:stop])
        same = np.zeros(len(equity), np.bool_)
        same[1:] = (equity[1:] == equity[:-1]) & (days[1:] == days[:-1])
        return (np.flatnonzero(worse & ~same) + first).tolist()

    def _equity(self, book: Book, first: int, stop: int) -> FloatArray:
        """Return the equity at the closes of ``first <= row < stop``, as float."""
        equity: FloatArray = np.full(stop - first, float(book.baseline + book.realized))
        for tape in self._held(book):
            quantity, cost = book.ledger.held(tape.symbol)
            equity += float(quantity) * self._factor * self.closes[tape.index][first:stop]
            equity -= float(cost)
        return equity

    def _mark_at(self, book: Book, row: int) -> None:
        for tape in self._held(book):
            book.mark(tape.symbol, self._costs.bid(to_decimal(float(self.closes[tape.index][row]))))

    def _raise_peak(self, book: Book, first: int, stop: int) -> None:
        held = self._held(book)
        if not held or first >= stop:
            return
        if len(held) == 1:
            self._raise_one(book, held[0], first, stop)
        else:
            self._raise_many(book, held, first, stop)

    def _raise_one(self, book: Book, tape: Tape, first: int, stop: int) -> None:
        """One symbol: its equity rises and falls with the close, so the highest close is all it takes."""
        quantity, cost = book.ledger.held(tape.symbol)
        close = float(np.maximum.reduce(self.closes[tape.index][first:stop]))
        equity = float(book.baseline + book.realized - cost)
        equity += float(quantity) * self._factor * close
        if equity >= float(book.peak) * (1 - _CLOSE):
            book.mark(tape.symbol, self._costs.bid(to_decimal(close)))
            book.raise_peak()

    def _raise_many(self, book: Book, held: Sequence[Tape], first: int, stop: int) -> None:
        equity = self._equity(book, first, stop)
        highest = float(equity.max())
        if highest < float(book.peak) * (1 - _CLOSE):
            return
        near = np.flatnonzero(equity >= highest * (1 - _CLOSE)) + first
        for prices in {tuple(float(self.closes[t.index][g]) for t in held) for g in near.tolist()}:
            for tape, price in zip(held, prices, strict=True):
                book.mark(tape.symbol, self._costs.bid(to_decimal(price)))
            book.raise_peak()

    def mark_after_close(self, book: Book, close_ms: int) -> None:
        """Mark what is held as it stands once the candles that close at ``close_ms`` are over.

        Dust stands at its close: for a decision only positions are valued anew.
        """
        for tape in self._held(book):
            row = tape.last_closed(close_ms)
            is_open = tape.symbol in book.positions
            price = price_after(tape.bars, row) if is_open else tape.bars.close[row]
            book.mark(tape.symbol, self._costs.bid(to_decimal(price)))

    def mark_during_walk(self, book: Book, index: int, close_ms: int) -> None:
        """Mark what else is held while symbol ``index`` walks its candle.

        Symbols earlier in the settings have walked to their close already; later ones stand at their open,
        dust of theirs at the close before.
        """
        for tape in self._held(book):
            if tape.index == index:
                continue
            row = tape.last_closed(close_ms)
            walked = tape.index < index and tape.close_ms(row) == close_ms and not tape.bars.synthetic[row]
            before = row if walked else tape.last_closed(close_ms - 1)
            stands = walked or tape.symbol not in book.positions
            price = tape.bars.close[before] if stands else price_after(tape.bars, before)
            book.mark(tape.symbol, self._costs.bid(to_decimal(price)))

    def mark_at_close(self, book: Book) -> None:
        """Mark what is held at its last close: the end of the run."""
        for tape in self._held(book):
            book.mark(tape.symbol, self._costs.bid(to_decimal(tape.bars.close[-1])))

    def _held(self, book: Book) -> list[Tape]:
        """Return the symbols of which something is held, dust included."""
        held = book.ledger.symbols()
        return [tape for tape in self._tapes if tape.symbol in held] if held else []


def _carried(tape: Tape, opens: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    """Return the last close known at each time of the grid."""
    rows = np.searchsorted(tape.bars.ts_ms, opens, side="right") - 1
    return np.where(rows < 0, np.nan, tape.bars.close[rows])


def _before(running: FloatArray, first: float) -> FloatArray:
    """Return a running extreme as it was before each row."""
    return np.concatenate(([first], running[:-1]))
