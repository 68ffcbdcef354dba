import asyncio
import json

import pytest

from cab_core.cycle.regime_watch import RegimeWatch
from cab_core.domain.macro import Reading, ReadingKind
from cab_core.domain.regime import Regime, RegimeSettings
from cab_core.errors import CabError
from cab_core.testing import VirtualClock

pytestmark = pytest.mark.regime

SETTINGS = RegimeSettings()
HOUR = 3_600_000


class Source:
    """A source whose answers are set by the test; an exception is raised."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def change(pct):
    return Reading(ReadingKind.CHANGE, pct)


@pytest.fixture
def clock():
    return VirtualClock()


def test_before_the_first_poll_there_is_no_snapshot(clock):
    assert RegimeWatch({}, SETTINGS, clock).snapshot() is None


async def test_a_snapshot_tells_its_age(clock):
    watch = RegimeWatch({"dxy": Source(change(0.0))}, SETTINGS, clock)
    await watch.poll()
    clock.advance(seconds=601)
    snapshot = watch.snapshot()
    assert (snapshot.state.state, snapshot.age_ms) == (Regime.RISK_ON, 601_000)


async def test_changes_are_told_once_with_old_and_new(clock):
    source, told = Source(change(0.0)), []
    watch = RegimeWatch(
        {"dxy": source}, SETTINGS, clock, on_change=lambda old, new: told.append((old.state, new.state))
    )
    for pct in (0.0, 0.35, 0.35, 0.0):
        source.answer = change(pct)
        await watch.poll()
    assert told == [(Regime.RISK_ON, Regime.RISK_SMALL), (Regime.RISK_SMALL, Regime.RISK_ON)]


async def test_a_failing_source_costs_what_it_last_said_and_hides_no_other(clock):
    dxy, btc, failures = Source(change(0.35)), Source(change(0.0)), []
    watch = RegimeWatch(
        {"dxy": dxy, "btc_dominance": btc},
        SETTINGS,
        clock,
        on_failure=lambda source, error: failures.append((source, str(error))),
    )
    await watch.poll()
    dxy.answer, btc.answer = CabError("down"), change(0.6)
    clock.advance(ms=6 * HOUR)
    assert (await watch.poll()).score == -0.2
    assert failures == [("dxy", "down")]
    clock.advance(ms=1)
    state = await watch.poll()
    assert (state.score, state.stale) == (-0.2, ("dxy",))


async def test_a_restart_goes_on_where_it_was(clock):
    source = Source(change(0.35))
    before = RegimeWatch({"dxy": source, "gone": Source(change(0.0))}, SETTINGS, clock)
    await before.poll()
    saved = json.loads(json.dumps(before.to_json()))
    after = RegimeWatch({"dxy": source}, SETTINGS, clock)
    after.restore(saved)
    assert after.snapshot() == before.snapshot()
    source.answer = change(0.28)  # score 0.52: not enough to ease from risk_small
    assert (await after.poll()).state is Regime.RISK_SMALL
    fresh = RegimeWatch({"dxy": source}, SETTINGS, clock)
    assert (await fresh.poll()).state is Regime.RISK_ON


async def test_a_disabled_filter_asks_nobody(clock):
    source = Source(change(9.0))
    watch = RegimeWatch({"dxy": source}, RegimeSettings(enabled=False), clock)
    assert (await watch.poll()).source == "disabled"
    assert source.asked == 0


async def test_it_polls_at_every_interval(clock):
    source, polled = Source(change(0.0)), []

    async def note(state):
        polled.append(state.updated_ms)

    start = clock.now_ms()
    watch = RegimeWatch({"dxy": source}, SETTINGS, clock, on_poll=note)
    task = asyncio.create_task(watch.run())
    for _ in range(3):
        for _ in range(10):
            await asyncio.sleep(0)
        clock.advance(seconds=300)
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert polled == [start + k * 300_000 for k in (1, 2, 3)]
