from __future__ import annotations

import asyncio
from itertools import pairwise

import attrs
import pytest

from cab_core.app.ids import SystemIds
from cab_core.bus.memory import MemoryBus
from cab_core.cycle.clock_watch import ClockWatch, announce
from cab_core.cycle.feed import QuotedFeed
from cab_core.errors import CabError
from cab_core.events import TOPICS

HOUR = 3_600_000
TF_MS = 900_000


@attrs.define
class Host:
    """A host's clocks beside the true time; a suspended host's monotonic clock stands still."""

    wall_ms: int = 1_700_000_000_000
    true_ms: int = 1_700_000_000_000
    up_ms: int = 0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.up_ms / 1000

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        """Sleep as the real clock does: for the remaining time, on the monotonic clock."""
        await asyncio.sleep(0)
        self.run(max(0, ts_ms - self.wall_ms))

    def run(self, ms: int) -> None:
        self.wall_ms += ms
        self.true_ms += ms
        self.up_ms += ms

    def step(self, ms: int) -> None:
        self.wall_ms += ms

    def suspend(self, ms: int) -> None:
        self.wall_ms += ms
        self.true_ms += ms


@attrs.define
class Desk:
    """A watch with an exchange that tells the true time, and a book to reconcile."""

    host: Host
    watch: ClockWatch = attrs.field(init=False)
    jumps: list[float] = attrs.field(factory=list)
    changes: list[tuple[str, str]] = attrs.field(factory=list)
    asked: int = 0
    away: bool = False
    failing: bool = False
    late_ms: int = 0

    def __attrs_post_init__(self) -> None:
        self.watch = ClockWatch(
            self.host,
            self.server_time_ms,
            on_jump=self.reconcile,
            on_change=lambda old, new, _: self.changes.append((str(old), str(new))),
        )

    async def server_time_ms(self) -> int:
        self.asked += 1
        if self.away:
            raise CabError("no answer")
        self.host.run(self.late_ms)
        return self.host.true_ms - self.late_ms // 2

    async def reconcile(self, jump_ms: float) -> None:
        assert self.watch.entries_allowed() == "clock_jumped"  # nothing is decided meanwhile
        if self.failing:
            raise CabError("no answer")
        self.jumps.append(jump_ms)
        self.host.run(90_000)  # reconciling takes its time, which is no jump

    async def looks(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            self.host.run(10_000)
            await self.watch.look()


@pytest.fixture
def desk() -> Desk:
    return Desk(Host())


@pytest.mark.catalogue(70)
@pytest.mark.parametrize("skew_ms", [90_000, -90_000])
async def test_skew_to_the_exchange_warns_then_stops_entries_until_it_is_gone(desk, skew_ms):
    desk.host.wall_ms += skew_ms // 9  # from the start: no jump tells of it
    desk.watch = attrs.evolve(desk.watch)
    await desk.watch.look()
    assert desk.changes == [("ok", "skewed")]
    assert desk.watch.entries_allowed() is None
    desk.host.wall_ms += skew_ms - skew_ms // 9
    desk.watch = attrs.evolve(desk.watch)
    await desk.watch.look()
    assert desk.changes[1:] == [("ok", "off")]
    assert desk.watch.entries_allowed() == "clock_skew"
    desk.host.wall_ms -= skew_ms
    await desk.looks(10)
    assert desk.changes[2:] == [("off", "ok")]
    assert desk.watch.entries_allowed() is None


@pytest.mark.catalogue(70)
async def test_the_exchange_is_asked_every_minute(desk):
    await desk.looks(600)
    assert desk.asked == 10
    assert desk.jumps == []


async def test_a_slow_exchange_is_no_skew(desk):
    desk.late_ms = 19_000
    await desk.looks(120)
    assert desk.changes == []
    assert desk.watch.entries_allowed() is None


@pytest.mark.catalogue(71, 72)
@pytest.mark.parametrize("step_ms", [-HOUR, HOUR])
async def test_a_stepped_clock_stops_entries_at_once_and_until_it_is_right_again(desk, step_ms):
    await desk.looks(60)
    desk.host.step(step_ms)
    assert desk.watch.entries_allowed() == "clock_jumped"  # before the next look
    await desk.looks(10)
    assert desk.jumps == [step_ms]
    assert desk.watch.entries_allowed() == "clock_skew"  # reconciled, but the exchange disagrees
    desk.host.step(-step_ms)
    await desk.looks(10)
    assert desk.jumps == [step_ms, -step_ms]
    assert desk.watch.entries_allowed() is None


@pytest.mark.catalogue(71)
async def test_a_step_is_noticed_without_the_exchange(desk):
    await desk.looks(60)
    desk.away = True
    desk.host.step(-HOUR)
    await desk.looks(60)
    assert desk.watch.entries_allowed() == "clock_skew"
    assert desk.changes == [("ok", "off")]


async def test_steps_that_cancel_each_other_still_ask_for_reconciling(desk):
    await desk.looks(10)
    for step_ms in (HOUR, -HOUR):
        desk.host.step(step_ms)
        assert desk.watch.entries_allowed() == "clock_jumped"
    await desk.looks(10)
    assert desk.jumps == [-HOUR]
    assert desk.watch.entries_allowed() is None


@pytest.mark.catalogue(74)
@pytest.mark.parametrize("way", ["suspend", "run"])
async def test_after_an_hour_away_it_reconciles_before_the_next_decision(desk, way):
    """Suspended: the monotonic clock stood still. Stopped: both clocks went on without us."""
    await desk.looks(60)
    getattr(desk.host, way)(HOUR)
    assert desk.watch.entries_allowed() == "clock_jumped"
    desk.failing = True
    await desk.looks(30)
    assert desk.watch.entries_allowed() == "clock_jumped"  # not reconciled yet
    desk.failing = False
    await desk.looks(10)
    assert desk.jumps == [pytest.approx(HOUR, abs=20_000)]
    assert desk.watch.entries_allowed() is None
    await desk.looks(60)
    assert len(desk.jumps) == 1


async def test_its_loop_looks_at_every_interval(desk):
    task = asyncio.create_task(desk.watch.run())
    while desk.host.up_ms < 200_000:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert desk.asked == 4
    assert desk.jumps == []


async def test_changes_are_published(desk):
    bus, heard = MemoryBus(), []

    async def take(topic, payload, trace_id):
        heard.append((topic, payload))

    bus.subscribe("*", take)
    desk.watch.on_change = announce(bus, desk.host, SystemIds())
    desk.host.step(-HOUR)
    await desk.watch.look()
    await bus.drain()
    assert [topic for topic, _ in heard] == ["clock.changed", "alert"]
    assert heard[0][1] == {"old": "ok", "new": "off", "offset_ms": -HOUR}
    assert heard[1][1]["severity"] == "important"
    assert all(payload.keys() == TOPICS[topic].keys.keys() for topic, payload in heard)


@pytest.mark.catalogue(71, 72)
async def test_a_stepped_clock_repeats_no_candle_and_makes_up_for_one_only():
    """Forward by ten candles: one catch-up evaluation. Back by ten: none until time gets there again."""
    host = Host(wall_ms=1_700_000_100_000 // TF_MS * TF_MS + 60_000)
    feed, seen = QuotedFeed(None, host, grace_ms=0), []
    closes = feed.closes("BTC/USDT", 0)
    seen = [await anext(closes) for _ in range(3)]
    host.step(10 * TF_MS)
    seen += [await anext(closes), await anext(closes)]
    assert [(b - a) // TF_MS for a, b in pairwise(seen)] == [1, 1, 10, 1]
    host.step(-10 * TF_MS)
    before_ms = host.up_ms
    seen.append(await anext(closes))
    assert seen[-1] - seen[-2] == TF_MS
    assert host.up_ms - before_ms >= 10 * TF_MS
