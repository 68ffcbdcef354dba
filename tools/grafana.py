"""The Grafana dashboards, made from the registry of metrics: ``python tools/reference.py`` writes them.

A panel names metrics; one that the registry does not have cannot be drawn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dashboards import BOT, DASHBOARDS, SYMBOL, Dashboard, Panel

from cab_core.observability.metric_list import METRICS

#: Series of histograms end so. Names of other series are those of their metrics.
_PARTS = re.compile(r"_(bucket|count|sum)$")
_SERIES = re.compile(r"\b(?:crypto|process)_[a-z0-9_]+")

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24


def metrics_of(expression: str) -> set[str]:
    """Return the metrics an expression uses, histograms by their own name."""
    names = set(_SERIES.findall(expression))
    parts = {name: _PARTS.sub("", name) for name in names}
    return {parts[name] if parts[name] in METRICS else name for name in names}


def pages() -> dict[str, Callable[[], str]]:
    """Return what makes each file of a dashboard, by its path in the repository."""
    return {f"ops/grafana/dashboards/{dashboard.uid}.json": _writer(dashboard) for dashboard in DASHBOARDS}


def dashboard_json(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard in Grafana's classic format.

    Raises:
        KeyError: a panel uses a metric that is not declared.
    """
    panels: list[dict[str, Any]] = []
    x = y = row = 0
    for number, panel in enumerate(dashboard.panels, start=1):
        if x + panel.width > WIDTH:
            x, y, row = 0, y + row, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        panels.append(_panel(number, panel, place))
        x, row = x + panel.width, max(row, panel.height)
    return {
        "id": None,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["cab"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": _variables()},
        "annotations": {"list": marks()},
        "panels": panels,
    }


def _writer(dashboard: Dashboard) -> Callable[[], str]:
    return lambda: json.dumps(dashboard_json(dashboard), indent=1) + "\n"


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    instant = panel.kind in {"stat", "table"}
    targets = [
        {
            "refId": chr(65 + index),
            "datasource": DATASOURCE,
            "expr": expr,
            "legendFormat": legend,
            "instant": instant,
        }
        for index, (expr, legend) in enumerate(panel.targets)
    ]
    return {
        "id": number,
        "title": panel.title,
        "description": " ".join(f"{name}: {METRICS[name].help}." for name in _declared(panel)),
        "type": panel.kind,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": targets,
    }


def _declared(panel: Panel) -> list[str]:
    """Return the metrics of ours that a panel shows."""
    names = {name for expression, _ in panel.targets for name in metrics_of(expression)}
    return sorted(METRICS[name].name for name in names if not name.startswith("process_"))


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return [
        source,
        _variable("instance", "Bot", 'label_values(up{job="cab"}, instance)'),
        _variable("symbol", "Symbol", f"label_values(crypto_position_size{{{BOT}}}, symbol)"),
    ]


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def marks() -> list[dict[str, Any]]:
    """Return what every dashboard marks on its time axis."""
    traded = f'increase(crypto_trades_total{{{SYMBOL},status="completed"}}[$__interval]) > 0'
    changed = f"changes(crypto_regime_state{{{BOT}}}[$__interval]) > 0 and crypto_regime_state == 1"
    return [
        _annotation("Trades", traded, "{{symbol}} traded", "blue"),
        _annotation("Regime", changed, "regime {{state}}", "purple"),
    ]


def _annotation(name: str, expression: str, title: str, color: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "expr": expression,
        "titleFormat": title,
        "iconColor": color,
        "step": "60s",
    }
