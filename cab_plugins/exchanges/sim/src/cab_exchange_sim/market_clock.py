"""The exchange's time: it runs at a rate, stands still, or jumps ahead when told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress


class MarketClock:
    """A `Clock` that is driven from outside; it never goes back.

    Args:
        start_ms: the first time it shows.
        rate: exchange seconds per real second; 0 stands still.
        real: the machine's monotonic clock in seconds.
    """

    def __init__(
        self, start_ms: int, rate: float = 1.0, *, real: Callable[[], float] = time.monotonic
    ) -> None:
        self._real = real
        self._rate = rate
        self._base_ms = float(start_ms)
        self._since = real()
        self._changed = asyncio.Event()

    @property
    def rate(self) -> float:
        """Exchange seconds per real second."""
        return self._rate

    def now_ms(self) -> int:
        """Return the exchange's time in epoch milliseconds."""
        return int(self._exact_ms())

    def monotonic(self) -> float:
        """Return the exchange's time in seconds; it never goes back."""
        return self._exact_ms() / 1000

    def run(self, rate: float) -> None:
        """Go on at another rate.

        Raises:
            ValueError: a negative rate.
        """
        if rate < 0:
            raise ValueError(f"rate is {rate}: time does not go back")
        self._set(self._exact_ms(), rate)

    def advance(self, to_ms: int) -> None:
        """Jump ahead to a time.

        Raises:
            ValueError: that time has passed.
        """
        now_ms = self.now_ms()
        if to_ms < now_ms:
            raise ValueError(f"time does not go back from {now_ms} to {to_ms}")
        self._set(float(to_ms), self._rate)

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:  # noqa: ARG002 - no turns to order here
        """Sleep until the clock shows ``ts_ms``, however it gets there."""
        while (left_ms := ts_ms - self._exact_ms()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_ms / 1000 / self._rate if self._rate else None):
                    await self._changed.wait()

    def _exact_ms(self) -> float:
        return self._base_ms + (self._real() - self._since) * 1000 * self._rate

    def _set(self, base_ms: float, rate: float) -> None:
        self._base_ms, self._since, self._rate = base_ms, self._real(), rate
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
