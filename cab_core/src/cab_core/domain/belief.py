"""Which price of a held symbol is believed: one odd look sells nothing, marks nothing, raises no peak."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TypeGuard

import attrs

from cab_core.domain.market import Candle, Quote
from cab_core.domain.timeframes import TF_MS

#: A price farther than this fraction from the believed one is a jump: it needs a second witness.
BAND = Decimal("0.10")

#: A quote older than this is no price: it is asked anew.
QUOTE_MAX_MS = 10_000

#: After this long without a believed bid, what was traded takes its place.
BLIND_MS = 60_000


class Source(StrEnum):
    """What a believed price was seen as."""

    BID = "bid"
    LAST = "last"
    CANDLE = "candle"


@attrs.frozen(slots=True)
class Price:
    """A believed price in quote per base, when it was seen, and as what."""

    value: Decimal
    ts_ms: int
    source: Source = Source.BID


@attrs.define(eq=False)
class Belief:
    """What is believed of the price of one position.

    Attributes:
        price: the newest believed price; at first the one the position began with.
        bid_ms: when a bid was last believed, or this began.
    """

    price: Price
    bid_ms: int = attrs.field(init=False)
    _jump: Decimal | None = attrs.field(default=None, init=False)
    _stop: Decimal | None = attrs.field(default=None, init=False)
    _stop_ms: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.bid_ms = self._stop_ms = self.price.ts_ms

    def guarded_by(self, stop: Decimal | None, now_ms: int) -> None:
        """Take note of where the stop stands: it is what a jump is judged by."""
        if stop != self._stop:
            self._stop, self._stop_ms = stop, now_ms

    def look(self, quote: Quote, candle: Candle | None, now_ms: int) -> Price | None:
        """Take one look: return what is believed now, None for nothing new.

        A jump is believed once two looks in a row lie on the same side of the stop, however far apart, or
        once the last closed candle has fallen through the stop as well. Of two witnesses the one nearer to
        what was believed before is taken: the other may be the odd one. After a minute without a believed
        bid the last traded price stands in or, where the venue does not tell it, the last closed candle.

        Args:
            quote: what the venue says; a bid that is missing or older than ten seconds is none.
            candle: the last closed candle, None if there is none.
            now_ms: the time.
        """
        price = None
        if usable(quote.bid) and now_ms - quote.ts_ms <= QUOTE_MAX_MS:
            price = self._judge(Price(quote.bid, now_ms), candle)
        if price is not None or not self.blind(now_ms):
            return price
        if usable(quote.last):
            return self._judge(Price(quote.last, now_ms, Source.LAST), candle)
        if candle is None or candle.ts_ms + TF_MS <= self.bid_ms:
            return None
        self.price = Price(self._lowest(candle), now_ms, Source.CANDLE)
        return self.price

    def blind(self, now_ms: int) -> bool:
        """Say whether no bid could be believed for a minute."""
        return now_ms - self.bid_ms >= BLIND_MS

    def _judge(self, seen: Price, candle: Candle | None) -> Price | None:
        before = self.price.value
        if _apart(seen.value, before) <= BAND:
            return self._believe(seen, None)
        witness = self._witness(seen.value, candle)
        if witness is None:
            self._jump = seen.value
            return None
        nearer = min(seen.value, witness, key=lambda value: _apart(value, before))
        odd = seen.value if _apart(seen.value, nearer) > BAND else None
        return self._believe(attrs.evolve(seen, value=nearer), odd)

    def _believe(self, price: Price, jump: Decimal | None) -> Price:
        self.price, self._jump = price, jump
        if price.source is Source.BID:
            self.bid_ms = price.ts_ms
        return price

    def _witness(self, value: Decimal, candle: Candle | None) -> Decimal | None:
        """Return what else lies where a jump has gone to."""
        line = self.price.value if self._stop is None else self._stop
        if self._jump is not None and (self._jump <= line) == (value <= line):
            return self._jump
        if candle is None or self._stop is None or value > line or candle.ts_ms + TF_MS <= self.bid_ms:
            return None
        lowest = self._lowest(candle)
        return lowest if lowest <= line else None

    def _lowest(self, candle: Candle) -> Decimal:
        """Return how low a candle came while the stop stood where it is: before that it proves nothing."""
        return candle.low if candle.ts_ms >= self._stop_ms else candle.close


def usable(price: Decimal | None) -> TypeGuard[Decimal]:
    """Say whether this can be a price at all."""
    return price is not None and price.is_finite() and price > 0


def _apart(one: Decimal, other: Decimal) -> Decimal:
    return abs(one / other - 1)
