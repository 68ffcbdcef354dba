"""Rules, Alertmanager's configuration and dashboards, judged by the tools that will read them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dashboards
import grafana
import pytest
import reference
import yaml
from programs import run

from cab_core.observability.metric_list import METRICS
from cab_core.observability.metric_types import Known
from cab_core.observability.metrics import Metrics

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
RULES = OPS / "prometheus" / "cab.rules.yml"
RULES_TEST = OPS / "prometheus" / "cab.rules.test.yml"
SEVERITIES = {"critical", "important", "info"}

#: What the lint of metrics says of names that must stay as they are; each has a twin or a reason.
KEPT = {
    'crypto_pnl_realized_total non-counter metrics should not have "_total" suffix',
    'crypto_api_latency_ms use base unit "seconds" instead of "milliseconds"',
    "crypto_api_latency_ms metric names should not contain abbreviated units",
    "crypto_cycle_duration_ms metric names should not contain abbreviated units",
    "crypto_reconciliation_duration_ms metric names should not contain abbreviated units",
}


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def unknown_metrics(expression: str) -> set[str]:
    used = grafana.metrics_of(expression)
    return {name for name in used if name not in METRICS and not name.startswith("process_")}


def test_promtool_accepts_rules_and_configuration():
    code, printed = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert code == 0, printed
    code, printed = run("promtool", "check", "config", OPS / "prometheus" / "prometheus.yml")
    assert code == 0, printed


def test_every_alert_fires_when_it_must_and_only_then():
    code, printed = run("promtool", "test", "rules", RULES_TEST)
    assert code == 0, printed


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_is_complete(rule):
    name = rule["alert"]
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == name.lower()
    section = re.search(rf"(?ms)^## {name}$(.*?)(?=^## |\Z)", (ROOT / page).read_text())
    assert section, f"{name} has no section in {page}"
    for part in ("**Means:**", "**Look at:**", "**Do:**"):
        assert part in section[1]
    assert not unknown_metrics(rule["expr"])


def test_every_alert_is_tested_firing_and_silent():
    tests = [
        test for each in yaml.safe_load(RULES_TEST.read_text())["tests"] for test in each["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in rules()}
    assert {test["alertname"] for test in tests if test["exp_alerts"]} == names
    assert {test["alertname"] for test in tests if not test["exp_alerts"]} == names


def test_the_lint_of_metrics_complains_of_nothing_but_the_names_that_stay():
    body, _ = Metrics(Known(symbols=("BTC/USDT",), rules=("error",), strategies=("s",))).render("text/plain")
    _, printed = run("promtool", "check", "metrics", stdin=body)
    assert set(printed.splitlines()) <= KEPT


def test_amtool_accepts_the_configuration_and_routes_by_severity():
    config = OPS / "alertmanager" / "alertmanager.yml"
    code, printed = run("amtool", "check-config", config)
    assert code == 0, printed
    for labels, receiver in {
        ("alertname=BotDown", "severity=critical"): "outside",
        ("alertname=CabDmsLatched", "severity=critical"): "bot",
        ("alertname=RegimeChanged", "severity=info"): "bot",
    }.items():
        code, printed = run("amtool", "config", "routes", "test", f"--config.file={config}", *labels)
        assert (code, printed.split()[0]) == (0, receiver)


@pytest.mark.parametrize("page", grafana.pages())
def test_a_dashboard_is_the_one_the_registry_gives(page):
    assert (ROOT / page).read_text() == grafana.pages()[page](), "run: python tools/reference.py"


def test_the_page_of_metrics_is_current_and_complete():
    page = "docs/reference/metrics.md"
    assert (ROOT / page).read_text() == reference.PAGES[page](), "run: python tools/reference.py"
    assert not [name for name in METRICS if f"| `{name}` |" not in reference.PAGES[page]()]


@pytest.mark.parametrize("dashboard", dashboards.DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_a_dashboard_can_be_imported_and_names_known_metrics(dashboard):
    made = json.loads((OPS / "grafana" / "dashboards" / f"{dashboard.uid}.json").read_text())
    assert (made["id"], made["uid"], made["refresh"]) == (None, dashboard.uid, "15s")
    assert {each["name"] for each in made["templating"]["list"]} == {"datasource", "instance", "symbol"}
    assert len(made["annotations"]["list"]) == 2
    expressions = [target["expr"] for panel in made["panels"] for target in panel["targets"]]
    expressions += [each["expr"] for each in made["annotations"]["list"]]
    assert not {name for expression in expressions for name in unknown_metrics(expression)}
    taken = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_every_metric_is_on_a_dashboard_or_in_a_rule():
    expressions = [rule["expr"] for rule in rules()]
    for dashboard in dashboards.DASHBOARDS:
        expressions += [expression for panel in dashboard.panels for expression, _ in panel.targets]
    shown = {name for expression in expressions for name in grafana.metrics_of(expression)}
    assert METRICS.keys() - shown == {"crypto_reconciliation_duration_ms"}, "only the one whose twin is shown"


def test_every_expression_of_a_dashboard_is_promql(tmp_path):
    expressions = [
        expression
        for each in dashboards.DASHBOARDS
        for panel in each.panels
        for expression, _ in panel.targets
    ]
    expressions += [annotation["expr"] for annotation in grafana.marks()]
    plain = [re.sub(r"\$__(rate_)?interval", "5m", text).replace("$", "") for text in expressions]
    recorded = [{"record": f"panel:{number}:x", "expr": text} for number, text in enumerate(plain)]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
    code, printed = run("promtool", "check", "rules", "--lint=none", file)
    assert code == 0, printed
