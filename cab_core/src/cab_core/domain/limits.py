"""How far the account's limits are used: figures of the book, so that counters follow from its fills."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cab_core.domain.book import Book
from cab_core.domain.equity import drawdown_pct
from cab_core.domain.money import ZERO
from cab_core.domain.timeframes import utc_day


def limit_use(book: Book, released_ms: Mapping[str, int], now_ms: int) -> dict[str, Decimal]:
    """Return what each critical limit is measured by.

    Args:
        book: the account, marked at present prices.
        released_ms: per rule, when its halt was last released; what lies before no longer counts.
        now_ms: tells the UTC day.

    Returns:
        ``loss_streak`` in round trips, ``daily_loss`` in quote, ``max_drawdown`` in percent.
    """
    loss = -(book.realized_by_day.get(utc_day(now_ms), ZERO) + min(ZERO, book.unrealized()))
    return {
        "loss_streak": Decimal(_streak(book, released_ms.get("loss_streak", 0))),
        "daily_loss": max(ZERO, loss),
        "max_drawdown": drawdown_pct(book.peak, book.equity()),
    }


def _streak(book: Book, since_ms: int) -> int:
    streak = 0
    for trip in reversed(book.round_trips):
        if trip.pnl >= 0 or trip.closed_ms <= since_ms:
            break
        streak += 1
    return streak
