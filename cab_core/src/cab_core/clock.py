"""Time as the shells see it: injected, so that a run can be virtual, accelerated or real."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """A source of time and of waiting."""

    def now_ms(self) -> int:
        """Return the current time in epoch milliseconds, UTC."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never steps back."""

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        """Wait until ``ts_ms``. At equal times, lower ``order`` wakes first (virtual clocks)."""
