"""Finding answers that know the future."""

from __future__ import annotations

import numpy as np

from cab_core.plugins.bound import BoundStrategy
from cab_core.sdk import Bars, IntArray, Signals
from cab_core.testing.answers import decision_of, difference, signals_of

#: Sampled bars per series; twelve series give more than 200.
SAMPLES = 24


def sampled_rows(answer: Signals, seed: int) -> IntArray:
    """Return rows to look at: half of them where the strategy acts, the others anywhere."""
    rng = np.random.default_rng(seed)
    rows = len(answer)
    acting = np.flatnonzero(answer.action)
    chosen = rng.choice(acting, min(len(acting), SAMPLES // 2), replace=False)
    anywhere = rng.choice(rows - 1, min(rows - 1, SAMPLES - len(chosen)), replace=False)
    return np.unique(np.concatenate((chosen, anywhere))).astype(np.int64)


def prefix_fault(plugin: BoundStrategy, bars: Bars, whole: Signals) -> str:
    """Describe where leaving out the later bars changes an answer; empty if nowhere."""
    rows = sampled_rows(whole, seed=1)
    if plugin.by_bar is None:  # one bar that is known too early is enough to earn by
        rows = np.union1d(rows, np.flatnonzero(whole.action))
    for t in rows.tolist():
        prefix = bars[: t + 1]
        if plugin.by_bar:
            if decision_of(plugin, prefix) != whole.row(t):
                return f"bar {t} is decided differently when it is the last one"
            continue
        found = difference(signals_of(plugin, prefix), whole, t + 1)
        if found:
            return f"with the bars after {t} left out, {found}"
    return ""


def mutation_fault(plugin: BoundStrategy, bars: Bars) -> str:
    """Describe where rewriting the later bars changes an answer; empty if nowhere."""
    whole = signals_of(plugin, bars)
    rows = sampled_rows(whole, seed=2)
    for i, t in enumerate(rows[:: 6 if plugin.by_bar else 1].tolist()):
        scale = (3.0, 0.2, 1.0)[i % 3]
        found = difference(signals_of(plugin, rewritten(bars, t, scale)), whole, t + 1)
        if found:
            return f"with the bars after {t} rewritten, {found}"
    return ""


def rewritten(bars: Bars, t: int, scale: float) -> Bars:
    """Return the bars with everything after row ``t`` replaced: reversed, prices scaled, volumes too."""
    later = slice(t + 1, None)
    columns = []
    for column in (bars.open, bars.high, bars.low, bars.close):
        changed = column.copy()
        changed[later] = column[later][::-1] * scale
        columns.append(changed)
    volume = bars.volume.copy()
    volume[later] = (volume[later][::-1] + 1.0) * (7.0 if scale != 1.0 else 0.1)
    opened, high, low, close = columns
    return Bars.of(bars.ts_ms, opened, high, low, close, volume, bars.synthetic)
