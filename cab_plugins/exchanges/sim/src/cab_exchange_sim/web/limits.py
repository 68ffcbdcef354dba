"""Rate limits on the exchange's clock."""

from __future__ import annotations

from collections import deque

import attrs


@attrs.frozen(slots=True)
class Limit:
    """At most ``count`` requests in any ``window_ms``."""

    count: int
    window_ms: int


READS = Limit(200, 10_000)
PLACES = Limit(10, 1_000)
CANCELS = Limit(200, 1_000)


@attrs.frozen(slots=True)
class Grant:
    """The answer of the limiter: ``reset_ms`` is when there is room again, or now."""

    allowed: bool
    limit: int
    remaining: int
    reset_ms: int

    def headers(self) -> dict[str, str]:
        """Return the three headers."""
        return {
            "X-Gate-RateLimit-Requests-Remain": str(self.remaining),
            "X-Gate-RateLimit-Limit": str(self.limit),
            "X-Gate-RateLimit-Reset-Timestamp": str(self.reset_ms // 1000),
        }


class RateLimiter:
    """Counts requests by name in sliding windows."""

    def __init__(self) -> None:
        self._taken: dict[str, deque[int]] = {}

    def take(self, name: str, limit: Limit, now_ms: int, weight: int = 1) -> Grant:
        """Count a request, if there is room for it."""
        taken = self._taken.setdefault(name, deque())
        while taken and taken[0] <= now_ms - limit.window_ms:
            taken.popleft()
        if len(taken) + weight > limit.count:
            reset_ms = (taken[0] if taken else now_ms) + limit.window_ms
            return Grant(allowed=False, limit=limit.count, remaining=0, reset_ms=reset_ms)
        taken.extend([now_ms] * weight)
        return Grant(allowed=True, limit=limit.count, remaining=limit.count - len(taken), reset_ms=now_ms)
