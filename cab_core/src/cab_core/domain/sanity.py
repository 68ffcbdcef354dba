"""Which observed bids may move a stop or sell a position: plausible and fresh ones."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.market import Quote

#: A bid farther than this fraction from the last plausible one needs a second look that agrees with it.
BAND = Decimal("0.10")

#: Two looks agree within this fraction.
AGREEMENT = Decimal("0.01")

#: A quote older than this is no price.
MAX_AGE_MS = 60_000


@attrs.define(eq=False)
class BidFilter:
    """Holds a jump of one symbol's bid back until the next look confirms it."""

    _last: Decimal | None = attrs.field(default=None, init=False)
    _jump: Decimal | None = attrs.field(default=None, init=False)

    def take(self, quote: Quote, now_ms: int) -> Decimal | None:
        """Return the bid if it can be believed, None if it is missing, stale, or an unconfirmed jump."""
        bid = quote.bid
        if bid is None or not bid.is_finite() or bid <= 0 or now_ms - quote.ts_ms > MAX_AGE_MS:
            return None
        if self._last is not None and _apart(bid, self._last) > BAND:
            confirmed = self._jump is not None and _apart(bid, self._jump) <= AGREEMENT
            self._jump = bid
            if not confirmed:
                return None
        self._last, self._jump = bid, None
        return bid


def _apart(one: Decimal, other: Decimal) -> Decimal:
    return abs(one / other - 1)
