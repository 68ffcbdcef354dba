"""The profit-and-loss report of a period (spec 13.3), from the database alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import attrs

from cab_core.app.history import Booked, History, Loss, Past, account_now
from cab_core.app.times import end_ms, instant_ms
from cab_core.cycle.results import QUIET_REASONS
from cab_core.domain.book import Book
from cab_core.domain.currencies import quote_of
from cab_core.domain.equity import drawdown_pct
from cab_core.domain.money import ZERO
from cab_core.domain.position import TradeRecord
from cab_core.domain.timeframes import DAY_MS, MINUTE_MS, TF_MS, floor_ms
from cab_core.domain.trade_figures import Group, by_exit_reason, by_strategy, by_symbol, trade_figures
from cab_core.errors import UsageError
from cab_core.settings import Settings
from cab_core.storage import Connection
from cab_core.storage.meta import get_meta
from cab_core.storage.reports import deepest_drawdown, reason_counts

Period = Literal["today", "yesterday", "week", "month", "custom"]


@attrs.frozen(slots=True)
class Span:
    """A period, ``from_ms <= t < to_ms``."""

    from_ms: int
    to_ms: int

    def holds(self, ts_ms: int) -> bool:
        """Say whether an instant lies in it."""
        return self.from_ms <= ts_ms < self.to_ms


def span_of(period: Period, now_ms: int, begin: str | None = None, end: str | None = None) -> Span:
    """Return the period as seen from ``now_ms``: UTC days, weeks from Monday, calendar months.

    Raises:
        UsageError: ``custom`` without ``begin``, others with it, or an empty span.
    """
    today = floor_ms(now_ms, DAY_MS)
    if period == "custom":
        if begin is None:
            raise UsageError(
                "period custom needs a begin", where="--from", fix="add --from 2024-05-01 [--to 2024-05-31]"
            )
        span = Span(instant_ms(begin, "--from"), now_ms + 1 if end is None else end_ms(end, "--to"))
        if span.from_ms >= span.to_ms:
            raise UsageError("the period is empty", where="--from, --to", fix="let --from lie before --to")
        return span
    if begin is not None or end is not None:
        raise UsageError(
            f"--from and --to do not go with --period {period}", where="--period", fix="use --period custom"
        )
    if period == "yesterday":
        return Span(today - DAY_MS, today)
    moment = datetime.fromtimestamp(today / 1000, UTC)
    back = {"today": 0, "week": moment.weekday(), "month": moment.day - 1}[period]
    return Span(today - back * DAY_MS, now_ms + 1)


def report(
    conn: Connection,
    settings: Settings,
    period: Period,
    begin: str | None = None,
    end: str | None = None,
    *,
    symbol: str | None = None,
    history: History | None = None,
) -> dict[str, Any] | None:
    """Return the report as plain data, None if the bot has not saved anything yet.

    On a recorded market ``now`` is the last instant it has lived through, not this machine's time.

    Args:
        conn: the database.
        settings: the bot's.
        period: which one; ``begin`` and ``end`` for ``custom``.
        begin: an ISO date or datetime.
        end: likewise; a date means the end of that day.
        symbol: only this one; equity, drawdown and regime stay those of the account.
        history: the followed past of this database, so that it is not read anew.
    """
    now_ms, recorded = account_now(conn)
    span = span_of(period, now_ms, begin, end)

    def told(past: Past) -> dict[str, Any]:
        book = past.book
        trades = [trade for trade in book.trades if symbol in (None, trade.symbol)]
        booked = [each for each in past.booked if symbol in (None, each.fill.symbol)]
        return {
            "account": get_meta(conn, "account") or "paper",
            "quote": quote_of(next(iter(book.instruments), "")),
            "symbol": symbol,
            "period": period,
            "from_ms": span.from_ms,
            "to_ms": span.to_ms,
            "now_ms": now_ms,
            "now_is": "last stored time of a recorded market" if recorded else "this machine's time",
            **_traded(span, booked, [each for each in past.losses if symbol in (None, each.symbol)]),
            **_trips([trade for trade in trades if span.holds(trade.closed_ms)]),
            "current_streak": _streak(trades),
            **_worth(conn, span, book, symbol),
            "exits_by_reason": _exits(span, trades, book, symbol),
            "blocked_by_reason": blocked_entries(conn, span.from_ms, span.to_ms, symbol),
            "regime_minutes": _regime_minutes(past.regimes, span, now_ms),
        }

    return (history or History.of(settings)).look(conn, told)


def _traded(span: Span, booked: Sequence[Booked], losses: Sequence[Loss]) -> dict[str, Any]:
    fills = [each for each in booked if span.holds(each.fill.ts_ms)]
    fees: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for each in fills:
        for currency, amount in each.fill.fees:
            fees[currency] += amount
    lost = sum((each.quote for each in losses if span.holds(each.ts_ms)), ZERO)
    return {
        "realized": sum((each.realized for each in fills if each.realized is not None), ZERO) - lost,
        "fees": dict(sorted(fees.items())),
        "fills": len(fills),
        "turnover": sum((each.fill.value for each in fills), ZERO),
    }


def _trips(trades: Sequence[TradeRecord]) -> dict[str, Any]:
    figures = trade_figures(trades)
    return {
        "round_trips": figures.trades,
        "wins": figures.wins,
        "losses": figures.losses,
        "win_rate": figures.win_rate,
        "profit_factor": figures.profit_factor,
        "average_win": figures.average_win,
        "average_loss": figures.average_loss,
        "best": figures.best,
        "worst": figures.worst,
        "by_symbol": _groups(by_symbol(trades)),
        "by_strategy": _groups(by_strategy(trades)),
    }


def _worth(conn: Connection, span: Span, book: Book, symbol: str | None) -> dict[str, Any]:
    deepest = deepest_drawdown(conn, span.from_ms, span.to_ms)
    equity = book.equity()
    current = drawdown_pct(max(book.peak, equity), equity)
    seen = [*(() if deepest is None else (deepest,)), *((current,) if span.holds(span.to_ms - 1) else ())]
    return {
        "unrealized": book.unrealized(symbol),
        "equity": equity,
        "baseline": book.baseline,
        "max_drawdown_pct": max(seen, default=None),
        "current_drawdown_pct": current,
        "open_positions": sorted(held for held in book.positions if symbol in (None, held)),
    }


def _exits(span: Span, trades: Sequence[TradeRecord], book: Book, symbol: str | None) -> dict[str, Any]:
    sells = [sale for trade in trades for sale in trade.exits]
    held = [position for position in book.positions.values() if symbol in (None, position.symbol)]
    sells += [sale for position in held for sale in position.exits]
    return _groups(by_exit_reason(sale for sale in sells if span.holds(sale.ts_ms)))


def blocked_entries(conn: Connection, from_ms: int, to_ms: int, symbol: str | None = None) -> dict[str, int]:
    """Return how often each reason stopped an entry at a candle that closed in the period."""
    found = reason_counts(conn, from_ms - TF_MS, to_ms - TF_MS, symbol)
    return {reason: count for reason, count in found.items() if reason not in QUIET_REASONS}


def _regime_minutes(changes: Sequence[tuple[int, str]], span: Span, now_ms: int) -> dict[str, int] | None:
    """Return how long each regime lasted within the span, None if none was ever recorded."""
    if not changes:
        return None
    minutes: Counter[str] = Counter()
    until = min(span.to_ms, now_ms)
    ends = [since for since, _ in changes[1:]] + [until]
    for (since, state), end in zip(changes, ends, strict=True):
        minutes[state] += max(0, min(end, until) - max(since, span.from_ms)) // MINUTE_MS
    return {state: count for state, count in minutes.most_common() if count}


def _streak(trades: Sequence[TradeRecord]) -> int:
    """Return the number of equal outcomes at the end: positive for wins, negative for losses."""
    streak = 0
    for trade in reversed(trades):
        sign = (trade.pnl > 0) - (trade.pnl < 0)
        if sign == 0 or streak * sign < 0:
            break
        streak += sign
    return streak


def _groups(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    return {
        group.name: {"count": group.count, "wins": group.wins, "pnl": group.pnl, "share": group.share}
        for group in groups
    }
