"""One symbol's prepared candles and decisions, with the searches replay jumps by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress

import numpy as np
import numpy.typing as npt

from cab_core.cycle.columns import Columns
from cab_core.cycle.reasons import ReasonColumn, Reasons
from cab_core.domain.bars import IntArray
from cab_core.domain.candles import Series
from cab_core.domain.market import Costs
from cab_core.domain.signals import Action
from cab_core.domain.timeframes import TF_MS

#: Rows searched at once for the first touch of a level; doubled while nothing is found.
_STRIDE = 256
_LONGEST_STRIDE = 4096


def cycle_id(run_id: str, index: int, row: int) -> str:
    """Return the trace id of one cycle of a replay; it names run, symbol and row."""
    return f"{run_id[:6]}{index:02x}{row:08x}"


class Tape:
    """A symbol's history in a replay.

    Args:
        index: place of the symbol in the settings.
        symbol: ``BASE/QUOTE``.
        series: prepared candles.
        columns: the aggregate's decision per bar; left as it is.
        costs: turns recorded prices into bids.
        reasons: encodes final reasons.
        span_ms: first and last open time of the bars to trade on, both inclusive.

    Attributes:
        first, stop: rows to trade on, ``first <= row < stop``.
        final: int32 reason code of the whole cycle per bar.
        ordered: int8, +1 or -1 where the cycle made an order.
        open_from: first row at which a new position was already open; replay keeps it.
    """

    def __init__(
        self,
        index: int,
        symbol: str,
        series: Series,
        columns: Columns,
        costs: Costs,
        reasons: Reasons,
        span_ms: tuple[int, int] | None = None,
    ) -> None:
        self.index = index
        self.symbol = symbol
        self.bars = bars = series.bars
        self.columns = columns
        n = len(bars)
        start_ms, end_ms = span_ms or (0, int(bars.ts_ms[-1]) if n else 0)
        self.first = int(np.searchsorted(bars.ts_ms, start_ms))
        self.stop = int(np.searchsorted(bars.ts_ms, end_ms, side="right"))
        self.final: ReasonColumn = columns.reason.copy()
        self.ordered = np.zeros(n, np.int8)
        self.open_from = 0
        self._real: npt.NDArray[np.bool_] = ~bars.synthetic
        quoted = self._real.copy()  # real, and another candle follows directly: there is a price to decide at
        quoted[:-1] &= self._real[1:] & (np.diff(bars.ts_ms) == TF_MS)
        quoted[-1:] = False
        self._quoted_before = np.concatenate(([0], np.cumsum(quoted)))
        self._factor = 1 - float(costs.half_spread)
        traded = np.zeros(n, np.bool_)
        traded[self.first : self.stop] = self._real[self.first : self.stop]
        self._buys = np.flatnonzero((columns.action == Action.BUY) & traded).tolist()
        sells = (columns.action == Action.SELL) & traded
        self._sells = np.flatnonzero(sells).tolist()
        self.final[sells] = reasons.code("sell_no_position")

    def decided_rows(self) -> npt.NDArray[np.bool_]:
        """Return which rows are cycles: real candles within the traded span."""
        rows = np.zeros(len(self.bars), np.bool_)
        rows[self.first : self.stop] = self._real[self.first : self.stop]
        return rows

    def close_ms(self, row: int) -> int:
        """Return when the candle closes."""
        return int(self.bars.ts_ms[row]) + TF_MS

    def last_closed(self, at_ms: int) -> int:
        """Return the newest row that has closed by ``at_ms``, -1 before the first."""
        return int(self.bars.ts_ms.searchsorted(at_ms - TF_MS, side="right")) - 1

    def real_times(self) -> IntArray:
        """Return the open times of the candles that were traded."""
        return self.bars.ts_ms[self._real]

    def quoted_before(self, row: int) -> int:
        """Return how many cycles before ``row`` had a price to decide at."""
        return int(self._quoted_before[row] - self._quoted_before[self.first])

    def next_buy(self, from_row: int) -> int | None:
        """Return the first row at or after ``from_row`` that wants to buy."""
        return _next(self._buys, from_row)

    def next_sell(self, from_row: int) -> int | None:
        """Return the first row at or after ``from_row`` that wants to sell."""
        return _next(self._sells, from_row)

    def next_touch(self, from_row: int, limit: int, low: float, high: float) -> int | None:
        """Return the first real row in ``from_row <= row < limit`` whose bids reach ``low`` or ``high``."""
        lowest, highest = low / self._factor, high / self._factor
        stride = _STRIDE
        while from_row < limit:
            rows = slice(from_row, min(from_row + stride, limit))
            touched = (self.bars.low[rows] <= lowest) | (self.bars.high[rows] >= highest)
            touched &= self._real[rows]
            offset = int(touched.argmax())
            if touched[offset]:
                return from_row + offset
            from_row += stride
            stride = min(stride * 2, _LONGEST_STRIDE)
        return None

    def voters(self, row: int, names: Sequence[str]) -> tuple[str, ...]:
        """Return the strategies that voted for the aggregate at ``row``."""
        voted = self.columns.voters[:, row].tolist()
        return tuple(compress(names, voted))

    def mark_already_long(self, until_row: int, code: int) -> None:
        """Give the buys wanted between ``open_from`` and ``until_row`` their reason."""
        first, stop = (bisect_left(self._buys, row) for row in (self.open_from, until_row))
        for row in self._buys[first:stop]:
            if self.ordered[row] == 0:
                self.final[row] = code


def _next(rows: list[int], from_row: int) -> int | None:
    at = bisect_left(rows, from_row)
    return rows[at] if at < len(rows) else None
