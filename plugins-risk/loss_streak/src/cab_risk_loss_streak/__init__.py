"""Halts entries after a streak of losing round trips."""

from __future__ import annotations

from cab_core.sdk import (
    ALLOW,
    BookView,
    Entry,
    RiskRule,
    Verdict,
    VerdictKind,
    hookimpl,
    next_midnight_ms,
    option,
    plugin,
)

__all__ = ["LossStreak"]

NAME = "loss_streak"


@plugin
class LossStreak(RiskRule):
    """Halts all entries until 00:00 UTC after ``count`` losing round trips in a row, over all symbols."""

    critical = True

    count: int = option(3, help="Losing round trips in a row that halt all entries.", ge=1, le=50)

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Count the losses since the last round trip without one; what lies before a release is forgotten."""
        streak = _streak(book, self.count)
        if streak >= self.count:
            until_ms = next_midnight_ms(entry.now_ms)
            return Verdict(VerdictKind.HALT, 0.0, "loss_streak", streak, self.count, until_ms)
        if streak and streak == self.count - 1:
            return Verdict(VerdictKind.NOTE, 1.0, "near_limit", streak, self.count)
        return ALLOW


def _streak(book: BookView, longest: int) -> int:
    released_ms = book.released_ms.get(NAME)
    streak = 0
    for trip in reversed(book.round_trips):
        if trip.pnl >= 0 or streak == longest or (released_ms is not None and trip.closed_ms <= released_ms):
            break
        streak += 1
    return streak
