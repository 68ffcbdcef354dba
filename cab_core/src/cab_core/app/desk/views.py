"""What operators see. Every surface shows these values; money is Decimal, times are epoch milliseconds (UTC).

The names of the fields are those of the HTTP API: fields may be added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.app.desk.rows import (
    AuditView,
    ConfigRow,
    FillView,
    LogLine,
    OrderView,
    PluginView,
    RunView,
    TradeView,
)

__all__ = [
    "AccountView",
    "AuditView",
    "CandlesView",
    "Component",
    "ConfigRow",
    "Decision",
    "EquityPointView",
    "FillView",
    "HaltView",
    "Health",
    "LimitView",
    "LogLine",
    "LoopView",
    "Marker",
    "OrderView",
    "PluginView",
    "PositionView",
    "PriceLine",
    "Ready",
    "RegimeView",
    "RiskView",
    "RunView",
    "SignalsView",
    "SourceView",
    "Status",
    "StrategyVote",
    "SymbolStatus",
    "TradeView",
]


@attrs.frozen(slots=True, kw_only=True)
class Component:
    """One part of the bot: whether it works, why not, and how fast it answered."""

    ok: bool
    detail: str = ""
    latency_ms: float | None = None


@attrs.frozen(slots=True, kw_only=True)
class Health:
    """Whether the bot works.

    Attributes:
        status: ``healthy``, ``degraded`` (entries wait) or ``unhealthy``.
        uptime_s: seconds since the start.
        components: by name: ``db``, ``broker``, ``eventbus``, ``market_data``, ``regime``, ``risk`` ...
        orchestrators: state by symbol.
    """

    status: str
    mode: str
    version: str
    uptime_s: float
    components: Mapping[str, Component]
    orchestrators: Mapping[str, str]


@attrs.frozen(slots=True, kw_only=True)
class Ready:
    """Whether the bot has settled and compared what was left open; ``waiting_for`` says what is missing."""

    ready: bool
    waiting_for: Sequence[str] = ()


@attrs.frozen(slots=True, kw_only=True)
class Decision:
    """One evaluated candle and what came of it.

    Attributes:
        close: close of the candle; None if it never came.
        order_key: key of the intent it led to.
    """

    trace_id: str
    symbol: str
    candle_ts_ms: int
    close: Decimal | None
    action: str
    reason: str
    order_key: str | None


@attrs.frozen(slots=True, kw_only=True)
class PositionView:
    """An open position. Quantities in base, money in quote.

    Attributes:
        unrealized: at the present bid; ``unrealized_pct`` of the cost.
        stage: 0 before the first target, 1 after; None without protection.
        stop: the price that ends it now; ``stop_kind`` names it, e.g. ``trailing_stop``.
        resting_stop: the exchange's order id of the stop that rests there, None without one.
        watched: a bot looks at its exits in time; without that only ``resting_stop`` guards it.
        votes: strategies that voted for the entry.
    """

    symbol: str
    quantity: Decimal
    cost: Decimal
    entry_price: Decimal
    opened_ms: int
    entry_reason: str
    entry_trace_id: str
    votes: Sequence[str]
    bid: Decimal | None
    value: Decimal | None
    realized: Decimal
    unrealized: Decimal | None
    unrealized_pct: float | None
    fees_quote: Decimal
    stage: int | None
    stop: Decimal | None
    stop_kind: str | None
    take_profit_1: Decimal | None
    take_profit_2: Decimal | None
    resting_stop: str | None
    watched: bool


@attrs.frozen(slots=True, kw_only=True)
class LoopView:
    """One loop of a symbol and how often it failed."""

    name: str
    failures: int


@attrs.frozen(slots=True, kw_only=True)
class SymbolStatus:
    """How one symbol stands.

    Attributes:
        state: ``idle``, ``running``, ``paused`` or ``stopped``.
        blocked_by: why no entry is possible now (e.g. ``paused``, ``reconcile_mismatch``), None if one is.
    """

    symbol: str
    state: str
    blocked_by: str | None
    bid: Decimal | None
    last_decision: Decision | None
    position: PositionView | None
    loops: Sequence[LoopView]


@attrs.frozen(slots=True, kw_only=True)
class HaltView:
    """A halt of all entries. ``until_ms`` is None if only a person can release it."""

    rule: str
    since_ms: int
    until_ms: int | None
    reason: str


@attrs.frozen(slots=True, kw_only=True)
class LimitView:
    """How far one limit is used. ``used_pct`` is 100 at the limit."""

    rule: str
    value: Decimal | None
    limit: Decimal
    unit: str
    used_pct: float | None
    halted: bool = False
    resets_ms: int | None = None

    @property
    def reached(self) -> bool:
        """Whether the next entry meets its rule's halt."""
        return self.value is not None and self.value >= self.limit


