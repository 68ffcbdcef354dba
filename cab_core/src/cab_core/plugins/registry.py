"""The one entry to the plugin road: from names and options in the settings to plugins ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from cab_core.errors import ConfigError
from cab_core.plugins.bound import Bound, BoundStrategy
from cab_core.plugins.inventory import PluginRecord, take_inventory
from cab_core.plugins.kinds import BUILT_IN_RULES, SECTIONS, Kind
from cab_core.plugins.report import PluginReport
from cab_core.plugins.road import Options, Road


@attrs.frozen
class Plugins:
    """The plugins of one run, checked, configured and in the order they are asked.

    Attributes:
        strategies: in the order of the settings.
        rules: critical ones first, most severe first, then by name.
        sources, notifiers: in the order of the settings.
        broker: None if none was asked for (replay).
        report: what became of every plugin, and warnings for the operator.
    """

    strategies: tuple[BoundStrategy, ...]
    rules: tuple[Bound, ...]
    sources: tuple[Bound, ...]
    notifiers: tuple[Bound, ...]
    broker: Bound | None
    report: PluginReport

    def all(self) -> tuple[Bound, ...]:
        """Return all plugins, in the order they are started."""
        broker = () if self.broker is None else (self.broker,)
        return (*self.strategies, *self.rules, *self.sources, *broker, *self.notifiers)


def load_plugins(
    enabled: Mapping[Kind, Sequence[str]],
    options: Options | None = None,
    *,
    disabled_rules: Collection[str] = (),
    files: Sequence[str] = (),
    live: bool = False,
    allow: Collection[str] = (),
    skip_broken: bool = False,
    inventory: Sequence[PluginRecord] | None = None,
    place: Callable[[Kind, str], str] | None = None,
) -> Plugins:
    """Load the plugins a run asks for. All that is wrong is reported together.

    Risk rules need no naming: all that are installed are active, except ``disabled_rules``. What cannot be
    loaded is treated by its kind: a rule, strategy or broker refuses the start, the others leave a warning.

    Args:
        enabled: names per kind; a strategy may also be the path of a file. Not for risk rules.
        options: options per kind and name.
        disabled_rules: names of rules that stay off.
        files: paths of strategies or rules to add.
        live: real money is traded: files are refused, and third parties' plugins need to be in ``allow``.
        allow: ids of third parties' plugins that may run live.
        skip_broken: start without strategies that cannot be loaded (paper only).
        inventory: what is installed; None to look.
        place: where the options of a plugin come from, for messages.

    Raises:
        ConfigError: every problem that refuses the start.
    """
    if Kind.RISK in enabled:
        raise ValueError("risk rules are not enabled by name: all installed ones are active")
    records = list(take_inventory() if inventory is None else inventory)
    road = Road(records, options or {}, place or _section, live=live, allow=allow, skip_broken=skip_broken)
    for name in files:
        road.add_file(name)
    strategies = road.load(Kind.STRATEGY, road.names(Kind.STRATEGY, enabled.get(Kind.STRATEGY, ())))
    rules = road.load(Kind.RISK, road.rules(disabled_rules))
    sources = road.load(Kind.MACRO, road.names(Kind.MACRO, enabled.get(Kind.MACRO, ())))
    notifiers = road.load(Kind.NOTIFIER, road.names(Kind.NOTIFIER, enabled.get(Kind.NOTIFIER, ())))
    brokers = road.load(Kind.BROKER, road.names(Kind.BROKER, enabled.get(Kind.BROKER, ())))
    if not strategies:
        road.warnings.append("no strategy is active: positions are protected, nothing is ever bought")
    if road.problems:
        raise ConfigError(road.problems)
    return Plugins(
        tuple(bound for bound in strategies if isinstance(bound, BoundStrategy)),
        tuple(sorted(rules, key=_severity)),
        tuple(sources),
        tuple(notifiers),
        brokers[0] if brokers else None,
        PluginReport(tuple(road.records), tuple(road.warnings)),
    )


def _section(kind: Kind, name: str) -> str:
    return f"{SECTIONS[kind]}.{name}"


def _severity(rule: Bound) -> tuple[bool, int, str]:
    known = BUILT_IN_RULES.index(rule.name) if rule.name in BUILT_IN_RULES else len(BUILT_IN_RULES)
    return not rule.critical, known, rule.name
