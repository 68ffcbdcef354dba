"""The exchange of the settings, asked by reading only: neither the lock nor the database is taken."""

from __future__ import annotations

import asyncio

from cab_core.app.config import cycle_config
from cab_core.app.live import open_venue, venue_plugin
from cab_core.app.verify.evidence import Evidence
from cab_core.app.verify.exchange import check_exchange
from cab_core.app.verify.results import Result
from cab_core.clock import SystemClock
from cab_core.errors import UsageError
from cab_core.settings.schema import Settings


def ask_exchange(settings: Settings, evidence: Evidence) -> list[Result]:
    """Compare the evidence with the live account of the settings.

    Raises:
        UsageError: the settings name no live account.
        CabError: the exchange does not answer.
    """
    if settings.mode != "live":
        raise UsageError("only a live account can be asked", where="--exchange", fix="set MODE=live")
    return asyncio.run(_ask(settings, evidence))


async def _ask(settings: Settings, evidence: Evidence) -> list[Result]:
    config = cycle_config(settings, [], settings.symbols)
    broker = open_venue(venue_plugin(settings).broker, settings, config, SystemClock())
    try:
        return await check_exchange(evidence, broker, stops_expected=settings.exits_exchange_stop)
    finally:
        await broker.close()
