"""The token bucket: pace, reserve, priority, distance per market, on a clock that may be set back."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from cab_broker_ccxt.limiter import Limiter
from cab_core.testing import VirtualClock

START_MS = 1_700_000_000_000


async def times(clock: VirtualClock, limiter: Limiter, *requests: tuple[bool, str | None]) -> dict[int, int]:
    """Return when each request went out, in milliseconds from the start, by its position."""
    out: dict[int, int] = {}

    async def one(position: int, urgent: bool, market: str | None) -> None:
        await limiter.acquire(urgent=urgent, market=market)
        out[position] = clock.now_ms() - START_MS

    tasks = [asyncio.create_task(one(n, *request)) for n, request in enumerate(requests)]
    for _ in range(60_000):
        for _ in range(3):
            await asyncio.sleep(0)
        if all(task.done() for task in tasks):
            return out
        clock.advance(ms=1)
    raise AssertionError("somebody waits for ever")


async def test_api_rate_limit_throttling() -> None:
    clock = VirtualClock(START_MS)
    out = await times(clock, Limiter(clock, rate=8, burst=16), *[(False, None)] * 60)
    assert sum(ms == 0 for ms in out.values()) == 12  # sixteen less the quarter kept for exits
    for start in range(0, 6000, 250):
        assert sum(start <= ms < start + 1000 for ms in out.values()) <= 12 + 8
    assert max(out.values()) == pytest.approx((60 - 12) / 8 * 1000, abs=20)


@pytest.mark.catalogue(24)
async def test_burst_protection() -> None:
    clock = VirtualClock(START_MS)
    limiter = Limiter(clock, rate=2, burst=4)
    out = await times(clock, limiter, *[(False, None)] * 6, (True, None), (True, None))
    reads = [out[n] for n in range(6)]
    assert out[6] == 0
    assert out[7] == 500  # the very next token, although three reads came before
    assert sorted(reads)[:3] == [0, 0, 0]
    assert sorted(reads)[3] > 500


async def test_orders_of_one_market_keep_their_distance() -> None:
    clock = VirtualClock(START_MS)
    limiter = Limiter(clock, rate=1000, burst=50)
    out = await times(clock, limiter, *[(True, "BTC_USDT")] * 5, (True, "ETH_USDT"))
    assert out[5] == 0
    mine = sorted(out[n] for n in range(5))
    assert all(later - earlier >= 100 for earlier, later in pairwise(mine))
    assert mine[-1] <= 440


async def test_a_pause_stops_everything_for_its_time() -> None:
    clock = VirtualClock(START_MS)
    limiter = Limiter(clock, rate=100, burst=10)
    limiter.pause(3.0)
    out = await times(clock, limiter, (True, None), (False, None))
    assert set(out.values()) == {3000}


class SetBack(VirtualClock):
    """A machine whose wall clock is set back while its monotonic clock runs on; who waits moves both."""

    behind_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() - self.behind_ms

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        self.advance(ms=max(0, ts_ms - self.now_ms()))


@pytest.mark.catalogue(34)
async def test_a_clock_that_is_set_back_stalls_nothing() -> None:
    clock = SetBack(START_MS)
    limiter = Limiter(clock, rate=10, burst=1)
    await limiter.acquire()
    clock.behind_ms = 3_600_000
    before_s = clock.monotonic()
    for _ in range(8):
        await limiter.acquire()
    assert clock.monotonic() - before_s == pytest.approx(0.8, abs=0.02)
