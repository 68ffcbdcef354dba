"""What strategies answer: a `Decision` per bar, or `Signals` for a whole window at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Literal, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import BoolArray, FloatArray

ActionName: TypeAlias = Literal["buy", "sell", "hold"]
ActionArray: TypeAlias = npt.NDArray[np.int8]
ReasonArray: TypeAlias = npt.NDArray[np.int16]

NOT_ENOUGH_BARS = "not_enough_bars"


class Action(IntEnum):
    """What to do at a bar. The values are those of the `Signals.action` column."""

    SELL = -1
    HOLD = 0
    BUY = 1

    @property
    def label(self) -> ActionName:
        """The name used in traces, files and the CLI."""
        return _LABELS[self]


_LABELS: dict[Action, ActionName] = {Action.SELL: "sell", Action.HOLD: "hold", Action.BUY: "buy"}
ACTIONS: dict[ActionName, Action] = {label: action for action, label in _LABELS.items()}


@attrs.frozen(slots=True)
class Decision:
    """The answer for one bar.

    Attributes:
        action: ``"buy"``, ``"sell"`` or ``"hold"``.
        confidence: in [0, 1]; 0.0 for ``hold``.
        reason: lower snake case.
        data: flat mapping of numbers for the trace.
    """

    action: ActionName
    confidence: float = 0.0
    reason: str = ""
    data: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen(eq=False, slots=True)
class Signals:
    """The answers for a window of N bars, as aligned columns. Row k may depend on rows <= k only.

    Attributes:
        action: int8, -1 sell, 0 hold, +1 buy.
        confidence: float64 in [0, 1], 0.0 where the action is hold.
        reason: int16 indices into ``reasons``.
        reasons: names in lower snake case.
        data: optional named float64 columns of length N (indicator values for charts and traces).
    """

    action: ActionArray
    confidence: FloatArray
    reason: ReasonArray
    reasons: tuple[str, ...]
    data: Mapping[str, FloatArray] = attrs.field(factory=dict)

    def __len__(self) -> int:
        return len(self.action)

    def __getitem__(self, rows: slice) -> Signals:
        data = {name: column[rows] for name, column in self.data.items()}
        return Signals(self.action[rows], self.confidence[rows], self.reason[rows], self.reasons, data)

    def row(self, k: int) -> Decision:
        """Return row ``k`` as a `Decision`, with every finite data value of that row."""
        values = {name: float(column[k]) for name, column in self.data.items()}
        data = {name: value for name, value in values.items() if math.isfinite(value)}
        action = Action(int(self.action[k])).label
        return Decision(action, float(self.confidence[k]), self.reasons[int(self.reason[k])], data)

    @classmethod
    def hold(cls, n: int, reason: str) -> Signals:
        """Return N holds with one reason."""
        return cls(np.zeros(n, np.int8), np.zeros(n), np.zeros(n, np.int16), (reason,))


def confidence_of(strength: FloatArray) -> FloatArray:
    """Turn a strength into a confidence: ``0.4 + 0.6 * clamp(s, 0, 1)``.

    A strength that is not finite stems from a division by zero and counts as 0.
    """
    finite = np.where(np.isfinite(strength), strength, 0.0)
    confidence: FloatArray = 0.4 + 0.6 * np.minimum(np.maximum(finite, 0.0), 1.0)
    return confidence


@attrs.frozen(eq=False, slots=True)
class When:
    """One line of a strategy's decision table: where ``mask`` holds, answer ``action`` with ``reason``.

    Attributes:
        mask: bool column of length N.
        action: buy, sell or hold.
        reason: lower snake case.
        strength: float64 column (buy and sell only); its confidence is `confidence_of`. None means 0.
    """

    mask: BoolArray
    action: Action
    reason: str
    strength: FloatArray | None = None


def decide(
    n: int,
    warmup_bars: int,
    table: Sequence[When],
    otherwise: str,
    data: Mapping[str, FloatArray] | None = None,
) -> Signals:
    """Build `Signals` from a decision table: per bar the first line whose mask holds wins.

    Args:
        n: number of bars.
        warmup_bars: bars needed for a first answer; earlier rows hold with ``not_enough_bars``.
        table: the lines in order of precedence.
        otherwise: the reason to hold where no line applies.
        data: optional indicator columns for charts and traces.
    """
    action = np.zeros(n, np.int8)
    reason = np.zeros(n, np.int16)
    strength = np.zeros(n)
    upward = table[::-1]  # later lines first, so that earlier ones overwrite them
    for code, line in enumerate(upward, start=1):
        (rows,) = line.mask.nonzero()
        action[rows] = int(line.action)
        reason[rows] = code
        strength[rows] = 0.0 if line.strength is None else line.strength[rows]
    cold = max(warmup_bars - 1, 0)
    action[:cold] = Action.HOLD
    reason[:cold] = len(upward) + 1
    confidence = np.zeros(n)
    (rows,) = action.nonzero()  # most strategies hold at nearly every bar
    confidence[rows] = confidence_of(strength[rows])
    reasons = (otherwise, *[line.reason for line in upward], NOT_ENOUGH_BARS)
    return Signals(action, confidence, reason, reasons, data or {})
