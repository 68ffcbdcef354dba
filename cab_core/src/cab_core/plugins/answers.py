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

from cab_core.contracts import Health, Panel
from cab_core.domain.bars import FloatArray
from cab_core.domain.regime import Reading, ReadingKind
from cab_core.domain.risk import ALLOW, Verdict, VerdictKind
from cab_core.domain.signals import ACTIONS, Decision, Signals
from cab_core.plugins.isolation import PluginJunk

#: Confidence of a buy or sell decided bar by bar whose author gave none.
MISSING_CONFIDENCE = 0.5
NO_REASON = "no_reason"
#: What a panel may say, and how much.
PANEL_SLOTS = ("overview", "signals", "risk", "regime")
PANEL_ROLES = ("viewer", "operator", "admin")
PANEL_ROWS, PANEL_TEXT = 50, 500
_ACTION_BYTES = b"\xff\x00\x01"
_BITS_OF_ONE = np.float64(1.0).view(np.uint64)
_INT8 = np.dtype(np.int8)
_INT16 = np.dtype(np.int16)


def check_signals(answer: Any, n: int, first: int) -> Signals:
    """Return rows ``first`` to ``n - 1`` of a strategy's answer for a window of ``n`` bars.

    Values of earlier rows are not looked at: they were judged when they were the last row.
    """
    rows = shaped(answer, n, first)
    check_values([rows])
    return rows


def shaped(answer: Any, n: int, first: int) -> Signals:
    """Return those rows if they are columns of the right shape and type; their values may still be junk."""
    if not isinstance(answer, Signals):
        raise PluginJunk(f"answered {_shown(answer)}, not Signals")
    action = _column(answer.action, n, "i", "action")
    confidence = _column(answer.confidence, n, "fiu", "confidence")
    reason = _column(answer.reason, n, "iu", "reason")
    reasons, data = answer.reasons, answer.data
    if type(reasons) is not tuple or not reasons or {*map(type, reasons)} != {str}:
        raise PluginJunk(f"reasons is {_shown(reasons)}, not a tuple of texts")
    if not isinstance(data, Mapping):
        raise PluginJunk(f"data is {_shown(data)}, not a mapping of columns")
    return Signals(
        _whole(action[first:], _INT8, "action"),
        confidence[first:].astype(np.float64, copy=False),
        _whole(reason[first:], _INT16, "reason"),
        reasons,
        {name: _column(column, n, "fiu", "data column", name)[first:] for name, column in data.items()},
    )


def check_values(answers: Sequence[Signals]) -> None:
    """Look at the values of answers of equal length, of one strategy or of many at once.

    Raises:
        PluginJunk: at least one of them holds a value that means nothing.
    """
    if not answers or not len(answers[0]):
        return
    action = np.array([answer.action for answer in answers])
    if action.tobytes().translate(None, _ACTION_BYTES):  # a sixth of the time of two reductions
        raise PluginJunk("action has values other than -1, 0 and 1")
    confidence = np.array([answer.confidence for answer in answers])
    _check_confidence(confidence)
    if ((confidence != 0.0) & (action == 0)).any():
        raise PluginJunk("a hold has a confidence other than 0")
    reason = np.array([answer.reason for answer in answers])
    names = np.array([[len(answer.reasons)] for answer in answers])
    if (reason.view(np.uint16) >= names).any():  # read without a sign, a negative code is a huge one
        raise PluginJunk("reason has codes outside of its names")


def _column(column: Any, n: int, dtype_kinds: str, what: str, name: object = "") -> npt.NDArray[Any]:
    if type(column) is np.ndarray and column.shape == (n,) and column.dtype.kind in dtype_kinds:
        return column
    told = f"{what} {_shown(name)}" if name else what
    if type(column) is not np.ndarray:
        raise PluginJunk(f"{told} is {_shown(column)}, not an array")
    if column.shape != (n,):
        raise PluginJunk(f"{told} has shape {column.shape}, not ({n},)")
    raise PluginJunk(f"{told} has type {column.dtype}")


def _whole(column: npt.NDArray[Any], dtype: np.dtype[Any], what: str) -> npt.NDArray[Any]:
    """Return a column of whole numbers as ``dtype``."""
    if column.dtype == dtype:
        return column
    narrow = column.astype(dtype)
    if (narrow != column).any():
        raise PluginJunk(f"{what} has values that do not fit into {dtype}")
    return narrow


def _check_confidence(confidence: FloatArray) -> None:
    # Read as integers, floats from 0 to 1 lie between the bits of 0 and of 1; negative ones, NaN and infinity
    # lie above them: one fast pass instead of two slow ones. Only -0.0 needs the second look.
    if confidence.view(np.uint64).max() <= _BITS_OF_ONE:
        return
    low, high = confidence.min(), confidence.max()
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails
        raise PluginJunk(f"confidence ranges from {low} to {high}, not within [0, 1]")


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


def check_panel(answer: Any) -> Panel | None:
    """Return a plugin's panel, or None if it has none now."""
    if answer is None:
        return None
    if not isinstance(answer, Panel):
        raise PluginJunk(f"answered {_shown(answer)}, not Panel")
    if answer.slot not in PANEL_SLOTS or answer.min_role not in PANEL_ROLES:
        raise PluginJunk(f"slot {_shown(answer.slot)} or role {_shown(answer.min_role)} is none of ours")
    if len(answer.rows) > PANEL_ROWS:
        raise PluginJunk(f"has {len(answer.rows)} rows, at most {PANEL_ROWS} are shown")
    texts = [answer.title, answer.note, *answer.head, *(cell for row in answer.rows for cell in row)]
    if not all(isinstance(text, str) and len(text) <= PANEL_TEXT for text in texts):
        raise PluginJunk(f"has a cell that is no text of at most {PANEL_TEXT} characters")
    if any(len(row) != len(answer.head) for row in answer.rows):
        raise PluginJunk("has a row with more or fewer cells than its head")
    return answer


def check_nothing(answer: Any) -> None:
    """Accept whatever a hook without a result returns."""


def _shown(value: Any) -> str:
    """Return a short text of any value, for messages."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
