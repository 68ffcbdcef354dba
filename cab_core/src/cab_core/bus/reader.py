"""Reads along what other processes publish on a Redis stream."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from redis.exceptions import ResponseError

from cab_core.bus.connection import FAILURES, connect, place_of
from cab_core.bus.memory import MemoryBus
from cab_core.ports import EventHandler
from cab_core.secret import Secret

#: Processes whose last number is remembered.
_SOURCES = 1000
_BATCH = 500
_BLOCK_MS = 1000
_PAUSE_S = 0.5
_BEGIN = "0-0"

_log = logging.getLogger(__name__)


class RedisReader:
    """Hands each event of a stream to its subscribers, once, in order.

    It remembers its place, so a lost connection loses no event that the stream still keeps. A payload is what
    JSON makes of it: money is text. A slow subscriber loses its oldest events, as on a `MemoryBus`.

    Args:
        url: address of Redis.
        stream: key of the stream, as `cab_core.bus.redis.stream_of` gives it.
        history: begin with what the stream keeps; otherwise with the next event.
        limit: most events waiting for one subscriber.

    Attributes:
        connected: whether the last command was answered.
        duplicates: events that came again and were left out.
        missed: events known to be lost, by the gaps in the numbers of their process.
        rejected: entries that are no event of this version.
    """

    def __init__(self, url: Secret, stream: str, *, history: bool = False, limit: int = 1000) -> None:
        self.place = place_of(url)
        self.connected = False
        self.duplicates = self.missed = self.rejected = 0
        self._client = connect(url)
        self._stream = stream
        self._at = _BEGIN if history else ""
        self._local = MemoryBus(limit)
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, topic: str, handler: EventHandler) -> None:
        """Call ``handler(topic, payload, trace_id)`` for each event of ``topic``; ``*`` for all.

        Raises:
            KeyError: the topic is not registered.
        """
        self._local.subscribe(topic, handler)

    @property
    def dropped(self) -> int:
        """Events lost to slow subscribers."""
        return self._local.dropped

    def start(self) -> None:
        """Begin to read, in the running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._read_on(), name="redis-reader")

    async def close(self, timeout_s: float = 5.0) -> None:
        """Stop reading, and let the subscribers finish for up to ``timeout_s``."""
        self._closing = True  # a cancellation alone could get lost in the client
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._local.close(timeout_s)
        await self._client.aclose()

    async def _read_on(self) -> None:
        while not self._closing:
            try:
                if not self.connected:
                    await self._find_place()
                    self.connected = True
                found: Any = await self._client.xread({self._stream: self._at}, _BATCH, _BLOCK_MS)
                for _, entries in found or ():
                    self._take(entries)
            except FAILURES as error:
                if self.connected:
                    _log.warning("the events at %s are away: %s", self.place, type(error).__name__)
                self.connected = False
                await asyncio.sleep(_PAUSE_S)

    async def _find_place(self) -> None:
        """Go on where it was, or at the beginning if Redis has lost the stream meanwhile."""
        try:
            newest = (await self._client.xinfo_stream(self._stream))["last-generated-id"]
        except ResponseError:  # there is no stream (yet)
            newest = _BEGIN
        if not self._at:
            self._at = newest
        elif _order(newest) < _order(self._at):
            self._at = _BEGIN

    def _take(self, entries: list[tuple[str, Mapping[str, str]]]) -> None:
        for entry_id, fields in entries:
            self._at = entry_id
            try:
                source, seq = fields["source"], int(fields["seq"])
                event = fields["topic"], json.loads(fields["payload"]), fields["trace_id"]
            except (KeyError, ValueError):
                self.rejected += 1
                continue
            if self._is_new(source, seq):
                self._hand_on(*event)

    def _is_new(self, source: str, seq: int) -> bool:
        last = self._seen.pop(source, None)
        self._seen[source] = seq if last is None else max(seq, last)
        if len(self._seen) > _SOURCES:
            self._seen.popitem(last=False)
        if last is None:
            return True
        if seq <= last:
            self.duplicates += 1
            return False
        self.missed += seq - last - 1
        return True

    def _hand_on(self, topic: str, payload: Any, trace_id: str) -> None:
        try:
            self._local.publish(topic, payload, trace_id)
        except (KeyError, AttributeError):  # of another version of cab, or not ours
            self.rejected += 1


def _order(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return int(first), int(second)
