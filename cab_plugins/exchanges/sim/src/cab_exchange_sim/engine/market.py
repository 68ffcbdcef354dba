"""One pair: its rules, its price and its book at any instant."""

from __future__ import annotations

from decimal import Decimal

from cab_core.domain.bars import Bars
from cab_core.domain.market import Instrument, Quote
from cab_core.domain.money import ZERO, floor_step
from cab_core.domain.orders import Side
from cab_exchange_sim.engine.candles import Candles
from cab_exchange_sim.engine.path import Instant, PricePath, Touch
from cab_exchange_sim.engine.values import Book, Refused, pair_of
from cab_exchange_sim.engine.venue import PairConditions, VenueSettings

#: Levels of the made-up book, the quote value of each, and their distance as a fraction of the half spread.
_LEVELS = 20
_LEVEL_VALUE = Decimal(250_000)


class Market:
    """One pair and everything about it that is no order.

    Attributes:
        instrument: precision and minimums; the controls may change it.
        conditions: what is wrong with the pair.
        path: its recorded price. ``candles``: what is served of it.
    """

    def __init__(self, symbol: str, bars: Bars, instrument: Instrument, settings: VenueSettings) -> None:
        self.pair = pair_of(symbol)
        self.instrument = instrument
        self.conditions = PairConditions()
        self.path = PricePath(bars, settings.extremes, instrument.price_tick)
        self.candles = Candles(self.path)
        self._costs = settings.costs
        self._on_bid = settings.trigger_on == "bid"

    @property
    def base(self) -> str:
        """The base currency."""
        return self.instrument.base

    @property
    def quote(self) -> str:
        """The quote currency."""
        return self.instrument.quote

    @property
    def fee(self) -> Decimal:
        """The fee as a fraction."""
        return self._costs.fee

    def last(self, at_ms: int) -> Decimal:
        """Return the last price as it is shown."""
        return self.path.price_at(at_ms - self.conditions.stale_ms)

    def prices(self, at_ms: int) -> Quote:
        """Return the true best prices, which orders meet."""
        book = self.conditions.book
        if book is None:
            return self._costs.quote(self.path.price_at(at_ms), at_ms)
        return Quote(
            book.bids[0][0] if book.bids else None, book.asks[0][0] if book.asks else None, at_ms, book.asks
        )

    def book(self, at_ms: int, depth: int) -> Book:
        """Return the book as it is shown."""
        shown = at_ms - self.conditions.stale_ms
        if self.conditions.book is not None:
            made = self.conditions.book
            return Book(made.bids[:depth], made.asks[:depth], shown)
        quote = self._costs.quote(self.path.price_at(shown), shown)
        bid, ask = quote.bid or ZERO, quote.ask or ZERO
        apart = max(ask - bid, self.instrument.price_tick)
        step = self.instrument.amount_step
        levels = range(min(depth, _LEVELS))
        return Book(
            tuple(_level(bid - i * apart, step) for i in levels),
            tuple(_level(ask + i * apart, step) for i in levels),
            shown,
        )

    def reach_limit(self, side: Side, price: Decimal, since: Instant, until: int) -> Touch | None:
        """Return when a limit order can fill first: buys at an ask at or below ``price``, sells at a bid."""
        factor = self._costs.bid(Decimal(1)) if side is Side.SELL else self._costs.ask(Decimal(1))
        return self.path.reach(price, falling=side is Side.BUY, factor=factor, since=since, until=until)

    def reach_trigger(self, rule: str, trigger: Decimal, since: Instant, until: int) -> Touch | None:
        """Return when a trigger fires first."""
        return self.path.reach(trigger, falling=rule == "<=", factor=self._factor, since=since, until=until)

    def trigger_price(self, at_ms: int) -> Decimal:
        """Return the price that triggers are compared with now."""
        return self.path.price_at(at_ms) * self._factor

    def quote_at_trigger(self, touch: Touch, at_ms: int) -> Quote:
        """Return the best prices at the instant a trigger was touched."""
        price = touch.price if self._on_bid else self._costs.bid(touch.price)
        return Quote(price, self._costs.ask_of_bid(price), at_ms)

    def check_open(self, side: Side, now_ms: int) -> None:
        """Refuse a side that the pair does not trade now.

        Raises:
            Refused: label ``TRADE_RESTRICTED`` or, after the delisting, ``INVALID_CURRENCY_PAIR``.
        """
        conditions = self.conditions
        if conditions.delisting_ms is not None and now_ms >= conditions.delisting_ms:
            raise Refused("INVALID_CURRENCY_PAIR", f"{self.pair} is delisted")
        allowed = {"tradable", "buyable" if side is Side.BUY else "sellable"}
        if conditions.trade_status not in allowed:
            raise Refused("TRADE_RESTRICTED", f"{self.pair} is {conditions.trade_status}")

    @property
    def _factor(self) -> Decimal:
        return self._costs.bid(Decimal(1)) if self._on_bid else Decimal(1)


def _level(price: Decimal, step: Decimal) -> tuple[Decimal, Decimal]:
    return price, floor_step(_LEVEL_VALUE / price, step)
