"""What a valid answer of a strategy looks like."""

from __future__ import annotations

from typing import Any

import numpy as np

from cab_core.sdk import Signals
from cab_core.testing.base import SNAKE_CASE


def contract_fault(answer: Any, rows: int) -> str:
    """Describe the first breach of the contract of `Signals` over ``rows`` bars; empty if there is none."""
    if not isinstance(answer, Signals):
        return f"the answer is a {type(answer).__name__}, not Signals"
    return _shape_fault(answer, rows) or _value_fault(answer) or _reason_fault(answer)


def _shape_fault(answer: Signals, rows: int) -> str:
    columns = {"action": answer.action, "confidence": answer.confidence, "reason": answer.reason}
    kinds = {"action": "i", "confidence": "f", "reason": "i"}
    for name, column in {**columns, **{f"data[{k}]": v for k, v in answer.data.items()}}.items():
        if not isinstance(column, np.ndarray) or column.shape != (rows,):
            return f"{name} is not an array of {rows} rows"
        if column.dtype.kind != kinds.get(name, "f"):
            return f"{name} has the type {column.dtype}"
    return ""


def _value_fault(answer: Signals) -> str:
    wrong = np.flatnonzero(~np.isin(answer.action, (-1, 0, 1)))
    if len(wrong):
        return f"action {answer.action[wrong[0]]} at row {wrong[0]} is not -1, 0 or 1"
    confidence = answer.confidence
    wrong = np.flatnonzero(~((confidence >= 0.0) & (confidence <= 1.0)))
    if len(wrong):
        return f"confidence {confidence[wrong[0]]} at row {wrong[0]} is not in [0, 1]"
    wrong = np.flatnonzero((answer.action == 0) & (confidence != 0.0))
    if len(wrong):
        return f"confidence {confidence[wrong[0]]} at row {wrong[0]}, which holds, is not 0"
    return ""


def _reason_fault(answer: Signals) -> str:
    wrong = np.flatnonzero((answer.reason < 0) | (answer.reason >= len(answer.reasons)))
    if len(wrong):
        return f"reason {answer.reason[wrong[0]]} at row {wrong[0]} is no index into reasons"
    for reason in (*answer.reasons, *answer.data):
        if not isinstance(reason, str) or not SNAKE_CASE.fullmatch(reason) or len(reason) > 64:
            return f"the name {reason!r} is not lower snake case of at most 64 characters"
    return ""
