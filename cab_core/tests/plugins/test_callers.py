from __future__ import annotations

from decimal import Decimal
from importlib.metadata import entry_points

import pytest

from cab_core.plugins.callers import RiskPanel, notifier_callers, source_callers
from cab_core.plugins.kinds import Kind
from cab_core.plugins.lifecycle import health_of, start_all, stop_all
from cab_core.plugins.registry import load_plugins
from cab_core.plugins.smoke import try_rule
from cab_core.sdk import (
    ALLOW,
    Alert,
    Health,
    MacroSource,
    Notifier,
    Reading,
    ReadingKind,
    RiskRule,
    Severity,
    Verdict,
    VerdictKind,
    hookimpl,
)


def rule_of(answer):
    class Mine(RiskRule):
        @hookimpl
        def check(self, entry, book):
            return answer(entry, book)

    return Mine()


def test_every_rule_is_asked_every_time_and_a_failing_one_blocks(bind):
    def raises(entry, book):
        raise KeyError(entry)

    rules = [
        bind(Kind.RISK, rule_of(answer), name)
        for name, answer in (
            ("aa", lambda e, b: Verdict(VerdictKind.HALT, 0.0, "daily_loss")),
            ("bb", raises),
            ("cc", lambda e, b: None),
            ("dd", lambda e, b: ALLOW),
        )
    ]
    panel = RiskPanel(rules)
    outcomes = panel.check("entry", "book")
    assert [outcome.id for outcome in outcomes] == ["risk:aa", "risk:bb", "risk:cc", "risk:dd"]
    assert [outcome.reason for outcome in outcomes] == ["", "error:KeyError", "error:PluginJunk", ""]
    assert [outcome.value for outcome in outcomes][1:3] == [None, None]


def test_a_quarantined_rule_never_turns_into_an_allow(bind):
    answers = iter([None] * 3 + [ALLOW] * 99)
    panel = RiskPanel([bind(Kind.RISK, rule_of(lambda e, b: next(answers)))])
    for _ in range(3):
        panel.check("entry", "book")
    for _ in range(30):
        (outcome,) = panel.check("entry", "book")
        assert (outcome.value, outcome.reason) == (None, "error:PluginQuarantined")


@pytest.mark.parametrize("point", entry_points(group="cab.risk_rules"), ids=lambda point: point.name)
def test_each_installed_rule_judges_an_entry_on_an_empty_account(bind, point):
    assert try_rule(bind(Kind.RISK, point.load()(), point.name)) == ""


class Http:
    async def get_json(self):
        return {"value": 104.25}


async def test_a_source_reads_through_its_client_and_a_notifier_is_told(bind):
    told = []

    class Level(MacroSource):
        @hookimpl
        async def read(self, http):
            return Reading(ReadingKind.VALUE, (await http.get_json())["value"])

    class Memory(Notifier):
        @hookimpl
        async def notify(self, alert):
            told.append(alert)

    (source,) = source_callers([bind(Kind.MACRO, Level())])
    (notifier,) = notifier_callers([bind(Kind.NOTIFIER, Memory())])
    assert (await source.wait(Http())).value == Reading(ReadingKind.VALUE, 104.25)
    alert = Alert(Severity.INFO, "risk.blocked", "text")
    assert (await notifier.wait(alert)).error is None
    assert told == [alert]


async def test_lifecycle_hooks_are_called_in_order_and_fail_alone(bind):
    seen = []

    def made(name, broken=False):
        class Living(Notifier):
            @hookimpl
            async def start(self):
                seen.append(f"start {name}")
                if broken:
                    raise OSError("no connection")

            @hookimpl
            def stop(self):
                seen.append(f"stop {name}")

            @hookimpl
            def health(self):
                return None if broken else Health(ok=True, detail="fine")

            @hookimpl
            async def notify(self, alert):
                pass

        return bind(Kind.NOTIFIER, Living(), name)

    plugins = [made("aa"), made("bb", broken=True), made("cc")]
    assert [o.reason for o in await start_all(plugins)] == ["", "error:OSError", ""]
    assert [o.reason for o in await health_of(plugins)] == ["", "error:PluginJunk", ""]
    await stop_all(plugins)
    assert seen == ["start aa", "start bb", "start cc", "stop cc", "stop bb", "stop aa"]


def test_money_stays_decimal_in_options():
    plugins = load_plugins({}, {Kind.RISK: {"daily_loss": {"limit_quote": 0.1}}})
    (rule,) = [rule for rule in plugins.rules if rule.name == "daily_loss"]
    assert rule.plugin.limit_quote == Decimal("0.1")
