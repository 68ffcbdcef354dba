"""The event bus on a Redis stream, for other processes to read along.

It is a projection: the journal is the truth, and nothing here can hold up trading. Why a stream and not
publish-subscribe: a reader that was away, or whose connection broke for a moment, goes on where it was; with
publish-subscribe those events would be gone without a trace. ``MAXLEN`` bounds what the server keeps.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from cab_core.bus.connection import FAILURES, connect, place_of
from cab_core.bus.memory import MemoryBus
from cab_core.bus.outbox import Event, Outbox
from cab_core.domain.watchdog import Check
from cab_core.ports import EventHandler
from cab_core.secret import Secret

#: About how many events the stream keeps.
KEPT = 10_000

#: Events of one round trip.
_BATCH = 100
#: An idle connection is tried so often, seconds; so `connected` is true or false within that time.
_PING_S = 2.0
#: Pauses between attempts, seconds; the last one repeats.
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)


def stream_of(account: str) -> str:
    """Return the key of the stream with the events of an account."""
    return f"crypto-bot:{account}:events"


@attrs.frozen(slots=True)
class BusStatus:
    """How the bus is.

    Attributes:
        connected: whether the last command was answered.
        sent: events Redis has taken.
        waiting: events that have not been taken yet.
        dropped: events that had to be dropped on their way out.
        lag_s: age of the oldest event that waits.
    """

    connected: bool
    sent: int
    waiting: int
    dropped: int
    lag_s: float


class RedisBus:
    """`cab_core.ports.EventBus` whose events also go to a stream, at least once each, in order.

    Subscribers in this process get them directly, as from a `MemoryBus`, whether Redis is there or not.
    Other processes read the stream with `cab_core.bus.reader.RedisReader`.

    Args:
        url: address of Redis.
        source: name of this process in the events' ids; it must be new with each start.
        stream: key of the stream, as `stream_of` gives it.
        limit: most events waiting for Redis, and for one subscriber.
        kept: about how many events the stream keeps.
        monotonic: the clock ages are measured with.

    Raises:
        UsageError: the address cannot be read.
    """

    def __init__(
        self,
        url: Secret,
        source: str,
        stream: str,
        *,
        limit: int = 1000,
        kept: int = KEPT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = place_of(url)
        self._client = connect(url)
        self._source, self._stream, self._kept, self._monotonic = source, stream, kept, monotonic
        self._local = MemoryBus(limit)
        self._outbox = Outbox(limit)
        self._sending: list[Event] = []
        self._seq = itertools.count(1)
        self._connected: bool | None = None
        self._sent = 0
        self._closing = self._given_up = False
        self._wake = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    def publish(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Hand an event to the subscribers here and queue it for Redis; never blocks. Nothing after `close`.

        Raises:
            KeyError: the topic, or a key of the payload, is not the registered one.
        """
        self._local.publish(topic, payload, trace_id)
        if self._closing:
            return
        text = json.dumps(payload, default=_plain, skipkeys=True)
        self._outbox.put(
            Event(self._source, next(self._seq), topic, text, trace_id, queued_s=self._monotonic())
        )
        self._wake.set()
        try:
            self.start()
        except RuntimeError:  # no loop runs yet: the first event published in one takes this one along
            return

    def subscribe(self, topic: str, handler: EventHandler) -> None:
        """Call ``handler`` for each event of this process; ``*`` for all topics.

        Raises:
            KeyError: the topic is not registered.
        """
        self._local.subscribe(topic, handler)

    def start(self) -> None:
        """Start sending in the running loop; the first event published in it does so too.

        Raises:
            RuntimeError: no loop runs.
        """
        if self._sender is None:
            loop = asyncio.get_running_loop()
            self._sender = loop.create_task(self._send_all(), name="redis-bus")

    def status(self) -> BusStatus:
        """Return how the bus is."""
        waiting = len(self._sending) + len(self._outbox)
        oldest_s = self._sending[0].queued_s if self._sending else self._outbox.oldest_s()
        alive = self._sender is not None and not self._sender.done()
        return BusStatus(
            connected=self._connected is True and alive,
            sent=self._sent,
            waiting=waiting,
            dropped=self._outbox.dropped,
            lag_s=0.0 if oldest_s is None else max(0.0, self._monotonic() - oldest_s),
        )

    def check(self) -> Check:
        """Return the status as the watchdog wants it."""
        now = self.status()
        if now.connected:
            return Check(ok=True)
        return Check(ok=False, detail=f"{self.place} does not answer, {now.waiting} events wait")

    @property
    def dropped(self) -> int:
        """Events lost to slow subscribers of this process."""
        return self._local.dropped

    @property
    def errors(self) -> int:
        """Events on which a subscriber of this process raised."""
        return self._local.errors

    async def drain(self) -> None:
        """Return when every subscriber of this process has handled its events."""
        await self._local.drain()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Accept no more events; give subscribers, and then Redis, up to ``timeout_s`` to take what waits."""
        if self._closing:
            return
        await self._local.close(timeout_s)
        self._closing = True
        if len(self._outbox):
            self.start()
        self._wake.set()
        if self._sender is not None:
            _, late = await asyncio.wait([self._sender], timeout=timeout_s)
            for task in late:
                self._given_up = True  # a cancellation alone could get lost in the client
                task.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if left := len(self._sending) + len(self._outbox):
            _log.warning("%d events did not reach %s", left, self.place)
        await self._client.aclose()

    async def _send_all(self) -> None:
        pauses = iter(_PAUSES_S)
        while not self._given_up and (not self._closing or self._sending or len(self._outbox)):
            try:
                await self._send_next()
            except FAILURES as error:
                if self._connected is not False:
                    _log.warning("the event bus at %s is away: %s", self.place, type(error).__name__)
                self._connected = False
                await asyncio.sleep(next(pauses, _PAUSES_S[-1]))
            else:
                if self._connected is False:
                    _log.info("the event bus at %s answers again", self.place)
                self._connected, pauses = True, iter(_PAUSES_S)
                await self._something_to_do()

    async def _send_next(self) -> None:
        """Send one batch, or a ping if nothing waits. What failed is sent again before anything newer."""
        self._sending = self._sending or self._outbox.take(_BATCH)
        if not self._sending:
            await self._client.ping()
            return
        async with self._client.pipeline(transaction=True) as batch:
            for event in self._sending:
                batch.xadd(self._stream, fields_of(event), maxlen=self._kept, approximate=True)
            await batch.execute()
        self._sent += len(self._sending)
        self._sending = []

    async def _something_to_do(self) -> None:
        if len(self._outbox) or self._closing:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(_PING_S):
                await self._wake.wait()
        except TimeoutError:
            return


def fields_of(event: Event) -> dict[Any, Any]:
    """Return the fields of an event's entry in the stream."""
    return {
        "id": event.id,
        "source": event.source,
        "seq": event.seq,
        "topic": event.topic,
        "payload": event.payload,
        "trace_id": event.trace_id,
    }


def _plain(value: Any) -> Any:
    """Return money as text without an exponent, anything else unknown to JSON as its text."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
