from __future__ import annotations

import pytest

from cab_core.errors import ConfigError, ExitCode
from cab_core.plugins.inventory import Status
from cab_core.plugins.kinds import BUILT_IN_RULES, Kind
from cab_core.plugins.registry import load_plugins

UNMARKED = """
from cab_core.sdk import ALLOW, RiskRule, plugin

@plugin
class Plugin(RiskRule):
    def check(self, entry, book):
        return ALLOW
"""

RULE = """
from cab_core.sdk import ALLOW, RiskRule, hookimpl, plugin

@plugin
class Plugin(RiskRule):
    critical = {critical}

    @hookimpl
    def check(self, entry, book):
        return ALLOW
"""


def refused(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load_plugins(*args, **kwargs)
    assert caught.value.exit_code is ExitCode.CONFIG
    return [f"{problem} | {problem.fix}" for problem in caught.value.problems]


def statuses(plugins):
    return {record.id: record.status for record in plugins.report.records}


def test_a_plugin_of_each_kind_comes_bound_in_the_order_of_the_settings(site):
    for kind in Kind:
        site.install(kind, "one")
        site.install(kind, "two")
    plugins = load_plugins(
        {
            Kind.STRATEGY: ["Two", "one"],
            Kind.MACRO: ["two", "one"],
            Kind.BROKER: ["one"],
            Kind.NOTIFIER: ["two"],
        },
        {Kind.STRATEGY: {"ONE": {"FAST": "20"}}},
        inventory=site.records(),
    )
    assert [s.name for s in plugins.strategies] == ["two", "one"]
    assert [s.warmup_bars for s in plugins.strategies] == [12, 20]
    assert [r.name for r in plugins.rules] == ["one", "two"]
    assert [s.name for s in plugins.sources] == ["two", "one"]
    assert plugins.broker.call("account") == "account"
    assert [n.id for n in plugins.notifiers] == ["notifier:two"]
    found = statuses(plugins)
    assert found["broker:two"] is Status.AVAILABLE
    assert found["broker:one"] is found["strategy:two"] is Status.ACTIVE
    assert plugins.report.versions()["risk:one"] == "acme-risk-one==1.0"


@pytest.mark.catalogue(106)
def test_nothing_installed_gives_clear_words_and_no_crash(site):
    plugins = load_plugins({}, inventory=site.records())
    assert plugins.all() == ()
    assert any("no strategy is active" in text for text in plugins.report.warnings)
    (problem,) = refused({Kind.STRATEGY: ["ema_atr"]}, inventory=site.records())
    assert "'ema_atr' is not installed" in problem
    assert "pip install cab-plugins" in problem


def test_all_that_refuses_the_start_is_reported_together(site):
    site.install(Kind.STRATEGY, "ema_cross")
    site.install(Kind.STRATEGY, "exits", "raise SystemExit(3)")
    site.install(Kind.STRATEGY, "newer", requires=["cab-core>=9"])
    site.install(Kind.STRATEGY, "twice", dist="acme-a")
    site.install(Kind.STRATEGY, "twice", dist="acme-b")
    site.install(Kind.RISK, "unmarked", UNMARKED)
    site.install(Kind.BROKER, "venue", "import not_there")
    found = refused(
        {Kind.STRATEGY: ["ema_crss", "exits", "newer", "twice", "ema_cross"], Kind.BROKER: ["venue"]},
        {Kind.STRATEGY: {"ema_cross": {"fast": 1, "slow": 2}}},
        inventory=site.records(),
    )
    for said, fix in (
        ("'ema_crss' is not installed", "did you mean ema_cross?"),
        ("import failed: SystemExit: 3", "cab plugins doctor strategy:exits"),
        ("needs cab-core >=9", "doctor"),
        ("acme-a 1.0", "doctor"),
        ("strategies.ema_cross.fast: fast = 1 is not in [2, 200]", "Fast period"),
        ("unknown option slow = 2", "the options are fast"),
        ("put @hookimpl above `def check`", "correct"),
        ("import failed: ModuleNotFoundError", "cab plugins doctor broker:venue"),
    ):
        assert sum(said in problem and fix in problem for problem in found) == 1, (said, found)
    assert len(found) == 8


def test_a_strategy_named_twice_is_refused(site):
    site.install(Kind.STRATEGY, "one")
    (problem,) = refused({Kind.STRATEGY: ["one", "ONE"]}, inventory=site.records())
    assert "named twice" in problem


def test_broken_plugins_that_nobody_asked_for_hide_none(site):
    site.install(Kind.STRATEGY, "broken", "raise SystemExit")
    site.install(Kind.STRATEGY, "good")
    plugins = load_plugins({Kind.STRATEGY: ["good"]}, inventory=site.records())
    assert [s.name for s in plugins.strategies] == ["good"]


@pytest.mark.catalogue(99)
def test_paper_may_skip_broken_strategies_and_live_may_not(site):
    site.install(Kind.STRATEGY, "broken", "raise SystemExit")
    site.install(Kind.STRATEGY, "good")
    wanted = {Kind.STRATEGY: ["broken", "good"]}
    allow = ["strategy:good", "strategy:broken"]
    plugins = load_plugins(wanted, skip_broken=True, inventory=site.records())
    assert [s.name for s in plugins.strategies] == ["good"]
    assert statuses(plugins)["strategy:broken"] is Status.FAILED
    assert any("strategy:broken" in text for text in plugins.report.warnings)
    assert refused(wanted, skip_broken=True, live=True, allow=allow, inventory=site.records())


def test_a_broken_macro_source_or_notifier_leaves_a_warning(site):
    site.install(Kind.MACRO, "dxy", "import not_there")
    site.install(Kind.NOTIFIER, "pager", "raise OSError")
    plugins = load_plugins({Kind.MACRO: ["dxy", "gone"], Kind.NOTIFIER: ["pager"]}, inventory=site.records())
    assert (plugins.sources, plugins.notifiers) == ((), ())
    text = "\n".join(plugins.report.warnings)
    for said in (
        "start without it: macro:dxy",
        "start without it: macro:gone",
        "start with a warning: notifier:pager",
    ):
        assert said in text


@pytest.mark.parametrize("skip_broken", [True, False])
def test_a_broken_rule_refuses_the_start_always(site, skip_broken):
    site.install(Kind.RISK, "broken", "raise ImportError('gone')")
    (problem,) = refused({}, skip_broken=skip_broken, inventory=site.records())
    assert "risk:broken: import failed: ImportError: gone" in problem


def test_all_installed_rules_run_most_severe_first(site):
    for name, critical in (
        ("aaa", False),
        ("correlation", False),
        ("cooldown", False),
        ("zzz", True),
        ("daily_loss", True),
        ("loss_streak", True),
    ):
        site.install(Kind.RISK, name, RULE.format(critical=critical))
    plugins = load_plugins({}, inventory=site.records())
    assert [rule.name for rule in plugins.rules] == [
        "loss_streak",
        "daily_loss",
        "zzz",
        "cooldown",
        "correlation",
        "aaa",
    ]
    missing = [text for text in plugins.report.warnings if "not installed" in text]
    assert len(missing) == 2
    assert "cab-risk-max-drawdown" in missing[0]


def test_a_disabled_rule_is_off_with_a_warning_and_a_typo_is_refused(site):
    for name in BUILT_IN_RULES:
        site.install(Kind.RISK, name)
    plugins = load_plugins({}, disabled_rules=["Cooldown"], inventory=site.records())
    assert "cooldown" not in [rule.name for rule in plugins.rules]
    assert statuses(plugins)["risk:cooldown"] is Status.DISABLED
    assert [t for t in plugins.report.warnings if "cooldown" in t] == [
        "risk rule cooldown is disabled by RISK_DISABLED_RULES"
    ]
    (problem,) = refused({}, disabled_rules=["cooldwn"], inventory=site.records())
    assert "did you mean cooldown?" in problem


def test_a_third_partys_plugin_trades_live_only_if_allowed(site):
    site.metadata("cab-plugins", "0.1.0", ["acme-strategy-ours==1.0"], "")
    site.install(Kind.STRATEGY, "ours")
    site.install(Kind.STRATEGY, "theirs")
    wanted = {Kind.STRATEGY: ["ours", "theirs"]}
    (problem,) = refused(wanted, live=True, inventory=site.records())
    assert "add strategy:theirs to PLUGINS_ALLOWED" in problem
    plugins = load_plugins(wanted, live=True, allow=["strategy:theirs"], inventory=site.records())
    assert len(plugins.strategies) == 2


def test_options_of_absent_plugins_leave_a_warning(site):
    plugins = load_plugins({}, {Kind.STRATEGY: {"gone": {"fast": 3}}}, inventory=site.records())
    assert any("strategies.gone has options" in text for text in plugins.report.warnings)


def test_quarantine_shows_in_the_report(site):
    site.install(Kind.STRATEGY, "one")
    report = load_plugins({Kind.STRATEGY: ["one"]}, inventory=site.records()).report
    (record,) = report.with_quarantined({"strategy:one"}).records
    assert record.status is Status.QUARANTINED
    assert record.reason
