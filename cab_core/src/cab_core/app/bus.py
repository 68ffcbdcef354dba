"""The bus a run publishes on, and with a Redis bus the key that keeps a second host from trading."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import attrs

from cab_core.bus.memory import MemoryBus
from cab_core.cycle.probes import by_status
from cab_core.cycle.watchdog import Probe
from cab_core.errors import UsageError
from cab_core.ports import EventBus
from cab_core.secret import Secret

#: Says why entries must wait, None if they need not.
Circuit: TypeAlias = Callable[[], str | None]


@attrs.frozen(eq=False)
class OpenBus:
    """A bus with what comes along.

    Attributes:
        bus: where to publish.
        circuits: what stops entries: a lost instance key.
        probes: for the watchdog, by name.
    """

    bus: EventBus
    circuits: tuple[Circuit, ...] = ()
    probes: dict[str, Probe] = attrs.field(factory=dict)


@asynccontextmanager
async def event_bus(url: Secret, nonce: str, on_lost: Callable[[str], None]) -> AsyncIterator[OpenBus]:
    """Open the bus for the length of the block; at its end what is queued goes out.

    Args:
        url: ``EVENT_BUS_URL``; empty means within this process.
        nonce: a text that is new with each start, such as a trace id.
        on_lost: told why the instance key was lost; trading must stop then.

    Raises:
        LockedError: another instance holds the key.
        RefusedError: Redis does not answer.
        UsageError: the address cannot be read, or the ``redis`` extra is not installed.
    """
    if not url:
        bus = MemoryBus()
        try:
            yield OpenBus(bus)
        finally:
            await bus.close()
        return
    async with AsyncExitStack() as stack:
        yield await _redis(stack, url, nonce, on_lost)


async def _redis(stack: AsyncExitStack, url: Secret, nonce: str, on_lost: Callable[[str], None]) -> OpenBus:
    try:
        from cab_core.bus.connection import FAILURES, connect
        from cab_core.bus.redis import RedisBus
    except ModuleNotFoundError as error:
        raise UsageError(
            "a Redis bus needs the package redis", where="EVENT_BUS_URL", fix="pip install 'cab-core[redis]'"
        ) from error
    from cab_core.safety.instance_key import InstanceKey, held

    client = connect(url)
    stack.push_async_callback(client.aclose)
    owner = f"{socket.gethostname()}:{os.getpid()}:{nonce}"
    key = InstanceKey(client=client, failures=FAILURES, owner=owner, on_lost=on_lost)
    await stack.enter_async_context(held(key))
    bus = RedisBus(url, owner)
    stack.push_async_callback(bus.close)
    bus.start()
    return OpenBus(bus, (key.entries_allowed,), {"bus": by_status(bus.check)})
