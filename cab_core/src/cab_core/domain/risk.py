"""Risk: what a rule sees, what it answers, and how the kernel sums the answers up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import attrs

from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.market import Quote


class VerdictKind(StrEnum):
    """``halt`` stops all entries on all symbols, ``delay`` this one for now, ``reduce`` shrinks it."""

    ALLOW = "allow"
    REDUCE = "reduce"
    DELAY = "delay"
    HALT = "halt"
    NOTE = "note"


@attrs.frozen(slots=True)
class Verdict:
    """A rule's answer to one entry.

    Attributes:
        factor: in [0, 1]; 1 for allow and note, 0 for delay and halt.
        reason: lower snake case, e.g. ``wide_spread``; empty for a plain allow.
        value: what was measured, in the rule's own unit.
        threshold: the limit it was held against.
        until_ms: halt only: when it is released by itself, None means by hand.
    """

    kind: VerdictKind
    factor: float = 1.0
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    until_ms: int | None = None


ALLOW = Verdict(VerdictKind.ALLOW)


@attrs.frozen(slots=True)
class PositionView:
    """An open position: managed base quantity, its cost in quote and when it was opened."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    opened_ms: int


@attrs.frozen(slots=True)
class RoundTrip:
    """From flat to flat of one symbol: net PnL in quote after all fees, over all its sells."""

    symbol: str
    opened_ms: int
    closed_ms: int
    pnl: Decimal


@attrs.frozen(slots=True)
class HourlyReturns:
    """Log returns of closed 1h candles: ``ts_ms[i]`` is the open time of the later candle of each pair."""

    ts_ms: IntArray
    values: FloatArray


@attrs.frozen(slots=True)
class Entry:
    """The candidate a rule judges: a market buy of ``amount`` quote at about ``price``."""

    symbol: str
    amount: Decimal
    price: Decimal
    quote: Quote
    now_ms: int


@attrs.frozen(slots=True, kw_only=True)
class BookView:
    """The immutable snapshot of the account a rule sees. Money in quote currency.

    Attributes:
        positions: open positions by symbol.
        round_trips: closed round trips of the account, oldest first (at least the last 50).
        realized_today: net PnL of the sell fills since 00:00 UTC, all symbols.
        unrealized: value at the bid minus cost of all open positions.
        equity: baseline + realised + unrealised. ``peak``: its running maximum.
        last_fill_ms: time of the last fill of each symbol.
        spreads: earlier spread observations of the candidate's symbol in percent, oldest first (up to 100).
        orders_5m: orders of the last five minutes. ``turnover_5m``: quote value of their fills.
        released_ms: per rule, when its halt was last released; what lies before no longer counts.
        hourly_returns: returns of a symbol's closed 1h candles known now, or None without data.
    """

    positions: Mapping[str, PositionView]
    round_trips: Sequence[RoundTrip]
    realized_today: Decimal
    unrealized: Decimal
    equity: Decimal
    peak: Decimal
    last_fill_ms: Mapping[str, int]
    spreads: Sequence[float]
    orders_5m: int
    turnover_5m: Decimal
    released_ms: Mapping[str, int]
    hourly_returns: Callable[[str], HourlyReturns | None]
