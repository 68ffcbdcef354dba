"""A token bucket on the injected clock, with priority for exits and a pace per market."""

from __future__ import annotations

import itertools
import math
from bisect import insort

from cab_core.sdk import Clock

#: Least time between two orders of one market: Gate takes ten a second.
ORDER_GAP_S = 0.1


class Limiter:
    """Lets requests out at a steady rate.

    aiolimiter would do the bucket, but it counts the event loop's time, which a virtual clock does not move,
    and it knows no priority. Waiting is done by `Clock.sleep_until` alone, on the monotonic clock's figures,
    so a wall clock that is set back stalls nothing.

    Args:
        clock: the injected clock.
        rate: requests per second in the long run.
        burst: requests that may go out at once; a quarter of them is kept for urgent ones.
    """

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()
        self._closed_until = -math.inf
        self._next_order: dict[str, float] = {}
        self._arrivals = itertools.count()
        self._waiting: list[tuple[int, int]] = []

    async def acquire(self, *, urgent: bool = False, market: str | None = None) -> None:
        """Wait until a request may go out; urgent ones (sells, cancels) overtake the others.

        Args:
            urgent: it reduces risk.
            market: set for orders: they keep a distance per market.
        """
        ticket = (0 if urgent else 1, next(self._arrivals))
        insort(self._waiting, ticket)
        try:
            while (wait_s := self._wait_s(ticket, market)) > 0:
                await self._clock.sleep_until(self._clock.now_ms() + math.ceil(wait_s * 1000))
            self._tokens -= 1
            if market is not None:
                self._next_order[market] = self._clock.monotonic() + ORDER_GAP_S
        finally:
            self._waiting.remove(ticket)

    def pause(self, seconds: float) -> None:
        """Let nothing out for a while: the venue said so."""
        self._closed_until = max(self._closed_until, self._clock.monotonic() + seconds)

    def _wait_s(self, ticket: tuple[int, int], market: str | None) -> float:
        now = self._clock.monotonic()
        self._tokens = min(float(self._burst), self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        reserved = 0 if ticket[0] == 0 else self._burst // 4
        needed = min(self._burst, self._waiting.index(ticket) + 1 + reserved)
        for_tokens = (needed - self._tokens) / self._rate
        for_market = self._next_order.get(market, now) - now if market is not None else 0.0
        return max(for_tokens, for_market, self._closed_until - now)
