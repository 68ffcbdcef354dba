"""Stages 2 to 6 of the cycle, for one bar or a block of bars: votes, filters, fusion, aggregate.

A block and its bars one by one give the same bits, so replay, paper and live see the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.cycle.config import CycleConfig
from cab_core.domain.aggregation import Aggregate, AggregationSettings, Outcome, aggregate, qualified
from cab_core.domain.bars import Bars, BoolArray, FloatArray
from cab_core.domain.fusion import fuse
from cab_core.domain.quality import BuyBlock, Filtered, filter_buys
from cab_core.domain.signals import ActionArray, Signals

#: Codes up to this one are `Outcome.ALL_HOLD` and `Outcome.NO_VOTES`; numpy is slow at comparing with enums.
NO_WISH = Outcome.NO_VOTES.value


class Panel(Protocol):
    """The strategies of one symbol in set order."""

    def block(self, bars: Bars, first: int) -> Sequence[Signals]:
        """Answer rows ``first..`` of the window, one `Signals` per strategy."""


@attrs.frozen(eq=False, slots=True)
class Votes:
    """What S strategies and the kernel made of N bars.

    Attributes:
        signals: each strategy's raw answer, in set order.
        fused: float64 [S, N], confidences after fusion.
        filtered: actions after the trend and volume filters on buys.
        aggregate: the one decision per bar.
        stopped: bool [N]: the aggregate holds although a strategy wanted to buy, because a filter stopped it.
    """

    signals: tuple[Signals, ...]
    fused: FloatArray
    filtered: Filtered
    aggregate: Aggregate
    stopped: BoolArray

    def stop_reason(self, k: int) -> str:
        """Return why a filter stops the buys of bar ``k``; empty if none does."""
        return BuyBlock(int(self.filtered.block[k])).reason

    def reason(self, k: int) -> str:
        """Return the reason of bar ``k``: the filter's where it stopped the buys, else the aggregate's."""
        return self.stop_reason(k) if self.stopped[k] else self.aggregate.reason(k)

    def voted(self, settings: AggregationSettings) -> list[BoolArray]:
        """Return per strategy at which bars it qualified for the aggregate's side."""
        return list(self.voters(settings))

    def voters(self, settings: AggregationSettings) -> BoolArray:
        """Return the same as one bool matrix, shape [S, N]."""
        voters: BoolArray = self.filtered.action == self.aggregate.action
        voters &= qualified(self.fused, settings)
        return voters


def evaluate(
    panel: Panel,
    bars: Bars,
    first: int,
    trend_state: npt.NDArray[np.int8],
    volume_ok: BoolArray | None,
    config: CycleConfig,
    p_up: npt.ArrayLike | None = None,
) -> Votes:
    """Evaluate rows ``first..`` of an anchored window.

    Args:
        panel: the strategies.
        bars: the window.
        first: the first row that needs an answer; earlier rows only warm up.
        trend_state: int8 [N] `TrendRows.state` of the answered rows.
        volume_ok: bool [N], None with the volume filter off.
        config: weights, mode, minimum confidence, fusion.
        p_up: P(up) per answered row, None without a model.
    """
    signals = tuple(panel.block(bars, first))
    action: ActionArray = np.array([s.action for s in signals])
    confidence: FloatArray = np.array([s.confidence for s in signals])
    filtered = filter_buys(action, trend_state, volume_ok, config.trend)
    fused = fuse(filtered.action, confidence, p_up, config.fusion)
    decided = aggregate(filtered.action, fused, config.aggregation)
    stopped = (filtered.action != action).any(axis=0)
    quiet = decided.code <= NO_WISH
    return Votes(signals, fused, filtered, decided, quiet & stopped)
