"""What a run came to, as data: the input of figures, reports and the JSON of ``cab backtest``."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs
import numpy as np

from cab_core.cycle.config import CycleConfig
from cab_core.cycle.marks import Grid
from cab_core.cycle.reasons import Reasons
from cab_core.cycle.records import Holding, OrderRecord
from cab_core.cycle.tape import Tape
from cab_core.domain.bars import Bars, FloatArray, IntArray
from cab_core.domain.book import Book
from cab_core.domain.money import ZERO
from cab_core.domain.position import Position, TradeRecord

#: Reasons of cycles in which nobody wanted to buy; every other reason without an order blocked a buy.
QUIET_REASONS = frozenset(
    {
        "all_hold",
        "no_votes",
        "vote_tie",
        "weighted_tie",
        "sell_no_position",
        "strategies_disabled",
    }
)


@attrs.frozen(slots=True)
class Decided:
    """One cycle: what it ordered (-1 sell, 0 nothing, +1 buy), the aggregate's confidence, the reason."""

    candle_ts_ms: int
    ordered: int
    confidence: float
    reason: str


@attrs.frozen(eq=False, slots=True, kw_only=True)
class RunResult:
    """Everything a run produced.

    Attributes:
        symbols: in settings order.
        bars: prepared 15m bars by symbol, warm-up included.
        cycles: evaluated candles of all symbols.
        times: int64 [G], close times of the traded span; ``equity`` float64 [G] in quote at each of them.
        benchmark: float64 [G]: the same money held in equal parts of all symbols from the first close on.
        invested: float64 [G], share of the symbols that held a position.
        decisions_sha256: over time, action, confidence and reason of every cycle, symbol by symbol.
        blocked: cycles that wanted to buy and were stopped, by reason.
        trades: closed trades, oldest first; ``open_positions`` what was still held at the end.
    """

    symbols: tuple[str, ...]
    bars: Mapping[str, Bars]
    cycles: int
    times: IntArray
    equity: FloatArray
    benchmark: FloatArray
    invested: FloatArray
    baseline: Decimal
    final_equity: Decimal
    fees: Decimal
    decisions_sha256: str
    blocked: Mapping[str, int]
    trades: tuple[TradeRecord, ...]
    open_positions: tuple[Position, ...]
    orders: tuple[OrderRecord, ...]

    @property
    def exits_by_reason(self) -> dict[str, int]:
        """How often each exit reason ended a position or a part of one, the most frequent first."""
        closed = Counter(sale.reason for trade in self.trades for sale in trade.exits)
        still_open = Counter(sale.reason for position in self.open_positions for sale in position.exits)
        return dict((closed + still_open).most_common())


def result_of(
    config: CycleConfig,
    tapes: Sequence[Tape],
    grid: Grid,
    book: Book,
    orders: Sequence[OrderRecord],
    holdings: Sequence[Holding],
    reasons: Reasons,
) -> RunResult:
    """Sum up a finished replay."""
    first_ms = min((tape.close_ms(tape.first) for tape in tapes if tape.first < tape.stop), default=0)
    last_ms = max((tape.close_ms(tape.stop - 1) for tape in tapes if tape.first < tape.stop), default=0)
    span = slice(
        int(np.searchsorted(grid.times, first_ms)), int(np.searchsorted(grid.times, last_ms, side="right"))
    )
    times = grid.times[span]
    closes = [column[span] for column in grid.closes]
    equity, invested = _curve(config, times, closes, holdings)
    fees = sum((trade.fees_quote for trade in book.trades), ZERO)
    fees += sum((position.fees_quote for position in book.positions.values()), ZERO)
    return RunResult(
        symbols=config.symbols,
        bars={tape.symbol: tape.bars for tape in tapes},
        cycles=sum(int(tape.decided_rows().sum()) for tape in tapes),
        times=times,
        equity=equity,
        benchmark=_held(float(config.baseline), closes),
        invested=invested,
        baseline=book.baseline,
        final_equity=book.equity(),
        fees=fees,
        decisions_sha256=decisions_sha256(tapes, reasons),
        blocked=_blocked(tapes, reasons),
        trades=tuple(book.trades),
        open_positions=tuple(book.positions.values()),
        orders=tuple(orders),
    )


def hash_decisions(symbol: str, cycles: Sequence[Decided]) -> bytes:
    """Return the bytes that one symbol's cycles, in order, add to the hash of decisions."""
    return b"".join(
        (
            symbol.encode(),
            np.array([c.candle_ts_ms for c in cycles], np.int64).tobytes(),
            np.array([c.ordered for c in cycles], np.int8).tobytes(),
            np.array([c.confidence for c in cycles], np.float64).tobytes(),
            np.array([zlib.crc32(c.reason.encode()) for c in cycles], np.uint32).tobytes(),
        )
    )


def decisions_sha256(tapes: Sequence[Tape], reasons: Reasons) -> str:
    """Hash every cycle: open time, action of its order (or 0), confidence of the aggregate, reason."""
    digest = hashlib.sha256()
    for tape in tapes:
        rows = tape.decided_rows()
        digest.update(tape.symbol.encode())
        digest.update(tape.bars.ts_ms[rows].tobytes())
        digest.update(tape.ordered[rows].tobytes())
        digest.update(tape.columns.confidence[rows].tobytes())
        digest.update(reasons.checksums(tape.final[rows]).tobytes())
    return digest.hexdigest()


def _curve(
    config: CycleConfig, times: IntArray, closes: Sequence[FloatArray], holdings: Sequence[Holding]
) -> tuple[FloatArray, FloatArray]:
    """Return the equity at each close and the share of symbols that held a position."""
    equity = np.full(len(times), float(config.baseline))
    invested = np.zeros(len(times))
    at = np.array([h.ts_ms for h in holdings], np.int64)
    realized = np.array([0.0, *(float(h.realized) for h in holdings)])
    equity += realized[np.searchsorted(at, times, side="right")]
    factor = 1 - float(config.costs.half_spread)
    for index, close in enumerate(closes):
        own = [h for h in holdings if h.index == index]
        if not own:
            continue
        since = np.searchsorted(np.array([h.ts_ms for h in own], np.int64), times, side="right")
        quantity = np.array([0.0, *(float(h.quantity) for h in own)])[since]
        cost = np.array([0.0, *(float(h.cost) for h in own)])[since]
        equity += np.where(quantity > 0, quantity * factor * close - cost, 0.0)
        invested += np.array([False, *(h.open for h in own)])[since]
    return equity, invested / max(1, len(closes))


def _held(baseline: float, closes: Sequence[FloatArray]) -> FloatArray:
    """Return what the baseline in equal parts, each invested at its symbol's first close, is worth."""
    part = baseline / len(closes)
    total = np.zeros(len(closes[0]))
    for close in closes:
        known = ~np.isnan(close)
        start = close[int(known.argmax())] if known.any() else np.nan
        total += np.where(known, part * close / start, part)
    return total


def _blocked(tapes: Sequence[Tape], reasons: Reasons) -> dict[str, int]:
    total: Counter[str] = Counter()
    for tape in tapes:
        rows = tape.decided_rows() & (tape.ordered == 0)
        total.update(reasons.counts(tape.final[rows]))
    return {reason: n for reason, n in total.most_common() if reason not in QUIET_REASONS}
