"""Starting, stopping and asking the health of plugins; every hook here is optional."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from cab_core.contracts import Health, Panel
from cab_core.domain.regime import Reading
from cab_core.plugins.answers import check_health, check_nothing, check_panel
from cab_core.plugins.bound import Bound
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import Caller, Outcome
from cab_core.plugins.policy import HEALTH_BUDGET_S, PANEL_BUDGET_S, START_BUDGET_S

T = TypeVar("T")


async def start_all(plugins: Sequence[Bound]) -> list[Outcome[None]]:
    """Start plugins one after the other; an error counts as if the plugin had failed to load."""
    return await _each(plugins, "start", check_nothing, START_BUDGET_S)


async def stop_all(plugins: Sequence[Bound]) -> list[Outcome[None]]:
    """Stop plugins in reverse order; errors are for the log."""
    return await _each(tuple(reversed(plugins)), "stop", check_nothing, START_BUDGET_S)


async def health_of(plugins: Sequence[Bound]) -> list[Outcome[Health]]:
    """Ask the plugins that have a health hook; an error means not healthy."""
    return await _each(plugins, "health", check_health, HEALTH_BUDGET_S)


async def panels_of(
    sources: Sequence[Bound], readings: Mapping[str, Reading], now_ms: int
) -> list[Outcome[Panel | None]]:
    """Ask the macro sources that have a panel and were read for it; an error is the panel's own."""
    guard = HangGuard()
    asked = [each for each in sources if "panel" in each.hooks and each.name in readings]
    return [
        await Caller(each.id, each.hooks["panel"], check_panel, PANEL_BUDGET_S, guard).wait(
            readings[each.name], now_ms
        )
        for each in asked
    ]


async def _each(
    plugins: Sequence[Bound], hook: str, check: Callable[[Any], T], budget_s: float
) -> list[Outcome[T]]:
    guard = HangGuard()
    callers = [
        Caller(plugin.id, plugin.hooks[hook], check, budget_s, guard)
        for plugin in plugins
        if hook in plugin.hooks
    ]
    return [await caller.wait() for caller in callers]
