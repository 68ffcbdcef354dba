"""Asking a strategy again, alone and with no more than was known: what it may answer, and what it may not.

A strategy is a pure function of its window's closed bars. The answer about a bar is the same whether the
window ends there or goes on, whoever was asked before, and, but for the memory of its averages, wherever the
window begins.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import attrs

from cab_core.domain.bars import Bars
from cab_core.domain.figures import number
from cab_core.domain.signals import ACTIONS, Action, Signals
from cab_core.plugins.answers import check_decision, shaped
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.fresh import fresh
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import attempt, attempt_within, describe

#: Confidences this close are the same: further than rounding leads, nearer than any decision looks.
SAME = 1e-6
#: Two windows of different length agree within this: averages without an end remember a little of the start.
ALIKE = 0.02


class Answer(NamedTuple):
    """What a strategy said about one bar: an action from -1 to 1 and its confidence, or an error."""

    action: int
    confidence: float
    error: str = ""

    def agrees(self, other: Answer, within: float = SAME) -> bool:
        """Whether nobody could tell the two apart by what they decide."""
        same = self.action == other.action and self.error == other.error
        return same and abs(self.confidence - other.confidence) <= within

    def __str__(self) -> str:
        if self.error:
            return self.error
        label = Action(self.action).label
        return f"{label} {number(self.confidence, 3)}" if self.action else label


class Fault(StrEnum):
    """What is wrong with an answer that changes."""

    LOOK_AHEAD = "look_ahead"
    KEEPS_STATE = "keeps_state"
    WINDOW_LENGTH = "window_length"


_MEANING = {
    Fault.LOOK_AHEAD: "{used} with later bars, {alone} when the window ends there",
    Fault.KEEPS_STATE: "{used} in the run, {alone} when asked about the same bars again",
    Fault.WINDOW_LENGTH: "{used} in the run, {alone} in a legal window that begins later",
}


@attrs.frozen(slots=True, kw_only=True)
class Doubt:
    """A strategy whose answers change with what they must not depend on, and the first of them.

    Attributes:
        strategy: its name, e.g. ``ema_cross``.
        ts_ms: open time of the bar.
        used: what the run heard. ``alone``: what the strategy says with what was known.
        found: how many answers changed, of ``asked`` that were asked again.
    """

    fault: Fault
    strategy: str
    symbol: str
    ts_ms: int
    used: str
    alone: str
    found: int
    asked: int

    @property
    def text(self) -> str:
        """Return it in one line: ``look_ahead: NAME, bar, values``."""
        meaning = _MEANING[self.fault].format(used=self.used, alone=self.alone)
        share = f"{self.found:,} of {self.asked:,} answers that were asked again"
        bar = f"{self.symbol} {datetime.fromtimestamp(self.ts_ms / 1000, UTC):%Y-%m-%d %H:%M}"
        return f"{self.fault}: {self.strategy}, {bar}, {meaning} ({share})"


class Witness:
    """A strategy that has seen nothing yet, asked by itself: ``with Witness(bound, 5.0) as witness: …``.

    Args:
        bound: the strategy as the run asks it; the witness is built anew beside it.
        budget_s: of one call.
    """

    def __init__(self, bound: BoundStrategy, budget_s: float) -> None:
        self._bound = bound
        self._budget_s = budget_s
        self._guard = HangGuard()
        self._strategy = self._new()

    def _new(self) -> BoundStrategy:
        again, _ = attempt(fresh, self._bound)
        return again or self._bound

    def __enter__(self) -> Witness:
        self._guard.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.__exit__(None, None, None)

    def rows(self, window: Bars, first: int) -> Signals | None:
        """Answer the bars from ``first`` on; None if there is no answer, or it goes bar by bar."""
        if self._strategy.by_bar is not None:
            return None
        answer, _, _ = attempt_within(self._guard, self._budget_s, self._strategy.call, window)
        return attempt(shaped, answer, len(window), first)[0]

    def last(self, window: Bars, symbol: str) -> Answer:
        """Answer the last bar of a window."""
        by_bar = self._strategy.by_bar
        if by_bar is None:
            return self._row(window, -1)
        answer, error, _ = attempt_within(self._guard, self._budget_s, by_bar, window, symbol)
        decision, junk = (None, error) if error is not None else attempt(check_decision, answer)
        return _failed(junk) if decision is None else Answer(ACTIONS[decision.action], decision.confidence)

    def fault(self, window: Bars, row: int, heard: Answer) -> Fault:
        """Say why the answer about a row of a window is not what was heard there.

        Yet another witness, the first thing it is ever asked, tells: if it hears the same of the same window,
        the answer depends on the bars and not on what was asked before.
        """
        if self._bound.by_bar is not None:
            return Fault.KEEPS_STATE
        with Witness(self._bound, self._budget_s) as beside:
            return Fault.LOOK_AHEAD if beside._row(window, row).agrees(heard) else Fault.KEEPS_STATE

    def _row(self, window: Bars, row: int) -> Answer:
        """Answer one row of a window: by the hundred, so nothing else of the columns is looked at."""
        answer, error, _ = attempt_within(self._guard, self._budget_s, self._strategy.call, window)
        found, junk = (None, error) if error is not None else attempt(_answer, answer, row)
        return _failed(junk) if found is None else found


def _answer(signals: Signals, row: int) -> Answer:
    return Answer(int(signals.action[row]), float(signals.confidence[row]))


def _failed(error: BaseException | None) -> Answer:
    return Answer(0, 0.0, "no answer" if error is None else describe(error))
