"""Which rows of a list are wanted: the query parameters of each list, as the desk takes them."""

from __future__ import annotations

import attrs

from cab_core.api.routes.shared import MOST_MS, After, Level, Limit, Since, Symbol, Text, Until, Word
from cab_core.app.desk.desk import Filter


def rows(
    limit: Limit = 100,
    after: After = "",
    symbol: Symbol = None,
    strategy: Word = None,
    trace_id: Word = None,
    action: Word = None,
    text: Text = "",
    since_ms: Since = 0,
    until_ms: Until = MOST_MS,
) -> Filter:
    """Return the filter of fills."""
    return Filter(
        limit=limit,
        after=after,
        symbol=symbol,
        strategy=strategy,
        trace_id=trace_id,
        action=action,
        text=text,
        since_ms=since_ms or None,
        until_ms=None if until_ms == MOST_MS else until_ms,
    )


def ordered(
    limit: Limit = 100,
    after: After = "",
    symbol: Symbol = None,
    strategy: Word = None,
    trace_id: Word = None,
    action: Word = None,
    order_state: Word = None,
    text: Text = "",
    since_ms: Since = 0,
    until_ms: Until = MOST_MS,
) -> Filter:
    """Return the filter of orders."""
    found = rows(limit, after, symbol, strategy, trace_id, action, text, since_ms, until_ms)
    return attrs.evolve(found, order_state=order_state)


def decided(
    limit: Limit = 100,
    after: After = "",
    symbol: Symbol = None,
    trace_id: Word = None,
    action: Word = None,
    text: Text = "",
    since_ms: Since = 0,
    until_ms: Until = MOST_MS,
) -> Filter:
    """Return the filter of decisions and of the audit."""
    return rows(limit, after, symbol, None, trace_id, action, text, since_ms, until_ms)


def closed(
    limit: Limit = 100,
    after: After = "",
    symbol: Symbol = None,
    strategy: Word = None,
    trace_id: Word = None,
    text: Text = "",
    since_ms: Since = 0,
    until_ms: Until = MOST_MS,
) -> Filter:
    """Return the filter of round trips."""
    return rows(limit, after, symbol, strategy, trace_id, None, text, since_ms, until_ms)


def logged(
    limit: Limit = 100,
    after: After = "",
    symbol: Symbol = None,
    trace_id: Word = None,
    level: Level = None,
    text: Text = "",
    since_ms: Since = 0,
    until_ms: Until = MOST_MS,
) -> Filter:
    """Return the filter of log lines."""
    return attrs.evolve(decided(limit, after, symbol, trace_id, None, text, since_ms, until_ms), level=level)


def recorded(limit: Limit = 100, after: After = "") -> Filter:
    """Return the filter of recorded backtests."""
    return Filter(limit=limit, after=after)
