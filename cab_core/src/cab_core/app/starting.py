"""A start that waits for what passes: an exchange that is away or refuses for now, a clock that is off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import TypeVar

import attrs

from cab_core.app.desk.cold import ColdDesk
from cab_core.app.guards import Guards
from cab_core.errors import AwayError, CabError, ConfigError, LockedError, StorageError
from cab_core.plugins.registry import Plugins
from cab_core.storage import Store

log = logging.getLogger("cab.start")

T = TypeVar("T")

#: Pauses while something is away, seconds; the last one repeats.
PAUSES_S = (1, 2, 5, 10)


@attrs.define(eq=False, kw_only=True)
class StartingDesk(ColdDesk):
    """The desk of a bot that has not begun: what it waits for, and what its database holds.

    Attributes:
        store: its open database.
        guards: what watches over it, with the bus of its events.
        plugins_loaded: its plugins.
        waits_for: what is away, empty while nothing is known to be.
    """

    store: Store
    guards: Guards
    plugins_loaded: Plugins
    waits_for: str = ""

    @property
    def state(self) -> str:
        """The state of every symbol."""
        return "starting"

    @property
    def silent_pid(self) -> int | None:
        """None: this process answers by itself."""
        return None

    @property
    def alive(self) -> bool:
        """It does, though it does not trade yet."""
        return True

    @property
    def reason(self) -> str:
        """What the start waits for."""
        return f"the start waits: {self.waits_for}" if self.waits_for else "the bot is starting"

    @property
    def fix(self) -> str:
        """What to do."""
        return "wait until it has begun"


#: Serves the desk of a start for as long as it waits; cancelled when the start goes on.
Lobby = Callable[[StartingDesk], Awaitable[None]]


async def nobody(_: StartingDesk) -> None:
    """Serve nobody."""


@attrs.define(eq=False)
class Start:
    """One start of a bot.

    Attributes:
        desk: tells what it waits for.
        lobby: serves that desk.
        exposed: something is open at the exchange: then every trouble with it is waited for.
    """

    desk: StartingDesk
    lobby: Lobby
    exposed: bool = False

    async def to(self, reach: Callable[[], Awaitable[T]]) -> T:
        """Return what ``reach`` returns, calling it again while it raises what passes by itself.

        Raises:
            CabError: something else is wrong.
        """
        try:
            return await reach()
        except CabError as error:
            if not self._passes(error):
                raise
            first = error
        async with self._served():
            return await self._again(reach, first)

    async def _again(self, reach: Callable[[], Awaitable[T]], error: CabError) -> T:
        self._tell(error)
        for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
            self.desk.waits_for = str(error)
            log.warning("the start waits, again in %d s: %s%s", pause_s, error, _fix(error))
            guards = self.desk.guards
            guards.starting(self.desk.reason)
            await guards.clock.sleep_until(guards.clock.now_ms() + 1000 * pause_s)
            try:
                reached = await reach()
            except CabError as again:
                if not self._passes(again):
                    raise
                error = again
            else:
                break
        self.desk.waits_for = ""
        log.info("the start goes on")
        return reached

    def _passes(self, error: CabError) -> bool:
        lasting = (ConfigError, StorageError, LockedError)
        return isinstance(error, AwayError) or (self.exposed and not isinstance(error, lasting))

    def _tell(self, error: CabError) -> None:
        guards, fix = self.desk.guards, _fix(error)
        open_ = ", and positions are open that nobody looks after meanwhile" if self.exposed else ""
        alert = {
            "severity": "critical" if self.exposed else "important",
            "kind": "start.waits",
            "text": f"the start waits{open_}: {error}{fix}",
            "symbol": "",
            "rule": "",
            "ts_ms": guards.clock.now_ms(),
        }
        guards.opened.bus.publish("alert", alert, guards.ids.trace_id())

    @asynccontextmanager
    async def _served(self) -> AsyncIterator[None]:
        serving = asyncio.ensure_future(self.lobby(self.desk))
        try:
            yield
        finally:
            serving.cancel()
            (failed,) = await asyncio.gather(serving, return_exceptions=True)
            if isinstance(failed, Exception):
                log.error("the start could not be served", exc_info=failed)


def _fix(error: CabError) -> str:
    return f"; {error.fix}" if error.fix else ""


async def is_exposed(guards: Guards) -> bool:
    """Say whether a former run left positions or orders open."""
    past = await guards.storage.remember()
    return bool(past.positions or past.open_intents)
