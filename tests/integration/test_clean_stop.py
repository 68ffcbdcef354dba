"""What a clean stop of the live bot leaves at the exchange."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cab_core.app.rehearsal.setting import DEFAULTS, KEY, SECRET, overrides
from cab_core.app.run_quoted import run_quoted
from cab_core.app.running import Running
from cab_core.clock import VirtualClock
from cab_core.data.generator import generate
from cab_core.settings import load_settings
from cab_exchange_sim.testing import running_exchange, sample_exchange

SYMBOL = "BTC/USDT"


@pytest.mark.timeout(120)
async def test_a_position_that_was_just_opened_is_left_with_a_stop(tmp_path: Path) -> None:
    exchange = sample_exchange(bars={SYMBOL: generate(SYMBOL, 64, 7)}, warmup_days=60)
    with running_exchange(exchange, key=KEY, secret=SECRET) as served:
        fixed = overrides(
            folder=tmp_path,
            symbols=[SYMBOL],
            base_url=served.base_url,
            token="token-of-one-test-0001",
            tick_s=300,
        )
        settings = load_settings({}, tmp_path, fixed, None, DEFAULTS).settings

        async def lead(to_ms: int) -> None:
            def play() -> None:
                served.clock.advance(to_ms)
                exchange.advance(to_ms)

            await asyncio.to_thread(served.call, play)

        async def stop_after_entry(running: Running) -> None:
            session = running.session
            while not session.trader.book.positions:
                await asyncio.sleep(0)
            assert session.orchestrator.execution.standings.stop(SYMBOL) is None, "the stop came too early"
            running.ended = "SIGTERM"
            await session.orchestrator.stop("the test is over")

        running = await run_quoted(settings, stop_after_entry, clock=VirtualClock(exchange.now_ms, lead=lead))
        position = running.session.trader.book.positions[SYMBOL]
        (stop,) = exchange.waiting_stops("main")
        assert (
            position.quantity - stop.request.amount
            < running.session.trader.config.instruments[SYMBOL].amount_step
        )
