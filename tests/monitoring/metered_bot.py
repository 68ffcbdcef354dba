"""A paper bot with its metrics: in this process, or as one of its own that serves them over HTTP.

``python metered_bot.py FOLDER`` prints the port and trades until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from cab_core.app.market_choice import MarketChoice
from cab_core.app.metering import Meter
from cab_core.app.run import load_run, run_paper
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


def settings_of(folder: Path, *overrides: str) -> Settings:
    """Return the settings of a bot that lives in a folder."""
    strategy = folder / "clockwork.py"
    strategy.write_text(STRATEGY)
    return load_settings(
        {},
        folder,
        (
            "MODE=paper",
            "EXCHANGE=gateio",
            f"SYMBOLS={SYMBOL}",
            f"STRATEGY_SET={strategy}",
            f"DB_PATH={folder / 'paper.sqlite3'}",
            f"INSTANCE_LOCK_PATH={folder / 'lock'}",
            "TREND_UNKNOWN_POLICY=allow",
            "VOLUME_FILTER_ENABLED=false",
            *overrides,
        ),
    ).settings


async def trade(
    settings: Settings,
    speed: float,
    look: Callable[[Running, Meter], Awaitable[None]],
    prepare: Callable[[Meter], None] = lambda _: None,
) -> tuple[Running, Meter]:
    """Trade on the sample market until ``look``, called when the session is open, returns."""
    _, plugins = load_run(settings, settings.symbols)
    meter = Meter.of(settings, plugins, "0.1.0", SystemClock())
    prepare(meter)

    failures: list[BaseException] = []

    async def view(running: Running) -> None:
        meter.connect(running.session.orchestrator.announcer.bus)
        meter.attach(running)
        try:
            await look(running, meter)
        except Exception as failure:  # noqa: BLE001 - raised again below, once the run is over
            failures.append(failure)
        await running.session.orchestrator.stop("seen enough")

    running = await run_paper(settings, MarketChoice("sample"), speed, view)
    for failure in failures:  # a run ignores what its view raises
        raise failure
    return running, meter


async def serve(meter: Meter) -> asyncio.Server:
    """Answer every request with the metrics.

    To be replaced by the bot's own API where `cab run` serves it: nothing else here knows of HTTP.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = [line.partition(":") for line in head.splitlines()]
        accept = next((value.strip() for name, _, value in lines if name.lower() == "accept"), "")
        body, kind = meter.scrape(accept)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        writer.write(f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def _look(_: Running, meter: Meter) -> None:
    server = await serve(meter)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(trade(settings_of(Path(sys.argv[1]), *LOSING), 20_000, _look))
