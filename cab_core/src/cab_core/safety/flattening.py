"""Closing all positions until it has succeeded: the exchange may be away, the settings may be broken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeAlias

import attrs

from cab_core.safety.dead_man import FlattenReport

#: Closes all positions as far as it can. It must be able to go on where a call that was cut off has ended.
Flatten: TypeAlias = Callable[[], Awaitable[FlattenReport]]

#: Told the number of the attempt that failed, why, and the seconds until the next one.
OnFailure: TypeAlias = Callable[[int, str, float], None]

LONGEST_PAUSE_S = 60.0


async def flatten_until_done(
    flatten: Flatten,
    on_failure: OnFailure,
    *,
    timeout_s: float = 180.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> FlattenReport:
    """Call ``flatten`` until it reports no errors, with pauses of 1, 2, 4 ... 60 s.

    Args:
        flatten: closes all positions; what it raises counts as its error.
        on_failure: told of every failed attempt.
        timeout_s: longest time of one attempt; it is then cancelled.
        sleep: waits.

    Returns:
        What all attempts together sold, and what is left after the last.
    """
    total, attempt = FlattenReport(), 0
    while True:
        attempt += 1
        total = _sum(total, await _attempt(flatten, timeout_s))
        if total.done:
            return total
        pause_s = min(2.0 ** min(attempt - 1, 16), LONGEST_PAUSE_S)
        on_failure(attempt, "; ".join(total.errors), pause_s)
        await sleep(pause_s)


async def _attempt(flatten: Flatten, timeout_s: float) -> FlattenReport:
    task = asyncio.ensure_future(flatten())
    await asyncio.wait({task}, timeout=timeout_s)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=timeout_s)
        return FlattenReport(errors=(f"it took longer than {timeout_s:g} s",))
    if task.cancelled():
        return FlattenReport(errors=("it was cancelled",))
    error = task.exception()
    return task.result() if error is None else FlattenReport(errors=(f"{type(error).__name__}: {error}",))


def _sum(before: FlattenReport, now: FlattenReport) -> FlattenReport:
    """Add what an attempt sold; an attempt that raised knows nothing about what is left."""
    symbols = dict.fromkeys((*before.symbols, *now.symbols))
    sold = {
        symbol: before.sold.get(symbol, Decimal(0)) + now.sold.get(symbol, Decimal(0))
        for symbol in dict.fromkeys((*before.sold, *now.sold))
    }
    left = now.left if now.symbols or now.done else before.left
    return attrs.evolve(now, symbols=tuple(symbols), sold=sold, left=left)
