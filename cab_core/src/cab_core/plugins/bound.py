"""A registered plugin, ready to be called without going through the registry again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from cab_core.domain.bars import Bars
from cab_core.domain.signals import Decision, Signals
from cab_core.plugins.answers import columns
from cab_core.plugins.inventory import PluginRecord
from cab_core.plugins.kinds import Kind

#: What each kind is called for; a plugin implements exactly one of its kind's hooks.
MAIN_HOOKS: dict[Kind, tuple[str, ...]] = {
    Kind.STRATEGY: ("signals", "generate"),
    Kind.RISK: ("check",),
    Kind.MACRO: ("read",),
    Kind.BROKER: ("open",),
    Kind.NOTIFIER: ("notify",),
}


@attrs.frozen(eq=False)
class Bound:
    """One plugin with its hooks as plain callables.

    Attributes:
        plugin: the configured instance.
        call: the hook the plugin is there for, taking the arguments of its specification in order.
        hooks: every hook it implements, by name, likewise.
    """

    record: PluginRecord
    plugin: Any
    call: Callable[..., Any]
    hooks: Mapping[str, Callable[..., Any]]

    @property
    def name(self) -> str:
        """Return the name without the kind, e.g. ``ema_cross``."""
        return self.record.name

    @property
    def id(self) -> str:
        """Return the id used on every surface, e.g. ``strategy:ema_cross``."""
        return self.record.id

    @property
    def critical(self) -> bool:
        """Whether a risk rule halts all entries."""
        return bool(getattr(self.plugin, "critical", False))

    @property
    def threshold_pct(self) -> Any:
        """Return the rise in percent that counts against a macro source's index; None: it is only watched."""
        return getattr(self.plugin, "threshold_pct", None)


@attrs.frozen(eq=False)
class BoundStrategy(Bound):
    """A strategy, whichever of the two hooks it implements.

    Attributes:
        warmup_bars: bars it needs for a first answer, with its options as they are.
        by_bar: asks `generate` for the decision at the last of the bars; None if it implements `signals`.
    """

    warmup_bars: int
    by_bar: Callable[[Bars, str], Decision] | None = None

    def signals(self, bars: Bars, symbol: str = "") -> Signals:
        """Answer every bar of the window, without validation; raises what the strategy raises."""
        if self.by_bar is None:
            answer: Signals = self.call(bars)
            return answer
        return columns([self.by_bar(bars[: k + 1], symbol) for k in range(len(bars))])
