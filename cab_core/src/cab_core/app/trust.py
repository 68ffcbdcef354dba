"""Whether what a run does is what its plugins would do: failures, and answers that know the future."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import attrs

from cab_core.cycle.announce import Announcer
from cab_core.cycle.evaluate import Panel
from cab_core.cycle.later_look import LaterLook
from cab_core.cycle.regime_watch import RegimeWatch
from cab_core.plugins.bound import BoundStrategy
from cab_core.plugins.callers import RiskPanel
from cab_core.plugins.failures import Failure, failed
from cab_core.plugins.hindsight import Doubt
from cab_core.plugins.strategies import StrategyPanel
from cab_core.ports import Cycle

log = logging.getLogger("cab.trust")

#: The kind of the alert about a plugin that failed; that of a doubt is its fault.
PLUGIN_FAILED = "plugin_failed"


@attrs.define(eq=False, kw_only=True)
class Trust:
    """Watches over the plugins of one run.

    Attributes:
        strategies: in set order. ``judge``: asks the rules. ``panels``: makes the strategies of a symbol.
        later: whether windows are asked for again, which recorded candles allow: they never change.
        doubts: strategies whose answers changed.
    """

    strategies: Sequence[BoundStrategy]
    judge: RiskPanel
    panels: Callable[[str], StrategyPanel]
    budget_s: float
    later: bool
    sources: RegimeWatch | None = None
    doubts: list[Doubt] = attrs.field(factory=list, init=False)
    _told: set[tuple[str, str, str]] = attrs.field(factory=set, init=False)
    _asked: list[StrategyPanel] = attrs.field(factory=list, init=False)
    _looks: list[LaterLook] = attrs.field(factory=list, init=False)

    def panel(self, symbol: str) -> Panel:
        """Return the strategies of a symbol, watched."""
        panel = self.panels(symbol)
        self._asked.append(panel)
        if not self.later:
            return panel
        look = LaterLook(panel, self.strategies, symbol, self.budget_s, self.doubts.append)
        self._looks.append(look)
        return look

    @property
    def failures(self) -> list[Failure]:
        """What failed so far, the worst first."""
        found = [failure for panel in self._asked for failure in panel.failures()]
        found += self.judge.failures()
        found += [] if self.sources is None else self.sources.failures()
        return failed(found)

    @property
    def alarms(self) -> list[str]:
        """Why the run is not what its plugins would do, one line each."""
        return [doubt.text for doubt in self.doubts] + [failure.text for failure in self.failures]

    def after(self, on_cycle: Callable[[Cycle], None], announcer: Announcer) -> Callable[[Cycle], None]:
        """Return a listener that tells the operator what is new after each cycle."""

        def told(cycle: Cycle) -> None:
            on_cycle(cycle)
            self.tell(announcer, cycle.trace_id)

        return told

    def tell(self, announcer: Announcer, trace_id: str) -> None:
        """Tell the operator what is new: doubts, first failures, and plugins that are given up."""
        for doubt in self.doubts:
            self._tell(announcer, (doubt.strategy, doubt.symbol, doubt.fault), doubt.text, trace_id)
        for failure in self.failures:
            key = (failure.plugin, failure.symbol, "quarantined" if failure.quarantined else PLUGIN_FAILED)
            is_new = self._tell(announcer, key, failure.text, trace_id)
            if is_new and failure.quarantined:
                facts = {"reason": failure.message, "strikes": failure.failures}
                announcer.bus.publish("plugin.quarantined", {"plugin": failure.plugin, **facts}, trace_id)

    def finish(self, announcer: Announcer, trace_id: str) -> None:
        """Look at what is left at the end of a run."""
        for look in self._looks:
            look.look()
        self.tell(announcer, trace_id)

    def _tell(self, announcer: Announcer, key: tuple[str, str, str], text: str, trace_id: str) -> bool:
        if key in self._told:
            return False
        self._told.add(key)
        kind = PLUGIN_FAILED if key[2] == "quarantined" else key[2]
        log.error("%s", text)
        announcer.alert("important", kind, text, trace_id, symbol=key[1])
        return True
