"""Halts entries at the daily loss limit."""

from __future__ import annotations

from decimal import Decimal

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

__all__ = ["DailyLoss"]

ZERO = Decimal(0)
NEAR = Decimal("0.8")


@plugin
class DailyLoss(RiskRule):
    """Halts all entries until 00:00 UTC once today's loss reaches ``limit_quote``."""

    critical = True

    limit_quote: Decimal = option(
        Decimal(100), help="Loss of a UTC day that halts all entries, quote currency.", gt=0
    )

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Add today's realized loss and what open positions are under water; open gains do not count."""
        loss = -(book.realized_today + min(ZERO, book.unrealized))
        if loss >= self.limit_quote:
            until_ms = next_midnight_ms(entry.now_ms)
            return Verdict(
                VerdictKind.HALT, 0.0, "daily_loss", float(loss), float(self.limit_quote), until_ms
            )
        if loss >= NEAR * self.limit_quote:
            return Verdict(VerdictKind.NOTE, 1.0, "near_limit", float(loss), float(self.limit_quote))
        return ALLOW
