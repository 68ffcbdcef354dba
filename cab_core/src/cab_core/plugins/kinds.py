"""The five kinds of plugins and how each is named."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a plugin does; the part of its id before the colon."""

    STRATEGY = "strategy"
    RISK = "risk"
    MACRO = "macro"
    BROKER = "broker"
    NOTIFIER = "notifier"


#: Entry-point group of each kind.
GROUPS: dict[Kind, str] = {
    Kind.STRATEGY: "cab.strategies",
    Kind.RISK: "cab.risk_rules",
    Kind.MACRO: "cab.macro_sources",
    Kind.BROKER: "cab.brokers",
    Kind.NOTIFIER: "cab.notifiers",
}

#: Settings section that holds the options of each kind, as ``<section>.<name>``.
SECTIONS: dict[Kind, str] = {
    Kind.STRATEGY: "strategies",
    Kind.RISK: "risk_rules",
    Kind.MACRO: "macro_sources",
    Kind.BROKER: "brokers",
    Kind.NOTIFIER: "notifiers",
}

#: The rules that ship with cab, most severe first: rules are asked in this order, others follow by name.
BUILT_IN_RULES = ("loss_streak", "max_drawdown", "daily_loss", "cooldown", "spread_cap", "correlation")

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{1,39}")


def plugin_id(kind: Kind, name: str) -> str:
    """Return the id used on every surface, e.g. ``strategy:ema_cross``."""
    return f"{kind.value}:{name}"
