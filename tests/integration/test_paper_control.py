"""Pausing, resuming and stopping single symbols of a running paper session, and the whole of it."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from cab_core.cycle.supervise import State
from cab_core.domain.orders import Purpose
from cab_core.storage import intents_open, load_traces, verify_journal, visit

BTC, ETH = "BTC/USDT", "ETH/USDT"


async def at_candle(outcome, symbol: str, count: int) -> None:
    """Wait until so many candles of a symbol are evaluated."""
    while sum(cycle.symbol == symbol for cycle in outcome.cycles) < count:
        await asyncio.sleep(0)


def evaluated(outcome, symbol: str) -> int:
    return sum(cycle.symbol == symbol for cycle in outcome.cycles)


@pytest.mark.catalogue(154)
async def test_pause_stops_entries_not_exits_and_resume_lets_them_in_again(bench):
    async with bench(bars=40).opened() as outcome:
        supervisor = outcome.session.orchestrator.supervisor
        running = asyncio.create_task(outcome.session.orchestrator.run())
        await at_candle(outcome, BTC, 2)  # bought at the first candle
        assert supervisor.set_state(BTC, State.PAUSED, "test", "0" * 16)
        await at_candle(outcome, BTC, 18)
        assert outcome.reasons().count("paused") == 2
        assert [order.intent.purpose for order in outcome.orders] == [Purpose.ENTRY, Purpose.SIGNAL_SELL]
        assert supervisor.set_state(BTC, State.RUNNING, "test", "0" * 16)
        await running
        assert len(outcome.orders) >= 4
    states = [(p["old"], p["new"]) for topic, p in outcome.events if topic == "orchestrator.state"]
    assert states == [("idle", "running"), ("running", "paused"), ("paused", "running")]


async def test_stopping_one_symbol_stops_its_decisions_alone(bench):
    async with bench(bars=40, symbols=(BTC, ETH)).opened() as outcome:
        orchestrator = outcome.session.orchestrator
        running = asyncio.create_task(orchestrator.run())
        await at_candle(outcome, BTC, 6)
        assert orchestrator.supervisor.set_state(BTC, State.STOPPED, "test", "0" * 16)
        done = evaluated(outcome, BTC)
        await running
        reasons = [cycle.reason for cycle in outcome.cycles if cycle.symbol == BTC]
        assert set(reasons[done + 1 :]) == {"stopped"}
        assert "stopped" not in {cycle.reason for cycle in outcome.cycles if cycle.symbol == ETH}
        assert (evaluated(outcome, BTC), evaluated(outcome, ETH)) == (40, 40)
        assert orchestrator.supervisor.states == {BTC: State.STOPPED, ETH: State.RUNNING}


async def test_a_stop_leaves_nothing_half_done_and_the_next_start_goes_on(bench):
    desk = bench(bars=24)
    through = await bench(bars=24).run()
    seen = 0
    for stop_at in (1, 5, 9, 24):
        async with desk.opened() as outcome:
            running = asyncio.create_task(outcome.session.orchestrator.run())
            await at_candle(outcome, BTC, stop_at - seen)
            await outcome.session.orchestrator.end()
            await running
            seen += evaluated(outcome, BTC)
        assert visit(desk.database, intents_open) == []
    assert len(visit(desk.database, load_traces)) == seen == 24
    book, replayed = outcome.session.trader.book, through.session.trader.book
    assert (book.equity(), book.peak, book.quote_free) == (
        replayed.equity(),
        replayed.peak,
        replayed.quote_free,
    )
    assert visit(desk.database, verify_journal) == []


async def test_an_illegal_transition_is_refused(bench):
    async with bench(bars=8).opened() as outcome:
        supervisor = outcome.session.orchestrator.supervisor
        assert not supervisor.set_state(BTC, State.PAUSED, "test", "0" * 16)  # idle: nothing to pause
        await outcome.session.orchestrator.run()
        assert supervisor.set_state(BTC, State.RUNNING, "test", "0" * 16)  # it is: nothing to do


async def test_a_loop_that_raises_goes_on_and_is_counted(bench):
    async with bench(bars=16).opened() as outcome:
        orchestrator = outcome.session.orchestrator
        reader = orchestrator.decider.readers[BTC]
        failing = iter([True])

        async def read(now_ms: int):
            if next(failing, False):
                raise RuntimeError("the reader stumbles")
            return await reader.read(now_ms)

        orchestrator.decider.readers = {BTC: _Stumbling(read, reader)}
        await orchestrator.run()
        assert orchestrator.supervisor.failures == {(BTC, "cycle"): 1}
        assert evaluated(outcome, BTC) >= 14


@attrs.frozen
class _Stumbling:
    read: object
    inner: object

    def __getattr__(self, name: str):
        return getattr(self.inner, name)
