"""What may be commanded while no bot runs: on its database, under its lock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cab_core.app.config import cycle_config
from cab_core.app.continuing import place_of
from cab_core.app.desk.commands import Command, Done
from cab_core.app.desk.settling import settle
from cab_core.app.desk.task import REFUSALS, Task, known, require_role, write_refusal
from cab_core.app.history import account_now
from cab_core.app.ids import SystemIds
from cab_core.app.instance import instance_key, only_instance
from cab_core.app.reconcile import Wish, require_account
from cab_core.app.stored_account import NoVenue, stored_execution
from cab_core.clock import Clock, SystemClock, VirtualClock
from cab_core.settings.schema import Settings
from cab_core.storage import Store
from cab_core.storage.records import Records

log = logging.getLogger("cab.control")


async def settle_stopped(settings: Settings, command: Command) -> Done:
    """Settle an order on the database of a bot that does not run, and write it to the audit.

    Nobody asks the exchange: trades are booked only as the person gives them, and the next start compares.

    Raises:
        LockedError: a bot runs by now.
        NotRunningError: there is no account yet.
        CabError: refused, as by a running bot.
    """
    leaving = await asyncio.to_thread(require_account, settings, Wish())
    async with _opened(settings) as store:
        now_ms, recorded = await store.transact(account_now)
        clock: Clock = VirtualClock(now_ms) if recorded else SystemClock()
        task = Task(command=command, trace_id=SystemIds().trace_id(), now_ms=now_ms)
        config = cycle_config(settings, [], settings.symbols, leaving)
        storage = Records(store, settings.exchange if settings.mode == "live" else "paper")
        states = dict.fromkeys(config.symbols, "stopped")
        try:
            require_role(command)
            if (answered := await known(store, command)) is not None:
                return answered
            execution = stored_execution(config, await storage.remember(), storage, NoVenue(), clock)
            return await settle(execution, store, task, states)
        except REFUSALS as error:
            await write_refusal(store, task, states, error)
            raise


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Store]:
    """Open the database as the only writer, holding what a bot would hold."""
    with only_instance(settings, SystemClock().now_ms()) as holder:
        async with instance_key(settings, holder, SystemIds().trace_id(), log.critical):
            store = await Store.open(place_of(settings), alone=True)
            try:
                yield store
            finally:
                await store.close()
