"""A limit that was reached holds: between entries, over a restart, and where its candle was on record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_core.cycle.announce import PAUSED
from cab_core.cycle.look_watch import LookWatch
from cab_core.cycle.trader import Ruling
from cab_core.data.generator import START_MS
from cab_core.domain.orders import Purpose
from cab_core.domain.risk import Assessment, Halt, VerdictKind
from cab_core.domain.timeframes import TF_MS

pytestmark = pytest.mark.risk

BTC = "BTC/USDT"


def entries(outcome: Any) -> list[Any]:
    return [order for order in outcome.orders if order.intent.purpose is Purpose.ENTRY]


@pytest.mark.parametrize(
    ("rule", "limit", "topic"),
    [
        ("max_drawdown", "RISK_MAX_DRAWDOWN_PCT=0.001", "emergency.stop"),
        ("daily_loss", "RISK_DAILY_LOSS_LIMIT_QUOTE=0.05", "risk.warning"),
    ],
)
async def test_a_loss_halts_at_the_next_snapshot_and_over_a_restart(
    bench: Any, rule: str, limit: str, topic: str
) -> None:
    """Clockwork buys on every eighth candle: nothing asks for an entry when the limit is reached."""
    desk = bench(bars=12, overrides=(limit,))
    first = await desk.run()
    assert len(entries(first)) == 1
    halt = first.session.trader.halts.by_rule[rule]
    assert halt.since_ms % TF_MS == 0  # a close, at which nothing is decided yet
    assert halt.since_ms < START_MS + 8 * TF_MS
    told = [each for each in first.events if each[0] == "emergency.stop" or each[1].get("reason") == PAUSED]
    assert [(name, payload["rule"]) for name, payload in told] == [(topic, rule)]
    later = await attrs.evolve(desk, bars=26, overrides=()).run()  # under a limit that is far away
    assert later.session.trader.halts.by_rule[rule] == halt
    assert entries(later) == []
    assert later.reasons().count(f"risk_{rule}") >= 1


async def test_a_halt_is_kept_though_its_candle_was_on_record_already(bench: Any) -> None:
    desk = bench(bars=4)
    async with desk.opened() as outcome:
        session = outcome.session
        await session.orchestrator.run()
        halt = Halt("max_drawdown", session.venue.clock.now_ms(), None, "max_drawdown")
        tripped = Assessment("risk_max_drawdown", VerdictKind.HALT, Decimal(0), (), (halt,))
        again = attrs.evolve(outcome.cycles[-1], reason="risk_max_drawdown")
        await session.orchestrator.records.record(
            again, Ruling("risk_max_drawdown", None, assessment=tripped)
        )
    restarted = await desk.run()
    assert restarted.session.trader.halts.by_rule == {"max_drawdown": halt}


async def test_a_stop_that_is_looked_at_late_is_told_of_once(bench: Any) -> None:
    desk = bench(bars=10)
    async with desk.opened() as outcome:
        session = outcome.session
        await session.orchestrator.run()
        assert BTC in session.trader.book.positions
        watch, now_ms = LookWatch(session.orchestrator.exits, 5_000), session.venue.clock.now_ms()
        for age_ms in (15_000, 16_000, 17_000, 1_000, 16_000):
            session.orchestrator.exits.looked_ms[BTC] = now_ms - age_ms
            watch.compare(now_ms)
        await session.orchestrator.announcer.bus.drain()
    late = [payload for topic, payload in outcome.events if topic == "alert"]
    assert [(each["kind"], each["symbol"]) for each in late] == [("exits_late", BTC)] * 2
