"""The pump: takes events off the bus, and moves alerts from the queues to the notifiers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import attrs

from cab_core.app.alerting.channel import Channel
from cab_core.app.alerting.classes import Notice, notice_of
from cab_core.app.alerting.conditions import Conditions
from cab_core.app.alerting.outbox import Outbox
from cab_core.app.alerting.queue import Queue
from cab_core.app.ids import SystemIds
from cab_core.clock import Clock
from cab_core.plugins.isolation import Caller
from cab_core.storage import Store


@attrs.define(eq=False)
class Pump:
    """Alerts of one run, from its events to its notifiers.

    Attributes:
        clock: every decision about time is made on it.
        conditions: None where nothing is told about how long something lasts.
        wake: set when something is due at once.
        dropped, failed: alerts lost because too many waited; attempts that failed.
    """

    clock: Clock
    outbox: Outbox
    channels: Sequence[Channel]
    new_id: Callable[[], str]
    conditions: Conditions | None = None
    wake: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _deliveries: dict[str, asyncio.Task[None]] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(
        cls, clock: Clock, callers: Sequence[Caller[None]], store: Store | None, nonce: str, **given: Any
    ) -> Pump:
        """Return the pump of these notifiers.

        Args:
            clock: the run's clock.
            callers: the notifiers.
            store: where the outbox is; None keeps nothing.
            nonce: of this start; ids of its alerts begin with it.
            given: further attributes.
        """
        numbers = count(1)

        def new_id() -> str:
            return f"{nonce}-{next(numbers)}"

        outbox = Outbox(store, [Queue(caller.id) for caller in callers])
        channels = [
            Channel(queue, caller, clock, outbox.keep, new_id, SystemIds())
            for queue, caller in zip(outbox.queues, callers, strict=True)
        ]
        return cls(clock, outbox, channels, new_id, **given)

    @property
    def dropped(self) -> int:
        """Alerts lost because too many waited."""
        return sum(channel.queue.dropped for channel in self.channels)

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(channel.failed for channel in self.channels)

    async def take(self, topic: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Make an alert of an event worth one, and queue it; waits for nothing."""
        now_ms = self.clock.now_ms()
        if self.conditions is not None:
            self.conditions.take(topic, payload, now_ms)
        notice = notice_of(topic, payload, trace_id, now_ms)
        if notice is not None:
            self.offer(notice)

    def offer(self, notice: Notice) -> None:
        """Queue an alert for every notifier."""
        row_id, now_ms = self.new_id(), self.clock.now_ms()
        for channel in self.channels:
            if channel.queue.offer(notice, row_id, now_ms):
                self.wake.set()

    async def look(self) -> None:
        """Start what is due, save the rest."""
        self.wake.clear()
        if self.conditions is not None:
            for alert in self.conditions.due(self.clock.now_ms()):
                self.offer(Notice(alert))
        for channel in self.channels:
            self._start(channel)
        await self.outbox.keep()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Send everything that waits, for up to ``timeout_s``; what is left goes out after the next start."""
        _, late = await self._wait(timeout_s / 2)
        if not late:
            for channel in self.channels:
                self._deliveries[channel.queue.notifier] = asyncio.create_task(
                    channel.deliver(everything=True)
                )
            _, late = await self._wait(timeout_s / 2)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self.outbox.keep()

    async def settled(self) -> None:
        """Wait for the deliveries that are under way."""
        await self._wait(None)

    def _start(self, channel: Channel) -> None:
        name = channel.queue.notifier
        running = self._deliveries.get(name)
        if (running is None or running.done()) and channel.ready():
            self._deliveries[name] = asyncio.create_task(channel.deliver(), name=f"alerts:{name}")

    async def _wait(self, timeout_s: float | None) -> tuple[set[asyncio.Task[None]], set[asyncio.Task[None]]]:
        tasks = list(self._deliveries.values())
        return await asyncio.wait(tasks, timeout=timeout_s) if tasks else (set(), set())
