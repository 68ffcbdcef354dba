"""The registry of metrics, and what a scrape sees of it, parsed by the client library's own parsers."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from cab_core.observability.accept import wants_openmetrics
from cab_core.observability.metric_list import METRICS
from cab_core.observability.metric_types import Known, MetricType, Of
from cab_core.observability.metrics import Metrics

#: What Prometheus sends, and what curl does.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
KNOWN = Known(
    symbols=("BTC/USDT", "ETH/USDT"),
    rules=("cooldown", "error"),
    strategies=("ema_cross",),
    stops=("bot", "exchange"),
)

#: Names, types and labels that installations rely on: they never change.
PROMISED = {
    "crypto_pnl_realized_total": ("gauge", {"symbol"}),
    "crypto_trades_total": ("counter", {"symbol", "status"}),
    "crypto_position_size": ("gauge", {"symbol"}),
    "crypto_risk_blocked_total": ("counter", {"rule"}),
    "crypto_regime_state": ("gauge", {"state"}),
    "crypto_regime_score": ("gauge", set()),
    "crypto_cycle_duration_ms": ("gauge", {"phase"}),
    "crypto_cycle_duration_seconds": ("histogram", set()),
    "crypto_api_latency_ms": ("gauge", {"endpoint"}),
    "crypto_api_latency_seconds": ("histogram", set()),
    "crypto_reconciliation_duration_ms": ("gauge", {"symbol"}),
    "crypto_health_status": ("gauge", {"component"}),
    "crypto_dms_triggered_total": ("counter", set()),
    "crypto_drawdown_current_pct": ("gauge", set()),
    "crypto_equity_quote": ("gauge", set()),
    "crypto_loss_streak": ("gauge", set()),
    "crypto_daily_loss_quote": ("gauge", set()),
    "crypto_ai_active": ("gauge", set()),
    "crypto_ai_inference_errors_total": ("counter", {"reason"}),
    "crypto_strategy_decisions_total": ("counter", {"strategy", "action"}),
    "crypto_strategy_errors_total": ("counter", {"strategy"}),
    "crypto_orders_5m": ("gauge", set()),
    "crypto_turnover_5m_quote": ("gauge", set()),
    "crypto_slippage_pct": ("histogram", set()),
    "crypto_mismatch_consecutive": ("gauge", {"symbol", "kind"}),
    "crypto_last_cycle_info": ("info", {"symbol", "trace_id"}),
    "crypto_build_info": ("info", {"version", "mode"}),
    "crypto_plugin_info": ("info", {"kind", "id", "version"}),
    "crypto_last_cycle_timestamp_seconds": ("gauge", {"symbol"}),
}


def series(metrics: Metrics) -> dict[str, float]:
    """Return every series of a scrape as ``name{label=value,…}`` with its value."""
    body, _ = metrics.render()
    found = {}
    for family in parse_openmetrics(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_metric_has_its_type_and_labels(name):
    metric = METRICS[name]
    assert (str(metric.type), set(metric.labels)) == PROMISED[name]


def test_every_metric_has_a_help_and_a_name_that_follows_the_conventions():
    for metric in METRICS.values():
        assert re.fullmatch(r"crypto_[a-z0-9_]+", metric.name)
        assert metric.help
        assert not metric.help.endswith(".")
        assert (metric.type is MetricType.COUNTER) <= metric.name.endswith("_total")
        assert (metric.type is MetricType.INFO) == metric.name.endswith("_info")
        assert (metric.type is MetricType.HISTOGRAM) == bool(metric.buckets)


def test_a_trace_id_is_a_label_of_one_metric_only():
    assert [m.name for m in METRICS.values() if "trace_id" in m.labels] == ["crypto_last_cycle_info"]
    assert [m.name for m in METRICS.values() if Of.FACTS in m.labels.values()] == [
        "crypto_last_cycle_info",
        "crypto_build_info",
        "crypto_plugin_info",
    ]


def test_every_series_is_there_with_zero_before_anything_happens():
    found = {key: value for key, value in series(Metrics(KNOWN)).items() if key.startswith("crypto_")}
    assert set(found.values()) == {0.0}
    for status in ("completed", "failed", "blocked"):
        assert f"crypto_trades_total{{status={status},symbol=BTC/USDT}}" in found
    for state in ("risk_on", "risk_small", "neutral", "risk_off"):
        assert f"crypto_regime_state{{state={state}}}" in found
    exported = {key.partition("{")[0] for key in found}
    missing = {
        name
        for name, metric in METRICS.items()
        if metric.type is not MetricType.INFO and not {name, f"{name}_bucket"} & exported
    }
    assert not missing


def test_both_formats_are_read_by_their_parsers_and_agree():
    metrics = Metrics(KNOWN)
    metrics.inc("crypto_trades_total", "BTC/USDT", "completed", trace_id="ab12")
    metrics.observe("crypto_slippage_pct", 0.07)
    rich, rich_type = metrics.render("*/*")
    plain, plain_type = metrics.render("text/plain")
    assert rich_type.startswith("application/openmetrics-text")
    assert plain_type.startswith("text/plain; version=0.0.4")

    def values(families):
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
            if sample.name.startswith("crypto_")
        }

    assert values(parse_openmetrics(rich.decode())) == values(parse_text(plain.decode()))
    assert "_created" not in rich.decode() + plain.decode()


def test_a_trace_id_travels_as_an_exemplar():
    metrics = Metrics(KNOWN)
    metrics.inc("crypto_risk_blocked_total", "cooldown", trace_id="0123456789abcdef")
    metrics.observe("crypto_cycle_duration_seconds", 0.1, trace_id="fedcba9876543210")
    metrics.inc("crypto_risk_blocked_total", "error", trace_id="-")
    metrics.inc("crypto_dms_triggered_total", trace_id="x" * 500)
    exemplars = {
        sample.exemplar.labels["trace_id"]
        for family in parse_openmetrics(metrics.render()[0].decode())
        for sample in family.samples
        if sample.exemplar
    }
    assert exemplars == {"0123456789abcdef", "fedcba9876543210", "x" * 64}
    assert b"trace_id" not in metrics.render("text/plain")[0]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", True),
        ("", True),
        (PROMETHEUS, True),
        ("text/plain", False),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", False),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/plain;q=nonsense", True),
        (", ,", True),
    ],
)
def test_the_format_follows_the_accept_header(accept, expected):
    assert wants_openmetrics(accept) is expected


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.inc("crypto_nothing_total"),
        lambda m: m.inc("crypto_trades_total", "DOGE/USDT", "completed"),
        lambda m: m.inc("crypto_trades_total", "BTC/USDT"),
        lambda m: m.inc("crypto_risk_blocked_total", "cooldown", by=-1),
        lambda m: m.set("crypto_equity_quote", to="much"),
        lambda m: m.set("crypto_trades_total", "BTC/USDT", "completed", to=1),
        lambda m: m.choose("crypto_regime_state", "euphoria"),
        lambda m: m.observe("crypto_slippage_pct", None),
        lambda m: m.facts("crypto_build_info", [{"version": "1"}]),
        lambda m: m.guard(lambda: 1 // 0),
    ],
)
def test_a_call_that_fails_is_counted_and_adds_nothing(call):
    metrics = Metrics(KNOWN)
    before = series(metrics)
    call(metrics)
    after = series(metrics)
    assert metrics.errors == 1
    assert after.pop("crypto_metric_errors_total") == 1
    assert before.keys() - after.keys() == {"crypto_metric_errors_total"}
    changed = {key for key, value in after.items() if value != before[key]}
    assert {key for key in changed if key.startswith("crypto_")} == set()


def test_choosing_a_state_leaves_exactly_one():
    metrics = Metrics(KNOWN)
    for state in ("idle", "running", "paused"):
        metrics.choose("crypto_orchestrator_state", "BTC/USDT", state)
    found = series(metrics)
    chosen = [
        key for key, value in found.items() if value == 1 and key.startswith("crypto_orchestrator_state")
    ]
    assert chosen == ["crypto_orchestrator_state{state=paused,symbol=BTC/USDT}"]


def test_facts_replace_those_before():
    metrics = Metrics(KNOWN)
    for trace_id in ("a1", "a2"):
        metrics.facts("crypto_last_cycle_info", [{"symbol": "BTC/USDT", "trace_id": trace_id}])
    assert [key for key in series(metrics) if key.startswith("crypto_last_cycle_info")] == [
        "crypto_last_cycle_info{symbol=BTC/USDT,trace_id=a2}"
    ]


def test_a_counter_follows_a_total_that_may_begin_anew():
    metrics, totals = Metrics(KNOWN), iter([2, 5, 1, 3])
    metrics.follow("crypto_events_dropped_total", total=lambda: next(totals))
    assert [series(metrics)["crypto_events_dropped_total"] for _ in range(4)] == [2, 5, 5, 7]


def test_a_total_that_cannot_be_read_does_not_spoil_the_scrape():
    metrics = Metrics(KNOWN)
    metrics.follow("crypto_alerts_dropped_total", "queue", total=lambda: 1 // 0)
    assert series(metrics)["crypto_alerts_dropped_total{reason=queue}"] == 0
    assert metrics.errors == 1


def test_two_runs_share_nothing():
    first, second = Metrics(KNOWN), Metrics(KNOWN)
    first.inc("crypto_dms_triggered_total")
    assert series(second)["crypto_dms_triggered_total"] == 0


@pytest.mark.parametrize("symbols", [1, 3, 12])
def test_the_number_of_series_is_bounded(symbols):
    known = Known(symbols=tuple(f"C{number}/USDT" for number in range(symbols)), stops=("bot", "exchange"))
    metrics = Metrics(known)
    facts = [{"symbol": symbol, "trace_id": "t"} for symbol in known.symbols]
    metrics.facts("crypto_last_cycle_info", facts)
    ours = [key for key in series(metrics) if key.startswith("crypto_")]
    assert len(ours) <= 64 + 26 * symbols


@pytest.mark.parametrize("accept", ["*/*", "text/plain"])
def test_a_named_account_is_a_label_of_every_series_and_adds_none(accept):
    parse = parse_openmetrics if accept == "*/*" else parse_text
    plain, named = (
        [sample for family in parse(made.render(accept)[0].decode()) for sample in family.samples]
        for made in (Metrics(KNOWN), Metrics(KNOWN, "gateio:sub"))
    )
    assert all("account" not in sample.labels for sample in plain)
    assert [(s.name, {"account": "gateio:sub", **s.labels}) for s in plain] == [
        (s.name, s.labels) for s in named
    ]
