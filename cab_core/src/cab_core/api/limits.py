"""How often a client may ask: a bucket of requests that fills up again evenly."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import attrs

#: Clients that are remembered; the one that was seen longest ago is forgotten first.
MOST = 4096


@attrs.define(eq=False)
class RateLimiter:
    """Requests per minute and client.

    Args:
        per_min: size of a bucket, and what flows into it in a minute.
        now_s: monotonic seconds.
    """

    per_min: int
    now_s: Callable[[], float]
    _buckets: OrderedDict[str, tuple[float, float]] = attrs.field(factory=OrderedDict, init=False)

    def take(self, client: str, factor: int = 1) -> int | None:
        """Take one request of a client's bucket.

        Returns:
            None if it was there, else the seconds until there will be one.
        """
        wait_s = self.wait_s(client, factor)
        if wait_s is None:
            self._keep(client, self._level(client, factor) - 1)
        return wait_s

    def wait_s(self, client: str, factor: int = 1) -> int | None:
        """Return the seconds until a client's bucket has a request to take, None if it has one now."""
        left = self._level(client, factor)
        return None if left >= 1 else math.ceil((1 - left) * 60 / (self.per_min * factor))

    def _level(self, client: str, factor: int) -> float:
        size = self.per_min * factor
        left, seen_s = self._buckets.get(client, (float(size), self.now_s()))
        return min(size, left + (self.now_s() - seen_s) * size / 60)

    def _keep(self, client: str, left: float) -> None:
        self._buckets[client] = (left, self.now_s())
        self._buckets.move_to_end(client)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
