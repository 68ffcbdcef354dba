"""Asking a strategy, in either of its two forms, and comparing what it answers."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from cab_core.sdk import Action, Bars, Context, Decision, FloatArray, IntArray, MarketData, Signals

_CODES = {action.label: action for action in Action}
_TF_MS = 15 * 60_000


def thinks_bar_by_bar(plugin: Any) -> bool:
    """Say whether the plugin implements ``generate`` rather than ``signals``."""
    return not hasattr(plugin, "signals")


def signals_of(plugin: Any, bars: Bars, symbol: str = "BTC/USDT") -> Signals:
    """Return the strategy's answer for every row of ``bars``, errors unsoftened."""
    if not thinks_bar_by_bar(plugin):
        answer: Signals = plugin.signals(bars)
        return answer
    return _stacked([_generated(plugin, bars[: k + 1], symbol) for k in range(len(bars))])


def decision_of(plugin: Any, bars: Bars, symbol: str = "BTC/USDT") -> Decision:
    """Return the answer for the last row of ``bars``."""
    if thinks_bar_by_bar(plugin):
        return _generated(plugin, bars, symbol)
    return signals_of(plugin, bars, symbol).row(len(bars) - 1)


def _generated(plugin: Any, bars: Bars, symbol: str) -> Decision:
    answer = plugin.generate(MarketData(bars), Context(symbol, int(bars.ts_ms[-1]) + _TF_MS))
    if inspect.iscoroutine(answer):
        answer = _without_waiting(answer)
    if not isinstance(answer, Decision):
        raise TypeError(f"generate returned {type(answer).__name__}, not a Decision")
    return answer


def _without_waiting(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise TypeError("generate waits; a strategy has nothing to wait for")


def _stacked(decisions: list[Decision]) -> Signals:
    for decision in decisions:
        if decision.action not in _CODES:
            raise ValueError(f"action {decision.action!r} is not one of buy, sell, hold")
    reasons = tuple(dict.fromkeys(d.reason for d in decisions))
    code = {reason: i for i, reason in enumerate(reasons)}
    names = sorted({name for d in decisions for name in d.data})
    return Signals(
        np.array([_CODES[d.action] for d in decisions], np.int8),
        np.array([d.confidence for d in decisions], np.float64),
        np.array([code[d.reason] for d in decisions], np.int16),
        reasons,
        {name: np.array([d.data.get(name, np.nan) for d in decisions], np.float64) for name in names},
    )


def difference(left: Signals, right: Signals, rows: int) -> str:
    """Describe the first of the leading ``rows`` where two answers differ in any bit; empty if none does."""
    names = sorted(set(left.data) | set(right.data))
    columns: list[tuple[str, Any, Any]] = [
        ("action", left.action, right.action),
        ("confidence", _bits(left.confidence), _bits(right.confidence)),
        ("reason", np.array(left.reasons)[left.reason], np.array(right.reasons)[right.reason]),
        *((f"data[{name}]", _bits(_data(left, name)), _bits(_data(right, name))) for name in names),
    ]
    first, where = rows, ""
    for name, one, other in columns:
        unequal = np.flatnonzero(one[:rows] != other[:rows])
        if len(unequal) and unequal[0] < first:
            first, where = int(unequal[0]), name
    if not where:
        return ""
    return f"row {first} differs in {where}: {_show(left, first)} against {_show(right, first)}"


def _data(signals: Signals, name: str) -> FloatArray:
    """Return a data column; one that was never filled is the same as one without a single number."""
    return signals.data.get(name, np.full(len(signals), np.nan))


def _bits(column: FloatArray) -> IntArray:
    """Return the bit patterns of a float column; all NaN count as one."""
    floats = np.where(np.isnan(column), np.nan, np.asarray(column, np.float64))
    return np.ascontiguousarray(floats).view(np.int64)


def _show(signals: Signals, k: int) -> str:
    decision = signals.row(k)
    return f"{decision.action} {decision.confidence!r} {decision.reason}"


def digest_text(signals: Signals) -> str:
    """Return a text that is equal for two answers exactly if they are equal in every bit."""
    rows = zip(
        signals.action.tolist(),
        _bits(signals.confidence).tolist(),
        (signals.reasons[i] for i in signals.reason),
        strict=True,
    )
    data = {name: _bits(column).tolist() for name, column in sorted(signals.data.items())}
    return repr((list(rows), data))
