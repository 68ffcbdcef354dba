"""Finding decisions that depend on where the history begins."""

from __future__ import annotations

import numpy as np

from cab_core.domain.figures import percent
from cab_core.plugins.bound import BoundStrategy
from cab_core.sdk import Bars, Decision
from cab_core.testing.answers import decision_of
from cab_core.testing.series import LIVELY, market

#: The longest history the kernel ever shows.
FULL = 1000
#: The longest histories that are compared differ by less than so many bars.
ODD = 97
AGREEMENT = 0.995
TOLERANCE = 0.02


def settling_fault(plugin: BoundStrategy, declared: int) -> str:
    """Compare decisions with 1, 2 and 4 times the declared history to those with all of it."""
    for history in dict.fromkeys(min(declared * factor, FULL) for factor in (1, 2, 4)):
        share = _agreement(plugin, history, _per_series(plugin))
        if share < AGREEMENT:
            return (
                f"with {history} bars of history only {percent(100 * share, 1)} of the decisions are those "
                f"made with {FULL} bars (same action, confidence within {TOLERANCE}), not {100 * AGREEMENT} %"
            )
    return ""


def enough_history(plugin: BoundStrategy, declared: int) -> int | None:
    """Return a history that is long enough, in steps of 50 bars; None if 500 are not."""
    for history in range(declared // 50 * 50 + 50, 501, 50):
        if _agreement(plugin, history, _per_series(plugin)) >= AGREEMENT:
            return history
    return None


def _per_series(plugin: BoundStrategy) -> int:
    return 40 if plugin.by_bar else 80


def _agreement(plugin: BoundStrategy, history: int, per_series: int) -> float:
    rng = np.random.default_rng(3)
    agreed = total = 0
    for name in LIVELY:
        bars = market()[name]
        for t in rng.choice(np.arange(FULL, len(bars)), per_series, replace=False).tolist():
            longest = FULL - t % ODD  # else a decision by the number of its row would always be the same
            agreed += _alike(_asked(plugin, bars, t, history), _asked(plugin, bars, t, longest))
            total += 1
    return agreed / total


def _asked(plugin: BoundStrategy, bars: Bars, t: int, history: int) -> Decision:
    return decision_of(plugin, bars[t + 1 - history : t + 1])


def _alike(one: Decision, other: Decision) -> bool:
    return one.action == other.action and abs(one.confidence - other.confidence) <= TOLERANCE
