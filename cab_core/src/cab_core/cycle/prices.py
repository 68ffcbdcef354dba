"""The one place prices come from: exits, marks, the equity, its peak and the rules see what is believed here.

A recorded market is exact: its quote is the price. A venue is asked, and what it answers may be old, missing
or absurd; so it is asked only where a price is needed, and believed as `cab_core.domain.belief` says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import attrs

from cab_core.contracts import Market
from cab_core.cycle.cycle_records import CycleRecords
from cab_core.domain.belief import QUOTE_MAX_MS, Belief, Price
from cab_core.domain.book import Book
from cab_core.domain.market import Candle, Quote
from cab_core.errors import CabError

log = logging.getLogger("cab.prices")

#: What stands in for the bid where nothing at all can be believed.
NOTHING = "nothing"


class Prices(Protocol):
    """Where every price of a session comes from."""

    async def quote(self, symbol: str) -> Quote:
        """Return best bid and ask for a buy, none that is older than ten seconds.

        Raises:
            CabError: the venue does not answer.
        """

    async def look(self, symbol: str) -> Price | None:
        """Return the believed price of a held symbol now, None if there is none; never an error."""

    async def known(self, symbol: str) -> Quote | None:
        """Return a quote that costs no request, None if there is none."""

    async def refresh(self, but: str) -> None:
        """Look at what is held and too old to judge the account by, ``but`` for one that is asked anyway."""

    async def mark(self) -> None:
        """Value what is held at its price now, where that costs no request."""

    def enter(self, symbol: str, quote: Quote) -> None:
        """Value a symbol from its entry on, which is decided at ``quote``."""


@attrs.frozen(eq=False)
class RecordedPrices:
    """A recorded market's quotes: exact at every instant."""

    market: Market
    book: Book

    async def quote(self, symbol: str) -> Quote:
        """Return the market's quote."""
        return await self.market.quote(symbol)

    async def look(self, symbol: str) -> Price | None:
        """Return the market's bid."""
        quote = await self.market.quote(symbol)
        return None if quote.bid is None else Price(quote.bid, quote.ts_ms)

    async def known(self, symbol: str) -> Quote | None:
        """Return the market's quote."""
        return await self.market.quote(symbol)

    async def refresh(self, but: str) -> None:
        """Nothing is ever too old."""

    async def mark(self) -> None:
        """Mark everything held at the market's bid."""
        for held in [*self.book.positions]:
            price = await self.look(held)
            if price is not None:
                self.book.mark(held, price.value)

    def enter(self, symbol: str, quote: Quote) -> None:
        """Mark at the bid."""
        if quote.bid is not None:
            self.book.mark(symbol, quote.bid)


@attrs.define(eq=False)
class ObservedPrices:
    """A venue's prices, asked for only where something is held or about to be bought.

    Attributes:
        records: where it is written and told that something stands in for a bid.
        closed: the last closed candle of a symbol that was read, None before the first.
        exits_ms: time between looks for exits; a price twice as old is asked for anew.
    """

    market: Market
    book: Book
    records: CycleRecords
    closed: Callable[[str], Candle | None]
    exits_ms: int
    _beliefs: dict[str, tuple[str, Belief]] = attrs.field(factory=dict, init=False)
    _quotes: dict[str, Quote] = attrs.field(factory=dict, init=False)
    _standing_in: dict[str, str] = attrs.field(factory=dict, init=False)

    async def quote(self, symbol: str) -> Quote:
        """Ask the venue; an answer that is too old is asked for anew, once, and then taken for none."""
        quote = await self.market.quote(symbol)
        if self._now_ms() - quote.ts_ms > QUOTE_MAX_MS:
            quote = await self.market.quote(symbol)
        if self._now_ms() - quote.ts_ms > QUOTE_MAX_MS:
            quote = Quote(None, None, quote.ts_ms, last=quote.last)
        self._quotes[symbol] = quote
        return quote

    async def look(self, symbol: str) -> Price | None:
        """Ask the venue, and mark the symbol if what it says is believed."""
        belief = self._belief(symbol)
        if belief is None:
            return None
        try:
            quote = await self.quote(symbol)
        except CabError as error:
            log.warning("no price of %s: %s", symbol, error)
            quote = Quote(None, None, self._now_ms())
        now_ms = self._now_ms()
        price = belief.look(quote, self.closed(symbol), now_ms)
        await self._note(symbol, belief, price, now_ms)
        if price is not None and self._belief(symbol) is belief:
            self.book.mark(symbol, price.value)
        return price

    async def known(self, symbol: str) -> Quote | None:
        """Return the quote of the last look, if that is not long ago."""
        quote = self._quotes.get(symbol)
        if quote is None or self._now_ms() - quote.ts_ms > 2 * self.exits_ms:
            return None
        return quote

    async def refresh(self, but: str) -> None:
        """Look at every held symbol whose price is older than two looks."""
        for held in [*self.book.positions]:
            belief = self._belief(held)
            if held != but and belief and self._now_ms() - belief.price.ts_ms > 2 * self.exits_ms:
                await self.look(held)

    async def mark(self) -> None:
        """Mark dust, which nothing looks at, at the last close: positions are marked by every look."""
        for symbol in self.book.dust():
            candle = self.closed(symbol)
            if candle is not None:
                self.book.mark(symbol, candle.close)

    def enter(self, symbol: str, quote: Quote) -> None:
        """Forget the mark of the position before: until its first look, an entry is worth what was paid."""
        del quote
        self.book.marks.pop(symbol, None)

    def _belief(self, symbol: str) -> Belief | None:
        """Return what is believed of a position's price; it begins with the last mark, or the entry price."""
        position = self.book.positions.get(symbol)
        if position is None:
            self._beliefs.pop(symbol, None)
            return None
        of, belief = self._beliefs.get(symbol, ("", None))
        if belief is None or of != position.id:
            began = self.book.marks.get(symbol, position.entry_price)
            belief = Belief(Price(began, self._now_ms()))
            self._beliefs[symbol] = (position.id, belief)
        protection = position.protection
        belief.guarded_by(None if protection is None else protection.stop, self._now_ms())
        return belief

    async def _note(self, symbol: str, belief: Belief, price: Price | None, now_ms: int) -> None:
        """Write down what stands in for a bid that is not believed any more, and tell of it once."""
        blind = belief.blind(now_ms)
        standing_in = (NOTHING if price is None else str(price.source)) if blind else ""
        before = self._standing_in.get(symbol, "")
        if standing_in == before:
            return
        self._standing_in[symbol] = standing_in
        payload = {"by": standing_in or "bid", "price": None if price is None else str(price.value)}
        payload["since_ms"] = str(belief.bid_ms)
        trace_id = self.records.ids.trace_id()
        await self.records.note("price.source", symbol, payload, trace_id)
        if standing_in and not before:
            text = f"no bid of {symbol} was believed for a minute: exits are judged by {_BY[standing_in]}"
            self.records.announcer.alert(
                "critical", "price_unknown", text, trace_id, symbol=symbol, ts_ms=now_ms
            )

    def _now_ms(self) -> int:
        return self.records.clock.now_ms()


#: What an alert calls that which stands in for a bid.
_BY = {
    "last": "the last traded price",
    "candle": "the last closed candle",
    NOTHING: "nothing: no other price is known either",
}
