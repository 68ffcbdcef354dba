"""The decisions of a whole history as columns: stages 2 to 6 for every bar, block by block (replay)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.cycle.config import CycleConfig
from cab_core.cycle.evaluate import Panel, Votes, evaluate
from cab_core.cycle.higher import Higher
from cab_core.cycle.reasons import ReasonColumn, Reasons
from cab_core.domain.bars import BoolArray, FloatArray
from cab_core.domain.candles import Block, Series, blocks
from cab_core.domain.signals import ActionArray, Signals
from cab_core.domain.timeframes import TF_MS
from cab_core.domain.trend import TrendRows
from cab_core.domain.volume import VolumeRows, confirm_volume
from cab_core.plugins.isolation import is_error


@attrs.frozen(eq=False, slots=True)
class Stages:
    """The stages around the strategies, as columns over a whole series."""

    trend: TrendRows
    volume: VolumeRows
    volume_ok: BoolArray | None


def stages(series: Series, higher: Higher, config: CycleConfig) -> Stages:
    """Compute trend and volume for every bar of a prepared series."""
    trend = higher.trend(series.bars.ts_ms + TF_MS, config.trend)
    ratio = config.volume_min_ratio
    volume = confirm_volume(series.bars, 0.0 if ratio is None else ratio, series.segment)
    return Stages(trend, volume, None if ratio is None else volume.ok)


def votes_of(panel: Panel, series: Series, around: Stages, block: Block, config: CycleConfig) -> Votes:
    """Evaluate one block of a series."""
    rows = slice(block.first, block.stop)
    volume_ok = None if around.volume_ok is None else around.volume_ok[rows]
    window = series.bars[block.start : block.stop]
    return evaluate(panel, window, block.first - block.start, around.trend.state[rows], volume_ok, config)


#: Stands for an action where a strategy gave no answer that counts.
UNANSWERED = 2


@attrs.frozen(eq=False, slots=True)
class Said:
    """What S strategies said about N bars before anything was made of it.

    Attributes:
        action: int8 [S, N]; `UNANSWERED` where the answer does not count.
        confidence: float32 [S, N], enough to tell two answers apart.
    """

    action: ActionArray
    confidence: npt.NDArray[np.float32]

    @classmethod
    def room(cls, strategies: int, bars: int) -> Said:
        """Return room for the answers, all unanswered yet."""
        shape = (strategies, bars)
        return cls(np.full(shape, UNANSWERED, np.int8), np.zeros(shape, np.float32))

    def keep(self, rows: slice, signals: Sequence[Signals]) -> None:
        """Keep the answers about some rows, one `Signals` per strategy."""
        for s, answer in enumerate(signals):
            self.action[s, rows] = answer.action
            self.confidence[s, rows] = answer.confidence
            errors = [code for code, reason in enumerate(answer.reasons) if is_error(reason)]
            if errors:
                self.action[s, rows][np.isin(answer.reason, errors)] = UNANSWERED


@attrs.define(eq=False, slots=True)
class Columns:
    """The aggregate's decision per bar of a prepared series, length N.

    Attributes:
        action: int8, what the aggregate wants; ``confidence`` likewise.
        reason: int32 reason code; the filter's where it stopped every buy.
        voters: bool [S, N], where strategy s qualified for the aggregate's side.
        said: what each strategy said.
    """

    action: ActionArray
    confidence: FloatArray
    reason: ReasonColumn
    voters: BoolArray
    said: Said


def decide_all(
    panel: Panel,
    series: Series,
    around: Stages,
    config: CycleConfig,
    reasons: Reasons,
    *,
    bar_by_bar: bool = False,
    progress: Callable[[int], None] | None = None,
    on_votes: Callable[[Block, Votes], None] | None = None,
) -> Columns:
    """Evaluate every bar.

    Args:
        panel: the strategies of the symbol.
        series: its prepared candles.
        around: trend and volume.
        config: the pure settings.
        reasons: encodes the filters' reasons.
        bar_by_bar: evaluate as live does, one bar at a time; the result is the same, only slower.
        progress: told the number of bars just done.
        on_votes: told each block with its votes, whose row ``k`` is bar ``block.first + k``.
    """
    n = len(series)
    voters = np.zeros((len(config.aggregation.names), n), np.bool_)
    said = Said.room(len(voters), n)
    columns = Columns(np.zeros(n, np.int8), np.zeros(n), np.zeros(n, np.int32), voters, said)
    if not config.strategies_enabled:
        columns.reason[:] = reasons.code("strategies_disabled")
        return columns
    for block in blocks(series):
        for piece in _bars_of(block) if bar_by_bar else (block,):
            votes = votes_of(panel, series, around, piece, config)
            rows = slice(piece.first, piece.stop)
            said.keep(rows, votes.signals)
            columns.action[rows] = votes.aggregate.action
            columns.confidence[rows] = votes.aggregate.confidence
            columns.voters[:, rows] = votes.voters(config.aggregation)
            blocked = reasons.blocks[votes.filtered.block]
            columns.reason[rows] = np.where(votes.stopped, blocked, votes.aggregate.code)
            if on_votes is not None:
                on_votes(piece, votes)
        if progress is not None:
            progress(block.stop - block.first)
    return columns


def _bars_of(block: Block) -> list[Block]:
    return [Block(block.start, row, row + 1) for row in range(block.first, block.stop)]
