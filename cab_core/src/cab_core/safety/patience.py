"""Waiting for a database that is busy or away: what it refused is tried again, for a bounded time.

While a change waits, its account waits with it: nothing may be sent that is not on disk.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import attrs

from cab_core.errors import StorageAwayError, StorageBusyError

log = logging.getLogger("cab.patience")

T = TypeVar("T")

#: Refusals that pass by themselves; nothing was written.
PASSING = (StorageAwayError, StorageBusyError)


def _nothing() -> None:
    return None


@attrs.define(eq=False)
class Patience:
    """How long to wait, in real seconds; a run that shall stop waits no longer.

    Attributes:
        limit_s: what is refused for longer raises.
        pause_s: time between two tries.
        on_wait: called before each pause: whoever waits is alive.
    """

    limit_s: float = 600.0
    pause_s: float = 1.0
    on_wait: Callable[[], None] = _nothing
    _over: bool = attrs.field(default=False, init=False)

    def end(self) -> None:
        """Let what waits be tried once more; what is refused from now on raises at once."""
        self._over = True

    async def outlast(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await ``call()`` until the database takes it.

        Raises:
            StorageAwayError, StorageBusyError: it did not in time, or before the end.
        """
        now = asyncio.get_running_loop().time
        began: float | None = None
        while True:
            try:
                result = await call()
            except PASSING as error:
                if began is None:
                    began = now()
                    log.warning("%s; it is tried again for up to %d s", error, self.limit_s)
                if self._over or now() - began >= self.limit_s:
                    raise
            else:
                if began is not None:
                    log.info("the database answers again, after %.1f s", now() - began)
                return result
            self.on_wait()
            await asyncio.sleep(self.pause_s)


class _Patient:
    def __init__(self, inner: object, patience: Patience) -> None:
        self._inner, self._patience = inner, patience

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def waited(*args: Any) -> Any:
            return await self._patience.outlast(lambda: found(*args))

        return waited


def patient(inner: T, patience: Patience | None = None) -> T:
    """Return an object whose coroutine methods outlast a database that is busy or away."""
    return cast(T, _Patient(inner, patience or Patience()))
