"""The bot lets go of old details by itself, between its own writes."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from cab_core.app.retention import retention_loop
from cab_core.clock import SystemClock
from cab_core.domain.timeframes import TF_MS
from cab_core.settings import load_settings
from cab_core.storage import Connection, Store, TraceRow, journal, journal_rows, save_trace
from cab_core.storage.retention import BITE
from cab_core.storage.size import size_of

HOLDS = 3 * BITE


def _fill(conn: Connection, first_ms: int, count: int) -> None:
    for number in range(count):
        row = TraceRow(
            trace_id=f"{first_ms + number:016x}",
            symbol="BTC/USDT",
            candle_ts_ms=first_ms + number * TF_MS,
            close=Decimal(42),
            action="hold",
            reason="all_hold",
            payload={"number": number},
        )
        save_trace(conn, row, first_ms)


async def test_a_bot_thins_its_past_at_its_start_and_goes_on_writing(tmp_path: Path) -> None:
    store, clock = await Store.open(tmp_path / "bot.sqlite3"), SystemClock()
    await store.transact(lambda c: _fill(c, 0, HOLDS))
    await store.transact(lambda c: _fill(c, clock.now_ms(), 2))  # young ones
    settings = load_settings({}, tmp_path, require_run=False).settings
    loop = retention_loop(store, settings, clock)
    assert loop.background
    running = asyncio.create_task(loop.make())
    for number in range(4):
        await store.transact(lambda c, n=number: journal(c, "own", {"n": n}, ts_ms=n))
    async with asyncio.timeout(60):
        while (await store.read(size_of)).detailed > 2:
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    kinds = [row.kind for row in await store.read(lambda c: list(journal_rows(c))) if row.kind != "cycle"]
    assert sorted(kinds) == ["cycle.thinned"] * 3 + ["own"] * 4
    first, last = kinds.index("cycle.thinned"), len(kinds) - 1 - kinds[::-1].index("cycle.thinned")
    assert "own" in kinds[first:last]  # nobody waits for more than a bite
    await store.close()
