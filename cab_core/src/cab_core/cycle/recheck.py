"""Deciding bars of a finished run again, each on the window it would have had live.

A run evaluates blocks of bars at once, so a strategy that breaks its contract can see bars that were not
there yet. What made orders is asked again first, then a sample of everything: the same for the same seed, and
few enough to cost less than a twentieth of a backtest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cab_core.cycle.columns import UNANSWERED
from cab_core.cycle.tape import Tape
from cab_core.domain.bars import BoolArray, IntArray
from cab_core.domain.candles import Series, blocks
from cab_core.domain.timeframes import LOOKBACK_BARS
from cab_core.garbage import uncollected
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.hindsight import ALIKE, SAME, Answer, Doubt, Fault, Witness

#: Votes for orders that are asked again, at most: of one strategy, of several together, and one more of
#: either for so many bars of the run.
ALONE, TOGETHER, BARS_PER_VOTE = 900, 60, 300
#: Bars that are asked again whatever became of them, half of them where the strategy acted: of all strategies
#: together, and of each at least.
SAMPLE, SAMPLE_OF_EACH = 32, 8
#: Answers that change with the length of the window before that is told: so many, and this share of all.
FEWEST, SHARE = 3, 0.25


class Row(NamedTuple):
    """One bar of one symbol."""

    tape: int
    row: int


class Recheck:
    """Asks the strategies of a finished run again.

    Args:
        tapes: the run, one per symbol: what was said, what was voted for, what was ordered.
        series: their prepared candles.
        strategies: in set order.
        rng: draws the sample.
        budget_s: of one call.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        series: Mapping[str, Series],
        strategies: Sequence[BoundStrategy],
        rng: np.random.Generator,
        budget_s: float,
    ) -> None:
        self._tapes = tapes
        self._series = series
        self._strategies = strategies
        self._rng = rng
        self._budget_s = budget_s
        self._blocks = [blocks(series[tape.symbol]) for tape in tapes]
        self._firsts = [np.array([block.first for block in found]) for found in self._blocks]

    def doubts(self) -> list[Doubt]:
        """Return what cannot be believed: one per strategy and fault, with its first bar."""
        of_orders = self._voters()
        with uncollected():
            return [
                doubt
                for s, bound in enumerate(self._strategies)
                for doubt in self._of(s, Witness(bound, self._budget_s), of_orders[s])
            ]

    def _of(self, s: int, witness: Witness, orders: Sequence[Row]) -> list[Doubt]:
        sample = self._sample(s)
        with witness:
            changed, asked = self._changed(s, witness, orders, sample)
            return self._told(s, witness, changed, asked) if changed else self._length(s, witness, sample)

    # What is asked again.

    def _voters(self) -> dict[int, list[Row]]:
        """Return the bars with an order by strategy that voted for it: one of each order, then the others."""
        first: list[tuple[int, Row]] = []
        others: list[tuple[int, Row]] = []
        for index, tape in enumerate(self._tapes):
            rows = np.flatnonzero(tape.ordered)
            place, voter = np.nonzero(tape.columns.voters[:, rows].T)
            count = np.bincount(place, minlength=len(rows))
            begin = np.cumsum(count) - count
            chosen = np.zeros(len(place), np.bool_)
            voted = np.flatnonzero(count)
            chosen[begin[voted] + voted % count[voted]] = (
                True  # in turn, so that every strategy has its share
            )
            for k, s, is_first in zip(place.tolist(), voter.tolist(), chosen.tolist(), strict=True):
                (first if is_first else others).append((s, Row(index, int(rows[k]))))
        limit = ALONE if len(self._strategies) == 1 else TOGETHER
        limit += sum(len(tape.bars) for tape in self._tapes) // BARS_PER_VOTE
        picked: defaultdict[int, list[Row]] = defaultdict(list)
        for part in (first, others):
            room = limit - sum(map(len, picked.values()))
            for k in self._rng.permutation(len(part))[: max(room, 0)].tolist():
                picked[part[k][0]].append(part[k][1])
        return picked

    def _sample(self, s: int) -> list[Row]:
        """Return bars of a strategy: half of them where it acted, the others anywhere."""
        acting = self._rows([np.abs(tape.columns.said.action[s]) == 1 for tape in self._tapes])
        anywhere = self._rows([tape.columns.said.action[s] != UNANSWERED for tape in self._tapes])
        size = max(SAMPLE // len(self._strategies), SAMPLE_OF_EACH)
        picked: list[Row] = []
        for rows in (acting, anywhere):
            chosen = self._rng.permutation(len(rows))[: size // 2]
            picked += [Row(*rows[k].tolist()) for k in chosen]
        return picked

    def _rows(self, masks: Sequence[BoolArray]) -> IntArray:
        """Return tape and row of every decided bar of the masks, int64 [N, 2]."""
        found = [np.flatnonzero(m & t.decided_rows()) for m, t in zip(masks, self._tapes, strict=True)]
        return np.concatenate([np.stack((np.full(len(r), i), r), axis=1) for i, r in enumerate(found)])

    # How it is asked.

    def _changed(
        self, s: int, witness: Witness, orders: Sequence[Row], sample: Sequence[Row]
    ) -> tuple[dict[Row, Answer], int]:
        """Return the answers that change where the window ends, by bar, and how many were asked for."""
        changed: dict[Row, Answer] = {}
        asked = len(orders)
        for at in orders:
            answer = self._alone(witness, at)
            if not answer.agrees(self._used(s, at)):
                changed[at] = answer
        for at in sample:
            until, count = self._until(s, witness, at)
            changed |= until
            asked += count
        return changed, asked

    def _alone(self, witness: Witness, at: Row) -> Answer:
        tape, start = self._tapes[at.tape], self._block(at)[0]
        return witness.last(tape.bars[start : at.row + 1], tape.symbol)

    def _until(self, s: int, witness: Witness, at: Row) -> tuple[dict[Row, Answer], int]:
        """Return the answers that changed of all that a window ending at ``at`` decides, and their number."""
        said = self._tapes[at.tape].columns.said
        start, first, _ = self._block(at)
        signals = witness.rows(self._tapes[at.tape].bars[start : at.row + 1], first - start)
        if signals is None:  # it goes bar by bar, or it fails
            answer = self._alone(witness, at)
            return {} if answer.agrees(self._used(s, at)) else {at: answer}, 1
        rows = slice(first, at.row + 1)
        unequal = signals.action != said.action[s, rows]
        unequal |= np.abs(signals.confidence - said.confidence[s, rows]) > SAME
        unequal &= said.action[s, rows] != UNANSWERED
        changed = {
            Row(at.tape, first + k): Answer(int(signals.action[k]), float(signals.confidence[k]))
            for k in np.flatnonzero(unequal).tolist()
        }
        return changed, len(unequal)

    def _told(self, s: int, witness: Witness, changed: Mapping[Row, Answer], asked: int) -> list[Doubt]:
        """Return the doubt about answers that changed: one that hears the same as the run says which."""
        at = min(changed, key=self._ts_ms)
        tape, (start, _, stop) = self._tapes[at.tape], self._block(at)
        fault = witness.fault(tape.bars[start:stop], at.row - start, self._used(s, at))
        return [self._doubt(fault, s, at, changed[at], len(changed), asked)]

    def _length(self, s: int, witness: Witness, sample: Sequence[Row]) -> list[Doubt]:
        """Return the doubt about answers that change where the window begins, within what is legal."""
        changed: dict[Row, Answer] = {}
        asked = 0
        for at in sample:
            tape, used = self._tapes[at.tape], self._used(s, at)
            if at.row + 1 - self._block(at)[0] <= LOOKBACK_BARS:
                continue
            answer = witness.last(tape.bars[at.row + 1 - LOOKBACK_BARS : at.row + 1], tape.symbol)
            if used.action or answer.action:
                asked += 1
                if not answer.agrees(used, ALIKE):
                    changed[at] = answer
        if len(changed) < max(FEWEST, SHARE * asked):
            return []
        at = min(changed, key=self._ts_ms)
        return [self._doubt(Fault.WINDOW_LENGTH, s, at, changed[at], len(changed), asked)]

    # Where things are.

    def _block(self, at: Row) -> tuple[int, int, int]:
        place = int(np.searchsorted(self._firsts[at.tape], at.row, side="right")) - 1
        block = self._blocks[at.tape][place]
        return block.start, block.first, block.stop

    def _used(self, s: int, at: Row) -> Answer:
        said = self._tapes[at.tape].columns.said
        return Answer(int(said.action[s, at.row]), float(said.confidence[s, at.row]))

    def _ts_ms(self, at: Row) -> int:
        return int(self._tapes[at.tape].bars.ts_ms[at.row])

    def _doubt(self, fault: Fault, s: int, at: Row, alone: Answer, found: int, asked: int) -> Doubt:
        return Doubt(
            fault=fault,
            strategy=self._strategies[s].name,
            symbol=self._tapes[at.tape].symbol,
            ts_ms=self._ts_ms(at),
            used=str(self._used(s, at)),
            alone=str(alone),
            found=found,
            asked=asked,
        )
