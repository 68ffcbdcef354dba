from __future__ import annotations

from decimal import Decimal
from importlib.metadata import entry_points
from time import thread_time

import attrs
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


@pytest.mark.catalogue(92)
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


def judged_by(bind, **answers):
    """Judge one entry by rules that answer so."""
    panel = RiskPanel([bind(Kind.RISK, rule_of(a), name) for name, a in answers.items()], budget_s=0.05)
    return panel, [(n, getattr(j, "error", "") or str(j.kind)) for n, j in panel("entry", "book")]


def test_judging_asks_each_rule_once_and_blocks_for_those_that_fail(bind):
    asked = []

    def rule(name, answer):
        def ask(entry, book):
            asked.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask

    noted = Verdict(VerdictKind.NOTE, 1.0, "near_limit")
    answers = {"aa": ALLOW, "bb": None, "cc": KeyError("x"), "dd": noted, "ee": ALLOW}
    _, judged = judged_by(bind, **{name: rule(name, answer) for name, answer in answers.items()})
    assert asked == ["aa", "bb", "cc", "dd", "ee"]
    assert judged == [
        ("aa", "allow"),
        ("bb", "error:PluginJunk"),
        ("cc", "error:KeyError"),
        ("dd", "note"),
        ("ee", "allow"),
    ]


def test_of_slow_rules_the_one_beyond_its_budget_is_found(bind):
    def busy(seconds):
        def ask(entry, book):
            began = thread_time()
            while thread_time() - began < seconds:
                pass
            return ALLOW

        return ask

    panel, judged = judged_by(bind, aa=busy(0.03), bb=busy(0.03), cc=busy(0.2), dd=busy(0.0))
    assert judged == [("aa", "allow"), ("bb", "allow"), ("cc", "error:PluginTimeout"), ("dd", "allow")]
    assert [caller.strikes.failures for caller in panel.callers] == [0, 0, 1, 0]


def test_a_rule_in_quarantine_goes_on_blocking_while_the_others_are_asked(bind):
    panel, _ = judged_by(bind, aa=lambda e, b: None, bb=lambda e, b: ALLOW)
    with panel:  # as a replay does
        for _ in range(2):
            panel("entry", "book")
        ((_, blocked), (_, asked)) = panel("entry", "book")
    assert (blocked.error, asked) == ("error:PluginQuarantined", ALLOW)
    assert panel.callers[1].strikes.calls == 4


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
    alert = Alert(Severity.INFO, "risk.blocked", "text", "0" * 16)
    assert (await notifier.wait(alert)).error is None
    (named,) = notifier_callers([bind(Kind.NOTIFIER, Memory())], account="gateio:sub")
    assert (await named.wait(alert)).error is None
    assert told == [alert, attrs.evolve(alert, text="gateio:sub: text")]


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
