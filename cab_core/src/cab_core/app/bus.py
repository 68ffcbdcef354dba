"""The bus a run publishes on: within this process, and on a Redis stream for other programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import attrs

from cab_core.app.instance import needs_redis
from cab_core.bus.memory import MemoryBus
from cab_core.domain.watchdog import Check
from cab_core.ports import EventBus
from cab_core.settings.schema import Settings

#: Says whether other programs get the events.
Connection: TypeAlias = Callable[[], Check]


def _in_memory() -> Check:
    return Check(ok=True, detail="in memory")


@attrs.frozen(eq=False)
class OpenBus:
    """A bus, and whether other programs get its events; nothing of the bot waits for that.

    Attributes:
        bus: where to publish.
        check: how the stream is.
    """

    bus: EventBus
    check: Connection = _in_memory


@asynccontextmanager
async def event_bus(settings: Settings, source: str) -> AsyncIterator[OpenBus]:
    """Open the bus for the length of the block; at its end what is queued goes out.

    Args:
        settings: ``EVENT_BUS_URL``, empty for within this process; ``ACCOUNT`` names the stream.
        source: a text that is new with each start, such as a trace id.

    Raises:
        UsageError: the address cannot be read, or the ``redis`` extra is not installed.
    """
    if not settings.event_bus_url:
        memory = MemoryBus()
        try:
            yield OpenBus(memory)
        finally:
            await memory.close()
        return
    try:
        from cab_core.bus.redis import RedisBus, stream_of
    except ModuleNotFoundError as error:
        raise needs_redis("EVENT_BUS_URL") from error
    bus = RedisBus(settings.event_bus_url, source, stream_of(settings.account_name))
    bus.start()
    try:
        yield OpenBus(bus, bus.check)
    finally:
        await bus.close()
