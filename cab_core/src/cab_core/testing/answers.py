"""Asking a strategy through the host's own adapter, with errors unsoftened, and comparing answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from cab_core.plugins.answers import check_decision, columns
from cab_core.plugins.bound import Bound, BoundStrategy
from cab_core.plugins.host import Host
from cab_core.plugins.inventory import PluginRecord
from cab_core.plugins.kinds import Kind
from cab_core.sdk import Bars, Decision, FloatArray, IntArray, Signals


def bound(plugin: Any, kind: Kind = Kind.STRATEGY) -> Bound:
    """Register a plugin object with a host of its own, as the kernel does.

    Raises:
        cab_core.errors.PluginError: the host refuses it; the message names the fix.
    """
    cls = type(plugin)
    record = PluginRecord(kind=kind, name=cls.__name__.lower(), target=f"{cls.__module__}:{cls.__qualname__}")
    return Host(kind).register(record, plugin)


def asked(plugin: Any) -> BoundStrategy:
    """Return the strategy ready to be asked; one that is already passes through."""
    ready = plugin if isinstance(plugin, BoundStrategy) else bound(plugin)
    if not isinstance(ready, BoundStrategy):
        raise TypeError(f"{type(plugin).__name__} is no strategy")
    return ready


def signals_of(plugin: Any, bars: Bars, symbol: str = "BTC/USDT") -> Signals:
    """Return the strategy's answer for every row of ``bars``, in whichever form it was written."""
    strategy = asked(plugin)
    if strategy.by_bar is None:
        return strategy.signals(bars, symbol)
    return columns([_generated(strategy, bars[: k + 1], symbol) for k in range(len(bars))])


def decision_of(plugin: Any, bars: Bars, symbol: str = "BTC/USDT") -> Decision:
    """Return the answer for the last row of ``bars``."""
    strategy = asked(plugin)
    if strategy.by_bar is None:
        return strategy.signals(bars, symbol).row(len(bars) - 1)
    return _generated(strategy, bars, symbol)


def _generated(strategy: BoundStrategy, bars: Bars, symbol: str) -> Decision:
    if strategy.by_bar is None:
        raise TypeError(f"{strategy.name} answers whole windows")
    return check_decision(strategy.by_bar(bars, symbol))


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
