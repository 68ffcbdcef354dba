"""An event bus inside one process: publishing never waits for a subscriber."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, TypeAlias

from cab_core.events import topic as registered
from cab_core.ports import EventHandler

ALL = "*"

_Event: TypeAlias = tuple[str, Mapping[str, Any], str]
_log = logging.getLogger(__name__)


class _Subscriber:
    """A handler with its queue. A task works the queue off while there is something in it."""

    def __init__(self, handler: EventHandler, limit: int) -> None:
        self.handler = handler
        self.queue: deque[_Event] = deque()
        self.limit = limit
        self.dropped = 0
        self.errors = 0
        self.task: asyncio.Task[None] | None = None

    def offer(self, event: _Event) -> None:
        if len(self.queue) >= self.limit:
            self.queue.popleft()
            self.dropped += 1
        self.queue.append(event)

    def wake(self) -> asyncio.Task[None] | None:
        """Return the task that works the queue off, started if need be; None if there is nothing to do."""
        if self.task is not None and not self.task.done():
            return self.task
        self.task = asyncio.create_task(self._work()) if self.queue else None
        return self.task

    async def _work(self) -> None:
        while self.queue:
            name, payload, trace_id = self.queue.popleft()
            try:
                await self.handler(name, payload, trace_id)
            except Exception:  # noqa: BLE001 - supervises foreign handlers: one failure must not end the others
                self.errors += 1
                _log.warning("a subscriber failed on event %s", name, exc_info=True)


class MemoryBus:
    """`cab_core.ports.EventBus` on asyncio, with one bounded queue per subscriber.

    Each subscriber gets its events in order, one at a time. A slow one loses its oldest events, which are
    counted; it delays neither the publisher nor the others. Events published while no loop runs wait for
    `drain` or for the next event published in a loop.

    Args:
        limit: most events waiting for one subscriber.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._subscribers: list[tuple[str, _Subscriber]] = []
        self._closed = False

    def publish(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Hand an event to all its subscribers; never blocks. After `close` it does nothing.

        Raises:
            KeyError: the topic, or a key of the payload, is not the registered one.
        """
        registered(topic).check(payload)
        if self._closed:
            return
        running = _in_loop()
        for wanted, subscriber in self._subscribers:
            if wanted in (topic, ALL):
                subscriber.offer((topic, payload, trace_id))
                if running:
                    subscriber.wake()

    def subscribe(self, topic: str, handler: EventHandler) -> None:
        """Call ``handler(topic, payload, trace_id)`` for each event of ``topic``; ``*`` for all.

        Raises:
            KeyError: the topic is not registered.
        """
        if topic != ALL:
            registered(topic)
        self._subscribers.append((topic, _Subscriber(handler, self._limit)))

    @property
    def dropped(self) -> int:
        """Events lost to slow subscribers."""
        return sum(subscriber.dropped for _, subscriber in self._subscribers)

    @property
    def errors(self) -> int:
        """Events on which a subscriber raised."""
        return sum(subscriber.errors for _, subscriber in self._subscribers)

    async def drain(self) -> None:
        """Return when every queue is empty and every handler has returned."""
        while tasks := [task for _, subscriber in self._subscribers if (task := subscriber.wake())]:
            await asyncio.wait(tasks)

    async def close(self, timeout_s: float = 5.0) -> None:
        """Accept no more events, let the handlers finish for up to ``timeout_s``, then cancel them."""
        self._closed = True
        try:
            async with asyncio.timeout(timeout_s):
                await self.drain()
        except TimeoutError:
            tasks = [subscriber.task for _, subscriber in self._subscribers if subscriber.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
