"""The live stream: what the bot publishes, as server-sent events that can be taken up where they broke off.

Every listener reads from one ring, at its own pace, by the number of the event it has seen last. So a slow
one costs no memory and delays nobody; when the ring has moved past it, it is told to load everything anew.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from typing import Any

import attrs

from cab_core.api.lease import Lease
from cab_core.api.problems import ApiError
from cab_core.app.desk.plain import plain

#: Events that are kept for those who come back.
RING = 1024
#: Seconds of silence after which a comment shows that the connection lives.
PING_S = 15.0
#: Least seconds between two parcels to a listener.
PACE_S = 0.05

#: Event of the stream by topic of the bus.
KIND_OF: Mapping[str, str] = {
    "alert": "notice",
    "clock.changed": "health",
    "cycle.completed": "decision",
    "emergency.stop": "risk",
    "gate.changed": "risk",
    "market.data.invalid": "health",
    "orchestrator.state": "state",
    "order.changed": "order",
    "order.partially.filled": "order",
    "plugin.quarantined": "health",
    "position.closed": "position",
    "position.opened": "position",
    "protection.changed": "position",
    "reconciliation.completed": "health",
    "regime.changed": "regime",
    "risk.blocked": "risk",
    "risk.released": "risk",
    "risk.warning": "risk",
    "trade.completed": "order",
    "trade.settled": "fill",
    "trade.settlement.timeout": "order",
    "watchdog.changed": "health",
}

#: Only the newest of these counts; they come in between, however many there were.
COALESCED = frozenset({"candle", "equity"})

#: What a listener may ask for.
KINDS: tuple[str, ...] = tuple(sorted({*KIND_OF.values(), *COALESCED}))


@attrs.frozen(slots=True)
class Event:
    """One event of the stream; ``seq`` numbers all of them."""

    seq: int
    kind: str
    text: bytes


@attrs.define(eq=False)
class Hub:
    """Hands the events of one run to any number of listeners.

    Args:
        run: text that is new with each run, so that a number of another run is not mistaken for one of this.
        now_ms: wall clock.
        most: listeners at the same time.
        ring: events that are kept.
    """

    run: str
    now_ms: Callable[[], int]
    most: int = 64
    ring: int = RING
    ping_s: float = PING_S
    _leases: list[Lease] = attrs.field(factory=list, init=False)
    _seq: int = attrs.field(default=0, init=False)
    _kept: deque[Event] = attrs.field(init=False)
    _dropped: int = attrs.field(default=0, init=False)
    _newest: dict[tuple[str, str], Event] = attrs.field(factory=dict, init=False)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Make the ring."""
        self._kept = deque(maxlen=self.ring)

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._leases)

    @property
    def share(self) -> int:
        """How many of the listeners may be one holder's: one client alone cannot shut out the others."""
        return max(4, self.most // 4)

    async def on_event(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Take an event of the bot's bus; it never waits."""
        kind = KIND_OF.get(topic)
        if kind is None:
            return
        self.put(kind, {"topic": topic, "trace_id": trace_id, **payload})
        if topic == "cycle.completed":
            told = {"symbol": payload["symbol"], "candle_ts_ms": payload["candle_ts_ms"]}
            self.put("candle", told, about=str(payload["symbol"]))

    def put(self, kind: str, payload: Mapping[str, Any], about: str = "") -> None:
        """Add an event.

        Args:
            kind: one of `KINDS`.
            payload: what happened.
            about: of those that are coalesced, which one it replaces, e.g. a symbol.
        """
        self._seq += 1
        told = {"at_ms": self.now_ms(), **payload}
        event = Event(self._seq, kind, self._framed(kind, told))
        if kind in COALESCED:
            self._newest[kind, about] = event
        else:
            if len(self._kept) == self.ring:
                self._dropped = self._kept[0].seq
            self._kept.append(event)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def close(self) -> None:
        """End all listening."""
        self._closed = True
        self._news.set()

    def ask_again(self) -> None:
        """Ask every listener at once whether he still may: somebody has logged out, or lost his token."""
        for lease in self._leases:
            lease.shake()
        self._wake()

    def listen(self, kinds: Collection[str], lease: Lease, last_id: str = "") -> AsyncIterator[bytes]:
        """Return the events of some kinds from now on, or from the one after ``last_id``.

        Args:
            kinds: of `KINDS`.
            lease: the right to listen; the stream ends with it.
            last_id: of the last event that was seen.

        Raises:
            ApiError: there are too many listeners, or too many of this holder.
        """
        fix = "close another listener, or raise API_STREAMS"
        if sum(each.holder == lease.holder for each in self._leases) >= self.share:
            raise ApiError(429, f"you are listening {self.share} times already", fix=fix, retry_after_s=30)
        if self.listeners >= self.most:
            raise ApiError(503, f"{self.most} are listening already", fix=fix, retry_after_s=30)
        return self._listen(frozenset(kinds), lease, last_id)

    async def _listen(self, kinds: frozenset[str], lease: Lease, last_id: str) -> AsyncIterator[bytes]:
        self._leases.append(lease)
        try:
            seen = self._seen(last_id)
            greeting = b"retry: 2000\n\n"
            if seen is None:
                seen = self._seq
                greeting += self._resync("the events since then are no longer kept")
            yield greeting + self._framed("hello", {"kinds": sorted(kinds)}, seen)
            while not self._closed and await lease.holds():
                news = self._news
                if self._lost(seen):
                    yield self._resync("you read too slowly")
                    return
                fresh = list(self._since(seen))
                seen = self._seq
                if found := b"".join(event.text for event in fresh if event.kind in kinds):
                    yield found
                    await asyncio.sleep(PACE_S)  # a fast recording comes in parcels
                elif not await _within(news, min(self.ping_s, lease.left_s)):
                    yield b": ping\n\n"
        finally:
            self._leases.remove(lease)

    def _seen(self, last_id: str) -> int | None:
        """Return the number a listener goes on from; None if what came after it is gone."""
        if not last_id:
            return self._seq
        run, _, number = last_id.rpartition("-")
        seen = int(number) if run == self.run and number.isascii() and number.isdigit() else -1
        return seen if 0 <= seen <= self._seq and not self._lost(seen) else None

    def _lost(self, seen: int) -> bool:
        """Say whether the ring has dropped something that came after ``seen``."""
        return self._dropped > seen

    def _since(self, seen: int) -> Iterator[Event]:
        fresh = [event for event in self._newest.values() if event.seq > seen]
        for event in reversed(self._kept):
            if event.seq <= seen:
                break
            fresh.append(event)
        yield from sorted(fresh, key=lambda event: event.seq)

    def _resync(self, why: str) -> bytes:
        return self._framed("resync", {"reason": why}, self._seq)

    def _framed(self, kind: str, payload: Mapping[str, Any], seq: int | None = None) -> bytes:
        text = json.dumps(plain(payload), ensure_ascii=False)
        number = self._seq if seq is None else seq
        return f"id: {self.run}-{number}\nevent: {kind}\ndata: {text}\n\n".encode()


async def _within(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True
