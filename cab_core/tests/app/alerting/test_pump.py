from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from cab_core.app.alerting.channel import MOST_ATTEMPTS
from cab_core.app.alerting.pump import Pump
from cab_core.storage import Connection, Store, open_sync
from cab_core.storage.outbox import load_outbox

from .conftest import Bench, HandClock, Inbox


def _alert(
    severity: str, text: str = "text", rule: str = "", kind: str = "watchdog.changed"
) -> dict[str, Any]:
    return {"severity": severity, "kind": kind, "text": text, "symbol": "", "rule": rule, "ts_ms": 0}


async def _tell(pump: Pump, severity: str, text: str = "text", rule: str = "", **rest: Any) -> None:
    await pump.take("alert", _alert(severity, text, rule, **rest), "00000000000000aa")


async def test_a_critical_alert_does_not_wait_for_the_next_look(bench: Bench, running: Any) -> None:
    await _tell(bench.pump, "critical", "all positions are closed")
    async with asyncio.timeout(5):
        while not bench.inboxes["a"].alerts:
            await asyncio.sleep(0.001)
    (alert,) = bench.inboxes["a"].alerts
    assert (alert.text, alert.trace_id, alert.id) == (
        "all positions are closed",
        "00000000000000aa",
        "aaaaaa-1",
    )


async def test_halts_are_critical_and_the_daily_round_is_nothing(bench: Bench) -> None:
    halted = {"rule": "max_drawdown", "reason": "drawdown", "value": 10.2, "threshold": 10.0}
    await bench.pump.take("emergency.stop", halted, "t")
    await bench.pump.take(
        "protection.changed", {"symbol": "BTC/USDT", "stage": 0, "stop": 1, "kind": "k"}, "t"
    )
    await bench.look()
    (alert,) = bench.inboxes["a"].alerts
    assert alert.text == "all entries are stopped by max_drawdown: drawdown (10.2, limit 10); exits go on"
    assert len(bench.pump.channels[0].queue) == 0


