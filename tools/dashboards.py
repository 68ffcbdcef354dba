"""What the Grafana dashboards show; `grafana` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Selects the bots, and the symbols, that the reader has chosen.
BOT = 'job="cab",instance=~"$instance"'
SYMBOL = f'{BOT},symbol=~"$symbol"'


@dataclass(frozen=True)
class Panel:
    """One panel: title, expressions with their legends, unit, and how it is drawn."""

    title: str
    targets: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; ``uid`` is part of its address and never changes."""

    uid: str
    title: str
    panels: Sequence[Panel]


def _stat(title: str, expression: str, unit: str = "short") -> Panel:
    return Panel(title, [(expression, "")], unit, "stat", width=4, height=4)


def _age(metric: str) -> str:
    return f"time() - ({metric}{{{SYMBOL}}} > 0)"


def _rate(metric: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (increase({metric}{{{labels}}}[$__rate_interval]))"


def _quantile(metric: str, at: float) -> str:
    return f"histogram_quantile({at}, sum by (le) (rate({metric}_bucket{{{BOT}}}[$__rate_interval])))"


OVERVIEW = Dashboard(
    "cab-overview",
    "cab: overview",
    [
        _stat("Up", 'up{job="cab",instance=~"$instance"}', "bool_on_off"),
        _stat("Equity", f"crypto_equity_quote{{{BOT}}}"),
        _stat("Drawdown", f"crypto_drawdown_current_pct{{{BOT}}}", "percent"),
        _stat("Realized profit", f"sum(crypto_pnl_realized_total{{{SYMBOL}}})"),
        _stat("Open positions", f"count(crypto_position_size{{{SYMBOL}}} > 0) or vector(0)"),
        _stat("Orders unknown", f"crypto_intents_unknown{{{BOT}}}"),
        Panel("Equity", [(f"crypto_equity_quote{{{BOT}}}", "equity")], width=24),
        Panel("Realized profit by symbol", [(f"crypto_pnl_realized_total{{{SYMBOL}}}", "{{symbol}}")]),
        Panel("Positions", [(f"crypto_position_size{{{SYMBOL}}}", "{{symbol}}")]),
        Panel("Regime", [(f"crypto_regime_state{{{BOT}}} == 1", "{{state}}")], kind="state-timeline"),
        Panel(
            "State",
            [(f"crypto_orchestrator_state{{{SYMBOL}}} == 1", "{{symbol}} {{state}}")],
            kind="state-timeline",
        ),
        Panel(
            "Health", [(f"crypto_health_status{{{BOT}}}", "{{component}}")], "bool_on_off", "state-timeline"
        ),
        Panel("Plugins", [(f"crypto_plugin_info{{{BOT}}}", "{{id}} {{version}}")], kind="table"),
        Panel(
            "Processor and memory",
            [
                (
                    f"rate(process_cpu_seconds_total{{{BOT}}}[$__rate_interval])",
                    "processor seconds per second",
                ),
                (f"process_resident_memory_bytes{{{BOT}}} / 1e9", "memory, GB"),
            ],
        ),
        Panel(
            "Version",
            [(f"crypto_build_info{{{BOT}}}", "{{version}} {{mode}}")],
            kind="table",
        ),
    ],
)

RISK = Dashboard(
    "cab-risk",
    "cab: risk",
    [
        _stat("Drawdown", f"crypto_drawdown_current_pct{{{BOT}}}", "percent"),
        _stat("Loss today", f"crypto_daily_loss_quote{{{BOT}}}"),
        _stat("Losses in a row", f"crypto_loss_streak{{{BOT}}}"),
        _stat("Halts", f"sum(crypto_risk_halted{{{BOT}}})"),
        _stat("Regime score", f"crypto_regime_score{{{BOT}}}"),
        _stat("Dead man's switch", f"crypto_dms_latched{{{BOT}}}"),
        Panel("Drawdown", [(f"crypto_drawdown_current_pct{{{BOT}}}", "drawdown")], "percent"),
        Panel("Loss today", [(f"crypto_daily_loss_quote{{{BOT}}}", "loss")]),
        Panel("Entries held back", [(_rate("crypto_risk_blocked_total", BOT, "rule"), "{{rule}}")]),
        Panel("Halts", [(f"crypto_risk_halted{{{BOT}}}", "{{rule}}")], "bool_on_off", "state-timeline"),
        Panel(
            "Protection",
            [(f"crypto_protection{{{SYMBOL}}}", "{{symbol}} {{kind}}")],
            "bool_on_off",
            "state-timeline",
        ),
        Panel("Regime score", [(f"crypto_regime_score{{{BOT}}}", "score")]),
        Panel("Orders of five minutes", [(f"crypto_orders_5m{{{BOT}}}", "orders")]),
        Panel("Turnover of five minutes", [(f"crypto_turnover_5m_quote{{{BOT}}}", "quote")]),
        Panel("Dead man's switch", [(f"crypto_dms_triggered_total{{{BOT}}}", "triggered")]),
    ],
)

EXECUTION = Dashboard(
    "cab-execution",
    "cab: execution",
    [
        Panel("Trades", [(_rate("crypto_trades_total", SYMBOL, "status"), "{{status}}")]),
        Panel(
            "Answers of strategies",
            [(_rate("crypto_strategy_decisions_total", BOT, "strategy, action"), "{{strategy}} {{action}}")],
        ),
        Panel(
            "Errors of strategies", [(_rate("crypto_strategy_errors_total", BOT, "strategy"), "{{strategy}}")]
        ),
        Panel(
            "Model",
            [
                (f"crypto_ai_active{{{BOT}}}", "active"),
                (_rate("crypto_ai_inference_errors_total", BOT, "reason"), "{{reason}}"),
            ],
        ),
        Panel("Phases of a cycle", [(f"crypto_cycle_duration_ms{{{BOT}}}", "{{phase}}")], "ms"),
        Panel(
            "Cycle", [(_quantile("crypto_cycle_duration_seconds", at), f"{at:g}") for at in (0.5, 0.99)], "s"
        ),
        Panel("Exchange, newest call", [(f"crypto_api_latency_ms{{{BOT}}}", "{{endpoint}}")], "ms"),
        Panel(
            "Exchange", [(_quantile("crypto_api_latency_seconds", at), f"{at:g}") for at in (0.5, 0.99)], "s"
        ),
        Panel("Slippage", [(_quantile("crypto_slippage_pct", 0.9), "0.9")], "percent"),
        Panel(
            "Age of the oldest unknown order",
            [(f"time() - (crypto_oldest_unknown_intent_timestamp_seconds{{{BOT}}} > 0)", "age")],
            "s",
        ),
        Panel("Since the last cycle", [(_age("crypto_last_cycle_timestamp_seconds"), "{{symbol}}")], "s"),
        Panel(
            "Since exits were looked after",
            [(_age("crypto_supervision_last_success_timestamp_seconds"), "{{symbol}}")],
            "s",
        ),
        Panel(
            "Since the stop of a position was looked at",
            [(f"crypto_exits_look_age_seconds{{{SYMBOL}}}", "{{symbol}}")],
            "s",
        ),
        Panel(
            "Mismatches in a row", [(f"crypto_mismatch_consecutive{{{SYMBOL}}} > 0", "{{symbol}} {{kind}}")]
        ),
        Panel(
            "Comparison with the exchange",
            [(f"crypto_reconciliation_duration_seconds{{{SYMBOL}}}", "{{symbol}}")],
            "s",
        ),
        Panel(
            "Since the last comparison",
            [(f"time() - (crypto_reconcile_last_success_timestamp_seconds{{{BOT}}} > 0)", "age")],
            "s",
        ),
        Panel("Clock ahead of the exchange's", [(f"crypto_clock_skew_seconds{{{BOT}}}", "skew")], "s"),
        Panel(
            "Lost",
            [
                (_rate("crypto_alerts_dropped_total", BOT, "reason"), "alerts: {{reason}}"),
                (_rate("crypto_events_dropped_total", BOT, "instance"), "events"),
                (_rate("crypto_journal_write_errors_total", BOT, "instance"), "writes"),
                (_rate("crypto_metric_errors_total", BOT, "instance"), "metrics"),
            ],
        ),
        Panel("Requests", [(_rate("crypto_http_requests_total", BOT, "status"), "{{status}}")]),
        Panel(
            "Newest traces",
            [(f"crypto_last_cycle_info{{{SYMBOL}}}", "{{symbol}} {{trace_id}}")],
            kind="table",
        ),
    ],
)

DASHBOARDS = (OVERVIEW, RISK, EXECUTION)
