"""A paper bot that trades by the clock, and its metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from cab_core.app.fitness import load_run
from cab_core.app.market_choice import MarketChoice
from cab_core.app.metering import Meter
from cab_core.app.run import run_paper
from cab_core.app.running import Running
from cab_core.clock import SystemClock
from cab_core.settings import Settings, load_settings

SYMBOL = "BTC/USDT"

#: Buys at every eighth quarter of an hour and sells four later; `broken` raises now and then.
STRATEGY = '''
"""Trades by the clock."""

import numpy as np

from cab_core.sdk import Signals, Strategy, hookimpl, plugin


@plugin
class Clockwork(Strategy):
    """Buys and sells in turn."""

    def warmup_bars(self):
        return 1

    @hookimpl
    def signals(self, bars):
        beat = bars.ts_ms // 900_000 % 8
        action = np.where(beat == 0, 1, np.where(beat == 4, -1, 0)).astype(np.int8)
        return Signals(action, (action != 0) * 1.0, np.zeros(len(bars), np.int32), ("beat",))
'''

#: Every trade costs a tenth, and no rule stops that.
LOSING = (
    "PAPER_FEE_PCT=5",
    "FIXED_AMOUNT=4000",
    "RISK_MAX_DRAWDOWN_PCT=95",
    "RISK_DAILY_LOSS_LIMIT_QUOTE=1000000",
    "RISK_LOSS_STREAK_COUNT=50",
)


def overrides_of(folder: Path, *more: str) -> tuple[str, ...]:
    """Return what sets up a bot that lives in a folder, as ``--set`` takes it."""
    strategy = folder / "clockwork.py"
    strategy.write_text(STRATEGY)
    return (
        "MODE=paper",
        "EXCHANGE=gateio",
        f"SYMBOLS={SYMBOL}",
        f"STRATEGY_SET={strategy}",
        f"DB_PATH={folder / 'paper.sqlite3'}",
        f"INSTANCE_LOCK_PATH={folder / 'lock'}",
        "TREND_UNKNOWN_POLICY=allow",
        "VOLUME_FILTER_ENABLED=false",
        *more,
    )


def settings_of(folder: Path, *more: str) -> Settings:
    """Return the settings of a bot that lives in a folder."""
    return load_settings({}, folder, overrides_of(folder, *more)).settings


async def trade(
    settings: Settings,
    speed: float,
    look: Callable[[Running, Meter], Awaitable[None]],
    prepare: Callable[[Meter], None] = lambda _: None,
) -> tuple[Running, Meter]:
    """Trade on the sample market until ``look``, called when the session is open, returns."""
    _, plugins = load_run(settings, settings.symbols)
    meter = Meter.of(settings, settings.symbols, plugins, "0.1.0", SystemClock())
    prepare(meter)

    failures: list[BaseException] = []

    async def view(running: Running) -> None:
        meter.connect(running.session.orchestrator.announcer.bus)
        meter.attach(running)
        try:
            await look(running, meter)
        except Exception as failure:  # noqa: BLE001 - raised again below, once the run is over
            failures.append(failure)
        await running.session.orchestrator.end()

    running = await run_paper(settings, MarketChoice("sample"), speed, view)
    for failure in failures:  # a run ignores what its view raises
        raise failure
    return running, meter
