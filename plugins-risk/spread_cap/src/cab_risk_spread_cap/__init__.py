"""Shrinks or delays entries at a wide spread."""

from __future__ import annotations

from decimal import Decimal

from cab_core.sdk import ALLOW, BookView, Entry, RiskRule, Verdict, VerdictKind, hookimpl, option, plugin

__all__ = ["SpreadCap"]

#: The usual spread is the mean of this many observations, known from the least number on.
MOST_OBSERVATIONS = 100
LEAST_OBSERVATIONS = 20
UNUSUAL = 1.5


@plugin
class SpreadCap(RiskRule):
    """Delays an entry at a spread above ``max_pct``, halves it at one well above the usual."""

    max_pct: Decimal = option(Decimal("0.5"), help="Widest spread to buy at, percent of the mid.", gt=0, le=5)

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Compare the spread now with the cap and with the mean of the last observations."""
        spread = entry.quote.spread_pct
        if spread is None:
            return Verdict(VerdictKind.DELAY, 0.0, "no_quote", None, float(self.max_pct))
        if spread > self.max_pct:
            return Verdict(VerdictKind.DELAY, 0.0, "wide_spread", float(spread), float(self.max_pct))
        seen = book.spreads[-MOST_OBSERVATIONS:]
        if len(seen) < LEAST_OBSERVATIONS:
            return ALLOW
        unusual = UNUSUAL * sum(seen) / len(seen)
        if float(spread) > unusual:
            return Verdict(VerdictKind.REDUCE, 0.5, "unusual_spread", float(spread), unusual)
        return ALLOW
