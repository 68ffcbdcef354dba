"""Events as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any


def line(topic: str, payload: Mapping[str, Any]) -> str:
    """Return what happened, in one line."""
    write = _LINES.get(topic)
    return topic if write is None else write(payload)


def plain(value: Any) -> Any:
    """Return a value as logs show it: Decimals without an exponent."""
    return f"{value:f}" if isinstance(value, Decimal) else value


def _cycle(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} {p['action']}: {p['reason']}"


def _blocked(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} entry blocked by {p['rule']}: {p['reason']}{_measured(p)}"


def _opened(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} bought {p['quantity']:f} for {p['cost']:.2f}: {p['reason']}"


def _closed(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} closed with {p['pnl']:+.2f}: {p['reason']}"


def _emergency(p: Mapping[str, Any]) -> str:
    return f"all entries are stopped by {p['rule']}: {p['reason']}{_measured(p)}; exits go on"


def _measured(p: Mapping[str, Any]) -> str:
    return "" if p["value"] is None else f" ({p['value']:.4g}, limit {p['threshold']:.4g})"


def _settlement_timeout(p: Mapping[str, Any]) -> str:
    return f"{p['symbol']} order {p['client_id']} did not end within {p['age_s']:g} s and is being canceled"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "cycle.completed": _cycle,
    "risk.blocked": _blocked,
    "position.opened": _opened,
    "position.closed": _closed,
    "position.dust": lambda p: f"{p['symbol']} {p['quantity']:f} left as dust, worth {p['value']:.2f}",
    "emergency.stop": _emergency,
    "trade.settlement.timeout": _settlement_timeout,
    "regime.changed": lambda p: f"regime {p['old']} -> {p['new']} (score {p['score']:+.2f})",
    "orchestrator.state": lambda p: f"{p['symbol']} {p['old']} -> {p['new']}: {p['reason']}",
    "gate.changed": lambda p: f"entries: {p['old'] or 'open'} -> {p['new'] or 'open'}",
    "protection.changed": lambda p: f"{p['symbol']} stop {p['kind']} at {p['stop']:f}",
    "plugin.quarantined": lambda p: f"{p['plugin']} is no longer called: {p['reason']}",
    "risk.warning": lambda p: f"{p['rule']}: {p['reason']}{_measured(p)}",
    "risk.released": lambda p: f"halt of {p['rule']} released by {p['by']}",
}
