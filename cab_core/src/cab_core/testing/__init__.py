"""What a plugin author gets: conformance suites, market fixtures and fakes.

Everything is imported on first use, because pytest loads this package at every start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cab_core.testing.answers import decision_of, signals_of
    from cab_core.testing.books import book, entry, position, quote, returns, round_trip
    from cab_core.testing.broker import BrokerConformance
    from cab_core.testing.desk import CannedDesk
    from cab_core.testing.fakes import CannedHttp, KeptPosts, StillMarket, VirtualClock
    from cab_core.testing.macro import MacroSourceConformance
    from cab_core.testing.notifier import NotifierConformance
    from cab_core.testing.risk import RiskRuleConformance
    from cab_core.testing.series import candles, market, story
    from cab_core.testing.strategy import StrategyConformance

__all__ = [
    "BrokerConformance",
    "CannedDesk",
    "CannedHttp",
    "KeptPosts",
    "MacroSourceConformance",
    "NotifierConformance",
    "RiskRuleConformance",
    "StillMarket",
    "StrategyConformance",
    "VirtualClock",
    "book",
    "candles",
    "decision_of",
    "entry",
    "market",
    "position",
    "quote",
    "returns",
    "round_trip",
    "signals_of",
    "story",
]

_HOME = {
    "BrokerConformance": "broker",
    "CannedDesk": "desk",
    "CannedHttp": "fakes",
    "KeptPosts": "fakes",
    "MacroSourceConformance": "macro",
    "NotifierConformance": "notifier",
    "RiskRuleConformance": "risk",
    "StillMarket": "fakes",
    "StrategyConformance": "strategy",
    "VirtualClock": "fakes",
    "book": "books",
    "candles": "series",
    "decision_of": "answers",
    "entry": "books",
    "market": "series",
    "position": "books",
    "quote": "books",
    "returns": "books",
    "round_trip": "books",
    "signals_of": "answers",
    "story": "series",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
