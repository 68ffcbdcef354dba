"""Every metric of the bot. What is not declared here is not exported.

Names that end in ``_ms`` or put ``_total`` on a gauge are kept from older installations; each has a twin in
base units, or a reason in its help. A trace id is never a label, except in ``crypto_last_cycle_info``, which
holds one per symbol; counters and histograms carry it as an exemplar.
"""

from __future__ import annotations

from collections.abc import Mapping

from cab_core.domain.reconcile import CORRECTIONS, Kind
from cab_core.domain.regime import Regime
from cab_core.observability.metric_types import Metric, MetricType, Of

#: Parts of the bot that are healthy or not.
COMPONENTS = ("db", "broker", "eventbus", "market_data", "regime", "risk", "exits", "ai", "dms", "telegram")

#: What the broker is asked for. `endpoint_of` says which verb belongs to which.
ENDPOINTS = ("ticker", "candles", "order", "account")

_REPORTED = frozenset({Kind.FOREIGN_ORDER, Kind.UNMANAGED, Kind.CASH_MOVED, Kind.REFUSED_BUT_FILLED})

#: Findings in which book and venue contradict each other; the other kinds are only reported.
MISMATCHES = tuple(str(kind) for kind in CORRECTIONS if kind not in _REPORTED)

_VERBS = {
    "quote": "ticker",
    "server_time_ms": "ticker",
    "candles": "candles",
    "submit": "order",
    "cancel": "order",
    "resolve": "order",
}


def endpoint_of(verb: str) -> str:
    """Return the endpoint a broker's verb counts for: the account if not prices or an order."""
    return _VERBS.get(verb, "account")


def _counter(name: str, text: str, **labels: tuple[str, ...] | Of) -> Metric:
    return Metric(name=name, type=MetricType.COUNTER, help=text, labels=labels)


def _gauge(name: str, text: str, **labels: tuple[str, ...] | Of) -> Metric:
    return Metric(name=name, type=MetricType.GAUGE, help=text, labels=labels)


def _histogram(name: str, text: str, *buckets: float) -> Metric:
    return Metric(name=name, type=MetricType.HISTOGRAM, help=text, buckets=buckets)


def _info(name: str, text: str, **labels: Of) -> Metric:
    return Metric(name=name, type=MetricType.INFO, help=text, labels=labels)


_TRADING = (
    _gauge(
        "crypto_pnl_realized_total",
        "Realized net profit of the symbol in quote; a gauge in spite of its name, as it can fall",
        symbol=Of.SYMBOLS,
    ),
    _counter(
        "crypto_trades_total",
        "Orders that were filled (completed) or refused (failed), and entries held back (blocked)",
        symbol=Of.SYMBOLS,
        status=("completed", "failed", "blocked"),
    ),
    _gauge("crypto_position_size", "Managed base quantity of the symbol", symbol=Of.SYMBOLS),
    _gauge("crypto_equity_quote", "Equity in quote: baseline, realized and unrealized profit"),
    _gauge("crypto_drawdown_current_pct", "Fall of the equity from its peak in percent"),
    _gauge("crypto_loss_streak", "Losing round trips in a row"),
    _gauge("crypto_daily_loss_quote", "Loss since 00:00 UTC in quote, 0 while the day is not lost"),
    _gauge("crypto_orders_5m", "Orders filled within the last five minutes"),
    _gauge("crypto_turnover_5m_quote", "Quote value of the fills of the last five minutes"),
    _histogram(
        "crypto_slippage_pct", "Realized slippage of orders in percent of the reference price", 0.1, 1.0
    ),
    _gauge(
        "crypto_orchestrator_state",
        "1 for the state the symbol is in",
        symbol=Of.SYMBOLS,
        state=("idle", "running", "paused", "stopped"),
    ),
)

_RISK = (
    _counter("crypto_risk_blocked_total", "Entries held back by the risk rule", rule=Of.RULES),
    _gauge("crypto_risk_halted", "1 while the rule halts all entries", rule=Of.RULES),
    _gauge("crypto_regime_state", "1 for the regime's state", state=tuple(str(state) for state in Regime)),
    _gauge("crypto_regime_score", "Score of the regime between -1 and 1"),
    _gauge(
        "crypto_protection",
        "1 if the open position has a stop that the bot watches, or one that rests at the exchange",
        symbol=Of.SYMBOLS,
        kind=Of.STOPS,
    ),
    _counter("crypto_dms_triggered_total", "Times the dead man's switch closed all positions"),
    _gauge("crypto_dms_latched", "1 while the dead man's switch has acted and nobody has acknowledged it"),
)

