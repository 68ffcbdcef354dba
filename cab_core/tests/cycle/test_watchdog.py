from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import attrs
import pytest

from cab_core.app.ids import SystemIds
from cab_core.bus.memory import MemoryBus
from cab_core.clock import SystemClock
from cab_core.cycle import probes
from cab_core.cycle.watchdog import Watchdog, announce
from cab_core.domain.watchdog import Check, Level
from cab_core.errors import CabError, StorageError
from cab_core.events import TOPICS
from cab_core.ports import Changes, Cycle
from cab_core.storage import Store
from cab_core.storage.records import Records
from cab_core.testing import VirtualClock


@attrs.define
class Part:
    """A part whose state the test sets; an exception is raised."""

    answer: Check | Exception = attrs.field(factory=lambda: Check(ok=True))
    asked: int = 0

    async def __call__(self) -> Check:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def looks(watchdog: Watchdog, count: int) -> list[str | None]:
    """Look so often; return after each look why entries must wait."""
    found = []
    for _ in range(count):
        await watchdog.look()
        found.append(watchdog.entries_allowed())
    return found


async def test_a_raising_part_pauses_entries_on_the_second_look_and_three_good_ones_resume(clock):
    part, changes = Part(), []
    watchdog = Watchdog(clock, {"db": Part(), "broker": part}, on_change=changes.append)
    assert await looks(watchdog, 2) == [None, None]
    part.answer = CabError("connection refused")
    assert await looks(watchdog, 3) == [None, "auto_paused", "auto_paused"]
    part.answer = Check(ok=True)
    assert await looks(watchdog, 4) == ["auto_paused", "auto_paused", None, None]
    assert [(change.old, change.new, change.failing) for change in changes] == [
        ("ok", "warned", {"broker": "connection refused"}),
        ("warned", "degraded", {"broker": "connection refused"}),
        ("degraded", "ok", {}),
    ]


@pytest.mark.catalogue(28)
async def test_a_part_that_hangs_fails_in_time_and_hides_no_other(clock):
    async def hangs() -> Check:
        await asyncio.Event().wait()
        return Check(ok=True)

    watchdog = Watchdog(clock, {"broker": hangs, "db": Part()}, patience_s=0.05)
    async with asyncio.timeout(10):
        assert await looks(watchdog, 2) == [None, "auto_paused"]
    assert watchdog.watch.checks == {
        "broker": Check(ok=False, detail="no answer within 0.05 s"),
        "db": Check(ok=True),
    }


async def test_it_looks_at_every_interval(clock):
    part = Part()
    task = asyncio.create_task(Watchdog(clock, {"db": part}).run())
    for _ in range(10):
        clock.advance(seconds=3)
        for _ in range(20):
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert part.asked in (9, 10)


async def test_changes_are_published_and_those_that_matter_alert(clock):
    bus, heard, part = MemoryBus(), [], Part(Check(ok=False, detail="down"))

    async def take(topic, payload, trace_id):
        assert payload.keys() == TOPICS[topic].keys.keys()
        heard.append((topic, payload.get("new") or payload["text"]))

    bus.subscribe("*", take)
    watchdog = Watchdog(clock, {"broker": part}, on_change=announce(bus, clock, SystemIds()))
    await looks(watchdog, 2)
    part.answer = Check(ok=True)
    await looks(watchdog, 3)
    await bus.drain()
    assert heard == [
        ("watchdog.changed", "warned"),
        ("watchdog.changed", "degraded"),
        ("alert", "entries are paused: broker (down)"),
        ("watchdog.changed", "ok"),
        ("alert", "all checks pass: entries go on"),
    ]


