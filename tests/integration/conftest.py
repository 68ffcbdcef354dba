"""Paper sessions on a bench: real database, real plugins, a strategy that trades by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from cab_core.app.config import cycle_config, plugins_for
from cab_core.app.paper import PaperSetup
from cab_core.app.session import Session
from cab_core.bus.memory import MemoryBus
from cab_core.cycle.records import OrderRecord
from cab_core.data.generator import START_MS, generate
from cab_core.domain.bars import Bars
from cab_core.domain.candles import Series, prepare
from cab_core.domain.regime import Reading, ReadingKind
from cab_core.domain.regime_timeline import RegimeTimeline, ScriptedReading
from cab_core.plugins.kinds import Kind
from cab_core.ports import Changes, Committed, Cycle, Storage
from cab_core.settings import load_settings
from cab_core.storage import PaperState, Store
from cab_core.storage.records import Records

TF_MS = 900_000

#: Buys at every eighth quarter of an hour, sells four later.
CLOCKWORK = '''
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


@attrs.define
class Outcome:
    """What a session left behind."""

    session: Session
    orders: list[OrderRecord] = attrs.field(factory=list)
    cycles: list[Cycle] = attrs.field(factory=list)
    events: list[tuple[str, Mapping[str, Any]]] = attrs.field(factory=list)

    def reasons(self, action: str = "hold") -> list[str]:
        return [cycle.reason for cycle in self.cycles if cycle.action == action]


@attrs.frozen
class Bench:
    """Opens sessions on one database."""

    folder: Path
    symbols: tuple[str, ...] = ("BTC/USDT",)
    overrides: tuple[str, ...] = ()
    bars: int = 64
    timeline: RegimeTimeline = attrs.field(factory=RegimeTimeline)
    crash: Any = None
    gone: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)  # places of candles that are missing

    @property
    def database(self) -> Path:
        return self.folder / "paper.sqlite3"

    def series(self) -> dict[str, Series]:
        return {symbol: prepare(self.recorded(symbol)) for symbol in self.symbols}

    def recorded(self, symbol: str) -> Bars:
        bars = generate(symbol, 4, 11)[: self.bars]
        return bars.take(~np.isin(np.arange(len(bars)), self.gone.get(symbol, ())))

    def parts(self):
        strategy = self.folder / "clockwork.py"
        strategy.write_text(CLOCKWORK)
        quiet = ("TREND_UNKNOWN_POLICY=allow", "VOLUME_FILTER_ENABLED=false", "RISK_LOSS_STREAK_COUNT=50")
        overrides = (f"STRATEGY_SET={strategy}", *quiet, *self.overrides)
        settings = load_settings({}, self.folder, overrides, require_run=False).settings
        plugins = plugins_for(settings, {Kind.BROKER: ["paper"]})
        return cycle_config(settings, [b.name for b in plugins.strategies], list(self.symbols)), plugins

    @asynccontextmanager
    async def opened(self):
        """Open a session; its orchestrator is not running yet."""
        config, plugins = self.parts()
        store, bus = await Store.open(self.database), MemoryBus()
        outcome = Outcome(None)  # type: ignore[arg-type]  # the session tells it what it does from the start

        async def on_event(topic: str, payload: Mapping[str, Any], _: str) -> None:
            outcome.events.append((topic, payload))

        bus.subscribe("*", on_event)
        storage: Storage = Records(store, "paper")
        try:
            outcome.session = await PaperSetup(
                config=config,
                plugins=plugins,
                series=self.series(),
                storage=storage if self.crash is None else self.crash(storage),
                bus=bus,
                state=PaperState(store),
                timeline=self.timeline,
                on_order=outcome.orders.append,
                on_cycle=outcome.cycles.append,
            ).open()
            yield outcome
        finally:
            await bus.close()
            await store.close()

    async def run(self) -> Outcome:
        """Run a session to the end of its candles."""
        async with self.opened() as outcome:
            await outcome.session.orchestrator.run()
            assert outcome.session.orchestrator.supervisor.failures == {}
            return outcome


def regimes(*changes: tuple[int, str, float]) -> RegimeTimeline:
    """Return changes in percent that sources report from candles of the market on."""
    return RegimeTimeline(
        tuple(
            ScriptedReading(START_MS + candle * TF_MS, source, Reading(ReadingKind.CHANGE, value))
            for candle, source, value in changes
        )
    )


class CrashedError(BaseException):
    """The process is gone."""


@attrs.define
class DiesAt:
    """A storage whose process dies at one commit, before it is written or right after: nothing follows."""

    inner: Storage
    commit_no: int
    after: bool
    commits: int = 0

    async def commit(self, changes: Changes) -> Committed:
        self.commits += 1
        if self.commits > self.commit_no or (self.commits == self.commit_no and not self.after):
            raise CrashedError
        written = await self.inner.commit(changes)
        if self.commits == self.commit_no:
            raise CrashedError
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture(scope="session")
def new_bench():
    """Make a bench in a given folder: for runs that several tests look at."""
    return Bench


@pytest.fixture
def bench(tmp_path: Path):
    """Make a bench in a folder of its own: ``bench(bars=20)``."""
    made = 0

    def make(**how: Any) -> Bench:
        nonlocal made
        made += 1
        folder = tmp_path / f"bench-{made}"
        folder.mkdir()
        return Bench(folder, **how)

    return make


@pytest.fixture
def dying(bench):
    """Make a bench whose process dies at one commit, and tell what it dies of."""

    def make(commit_no: int, *, after: bool, **how: Any) -> tuple[Bench, type[BaseException]]:
        return bench(crash=partial(DiesAt, commit_no=commit_no, after=after), **how), CrashedError

    return make


@pytest.fixture
def macro():
    """Make a script of macro changes: ``macro((10, "dxy", 0.35))``."""
    return regimes