_CYCLE = (
    _gauge(
        "crypto_cycle_duration_ms",
        "Duration of the newest run of the phase in milliseconds",
        phase=("signals", "risk", "execute"),
    ),
    _histogram(
        "crypto_cycle_duration_seconds", "Duration of a candle's evaluation in seconds", 0.05, 0.25, 1.0
    ),
    _info(
        "crypto_last_cycle_info",
        "Trace id of the symbol's newest evaluation",
        symbol=Of.FACTS,
        trace_id=Of.FACTS,
    ),
    _gauge(
        "crypto_last_cycle_timestamp_seconds",
        "When the symbol was evaluated last, Unix time",
        symbol=Of.SYMBOLS,
    ),
    _gauge(
        "crypto_supervision_last_success_timestamp_seconds",
        "When the symbol's orders, exits and protection were looked after last, Unix time",
        symbol=Of.SYMBOLS,
    ),
    _gauge(
        "crypto_exits_look_age_seconds",
        "How long ago the exits of a symbol with a position were looked at; 0 without one",
        symbol=Of.SYMBOLS,
    ),
    _counter(
        "crypto_strategy_decisions_total",
        "Answers of the strategy",
        strategy=Of.STRATEGIES,
        action=("buy", "sell", "hold"),
    ),
    _counter(
        "crypto_strategy_errors_total", "Answers of the strategy that were errors", strategy=Of.STRATEGIES
    ),
    _gauge("crypto_ai_active", "1 while a model takes part in the decisions"),
    _counter("crypto_ai_inference_errors_total", "Failed answers of the model", reason=("timeout", "error")),
)

_VENUE = (
    _gauge(
        "crypto_api_latency_ms",
        "Duration of the newest call of the exchange in milliseconds",
        endpoint=ENDPOINTS,
    ),
    _histogram("crypto_api_latency_seconds", "Duration of calls of the exchange in seconds", 0.25, 1.0),
    _gauge("crypto_intents_unknown", "Orders of which it is not known whether the exchange has them"),
    _gauge(
        "crypto_oldest_unknown_intent_timestamp_seconds",
        "Since when the oldest order of unknown outcome is unknown, Unix time; 0 without one",
    ),
    _gauge(
        "crypto_reconciliation_duration_ms",
        "Duration of the symbol's newest comparison with the exchange in milliseconds",
        symbol=Of.SYMBOLS,
    ),
    _gauge(
        "crypto_reconciliation_duration_seconds",
        "Duration of the symbol's newest comparison with the exchange in seconds",
        symbol=Of.SYMBOLS,
    ),
    _gauge(
        "crypto_reconcile_last_success_timestamp_seconds",
        "When a symbol was last compared with the exchange, Unix time; 0 before the first time",
    ),
    _gauge(
        "crypto_mismatch_consecutive",
        "Comparisons in a row in which book and exchange contradicted each other in this way",
        symbol=Of.SYMBOLS,
        kind=MISMATCHES,
    ),
    _gauge(
        "crypto_clock_skew_seconds",
        "How far the clock is ahead of the exchange's, as of the last change of its level",
    ),
)

_PROCESS = (
    _gauge("crypto_health_status", "1 while the part works, 0 while it fails", component=COMPONENTS),
    _info("crypto_build_info", "Version and mode of the bot", version=Of.FACTS, mode=Of.FACTS),
    _info("crypto_plugin_info", "A plugin of the run", kind=Of.FACTS, id=Of.FACTS, version=Of.FACTS),
    _counter("crypto_journal_write_errors_total", "Writes to the database that failed"),
    _counter("crypto_alerts_dropped_total", "Alerts that reached no notifier", reason=("queue", "notifier")),
    _counter("crypto_events_dropped_total", "Events lost to subscribers that were too slow"),
    _counter(
        "crypto_http_requests_total",
        "Answers of the HTTP API by the class of their status",
        status=("ok", "client_error", "server_error"),
    ),
    _counter(
        "crypto_api_logins_total",
        "Logins, wrong tokens and codes, and those that were not compared as too many were wrong",
        outcome=("ok", "wrong", "limited"),
    ),
    _counter("crypto_metric_errors_total", "Calls of metrics that failed; trading does not notice them"),
)

#: Every metric by name, in the order of the documentation.
METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (*_TRADING, *_RISK, *_CYCLE, *_VENUE, *_PROCESS)
}
