"""Three small losses pause entries to midnight, in every shell: told as that, and not as an emergency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cab_core.app.alerting.classes import alert_of
from cab_core.app.config import judge_of, panels_of
from cab_core.cycle.announce import PAUSED
from cab_core.cycle.backtest import Backtest
from cab_core.domain.alerts import Severity
from cab_core.domain.orders import Purpose
from cab_core.domain.timeframes import DAY_MS
from cab_core.storage import load_halts, visit

pytestmark = pytest.mark.risk

RULE = "loss_streak"
SETTINGS = ("RISK_LOSS_STREAK_COUNT=3", "FIXED_AMOUNT=20")


async def test_a_streak_pauses_to_midnight_in_both_shells(bench: Callable[..., Any]) -> None:
    desk = bench(bars=150, overrides=SETTINGS)
    paper = await desk.run()
    trader = paper.session.trader
    told = [(topic, facts) for topic, facts in paper.events if facts.get("rule") == RULE]
    tripped = [(topic, facts) for topic, facts in told if facts["reason"] == PAUSED]
    assert tripped
    assert {topic for topic, _ in tripped} == {"risk.warning"}
    assert "emergency.stop" not in {topic for topic, _ in paper.events}
    alert = alert_of(*tripped[0], "0" * 16, 0)
    assert alert is not None
    assert alert.severity is Severity.IMPORTANT
    assert "entries are paused until midnight UTC" in alert.text
    assert "risk_loss_streak" in paper.reasons()

    config, plugins = desk.parts()
    replayed = Backtest(
        config=config,
        series=desk.series(),
        panels=panels_of(plugins),
        judge=judge_of(plugins),
        timeline=desk.timeline,
    ).execute()
    assert replayed.trader.halts.by_rule == trader.halts.by_rule
    made = [
        [(o.intent.key, o.intent.created_ms, [fill.quantity for fill in o.fills]) for o in orders]
        for orders in (replayed.result.orders, paper.orders)
    ]
    assert made[0] == made[1]
    halt = next(each for each in visit(desk.database, load_halts) if each.rule == RULE)  # the first one
    assert halt.until_ms == halt.since_ms // DAY_MS * DAY_MS + DAY_MS
    entered_ms = [o.intent.created_ms for o in paper.orders if o.intent.purpose is Purpose.ENTRY]
    assert not [ms for ms in entered_ms if halt.since_ms <= ms < halt.until_ms]
    assert any(ms >= halt.until_ms for ms in entered_ms)  # it ends by itself
