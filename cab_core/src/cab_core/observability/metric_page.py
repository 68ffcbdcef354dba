"""The documentation of all metrics as Markdown."""

from __future__ import annotations

from cab_core.observability.metric_list import METRICS
from cab_core.observability.metric_types import Metric, Of

HEAD = """\
# Metrics

What `GET /metrics` answers. Every series is there with 0 from the start, and nothing that happens adds
one: at most 60 series, 26 per symbol and 5 per plugin, beside the `process_*` figures of the operating
system. Counters and histograms carry the trace id of their newest event as an exemplar, in OpenMetrics
(`Accept: */*`) but not in plain text (`Accept: text/plain`). A metric call that fails is counted in
`crypto_metric_errors_total`; trading goes on. [Alerts](../how-to/alerts.md) says what to do when one of
them is off.
This page is generated from `cab_core.observability.metric_list`: change it there.

| metric | type | labels | meaning |
|---|---|---|---|
"""

_WHOSE = {
    Of.SYMBOLS: "the symbols",
    Of.RULES: "the risk rules, `error`, `activity_5m`",
    Of.STRATEGIES: "the strategies",
    Of.STOPS: "`bot`, `exchange`",
}


def metrics_markdown() -> str:
    """Return the page of all metrics, sorted by name."""
    return HEAD + "".join(f"{_row(METRICS[name])}\n" for name in sorted(METRICS))


def _row(metric: Metric) -> str:
    buckets = f"; up to {', '.join(f'{bound:g}' for bound in metric.buckets)}" if metric.buckets else ""
    labels = "; ".join(_label(name, values) for name, values in metric.labels.items())
    return f"| `{metric.name}` | {metric.type}{buckets} | {labels} | {metric.help} |"


def _label(name: str, values: tuple[str, ...] | Of) -> str:
    if values is Of.FACTS:
        return f"`{name}`"
    whose = _WHOSE[values] if isinstance(values, Of) else ", ".join(f"`{value}`" for value in values)
    return f"`{name}`: {whose}"
