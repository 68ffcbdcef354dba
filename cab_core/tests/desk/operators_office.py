"""Paper runs of a bot that trades by the clock, with somebody at its desk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs

from cab_core.app.desk.cold import ColdDesk
from cab_core.app.desk.commands import Action, Actor, Command, Role
from cab_core.app.desk.live import LiveDesk
from cab_core.app.market_choice import parse_market
from cab_core.app.run import run_paper
from cab_core.app.running import Running
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.settings import load_settings
from cab_core.settings.schema import Settings

BTC, ETH = "BTC/USDT", "ETH/USDT"

#: Buys at every eighth quarter of an hour, sells four later.
CLOCKWORK = '''
"""Trades by the clock."""

import numpy as np

from cab_core.sdk import Signals, Strategy, hookimpl, plugin


@plugin
class Clockwork(Strategy):
    """Buys and sells in turn."""

    def warmup_bars(self):
        return 3

    @hookimpl
    def signals(self, bars):
        beat = bars.ts_ms // 900_000 % 8
        action = np.where(beat == 0, 1, np.where(beat == 4, -1, 0)).astype(np.int8)
        return Signals(action, (action != 0) * 1.0, np.zeros(len(bars), np.int32), ("beat",))
'''


@attrs.frozen
class Office:
    """A folder with a bot's settings, its strategy and a recorded market."""

    folder: Path
    settings: Settings

    @classmethod
    def made(cls, folder: Path, *symbols: str, bars: int, overrides: tuple[str, ...] = ()) -> Office:
        (folder / "clockwork.py").write_text(CLOCKWORK)
        market = folder / "market"
        market.mkdir()
        for symbol in symbols:
            name = symbol.replace("/", "-")
            write_candles(market / f"{name}.csv", generate(symbol, bars // 96 + 1, 11)[:bars])
        return cls.opened(folder, *symbols, overrides=overrides)

    @classmethod
    def opened(cls, folder: Path, *symbols: str, overrides: tuple[str, ...] = ()) -> Office:
        """Return the office that was made in a folder."""
        given = (
            "MODE=paper",
            "EXCHANGE=gateio",
            f"SYMBOLS={','.join(symbols)}",
            f"STRATEGY_SET={folder / 'clockwork.py'}",
            "STRATEGY_MODE=weighted",
            "TREND_UNKNOWN_POLICY=allow",
            "VOLUME_FILTER_ENABLED=false",
            "RISK_LOSS_STREAK_COUNT=50",
            f"DB_PATH={folder / 'data' / 'trader.sqlite3'}",
            f"INSTANCE_LOCK_PATH={folder / 'lock'}",
        )
        return cls(folder, load_settings({}, folder, (*given, *overrides)).settings)

    @property
    def cold(self) -> ColdDesk:
        return ColdDesk(self.settings)

    async def run(self, doing: Callable[[LiveDesk, Running], Awaitable[None]] | None = None) -> Running:
        """Trade to the end of the market, or until somebody at the desk is done."""
        failed: list[BaseException] = []

        async def view(running: Running) -> None:
            if doing is None:
                return
            try:
                while not running.session.orchestrator.supervisor.states:
                    await asyncio.sleep(0.002)
                assert isinstance(running.desk, LiveDesk)
                await doing(running.desk, running)
                assert not running.ended, "the market ended too early"
            except BaseException as error:
                failed.append(error)
                raise
            finally:
                if not running.ended:
                    await running.session.orchestrator.end()

        running = await run_paper(self.settings, parse_market([f"file:{self.folder / 'market'}"]), 0.0, view)
        if failed:
            raise failed[0]
        return running


async def until(condition: Callable[[], bool]) -> None:
    """Wait while the bot trades."""
    while not condition():
        await asyncio.sleep(0.002)


def order(action: Action, role: Role = Role.ADMIN, **given: Any) -> Command:
    """Return a command of Anna's."""
    return Command(action=action, actor=Actor(name="anna", role=role, surface="api"), **given)
