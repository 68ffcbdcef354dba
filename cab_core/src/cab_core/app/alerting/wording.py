"""Events as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from cab_core.domain.figures import (
    money,
    price,
    quantity,
    quote_of,
    reading,
    signed_money,
    signed_number,
)


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
    quote = quote_of(p["symbol"])
    cost = f"{money(p['cost'], quote)} {quote}"
    return f"{p['symbol']} bought {quantity(p['quantity'])} for {cost}: {p['reason']}"


def _closed(p: Mapping[str, Any]) -> str:
    quote = quote_of(p["symbol"])
    return f"{p['symbol']} closed with {signed_money(p['pnl'], quote)} {quote}: {p['reason']}"


def _dust(p: Mapping[str, Any]) -> str:
    quote = quote_of(p["symbol"])
    return f"{p['symbol']} {quantity(p['quantity'])} left as dust, worth {money(p['value'], quote)} {quote}"


def _emergency(p: Mapping[str, Any]) -> str:
    return f"all entries are stopped by {p['rule']}: {p['reason']}{_measured(p)}; exits go on"


def _measured(p: Mapping[str, Any]) -> str:
    return "" if p["value"] is None else f" ({reading(p['value'])}, limit {reading(p['threshold'])})"


def _settlement_timeout(p: Mapping[str, Any]) -> str:
    order = f"{p['symbol']} order {p['client_id']}"
    return f"{order} did not end within {p['age_s']} s and is being canceled"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "cycle.completed": _cycle,
    "risk.blocked": _blocked,
    "position.opened": _opened,
    "position.closed": _closed,
    "position.dust": _dust,
    "emergency.stop": _emergency,
    "trade.settlement.timeout": _settlement_timeout,
    "regime.changed": lambda p: f"regime {p['old']} -> {p['new']} (score {signed_number(p['score'])})",
    "orchestrator.state": lambda p: f"{p['symbol']} {p['old']} -> {p['new']}: {p['reason']}",
    "gate.changed": lambda p: f"entries: {p['old'] or 'open'} -> {p['new'] or 'open'}",
    "protection.changed": lambda p: f"{p['symbol']} stop {p['kind']} at {price(p['stop'])}",
    "plugin.quarantined": lambda p: f"{p['plugin']} is no longer called: {p['reason']}",
    "risk.warning": lambda p: f"{p['rule']}: {p['reason']}{_measured(p)}",
    "risk.released": lambda p: f"halt of {p['rule']} released by {p['by']}",
}
