"""The demo as a bot lives it: the same month through the loops of paper trading, on a virtual clock."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import attrs

from cab_core.app.bus import OpenBus
from cab_core.app.demo import SYMBOLS, demo_settings, prepare_demo
from cab_core.app.desk.live import live_desk
from cab_core.app.fitness import load_run
from cab_core.app.paper import PaperSetup
from cab_core.app.run import View, opened_store, started_plugins, until_over
from cab_core.app.running import Running, Tally
from cab_core.app.stop_signals import stopped_by_signals
from cab_core.bus.memory import MemoryBus
from cab_core.settings import Settings
from cab_core.storage import PaperState
from cab_core.storage.records import Records

log = logging.getLogger("cab.demo")


@attrs.frozen(kw_only=True)
class Stage:
    """Who watches a demo.

    Attributes:
        pages: serves the run, also after its end, until ``after`` returns.
        view: shows the run while it goes on.
        after: follows its end.
    """

    pages: View
    view: View
    after: View


async def play_demo(seed: int, days: int, out: Path, speed: float, stage: Stage) -> Running:
    """Trade the demo's month in paper, so that it can be watched; its database is gone afterwards.

    Args:
        seed: of the market.
        days: its length.
        out: where the candle files lie.
        speed: virtual seconds per second of waiting, 0 for as fast as possible.
        stage: who watches.

    Raises:
        CabError: the folder cannot be written, or a plugin is broken.
    """
    with tempfile.TemporaryDirectory(prefix="cab-demo-") as folder:
        settings = _settings(Path(folder))
        prepared = await asyncio.to_thread(prepare_demo, seed, days, out)
        config, plugins = load_run(settings, SYMBOLS)
        market = f"demo:{seed}"
        async with opened_store(settings, f"paper:{market}") as store, started_plugins(plugins):
            bus, tally = MemoryBus(), Tally()
            setup = PaperSetup(
                config=config,
                plugins=plugins,
                series=prepared.histories.series,
                storage=Records(store, "paper"),
                bus=bus,
                state=PaperState(store),
                trade_from_ms=prepared.plan.from_ms,
                timeline=prepared.backtest.timeline,
                speed=speed,
                on_order=tally.on_order,
                on_cycle=tally.on_cycle,
            )
            session = await setup.open()
            running = Running(
                settings=settings, market=market, session=session, tally=tally, opened=OpenBus(bus)
            )
            running.desk = live_desk(running, store, plugins)
            try:
                await _staged(running, stage)
            finally:
                await bus.close()
                await session.broker.close()
            return running


async def _staged(running: Running, stage: Stage) -> None:
    serving = asyncio.create_task(_served(stage.pages, running), name="pages")
    try:
        with stopped_by_signals(running):
            await until_over(running, stage.view)
        await stage.after(running)
    finally:
        serving.cancel()
        failed = (await asyncio.gather(serving, return_exceptions=True))[0]
        if isinstance(failed, Exception):
            log.error("the pages failed", exc_info=failed)


async def _served(pages: View, running: Running) -> None:
    await pages(running)


def _settings(folder: Path) -> Settings:
    return demo_settings(
        folder,
        "MODE=paper",
        "EXCHANGE=paper",
        f"SYMBOLS={','.join(SYMBOLS)}",
        f"DB_PATH={folder / 'demo.db'}",
        "PORT=0",
    )
