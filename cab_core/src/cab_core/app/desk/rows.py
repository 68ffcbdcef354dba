"""Rows of lists that operators page through. The names of the fields are those of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs


@attrs.frozen(slots=True, kw_only=True)
class OrderView:
    """One attempt of an order intent. Exactly one of ``cost`` (quote) and ``quantity`` (base) sizes it."""

    client_id: str
    key: str
    attempt: int
    symbol: str
    side: str
    purpose: str
    type: str
    state: str
    cost: Decimal | None
    quantity: Decimal | None
    reference: Decimal | None
    trigger_price: Decimal | None
    limit_price: Decimal | None
    reason: str
    trace_id: str
    created_ms: int
    sent_ms: int | None
    updated_ms: int
    order_id: str | None
    message: str


@attrs.frozen(slots=True, kw_only=True)
class FillView:
    """One own trade. ``value`` is quantity times price; one made outside of the bot has no ``trace_id``.

    ``further_fees`` is what was taken besides ``fee``, one text of amount and currency each.
    """

    exchange: str
    symbol: str
    trade_id: str
    client_id: str
    side: str
    quantity: Decimal
    price: Decimal
    value: Decimal
    fee: Decimal
    fee_currency: str
    ts_ms: int
    trace_id: str = ""
    reason: str = ""
    further_fees: Sequence[str] = ()


@attrs.frozen(slots=True, kw_only=True)
class TradeView:
    """One round trip, from entry to flat. Money in quote."""

    symbol: str
    opened_ms: int
    closed_ms: int
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    cost: Decimal
    proceeds: Decimal
    fees_quote: Decimal
    pnl: Decimal
    pnl_pct: float
    entry_reason: str
    exit_reason: str
    votes: Sequence[str]
    trace_id: str


@attrs.frozen(slots=True, kw_only=True)
class PluginView:
    """One installed plugin and what became of it."""

    id: str
    kind: str
    name: str
    dist: str
    version: str
    origin: str
    status: str
    reason: str


@attrs.frozen(slots=True, kw_only=True)
class ConfigRow:
    """One setting as it is in force; a secret's value is masked."""

    name: str
    value: str
    source: str
    default: str
    help: str


@attrs.frozen(slots=True, kw_only=True)
class LogLine:
    """One line of the log."""

    timestamp: str
    level: str
    module: str
    symbol: str
    trace_id: str
    message: str
    context: Mapping[str, Any]


@attrs.frozen(slots=True, kw_only=True)
class RunView:
    """One recorded backtest.

    Attributes:
        made_ms: when it was recorded.
        from_ms, to_ms: the span of the candles it decided on.
        options: deciding settings that are not their defaults, and options of plugins, as texts.
        figures: those of its summary.
    """

    run_id: str
    made_ms: int
    symbols: Sequence[str]
    from_ms: int | None
    to_ms: int | None
    strategies: Sequence[str]
    options: Mapping[str, str]
    figures: Mapping[str, Any]
    report: str | None


@attrs.frozen(slots=True, kw_only=True)
class AuditView:
    """One mutation: who did what from where, what it was before and after."""

    seq: int
    ts_ms: int
    actor: str
    role: str
    surface: str
    action: str
    target: str
    before: Any
    after: Any
    outcome: str
    trace_id: str
