"""One life of the bot: the real start path on a virtual clock, with a strategy that draws its decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from tests.sim.broker import SimBroker
from tests.sim.crashes import MortalBroker, MortalStorage, Reaper
from tests.sim.draws import chosen, fraction
from tests.sim.memory import InlineWriter, open_store
from tests.sim.wire import Wire
from tests.sim.world import World

from cab_core.app.config import cycle_config
from cab_core.app.live import QuotedSetup
from cab_core.app.session import Care, Session
from cab_core.clock import VirtualClock, turn
from cab_core.cycle.config import CycleConfig
from cab_core.cycle.moment import MomentReader
from cab_core.cycle.supervise import Loop
from cab_core.domain.bars import Bars
from cab_core.domain.signals import Signals
from cab_core.domain.timeframes import TF_MS
from cab_core.plugins.registry import Plugins
from cab_core.plugins.report import PluginReport
from cab_core.ports import EventHandler
from cab_core.settings import load_settings
from cab_core.settings.schema import Settings
from cab_core.storage.records import Records

#: Time between two looks of the bot, seconds: coarser than in production, so that a day passes quickly.
LOOK_S, RECONCILE_S = 60, 600

#: Distances of take profits, stop and trail in percent; a quiet market reaches the first ones hourly.
_LEVELS = (("0.5", "1.2", "0.8", "0.5"), ("0.8", "2.0", "1.2", "0.6"), ("1.0", "1.6", "0.6", "0.9"))

STOP_OFFSET = Decimal("0.005")


class EndError(BaseException):
    """The life ends here, as by a kill at a moment at which nothing happens."""


@attrs.define(eq=False)
class Log:
    """A bus that nobody listens to, and the failures of the bot's loops."""

    failures: list[BaseException] = attrs.field(factory=list)

    def publish(self, topic: str, payload: Mapping[str, Any], trace_id: str = "-") -> None:
        """Nobody listens."""

    def subscribe(self, topic: str, handler: EventHandler) -> None:
        """Nobody listens."""


@attrs.frozen(eq=False)
class DrawnPanel:
    """A strategy without an opinion: each closed candle draws what it wants."""

    world: World
    symbol: str

    def block(self, bars: Bars, first: int) -> Sequence[Signals]:
        """Answer each row from its open time alone."""
        action = np.array([self._wish(int(ts_ms)) for ts_ms in bars.ts_ms[first:]], np.int8)
        return [Signals(action, (action != 0) * 1.0, np.zeros(len(action), np.int16), ("drawn",))]

    def _wish(self, ts_ms: int) -> int:
        point = fraction(self.world.plan.seed, "wish", self.symbol, ts_ms)
        if self.world.calm:
            return 0
        return 1 if point < 0.5 else -1 if point > 0.93 else 0


@attrs.frozen(eq=False, kw_only=True)
class Life:
    """What a bot starts with.

    Attributes:
        broker: makes the broker; a saboteur makes another one.
        prepare: called with the session before it takes up its work.
    """

    world: World
    writer: InlineWriter
    reaper: Reaper
    log: Log
    until_ms: int
    broker: Callable[[Wire], SimBroker] = SimBroker
    prepare: Callable[[Session], None] = lambda _: None

    async def live(self) -> None:
        """Start as production does, and run until killed; `EndError` at ``until_ms``."""
        world, reaper = self.world, self.reaper
        clock = VirtualClock(world.now_ms)
        store = await open_store(self.writer)
        setup = QuotedSetup(
            config=configuration(world.plan.seed, world.plan.symbols),
            plugins=Plugins((), (), (), (), None, PluginReport(())),
            storage=MortalStorage(Records(store, "sim"), self.writer, reaper),
            bus=self.log,
            settings=settings(world.plan.seed),
            clock=clock,
            venue=MortalBroker(self.broker(Wire(world, clock)), reaper),
            care=Care(stop_offset=STOP_OFFSET, resting_ms=1000 * LOOK_S, reconcile_ms=1000 * RECONCILE_S),
            max_lag_ms=120_000,
        )
        async with turn(clock):
            session = await setup.open()
            orchestrator = session.orchestrator
            config, market = orchestrator.config, session.venue.market
            orchestrator.decider.readers = {
                s: MomentReader(s, market, DrawnPanel(world, s), config) for s in config.symbols
            }
            orchestrator.supervisor.on_failure = lambda _, __, error, *___: self.log.failures.append(error)
            orchestrator.background += (Loop("account", "end", self._end(clock), background=True),)
            self.prepare(session)
            await session.take_up()
        reaper.recovering = False
        await orchestrator.run()

    def _end(self, clock: VirtualClock) -> Any:
        async def end() -> None:
            await clock.sleep_until(self.until_ms, order=99)
            self.world.advance(clock.now_ms())
            raise EndError

        return end


@cache
def settings(seed: int) -> Settings:
    """Return the settings of a seed."""
    tp1, tp2, stop, trail = chosen(_LEVELS, seed, "levels")
    overrides = (
        "STRATEGY_SET=",
        "TREND_UNKNOWN_POLICY=allow",
        "VOLUME_FILTER_ENABLED=false",
        f"EXITS_INTERVAL_SEC={LOOK_S}",
        "EVAL_INTERVAL_SEC=300",
        f"TAKE_PROFIT_1_PCT={tp1}",
        f"TAKE_PROFIT_2_PCT={tp2}",
        f"STOP_LOSS_PCT={stop}",
        f"TRAILING_STOP_PCT={trail}",
        "FIXED_AMOUNT=50",
    )
    return load_settings({}, Path("/nonexistent"), overrides, require_run=False).settings


def configuration(seed: int, symbols: Sequence[str]) -> CycleConfig:
    """Return the core's configuration of a seed."""
    return cycle_config(settings(seed), ["drawn"], symbols)


__all__ = ["LOOK_S", "TF_MS", "EndError", "Life", "Log", "configuration", "settings"]
