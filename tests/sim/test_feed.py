"""Each candle is due right after its close, wherever the looks in between fall."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sim import loop

from cab_core.clock import VirtualClock
from cab_core.cycle.feed import QuotedFeed
from cab_core.data.generator import START_MS
from cab_core.domain.timeframes import TF_MS

GRACE_MS = 3_000


@pytest.mark.catalogue(64)
@pytest.mark.parametrize("late_ms", [0, 1, GRACE_MS, 70_000, 100_000])
def test_a_look_just_before_a_candle_is_due_does_not_put_it_off(late_ms: int) -> None:
    async def main() -> list[int]:
        clock = VirtualClock(START_MS + late_ms)
        market: Any = None
        feed = QuotedFeed(market, clock, GRACE_MS, poll_ms=100_000)
        delays: list[int] = []
        async with clock.joined():
            async for candle_ms in feed.closes("BTC/USDT", 0):
                delays.append(clock.now_ms() - candle_ms - TF_MS)
                if len(delays) == 6:
                    return delays
        return delays

    assert set(loop.run(main())[1:]) == {GRACE_MS}
