"""When a shell looks at a venue."""

from __future__ import annotations

from typing import Any

from cab_core.clock import VirtualClock
from cab_core.cycle.feed import QuotedFeed
from cab_core.domain.timeframes import TF_MS

GRACE_MS = 3_000
CLOSE_MS = 1_700_000_100_000 // TF_MS * TF_MS


async def test_a_candle_that_was_evaluated_before_the_start_is_not_due_again():
    """The database would refuse the second decision; but its orders, risk and traces would have begun."""
    clock = VirtualClock(CLOSE_MS + GRACE_MS)
    nothing: Any = None
    for evaluated_ms, expected in ((CLOSE_MS - TF_MS, CLOSE_MS), (CLOSE_MS - 2 * TF_MS, CLOSE_MS - TF_MS)):
        feed = QuotedFeed(nothing, clock, GRACE_MS, evaluated_ms={"BTC/USDT": evaluated_ms})
        async with clock.joined():
            due = [await anext(closes := feed.closes("BTC/USDT", 0)), await anext(closes)]
        assert due == [expected, expected + TF_MS]
        clock = VirtualClock(CLOSE_MS + GRACE_MS)