@attrs.frozen(slots=True, kw_only=True)
class RiskView:
    """Limits, halts, and what the rules stopped today (UTC), by reason.

    Attributes:
        entries_allowed: whether the next entry of at least one symbol would be let in.
        blocked_by: what the next entry of a symbol would meet, by symbol; those it would pass are left out.
    """

    entries_allowed: bool
    blocked_by: Mapping[str, str]
    limits: Sequence[LimitView]
    halts: Sequence[HaltView]
    blocked_today: Mapping[str, int]
    orders_5m: int
    turnover_5m: Decimal


@attrs.frozen(slots=True, kw_only=True)
class SourceView:
    """One macro source: what it takes off the score, what it last said, and whether it is stale."""

    name: str
    penalty: float | None
    text: str
    observed_ms: int | None
    fetched_ms: int | None
    stale: bool


@attrs.frozen(slots=True, kw_only=True)
class RegimeView:
    """The market regime; ``state`` is None while unknown. ``source``: macro, unconfigured or disabled."""

    state: str | None
    score: float | None
    multiplier: Decimal | None
    entries_allowed: bool
    since_ms: int | None
    updated_ms: int | None
    source: str
    sources: Sequence[SourceView]


@attrs.frozen(slots=True, kw_only=True)
class EquityPointView:
    """The account's worth at an instant, in quote; drawdown in percent of the peak."""

    ts_ms: int
    equity: Decimal
    peak: Decimal
    drawdown_pct: Decimal


@attrs.frozen(slots=True, kw_only=True)
class AccountView:
    """The account's worth now, in quote."""

    quote: str
    equity: Decimal
    baseline: Decimal
    peak: Decimal
    drawdown_pct: Decimal
    realized: Decimal
    unrealized: Decimal
    quote_free: Decimal
    invested: Decimal


@attrs.frozen(slots=True, kw_only=True)
class Status:
    """The answer of ``/orchestrator/status``: everything at a glance.

    Attributes:
        mode: ``paper`` or ``live``.
        now_ms: the bot's clock; on a recorded market the recording's.
        running: False if no bot runs and this is what its database says.
        unfinished_orders: intents that have not ended.
        silent_pid: the process of a bot that runs without an API, so that this is what its database says.
        troubles: plugins that fail, and strategies whose answers know the future, a sentence each.
    """

    mode: str
    market: str
    exchange: str
    version: str
    started_ms: int | None
    now_ms: int
    running: bool
    symbols: Sequence[SymbolStatus]
    account: AccountView | None
    halts: Sequence[HaltView]
    limits: Sequence[LimitView]
    regime: RegimeView
    unfinished_orders: int
    silent_pid: int | None = None
    troubles: Sequence[str] = ()

    @property
    def prices(self) -> str:
        """Whose prices it trades on: the exchange by name, or a recorded market as it was named."""
        return self.exchange if self.mode == "live" or self.market == "exchange" else self.market


@attrs.frozen(slots=True, kw_only=True)
class StrategyVote:
    """What one strategy said at the last candle of one symbol.

    Attributes:
        confidence: after fusion. ``contribution``: its share of the aggregate's vote, None in mode ``first``.
        stopped_by: why its buy did not count (trend, volume), None if nothing stopped it.
        warmup_bars: closed bars it needs; ``warming`` while there are fewer.
        data: the indicator values it names.
    """

    symbol: str
    strategy: str
    version: str
    candle_ts_ms: int
    action: str
    confidence: float
    weight: float
    contribution: float | None
    reason: str
    stopped_by: str | None
    warmup_bars: int
    warming: bool
    data: Mapping[str, Any]


@attrs.frozen(slots=True, kw_only=True)
class SignalsView:
    """The strategies' table: mode of aggregation, and a row per symbol and strategy."""

    mode: str
    min_confidence: float
    rows: Sequence[StrategyVote]


@attrs.frozen(slots=True, kw_only=True)
class Marker:
    """Something drawn on a chart at a time and a price: ``buy``, ``sell`` (fills) or a strategy's signal."""

    ts_ms: int
    price: Decimal
    kind: str
    text: str
    trace_id: str


@attrs.frozen(slots=True, kw_only=True)
class PriceLine:
    """A level drawn on a chart, e.g. ``take_profit_1``, from its start to its end (None: now)."""

    name: str
    price: Decimal
    from_ms: int
    to_ms: int | None


@attrs.frozen(slots=True, kw_only=True)
class CandlesView:
    """Closed candles of one symbol as columns, oldest first, and what belongs on their chart."""

    symbol: str
    timeframe: str
    ts_ms: Sequence[int]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]
    markers: Sequence[Marker]
    lines: Sequence[PriceLine]
