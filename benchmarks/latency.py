"""Paper: from a closed candle in the process to the order at the broker port, nine strategies."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs

from benchmarks.engine import NINE_VOTING
from benchmarks.measure import Figure, percentile
from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.paper import PaperSetup
from cab_core.bus.memory import MemoryBus
from cab_core.cycle.moment import Moment, MomentReader
from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare
from cab_core.domain.orders import Intent, Outcome
from cab_core.plugins.kinds import Kind
from cab_core.ports import Storage
from cab_core.sdk import Broker
from cab_core.settings import load_settings
from cab_core.storage import PaperState, Store
from cab_core.storage.memory import MemoryRecords
from cab_core.storage.records import Records


@attrs.define
class Stopwatch:
    """Starts when a candle is read, stops when an order of the same cycle reaches the broker."""

    began: float = 0.0
    seconds: list[float] = attrs.field(factory=list)


@attrs.frozen
class TimedReader:
    """A reader that starts the watch."""

    reader: MomentReader
    watch: Stopwatch

    async def read(self, now_ms: int) -> Moment | None:
        """Note the time and read."""
        self.watch.began = perf_counter()
        return await self.reader.read(now_ms)

    async def refresh(self, now_ms: int) -> None:
        """Pass on."""
        await self.reader.refresh(now_ms)


class TimedBroker:
    """A broker that stops the watch; everything else goes to the real one."""

    def __init__(self, broker: Broker, watch: Stopwatch) -> None:
        self._broker = broker
        self._watch = watch

    async def submit(self, intent: Intent) -> Outcome:
        """Note the time and pass the order on; protective sales start with no candle and do not count."""
        if self._watch.began:
            self._watch.seconds.append(perf_counter() - self._watch.began)
            self._watch.began = 0.0
        return await self._broker.submit(intent)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


async def orders(bars: Mapping[str, Bars], storage: Storage, state: PaperState | None) -> list[float]:
    """Run a paper session and return the seconds from candle to order of every order a candle led to."""
    overrides = [*NINE_VOTING, "RISK_LOSS_STREAK_COUNT=50"]
    settings = load_settings({}, Path.cwd() / "nowhere", overrides, require_run=False).settings
    plugins = plugins_for(settings, {Kind.BROKER: ["paper"]})
    bus = MemoryBus()
    setup = PaperSetup(
        config=cycle_config(settings, [bound.name for bound in plugins.strategies], list(bars)),
        plugins=plugins,
        series={symbol: prepare(columns) for symbol, columns in bars.items()},
        storage=storage,
        bus=bus,
        state=state,
    )
    session = await setup.open()
    watch = Stopwatch()
    orchestrator: Any = session.orchestrator
    orchestrator.decider.readers = {s: TimedReader(r, watch) for s, r in orchestrator.decider.readers.items()}
    orchestrator.execution.broker = TimedBroker(session.broker, watch)
    await orchestrator.run()
    await bus.close()
    return watch.seconds


async def _durable(bars: Mapping[str, Bars]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(Path(folder) / "bench.sqlite3")
        try:
            return await orders(bars, Records(store, "paper"), PaperState(store))
        finally:
            await store.close()


def latency(bars: Mapping[str, Bars]) -> list[Figure]:
    """Time orders without and with durable writes before the send."""
    plain = [1000 * s for s in asyncio.run(orders(bars, MemoryRecords(), None))]
    durable = [1000 * s for s in asyncio.run(_durable(bars))]
    count = f"{len(plain)} orders"
    return [
        Figure("paper, candle to order, p50", [percentile(plain, 0.5)], "ms", 1.0, note=count),
        Figure("paper, candle to order, p99", [percentile(plain, 0.99)], "ms", 3.0, note=count),
        Figure("  with durable writes, p50", [percentile(durable, 0.5)], "ms", note=count),
        Figure("  with durable writes, p99", [percentile(durable, 0.99)], "ms", note=count),
    ]
