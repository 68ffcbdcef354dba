"""Looks at the clock again and again, in real time.

The injected clock decides what is due, but it is never slept on: on a virtual one trading would wait for
notifiers, and time would run on while nobody trades.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cab_core.plugins.isolation import describe, endure

log = logging.getLogger("cab.alerts.pulse")

#: Seconds of real time between looks.
POLL_S = 1.0


async def every(
    step: Callable[[], Awaitable[None]], wake: asyncio.Event | None = None, poll_s: float = POLL_S
) -> None:
    """Call ``step`` now, at every poll and at once when woken, until cancelled; an error is only logged."""
    woken = wake or asyncio.Event()
    failing = False
    while True:
        error = await endure(step)
        if error is not None and not failing:
            log.error("alerts or reports were not looked after: %s", describe(error), exc_info=error)
        failing = error is not None
        try:
            async with asyncio.timeout(poll_s):
                await woken.wait()
        except TimeoutError:
            continue
