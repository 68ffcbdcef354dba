"""Valuing open positions in replay: the marks a paper run would hold, and the peak over skipped bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from cab_core.cycle.market import open_at
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
        stamps = [tape.real_times() for tape in tapes]
        alike = all(len(s) == len(stamps[0]) and bool((s == stamps[0]).all()) for s in stamps[1:])
        opens = stamps[0] if alike else np.unique(np.concatenate(stamps))
        self.times = opens + (tapes[0].close_ms(0) - int(tapes[0].bars.ts_ms[0]))
        self.closes = [_carried(tape, opens) for tape in tapes]
        self._done = 0
        self._since: tuple[Decimal, int] | None = None
        self._asked_at: Decimal | None = None
        self._harmless_peak: Decimal | None = None
        self._lowest = np.inf
        self._deepest = 0.0

    @property
    def end_ms(self) -> int:
        """The last close of all."""
        return int(self.times[-1])

    def advance(self, trader: Trader, now_ms: int) -> None:
        """Take the equity snapshots of all closes up to ``now_ms``: the peak rises to the highest of them.

        The critical rules are asked at each close where they could have something new to say.
        """
        first, self._done = self._done, int(self.times.searchsorted(now_ms, side="right"))
        if not trader.watches:
            self._raise_peak(trader.book, first, self._done)
        elif first < self._done and not self._pass_harmless(trader, first):
            for start, stop in self._days(first, self._done):
                self._judge(trader, start, stop)

    def _days(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut rows where a UTC day begins: what was lost counts anew from there."""
        if self.times[first] // DAY_MS == self.times[stop - 1] // DAY_MS:
            yield first, stop
            return
        begins = np.flatnonzero(np.diff(self.times[first:stop] // DAY_MS)) + first + 1
        yield from pairwise([first, *begins.tolist(), stop])

    def _pass_harmless(self, trader: Trader, first: int) -> bool:
        """Raise the peak from row ``first`` on if no rule could halt there, whatever the prices.

        That is asked anew after each fill, and where the peak has risen beyond what was asked about.
        """
        book, peak = trader.book, trader.book.peak
        bound = self._harmless_peak
        if book.quote_free != self._asked_at or (bound is not None and peak > bound):
            self._asked_at = book.quote_free
            self._harmless_peak = bound = trader.harmless_peak(int(self.times[first]))
        if bound is None:
            return False
        self._raise_peak(book, first, self._done)
        if book.peak <= bound:
            return True
        book.peak = peak
        return False

    def _judge(self, trader: Trader, first: int, stop: int) -> None:
        """Ask the critical rules about the rows of one day, and raise the peak along them.

        Between fills nothing moves but equity and peak, so a rule that halts nothing at the lowest equity and
        at the deepest drawdown halts nothing before. If one does, it is asked row by row where it began.
        """
        book, peak = trader.book, trader.book.peak
        lows, deeps = self._worse(book, first, stop)
        done, halts = first, False
        for row in sorted({*lows[-1:], *deeps[-1:]}):
            self._stand_at(book, done, row)
            done = row + 1
            assessment = trader.assess_account(int(self.times[row]))
            halts = halts or (assessment is not None and bool(assessment.trips))
        if halts:
            book.peak, done, self._asked_at = peak, first, None
            for row in sorted({*lows, *deeps}):
                self._stand_at(book, done, row)
                done = row + 1
                trader.judge_account(int(self.times[row]))
        self._raise_peak(book, done, stop)

    def _stand_at(self, book: Book, first: int, row: int) -> None:
        """Raise the peak along ``first <= r < row`` and value what is held at ``row``."""
        self._raise_peak(book, first, row)
        for tape in self._held(book):
            book.mark(tape.symbol, self._costs.bid(to_decimal(float(self.closes[tape.index][row]))))
        book.raise_peak()

    def _worse(self, book: Book, first: int, stop: int) -> tuple[list[int], list[int]]:
        """Return rows of one day with a lower equity, and with a deeper drawdown, than since the last fill.

        Equity that was as low before, to the rounding of float64, counts as lower.
        """
        since = (book.quote_free, int(self.times[first]) // DAY_MS)
        if since != self._since:
            self._since, self._lowest, self._deepest = since, np.inf, 0.0
        elif not self._held(book):
            return [], []
        equity = self._equity(book, first, stop)
        drawdown = 1 - equity / np.maximum(np.maximum.accumulate(equity), float(book.peak))
        lowest = np.minimum.accumulate(np.concatenate(([self._lowest], equity)))
        deepest = np.maximum.accumulate(np.concatenate(([self._deepest], drawdown)))
        self._lowest, self._deepest = float(lowest[-1]), float(deepest[-1])
        moved = np.concatenate(([True], equity[1:] != equity[:-1]))
        lows = np.flatnonzero(moved & (equity <= lowest[:-1] + _CLOSE * np.abs(equity)))
        deeps = np.flatnonzero(moved & (drawdown > _CLOSE) & (drawdown >= deepest[:-1] - _CLOSE))
        return (lows + first).tolist(), (deeps + first).tolist()

    def _equity(self, book: Book, first: int, stop: int) -> FloatArray:
        """Return the equity at the closes of ``first <= row < stop``, as float."""
        equity: FloatArray = np.full(stop - first, float(book.baseline + book.realized))
        for tape in self._held(book):
            quantity, cost = book.ledger.held(tape.symbol)
            equity += float(quantity) * self._factor * self.closes[tape.index][first:stop]
            equity -= float(cost)
        return equity

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

        In a hole that is the last close.
        Dust stands at its close: for a decision only positions are valued anew.
        """
        for tape in self._held(book):
            price = open_at(tape.bars, close_ms) if tape.symbol in book.positions else None
            if price is None:
                price = tape.bars.close[tape.last_closed(close_ms)]
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
            stands = walked or tape.symbol not in book.positions
            price = None if stands else open_at(tape.bars, close_ms - 1)
            if price is None:
                price = tape.bars.close[row if walked else tape.last_closed(close_ms - 1)]
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
    if np.array_equal(opens, tape.bars.ts_ms):  # a symbol that has a candle at every time
        return tape.bars.close
    rows = np.searchsorted(tape.bars.ts_ms, opens, side="right") - 1
    return np.where(rows < 0, np.nan, tape.bars.close[rows])
