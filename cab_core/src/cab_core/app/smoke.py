"""``cab smoke``: the real parts once around: market, database file, signal, order and its protection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import attrs

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.market_choice import RecordedSeries
from cab_core.app.paper import PaperSetup
from cab_core.app.session import Session
from cab_core.bus.memory import MemoryBus
from cab_core.cycle.records import OrderRecord
from cab_core.data.generator import generate
from cab_core.domain.candles import prepare
from cab_core.domain.figures import money, price
from cab_core.domain.orders import Purpose
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import CabError
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registry import Plugins
from cab_core.settings import Settings, load_settings
from cab_core.storage import PaperState, Store, load_positions, verify_journal
from cab_core.storage.memory import MemoryRecords
from cab_core.storage.records import Records

SYMBOL = "BTC/USDT"
_DAYS, _TRADED = 4, 8
_PROBE = "probe.py"

#: A strategy that always wants to buy: the forced signal.
_ALWAYS_BUY = '''"""Wants to buy at every bar."""

import numpy as np

from cab_core.sdk import Bars, Signals, Strategy, hookimpl, plugin


@plugin
class Probe(Strategy):
    """The forced signal of the smoke test."""

    def warmup_bars(self) -> int:
        return 1

    @hookimpl
    def signals(self, bars: Bars) -> Signals:
        n = len(bars)
        return Signals(np.ones(n, np.int8), np.ones(n), np.zeros(n, np.int32), ("forced",))
'''


@attrs.frozen(slots=True)
class Check:
    """One line of the smoke test."""

    name: str
    ok: bool
    detail: str
    seconds: float


@attrs.define(eq=False)
class _Smoke:
    """The parts under test, as far as they have been put together."""

    folder: Path
    settings: Settings
    plugins: Plugins | None = None
    store: Store | None = None
    session: Session | None = None
    orders: list[OrderRecord] = attrs.field(factory=list)
    protected: int = 0

    async def broker(self) -> str:
        """Load the plugins and ask the paper broker for prices and money."""
        self.plugins = plugins_for(self.settings, {Kind.BROKER: ["paper"]})
        session = await self._open(MemoryBus())
        quote, balances = await session.broker.quote(SYMBOL), await session.broker.balances()
        await session.broker.close()
        balance = money(balances["USDT"].total, "USDT")
        return f"{SYMBOL} {price(quote.bid)}/{price(quote.ask)}, balance {balance} USDT"

    async def database(self) -> str:
        """Create and migrate a database file, and write to it."""
        self.store = await Store.open(self.folder / "smoke.sqlite3")
        problems = await self.store.transact(verify_journal)
        if problems:
            raise CabError("; ".join(problems), where=self.store.label)
        return f"created and migrated, epoch {self.store.epoch}"

    async def cycle(self) -> str:
        """Trade a few candles, from the forced signal to a protected position, and check the record of it."""
        if self.plugins is None or self.store is None:
            raise CabError("broker and database are needed first", where="smoke")
        bus = MemoryBus()
        self.session = session = await self._open(bus)
        try:
            await session.orchestrator.run()
        finally:
            await bus.close()
            await session.broker.close()
        entries = [order for order in self.orders if order.intent.purpose is Purpose.ENTRY and order.fills]
        if not entries:
            raise CabError("the forced signal made no order", where="smoke")
        if not self.protected:
            raise CabError("the position has no stop", where="smoke")
        if session.orchestrator.supervisor.failures:
            raise CabError("a loop failed", where="smoke")
        problems = await self.store.transact(verify_journal)
        stored = await self.store.transact(load_positions)
        if problems or stored.keys() != session.trader.book.positions.keys():
            raise CabError("; ".join(problems) or "the stored positions are not the book's", where="smoke")
        rules = len(self.plugins.rules)
        return (
            f"signal, {rules} risk rules, {len(entries)} mock order{'s' if len(entries) > 1 else ''}, "
            "protected, journal verified"
        )

    async def _open(self, bus: MemoryBus) -> Session:
        plugins = self.plugins
        if plugins is None:
            raise CabError("no plugins are loaded", where="smoke")
        market = _market()
        config = cycle_config(self.settings, [bound.name for bound in plugins.strategies], [SYMBOL])
        return await PaperSetup(
            config=config,
            plugins=plugins,
            series=market.series,
            storage=MemoryRecords() if self.store is None else Records(self.store, "paper"),
            bus=bus,
            trade_from_ms=market.trade_from_ms,
            on_order=self._on_order,
            state=None if self.store is None else PaperState(self.store),
        ).open()

    def _on_order(self, order: OrderRecord) -> None:
        self.orders.append(order)
        position = None if self.session is None else self.session.trader.book.positions.get(SYMBOL)
        self.protected += position is not None and position.protection is not None


async def smoke(folder: Path) -> list[Check]:
    """Run the three checks in ``folder``; none of them needs settings, keys or network."""
    probe = folder / _PROBE
    probe.write_text(_ALWAYS_BUY, encoding="utf-8")
    overrides = (f"STRATEGY_SET={probe}", "TREND_UNKNOWN_POLICY=allow", "VOLUME_FILTER_ENABLED=false")
    settings = load_settings({}, folder, overrides, require_run=False).settings
    async with _closed(_Smoke(folder, settings)) as run:
        return [
            await _check("exchange connection (paper)", run.broker),
            await _check("DB initialisation", run.database),
            await _check("full cycle signal -> risk -> mock order", run.cycle),
        ]


@asynccontextmanager
async def _closed(run: _Smoke) -> AsyncIterator[_Smoke]:
    try:
        yield run
    finally:
        if run.store is not None:
            await run.store.close()


async def _check(name: str, what: Callable[[], Awaitable[str]]) -> Check:
    began = perf_counter()
    try:
        detail, ok = await what(), True
    except (CabError, OSError, ValueError, TypeError, LookupError) as error:
        detail, ok = f"{error}" or type(error).__name__, False
    return Check(name, ok, detail, perf_counter() - began)


def _market() -> RecordedSeries:
    bars = generate(SYMBOL, _DAYS, 1)
    return RecordedSeries({SYMBOL: prepare(bars)}, int(bars.ts_ms[-1]) - (_TRADED - 1) * TF_MS)