class SlowBroker:
    """Answers every question after a while; one verb fails."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.takes_s = clock, 0.1

    def caps(self) -> str:
        return "caps"

    async def server_time_ms(self) -> int:
        self.clock.advance(seconds=self.takes_s)
        return 5

    async def quote(self, symbol: str) -> str:
        self.clock.advance(seconds=self.takes_s)
        raise CabError(f"no quote of {symbol}")


@pytest.mark.catalogue(28)
async def test_three_slow_calls_of_the_last_five_pause_entries(clock):
    inner, latency = SlowBroker(clock), probes.ApiLatency()
    broker = probes.timed(inner, clock, latency.observe)
    watchdog = Watchdog(clock, {"api": latency, "broker": probes.BrokerAnswers(broker)})
    assert broker.caps() == "caps"
    assert await looks(watchdog, 5) == [None] * 5
    inner.takes_s = 9.9
    with pytest.raises(CabError, match="no quote of BTC/USDT"):  # it counts although it failed
        await broker.quote("BTC/USDT")
    assert (await latency()).ok
    found = await looks(watchdog, 4)
    assert found[-1] == "auto_paused"
    assert "quote 9.9 s" in watchdog.watch.checks["api"].detail
    assert watchdog.watch.checks["broker"].ok  # it does answer; exits are still tried
    inner.takes_s = 0.1
    assert (await looks(watchdog, 9))[-1] is None


async def test_a_call_of_exactly_a_second_is_not_slow(clock):
    latency = probes.ApiLatency()
    for _ in range(5):
        latency.observe("ticker", 1.0)
    assert (await latency()).ok


async def test_an_hour_without_an_evaluation_fails_and_a_missed_candle_is_none(clock):
    evaluations = probes.Evaluations(clock)

    def cycle(close: int | None) -> Cycle:
        return Cycle(
            trace_id="x", symbol="BTC/USDT", candle_ts_ms=0, close=close, action="hold", reason="r",
            order_key=None, trace={},
        )  # fmt: skip

    clock.advance(seconds=3600)
    assert (await evaluations()).ok
    evaluations.note(cycle(None))
    clock.advance(seconds=1)
    assert not (await evaluations()).ok
    evaluations.note(cycle(1))
    assert (await evaluations()).ok


async def test_a_reconciliation_that_took_too_long_fails_until_the_next(clock):
    last = probes.LastDuration()
    assert (await last()).ok
    last.observe(10.1)
    assert not (await last()).ok
    last.observe(10.0)
    assert (await last()).ok


async def test_a_blocked_loop_is_noticed():
    lag = probes.LoopLag(SystemClock(), limit_s=0.2, every_s=0.02)
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0.1)
    await lag()
    blocked = asyncio.get_running_loop().time() + 0.5
    while asyncio.get_running_loop().time() < blocked:
        pass
    await asyncio.sleep(0.05)
    task.cancel()
    assert not (await lag()).ok
    assert (await lag()).ok  # each delay is told once


async def test_free_space_is_asked_for(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    assert (await probes.DiskFree(tmp_path, least=free // 2)()).ok
    assert not (await probes.DiskFree(tmp_path, least=free * 2)()).ok


async def opened(path: Path, pragma: str) -> tuple[Store, Records]:
    store = await Store.open(path)
    await store.transact(lambda conn: conn.exec_driver_sql(pragma))
    return store, Records(store, "paper")


@pytest.mark.catalogue(78)
async def test_another_writer_degrades_until_it_is_gone(clock, tmp_path):
    store, records = await opened(tmp_path / "trader.sqlite3", "PRAGMA busy_timeout = 50")
    watchdog = Watchdog(clock, {"db": probes.StorageWrites(records, clock)})
    assert await looks(watchdog, 1) == [None]
    other = sqlite3.connect(tmp_path / "trader.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await looks(watchdog, 2) == [None, "auto_paused"]
    assert "another process has been writing" in watchdog.watch.checks["db"].detail
    other.execute("ROLLBACK")
    other.close()
    assert await looks(watchdog, 3) == ["auto_paused", "auto_paused", None]
    await store.close()


@pytest.mark.catalogue(79)
async def test_a_database_that_became_read_only_pauses_entries_and_alerts(clock, tmp_path):
    store, records = await opened(tmp_path / "trader.sqlite3", "PRAGMA query_only = ON")
    alerts, bus = [], MemoryBus()

    async def take(topic, payload, trace_id):
        alerts.append((payload["severity"], payload["text"]))

    bus.subscribe("alert", take)
    watchdog = Watchdog(
        clock, {"db": probes.StorageWrites(records, clock)}, on_change=announce(bus, clock, SystemIds())
    )
    assert await looks(watchdog, 2) == [None, "auto_paused"]
    assert watchdog.watch.level is Level.DEGRADED
    await bus.drain()
    assert [severity for severity, _ in alerts] == ["important"]
    assert "read-only" in alerts[0][1]
    with pytest.raises(StorageError, match="read-only"):  # so nothing can be planned, and nothing is sent
        await records.commit(Changes(ts_ms=1, trace_id="0" * 16, values={"a": "b"}))
    await store.close()
