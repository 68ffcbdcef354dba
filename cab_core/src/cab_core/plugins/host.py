"""The registry: one pluggy manager per kind, with checks of ours before anything is registered.

One manager per kind means that a strategy cannot implement, wrap or overrule a hook of the risk rules.
pluggy alone would accept a plugin whose hooks are never called; `faults_of` finds those.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pluggy

from cab_core.contracts import Context, MarketData
from cab_core.domain.bars import Bars
from cab_core.domain.signals import Decision
from cab_core.domain.timeframes import LOOKBACK_BARS, TF_MS
from cab_core.errors import PluginError
from cab_core.hookspecs import (
    PROJECT,
    BrokerHooks,
    LifecycleHooks,
    MacroHooks,
    NotifierHooks,
    RiskHooks,
    StrategyHooks,
)
from cab_core.plugins.bound import MAIN_HOOKS, Bound, BoundStrategy
from cab_core.plugins.inventory import PluginRecord
from cab_core.plugins.isolation import attempt, drive
from cab_core.plugins.kinds import Kind
from cab_core.plugins.registration import faults_of, hook_functions

SPECS: dict[Kind, type[LifecycleHooks]] = {
    Kind.STRATEGY: StrategyHooks,
    Kind.RISK: RiskHooks,
    Kind.MACRO: MacroHooks,
    Kind.BROKER: BrokerHooks,
    Kind.NOTIFIER: NotifierHooks,
}


class Host:
    """Registers the plugins of one kind; what it returns is called without pluggy in between."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(SPECS[kind])

    def register(self, record: PluginRecord, plugin: object) -> Bound:
        """Check and register a configured plugin.

        Raises:
            PluginError: it would not be called as its author expects; the message names the fix.
        """
        specs = hook_functions(SPECS[self.kind])
        faults = faults_of(type(plugin), specs, MAIN_HOOKS[self.kind])
        if faults:
            raise PluginError("; ".join(faults), where=record.id, fix=f"correct {record.target}")
        try:
            self._manager.register(plugin, record.id)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.has_plugin(record.id):
                self._manager.unregister(name=record.id)
            raise PluginError(str(error), where=record.id, fix=f"correct {record.target}") from error
        return self._bound(record, plugin)

    def _bound(self, record: PluginRecord, plugin: object) -> Bound:
        hooks: dict[str, Callable[..., Any]] = {}
        for caller in self._manager.get_hookcallers(plugin) or []:
            impl = next(impl for impl in caller.get_hookimpls() if impl.plugin is plugin)
            spec = inspect.signature(getattr(SPECS[self.kind], caller.name))
            hooks[caller.name] = _in_spec_order(impl.function, tuple(spec.parameters)[1:])
        main = next(hooks[name] for name in MAIN_HOOKS[self.kind] if name in hooks)
        if self.kind is not Kind.STRATEGY:
            return Bound(record, plugin, main, hooks)
        by_bar = None if "signals" in hooks else _by_bar(main)
        return BoundStrategy(record, plugin, main, hooks, _warmup_bars(record, plugin), by_bar)


def _in_spec_order(function: Callable[..., Any], spec_names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a hook that takes all arguments of its specification, whichever of them the plugin names."""
    names = tuple(inspect.signature(function).parameters)
    if names == spec_names:
        return function
    positions = [spec_names.index(name) for name in names]

    def call(*args: Any) -> Any:
        return function(*(args[i] for i in positions))

    return call


def _by_bar(generate: Callable[..., Any]) -> Callable[[Bars, str], Decision]:
    def ask(bars: Bars, symbol: str) -> Decision:
        context = Context(symbol, int(bars.ts_ms[-1]) + TF_MS)
        answer = generate(MarketData(bars), context)
        decision: Decision = drive(answer) if inspect.iscoroutine(answer) else answer
        return decision

    return ask


def _warmup_bars(record: PluginRecord, plugin: Any) -> int:
    warmup, error = attempt(lambda: plugin.warmup_bars())
    if error is not None:
        raise PluginError(str(error), where=record.id, fix="define warmup_bars(self) -> int")
    if isinstance(warmup, bool) or not isinstance(warmup, int) or not 1 <= warmup <= LOOKBACK_BARS:
        raise PluginError(
            f"warmup_bars() = {warmup!r} is not a whole number in [1, {LOOKBACK_BARS}]",
            where=record.id,
            fix="choose shorter periods",
        )
    return warmup
