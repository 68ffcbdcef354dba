"""Equity, its running peak and the drawdown (spec 13.2, 8.2)."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.money import HUNDRED, ZERO


@attrs.frozen(slots=True)
class Equity:
    """One snapshot: equity and its peak in quote, drawdown in percent of the peak."""

    equity: Decimal
    peak: Decimal
    drawdown_pct: Decimal


def drawdown_pct(peak: Decimal, equity: Decimal) -> Decimal:
    """Return ``100*(peak-equity)/peak``; 0 at or above the peak and for a peak that is not positive."""
    if equity >= peak or peak <= 0:
        return ZERO
    return HUNDRED * (peak - equity) / peak


def snapshot(equity: Decimal, peak: Decimal) -> Equity:
    """Return the snapshot of ``equity``, raising the ``peak`` where it is exceeded."""
    highest = max(peak, equity)
    return Equity(equity, highest, drawdown_pct(highest, equity))
