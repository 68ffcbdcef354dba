"""Stand-ins for the outside world: a virtual clock, an HTTP client with canned answers, a market."""

from __future__ import annotations

import heapq
import itertools
from asyncio import Future, get_running_loop
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from decimal import Decimal
from typing import Any

import attrs
import numpy as np

from cab_core.errors import CabError
from cab_core.sdk import Bars, Clock, Quote
from cab_core.testing.series import START_MS, TF_MS, story


class VirtualClock:
    """A clock that moves only when told; sleepers wake in the order of their times."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._started_ms = now_ms
        self._count = itertools.count()
        self._sleepers: list[tuple[int, int, int, Future[None]]] = []

    def now_ms(self) -> int:
        """Return the virtual time in epoch milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the virtual seconds since the clock was made."""
        return (self._now_ms - self._started_ms) / 1000.0

    async def sleep_until(self, ts_ms: int, order: int = 0) -> None:
        """Wait until somebody advances the clock to ``ts_ms``."""
        if ts_ms <= self._now_ms:
            return
        wake = get_running_loop().create_future()
        heapq.heappush(self._sleepers, (ts_ms, order, next(self._count), wake))
        await wake

    def parked(self) -> AbstractAsyncContextManager[None]:
        """Wait for another task; this clock moves only when told."""
        return nullcontext()

    def advance(self, *, ms: int = 0, seconds: float = 0.0) -> None:
        """Move the time forward and wake everybody whose time has come."""
        self._now_ms += ms + round(seconds * 1000)
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            wake = heapq.heappop(self._sleepers)[3]
            if not wake.done():
                wake.set_result(None)


@attrs.define
class KeptPosts:
    """An `AlertHttp` that takes everything and keeps it.

    Attributes:
        posts: body and headers of each post, oldest first.
    """

    posts: list[tuple[bytes, Mapping[str, str]]] = attrs.field(factory=list)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep it."""
        self.posts.append((body, dict(headers)))


class CannedHttp:
    """A `MacroHttp` that answers with what it was given, oldest first; the last answer repeats.

    An answer that is an exception is raised. ``requests`` counts the fetches.
    """

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.requests = 0

    async def get_json(self) -> Any:
        """Return the next canned document."""
        self.requests += 1
        if not self._answers:
            raise CabError("no answer was canned for this request", fix="give CannedHttp(...) a document")
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class StillMarket:
    """A market whose price moves only when told, for tests of simulated venues."""

    def __init__(self, clock: Clock, price: Decimal = Decimal(100)) -> None:
        self.clock = clock
        self.price = price
        self.half_spread = Decimal("0.01")

    async def quote(self, symbol: str) -> Quote:
        """Return the price plus and minus the half spread, the same for every symbol."""
        del symbol
        return Quote(self.price - self.half_spread, self.price + self.half_spread, self.clock.now_ms())

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return ``limit`` candles at the price, the last one closed by now."""
        del symbol, timeframe
        flat = story([float(self.price)] * limit)
        last_open = self.clock.now_ms() // TF_MS * TF_MS - TF_MS
        stamps = last_open - TF_MS * np.arange(limit)[::-1]
        return Bars.of(stamps, flat.open, flat.high, flat.low, flat.close, flat.volume)
