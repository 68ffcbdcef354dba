"""Halts entries at the maximum drawdown."""

from __future__ import annotations

from decimal import Decimal

from cab_core.sdk import ALLOW, BookView, Entry, RiskRule, Verdict, VerdictKind, hookimpl, option, plugin

__all__ = ["MaxDrawdown"]

NEAR = Decimal("0.8")


@plugin
class MaxDrawdown(RiskRule):
    """Halts all entries, until a person resets it, once equity is ``max_pct`` below its peak."""

    critical = True

    max_pct: Decimal = option(Decimal(10), help="Drawdown that halts all entries, percent.", gt=0, le=100)

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Compare equity with its running maximum; a reset sets that maximum to the equity of the moment."""
        del entry  # a drawdown is the account's, whatever is to be bought
        if book.peak <= 0:
            return Verdict(VerdictKind.NOTE, 1.0, "no_equity", float(book.equity))
        drawdown = 100 * (book.peak - book.equity) / book.peak
        if drawdown >= self.max_pct:
            return Verdict(VerdictKind.HALT, 0.0, "max_drawdown", float(drawdown), float(self.max_pct))
        if drawdown >= NEAR * self.max_pct:
            return Verdict(VerdictKind.NOTE, 1.0, "near_limit", float(drawdown), float(self.max_pct))
        return ALLOW
