"""What counts as an answer: each check returns the validated answer or raises `PluginJunk`.

These run after every call, so they look at whole columns and at nothing twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from cab_core.contracts import Health
from cab_core.domain.regime import Reading, ReadingKind
from cab_core.domain.risk import ALLOW, Verdict, VerdictKind
from cab_core.domain.signals import ACTIONS, Decision, Signals
from cab_core.plugins.isolation import PluginJunk

#: Confidence of a buy or sell decided bar by bar whose author gave none.
MISSING_CONFIDENCE = 0.5
NO_REASON = "no_reason"
_FLOAT64 = np.dtype(np.float64)
_ACTION_BYTES = b"\xff\x00\x01"
_BITS_OF_ONE = np.float64(1.0).view(np.uint64)
_INT8 = np.dtype(np.int8)
_INT16 = np.dtype(np.int16)


def check_signals(answer: Any, n: int, first: int) -> Signals:
    """Return rows ``first`` to ``n - 1`` of a strategy's answer for a window of ``n`` bars.

    Values of earlier rows are not looked at: they were judged when they were the last row.
    """
    if not isinstance(answer, Signals):
        raise PluginJunk(f"answered {_shown(answer)}, not Signals")
    action = _column(answer.action, n, "action", "i")
    confidence = _column(answer.confidence, n, "confidence", "fiu")
    reason = _column(answer.reason, n, "reason", "iu")
    _check_reasons(answer.reasons)
    data = answer.data
    if not isinstance(data, Mapping):
        raise PluginJunk(f"data is {_shown(data)}, not a mapping of columns")
    for name, column in data.items():
        _column(column, n, f"data column {name!r}", "fiu")
    if first:
        action, confidence, reason = action[first:], confidence[first:], reason[first:]
        data = {name: column[first:] for name, column in data.items()}
    _check_values(action, confidence, reason, len(answer.reasons))
    return Signals(
        action.astype(_INT8, copy=False),
        confidence.astype(_FLOAT64, copy=False),
        reason.astype(_INT16, copy=False),
        answer.reasons,
        data,
    )


def _column(column: Any, n: int, name: str, dtype_kinds: str) -> npt.NDArray[Any]:
    if type(column) is not np.ndarray:
        raise PluginJunk(f"{name} is {_shown(column)}, not an array")
    if column.shape != (n,):
        raise PluginJunk(f"{name} has shape {column.shape}, not ({n},)")
    if column.dtype.kind not in dtype_kinds:
        raise PluginJunk(f"{name} has type {column.dtype}")
    return column


def _check_reasons(reasons: Any) -> None:
    if type(reasons) is not tuple or not reasons or not all(type(text) is str for text in reasons):
        raise PluginJunk(f"reasons is {_shown(reasons)}, not a tuple of texts")


def _check_values(
    action: npt.NDArray[Any], confidence: npt.NDArray[Any], reason: npt.NDArray[Any], n_reasons: int
) -> None:
    if not len(action):
        return
    if not _only_actions(action):
        raise PluginJunk("action has values other than -1, 0 and 1")
    _check_confidence(confidence)
    if not _within(reason, n_reasons):
        raise PluginJunk(f"reason has codes outside of its {n_reasons} names")
    if np.logical_or.reduce(confidence[action == 0]):
        raise PluginJunk("a hold has a confidence other than 0")


def _check_confidence(confidence: npt.NDArray[Any]) -> None:
    # Read as integers, floats from 0 to 1 lie between the bits of 0 and of 1; negative ones, NaN and infinity
    # lie above them: one fast pass instead of two slow ones. Only -0.0 needs the second look.
    if confidence.dtype == _FLOAT64 and np.maximum.reduce(confidence.view(np.uint64)) <= _BITS_OF_ONE:
        return
    low, high = np.minimum.reduce(confidence), np.maximum.reduce(confidence)
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails
        raise PluginJunk(f"confidence ranges from {low} to {high}, not within [0, 1]")


def _within(reason: npt.NDArray[Any], n_reasons: int) -> bool:
    if reason.dtype == _INT16:  # one pass instead of two: read without a sign, a negative code is a huge one
        return bool(np.maximum.reduce(reason.view(np.uint16)) < n_reasons)
    return bool(np.minimum.reduce(reason) >= 0 and np.maximum.reduce(reason) < n_reasons)


def _only_actions(action: npt.NDArray[Any]) -> bool:
    if action.dtype == _INT8:  # one pass over the bytes, a sixth of the time of two reductions
        return not action.tobytes().translate(None, _ACTION_BYTES)
    return bool(np.minimum.reduce(action) >= -1 and np.maximum.reduce(action) <= 1)


def check_decision(answer: Any) -> Decision:
    """Return the decision of one bar; a buy or sell without a confidence gets 0.5.

    Confidence 0.0 is the default of `Decision`, so on a buy or sell it counts as not given.
    """
    if not isinstance(answer, Decision):
        raise PluginJunk(f"answered {_shown(answer)}, not a Decision")
    action, confidence, reason = answer.action, answer.confidence, answer.reason
    if action not in ACTIONS:
        raise PluginJunk(f"action {_shown(action)} is not buy, sell or hold")
    if not isinstance(reason, str):
        raise PluginJunk(f"reason {_shown(reason)} is not a text")
    if action == "hold":
        if confidence:
            raise PluginJunk(f"a hold has confidence {_shown(confidence)}, not 0")
        confidence = 0.0
    elif confidence is None or _fraction(confidence, "confidence") == 0.0:
        confidence = MISSING_CONFIDENCE
    return Decision(action, float(confidence), reason or NO_REASON, _numbers(answer.data))


def _numbers(data: Any) -> dict[str, float]:
    if not isinstance(data, Mapping):
        raise PluginJunk(f"data is {_shown(data)}, not a mapping of numbers")
    if not all(isinstance(value, Real) for value in data.values()):
        raise PluginJunk(f"data {_shown(data)} holds something that is not a number")
    return {str(name): float(value) for name, value in data.items()}


def _fraction(value: Any, name: str) -> float:
    if type(value) is float and 0.0 <= value <= 1.0:
        return value
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= float(value) <= 1.0:
        raise PluginJunk(f"{name} {_shown(value)} is not within [0, 1]")
    return float(value)


def columns(decisions: Sequence[Decision]) -> Signals:
    """Put the decisions of consecutive bars side by side; missing data values are NaN."""
    n = len(decisions)
    codes: dict[str, int] = {}
    reason = np.fromiter((codes.setdefault(d.reason, len(codes)) for d in decisions), np.int16, n)
    action = np.fromiter((ACTIONS[d.action] for d in decisions), np.int8, n)
    confidence = np.fromiter((d.confidence for d in decisions), np.float64, n)
    names = dict.fromkeys(name for d in decisions for name in d.data)
    data = {
        name: np.fromiter((d.data.get(name, math.nan) for d in decisions), np.float64, n) for name in names
    }
    return Signals(action, confidence, reason, tuple(codes) or (NO_REASON,), data)


def check_verdict(answer: object) -> Verdict:
    """Return a risk rule's verdict if kind, factor and reason fit together."""
    if answer is ALLOW:
        return ALLOW
    if not isinstance(answer, Verdict):
        raise PluginJunk(f"answered {_shown(answer)}, not a Verdict")
    kind: Any = answer.kind
    if not isinstance(kind, VerdictKind):
        raise PluginJunk(f"kind {_shown(kind)} is not a VerdictKind")
    factor = _fraction(answer.factor, "factor")
    if kind in (VerdictKind.ALLOW, VerdictKind.NOTE) and factor != 1.0:
        raise PluginJunk(f"{kind} has factor {factor}, not 1")
    if kind in (VerdictKind.DELAY, VerdictKind.HALT) and factor != 0.0:
        raise PluginJunk(f"{kind} has factor {factor}, not 0")
    if not isinstance(answer.reason, str) or not (answer.reason or kind is VerdictKind.ALLOW):
        raise PluginJunk(f"{kind} has no reason")
    if answer.until_ms is not None and not isinstance(answer.until_ms, int):
        raise PluginJunk(f"until_ms {_shown(answer.until_ms)} is not a whole number")
    return answer


def check_reading(answer: Any) -> Reading:
    """Return a macro source's reading if its value is finite."""
    if not isinstance(answer, Reading):
        raise PluginJunk(f"answered {_shown(answer)}, not a Reading")
    kind: Any = answer.kind
    if not isinstance(kind, ReadingKind):
        raise PluginJunk(f"kind {_shown(kind)} is not a ReadingKind")
    value: Any = answer.value
    if kind is not ReadingKind.EVENTS and not (isinstance(value, Real) and math.isfinite(value)):
        raise PluginJunk(f"value {_shown(value)} is not a finite number")
    instants = (*answer.events_ms, answer.event_day_ms or 0, answer.observed_ms or 0)
    if not all(isinstance(instant, int) for instant in instants):
        raise PluginJunk(f"instants {_shown(instants)} are not whole milliseconds")
    return answer


def check_health(answer: Any) -> Health:
    """Return what a plugin says about its health."""
    if not isinstance(answer, Health):
        raise PluginJunk(f"answered {_shown(answer)}, not Health")
    return answer


def check_nothing(answer: Any) -> None:
    """Accept whatever a hook without a result returns."""


def _shown(value: Any) -> str:
    """Return a short text of any value, for messages."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
