"""Candles that come late, or never: no decision is made on what was there before."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from cab_core.cycle.moment import Moment, MomentReader
from cab_core.data.generator import START_MS
from cab_core.domain.timeframes import TF_MS
from cab_core.storage import load_traces, visit

BTC = "BTC/USDT"

#: Clockwork buys at it: the ninth candle.
BUYS_MS = START_MS + 8 * TF_MS


@attrs.define
class Lagging:
    """A reader of a venue that shows one candle only some time after its close."""

    inner: MomentReader
    lag_ms: int
    last: Moment | None = None

    async def read(self, now_ms: int) -> Moment | None:
        if BUYS_MS + TF_MS <= now_ms < BUYS_MS + TF_MS + self.lag_ms:
            return self.last
        self.last = await self.inner.read(now_ms)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def lagging(bench: Any, lag_ms: int) -> Any:
    desk = bench(bars=14)
    async with desk.opened() as outcome:
        orchestrator = outcome.session.orchestrator
        orchestrator.decider.readers = {BTC: Lagging(orchestrator.decider.readers[BTC], lag_ms)}
        await orchestrator.run()
    traces = {trace.candle_ts_ms: trace for trace in visit(desk.database, load_traces)}
    assert len(traces) == 14  # each candle once
    return outcome, traces


@pytest.mark.catalogue(64)
async def test_a_candle_that_comes_late_is_decided_when_it_is_there(bench: Any) -> None:
    outcome, traces = await lagging(bench, 60_000)
    assert traces[BUYS_MS].action == "buy"
    (entry,) = [o.intent for o in outcome.orders if o.intent.key.endswith(f"|{BUYS_MS}")]
    assert entry.created_ms >= BUYS_MS + TF_MS + 60_000


@pytest.mark.catalogue(64)
async def test_a_candle_that_does_not_come_in_time_leads_to_no_order(bench: Any) -> None:
    outcome, traces = await lagging(bench, TF_MS - 60_000)
    assert (traces[BUYS_MS].action, traces[BUYS_MS].reason) == ("hold", "stale_data")
    assert not [o for o in outcome.orders if o.intent.key.endswith(f"|{BUYS_MS}")]
    assert traces[BUYS_MS + TF_MS].reason != "stale_data"  # the next one is on time
