"""Asking a strategy in a run again, once more bars are known: what it said then, it must say now.

A run asks about the newest bar only, so nothing it decides can know the future; but a strategy that does
know it in a backtest earns nothing here, and the backtest must not be believed. On recorded candles a whole
window is asked for again when its last bar is there: one call for hundreds of bars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from cab_core.cycle.evaluate import Panel
from cab_core.domain.bars import Bars
from cab_core.domain.signals import Signals
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.hindsight import Answer, Doubt, Fault, Witness
from cab_core.plugins.isolation import is_error

#: Bars of a window that a strategy that goes bar by bar is asked about again.
BY_BAR = 16


@attrs.define(eq=False)
class LaterLook:
    """A panel that remembers its answers until their window is complete.

    Attributes:
        panel: who answers. ``strategies``: the same, in set order.
        tell: told each doubt, once for a strategy and fault.
    """

    panel: Panel
    strategies: Sequence[BoundStrategy]
    symbol: str
    budget_s: float
    tell: Callable[[Doubt], None]
    _window: Bars | None = attrs.field(default=None, init=False)
    _said: dict[int, list[Answer]] = attrs.field(factory=dict, init=False)
    _told: set[str] = attrs.field(factory=set, init=False)

    def block(self, bars: Bars, first: int) -> Sequence[Signals]:
        """Answer the rows from ``first`` on, and look at an older window that is complete."""
        if self._window is not None and self._window.ts_ms[0] != bars.ts_ms[0]:
            self.look()
        answers = self.panel.block(bars, first)
        for k in range(len(bars) - first):
            self._said[first + k] = [_answer(signals, k) for signals in answers]
        self._window = bars
        return answers

    def look(self) -> None:
        """Ask about the window again, as far as it is known; nothing of it is remembered after that."""
        window, said = self._window, self._said
        self._window, self._said = None, {}
        if window is None or not said:
            return
        for s, bound in enumerate(self.strategies):
            if bound.name not in self._told:
                with Witness(bound, self.budget_s) as witness:
                    self._look_at(s, witness, window, {row: answers[s] for row, answers in said.items()})

    def _look_at(self, s: int, witness: Witness, window: Bars, said: dict[int, Answer]) -> None:
        bound = self.strategies[s]
        known = {row: answer for row, answer in said.items() if not answer.error}
        signals = witness.rows(window, 0)
        if signals is None:
            acting = [row for row, answer in known.items() if answer.action]
            first = dict.fromkeys((*acting, *known))  # each once
            rows = [*first][: BY_BAR if bound.by_bar is not None else 0]
            now = {row: witness.last(window[: row + 1], self.symbol) for row in rows}
        else:
            now = {row: _answer(signals, row) for row in known}
        changed = [row for row, answer in now.items() if not answer.agrees(known[row])]
        if not changed:
            return
        row = min(changed)
        fault = witness.fault(window[: row + 1], row, known[row])
        saw_later = fault is Fault.LOOK_AHEAD
        used, then = (now[row], known[row]) if saw_later else (known[row], now[row])
        self._told.add(bound.name)
        self.tell(
            Doubt(
                fault=fault,
                strategy=bound.name,
                symbol=self.symbol,
                ts_ms=int(window.ts_ms[row]),
                used=str(used),
                alone=str(then),
                found=len(changed),
                asked=len(now),
            )
        )


def _answer(signals: Signals, k: int) -> Answer:
    reason = signals.reasons[int(signals.reason[k])]
    confidence = float(signals.confidence[k])
    return Answer(int(signals.action[k]), confidence, reason if is_error(reason) else "")