async def test_a_notifier_that_is_down_gets_everything_later_and_is_logged_once(
    bench: Bench, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = bench.inboxes["a"]
    inbox.refuse = "no route"
    caplog.set_level(logging.INFO, "cab.alerts.dispatch")
    for minute in range(30):
        clock.at(minute)
        await _tell(bench.pump, "critical", f"at {minute}", rule=str(minute))
        await bench.look()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert bench.pump.failed == 30

    inbox.refuse = ""
    clock.at(31)
    await bench.look()
    assert inbox.texts[:-1] == [f"at {minute}" for minute in range(30)]
    assert inbox.texts[-1] == "notifier:a took no alerts from 12:00 to 12:31: 30 came late, 0 were lost"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_notifier_that_is_down_is_not_asked_all_the_time(bench: Bench, clock: HandClock) -> None:
    bench.inboxes["a"].refuse = "no route"
    await _tell(bench.pump, "critical")
    for second in range(600):
        clock.at(second / 60)
        await bench.look()
    assert bench.pump.failed == 5 + 9  # after 0, 2, 6, 14, 30 and 62 s, then once a minute


async def test_a_notifier_that_hangs_delays_neither_trading_nor_the_others(
    clock: HandClock, store: Store
) -> None:
    bench = Bench(clock, {"hung": Inbox(hang=True), "fine": Inbox()}, store)
    pump = bench.start()
    began = time.perf_counter()
    for number in range(100):
        await _tell(pump, "critical", rule=str(number))
    assert time.perf_counter() - began < 0.1, "taking an event waits for nobody"
    await pump.look()
    async with asyncio.timeout(5):
        while len(bench.inboxes["fine"].alerts) < 100:
            await asyncio.sleep(0.001)
    await pump.settled()
    for minute in range(1, 6):  # it is tried again for ever, never given up as broken
        clock.at(minute)
        await bench.look()
    bench.inboxes["hung"].hang = False
    clock.at(7)
    await bench.look()
    assert len(bench.inboxes["hung"].alerts) == 101


async def test_a_message_nobody_takes_is_given_up_in_the_end(bench: Bench, clock: HandClock) -> None:
    inbox = bench.inboxes["a"]
    inbox.refuse_kind = "poison"
    await _tell(bench.pump, "critical", kind="poison")
    for minute in range(MOST_ATTEMPTS + 20):
        clock.at(minute)
        await _tell(bench.pump, "critical", rule=str(minute))
        await bench.look()
    assert bench.pump.dropped == 1
    assert [alert.rule for alert in inbox.alerts if alert.kind == "watchdog.changed"] == [
        str(minute) for minute in range(MOST_ATTEMPTS + 20)
    ]
    assert bench.pump.failed == MOST_ATTEMPTS


async def test_what_was_not_delivered_goes_out_after_the_next_start(
    bench: Bench, clock: HandClock, store: Store
) -> None:
    bench.inboxes["a"].refuse = "no route"
    await _tell(bench.pump, "critical", "halted")
    await _tell(bench.pump, "important", "slow")
    await _tell(bench.pump, "info", "calm")
    await bench.look()

    clock.at(61)
    after = Bench(clock, {"a": Inbox()}, store)
    pump = after.start("bbbbbb")
    await pump.outbox.restore(clock.now_ms())
    await after.look()
    alerts = after.inboxes["a"].alerts
    assert [(alert.id, alert.text) for alert in alerts] == [
        ("aaaaaa-1", "halted"),
        ("aaaaaa-2", "slow"),
        ("aaaaaa-3", "1 h: 1 note\n12:00 calm [00000000000000aa]"),
    ]
    rows = await store.read(lambda conn: load_outbox(conn, 0))
    assert {row.sent_ms for row in rows} == {clock.now_ms()}
    assert rows[0].attempts == 2

    again = Bench(clock, {"a": Inbox()}, store)
    pump = again.start("cccccc")
    await pump.outbox.restore(clock.now_ms())
    await again.look()
    assert again.inboxes["a"].alerts == []


async def test_the_attempt_is_on_disk_before_the_message_is_sent(path: Path, clock: HandClock) -> None:
    seen: list[tuple[str | None, int, int | None]] = []

    class Reader(Inbox):
        async def notify(self, _: object) -> None:
            with open_sync(path) as conn:
                (row,) = load_outbox(conn, 0)
            seen.append((row.message, row.attempts, row.sent_ms))

    store = await Store.open(path)
    bench = Bench(clock, {"a": Reader()}, store)
    await _tell(bench.start(), "critical")
    await bench.look()
    await store.close()
    assert seen == [("aaaaaa-1", 1, None)]


async def test_a_database_that_fails_stops_no_alert(
    bench: Bench, clock: HandClock, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def damage(conn: Connection) -> None:
        conn.exec_driver_sql("ALTER TABLE outbox RENAME TO gone")

    def mend(conn: Connection) -> None:
        conn.exec_driver_sql("ALTER TABLE gone RENAME TO outbox")

    await store.transact(damage)
    for minute in range(3):
        clock.at(minute)
        await _tell(bench.pump, "critical", "disk full", rule=str(minute))
        await bench.look()
    assert bench.inboxes["a"].texts == ["disk full"] * 3
    assert [r.name for r in caplog.records if r.levelname == "ERROR"] == ["cab.alerts.outbox"]

    await store.transact(mend)
    await bench.look()
    rows = await store.read(lambda conn: load_outbox(conn, 0))
    assert sorted(row.id for row in rows if row.sent_ms is not None) == ["aaaaaa-1", "aaaaaa-2", "aaaaaa-3"]


async def test_a_clean_stop_sends_everything(bench: Bench) -> None:
    await _tell(bench.pump, "important", "slow")
    await _tell(bench.pump, "info", "calm")
    await bench.pump.close()
    assert bench.inboxes["a"].texts == ["slow", "1 h: 1 note\n12:00 calm [00000000000000aa]"]


async def test_a_flood_is_few_messages(bench: Bench, clock: HandClock, store: Store) -> None:
    opened = {"symbol": "BTC/USDT", "quantity": 1, "cost": 1, "reason": "vote"}
    blocked = {"symbol": "BTC/USDT", "rule": "spread_cap", "reason": "r", "value": None, "threshold": None}
    for number in range(5_000):
        clock.at(number)
        await bench.pump.take("position.opened", opened, "t")
        await bench.pump.take("risk.blocked", blocked, "t")
    await bench.look()
    queue = bench.pump.channels[0].queue
    assert len(bench.inboxes["a"].alerts) == 1
    assert bench.inboxes["a"].alerts[0].text.splitlines()[0].endswith("5000 blocked (spread_cap x5000)")
    assert queue.dropped == 5_000 - 999
    assert len(queue) <= 60
    assert len(await store.read(lambda conn: load_outbox(conn, 0))) == 1_000
