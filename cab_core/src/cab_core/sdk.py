"""The one module a plugin imports: types, markers, options and the base class of each kind."""

from __future__ import annotations

from typing import TypeVar, dataclass_transform

import attrs

from cab_core.clock import Clock
from cab_core.contracts import (
    Account,
    AlertHttp,
    Balance,
    Broker,
    BrokerCaps,
    BrokerState,
    Checked,
    Context,
    Health,
    Identified,
    MacroHttp,
    Market,
    MarketData,
    OperatorDesk,
    Panel,
)
from cab_core.domain import figures, indicators
from cab_core.domain.alerts import Alert, Severity
from cab_core.domain.bars import Bars, BoolArray, FloatArray, IntArray
from cab_core.domain.macro import Reading, ReadingKind
from cab_core.domain.macro_payload import PayloadError, check_pointer, events_reading, index_reading
from cab_core.domain.market import Candle, Costs, Instrument, Quote
from cab_core.domain.matcher import Matcher
from cab_core.domain.money import floor_step, to_decimal
from cab_core.domain.orders import (
    Absent,
    Ack,
    Fill,
    Found,
    Intent,
    OrderType,
    Outcome,
    Purpose,
    Rejected,
    Resolution,
    Side,
    Undetermined,
    Unknown,
    VenueOrder,
)
from cab_core.domain.risk import (
    ALLOW,
    BookView,
    Entry,
    HourlyReturns,
    PositionView,
    RoundTrip,
    Verdict,
    VerdictKind,
    next_midnight_ms,
)
from cab_core.domain.signals import (
    NOT_ENOUGH_BARS,
    Action,
    Decision,
    Signals,
    When,
    confidence_of,
    decide,
)
from cab_core.errors import AwayError, CabError, ConfigError
from cab_core.hookspecs import hookimpl
from cab_core.options import option
from cab_core.secret import Secret

__all__ = [
    "ALLOW",
    "NOT_ENOUGH_BARS",
    "Absent",
    "Account",
    "Ack",
    "Action",
    "Alert",
    "AlertHttp",
    "AwayError",
    "Balance",
    "Bars",
    "BookView",
    "BoolArray",
    "Broker",
    "BrokerCaps",
    "BrokerPlugin",
    "BrokerState",
    "CabError",
    "Candle",
    "Checked",
    "Clock",
    "ConfigError",
    "Context",
    "Costs",
    "Decision",
    "Entry",
    "Fill",
    "FloatArray",
    "Found",
    "Health",
    "HourlyReturns",
    "Identified",
    "Instrument",
    "IntArray",
    "Intent",
    "MacroHttp",
    "MacroSource",
    "Market",
    "MarketData",
    "Matcher",
    "Notifier",
    "OperatorDesk",
    "OrderType",
    "Outcome",
    "Panel",
    "PayloadError",
    "PositionView",
    "Purpose",
    "Quote",
    "Reading",
    "ReadingKind",
    "Rejected",
    "Resolution",
    "RiskRule",
    "RoundTrip",
    "Secret",
    "Severity",
    "Side",
    "Signals",
    "Strategy",
    "Undetermined",
    "Unknown",
    "VenueOrder",
    "Verdict",
    "VerdictKind",
    "When",
    "check_pointer",
    "confidence_of",
    "decide",
    "events_reading",
    "figures",
    "floor_step",
    "hookimpl",
    "index_reading",
    "indicators",
    "next_midnight_ms",
    "option",
    "plugin",
    "to_decimal",
]


C = TypeVar("C", bound=type)


# No field_specifiers: `option` takes its default by position, which type checkers would not see.
@dataclass_transform(kw_only_default=True, eq_default=False)
def plugin(cls: C) -> C:
    """Turn a class into a plugin class: its annotated `option` fields become typed options."""
    defined: C = attrs.define(cls, eq=False, kw_only=True, slots=False)
    return defined


class Strategy:
    """Base of strategies: a pure function of closed bars, without state, clock or randomness.

    Implement ``signals(bars)``, or ``generate(md, ctx)``, marked with `hookimpl`.
    """

    def warmup_bars(self) -> int:
        """Return how many bars the first answer needs; it may depend on the options."""
        raise TypeError(f"{type(self).__name__} must say how many bars it needs: define warmup_bars(self)")


class RiskRule:
    """Base of risk rules. Implement ``check(entry, book)``, marked with `hookimpl`."""

    #: Critical rules halt all entries; they are judged before the soft ones.
    critical = False


class MacroSource:
    """Base of macro sources. Implement ``async read(http)``, marked with `hookimpl`.

    A recording (``cab backtest --macro``) is read by the same hook; there the client hands out its documents.
    """

    #: Rise of an index in percent over a day that costs 0.6 of the score; None if it is only watched.
    threshold_pct: float | None = None


class Notifier:
    """Base of notifiers. Implement ``async notify(alert)``, marked with `hookimpl`.

    One that also takes commands from people implements ``async attend(desk)`` beside it.
    """


class BrokerPlugin:
    """Base of brokers. Implement ``open(account)``, marked with `hookimpl`."""
