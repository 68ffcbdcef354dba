"""Prices and the rules of a tradable symbol."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.money import HUNDRED


@attrs.frozen(slots=True)
class Instrument:
    """What the exchange prescribes for one symbol. Amounts in base, costs and notional in quote.

    Attributes:
        symbol: ``BASE/QUOTE`` in upper case.
        amount_step: amounts are multiples of it (base).
        price_tick: prices of resting orders are multiples of it (quote per base).
        cost_step: quote costs of market buys are multiples of it.
        min_notional: least quote value of an order. ``min_amount``: least amount of one.
        buyable, sellable: whether the exchange takes such orders now.
        delisting_ms: when trading ends, None if that is not planned.
    """

    symbol: str
    amount_step: Decimal = Decimal("0.000001")
    price_tick: Decimal = Decimal("0.00000001")
    cost_step: Decimal = Decimal("0.01")
    min_notional: Decimal = Decimal(3)
    min_amount: Decimal = Decimal(0)
    buyable: bool = True
    sellable: bool = True
    delisting_ms: int | None = None

    @property
    def base(self) -> str:
        """The base currency, ``BTC`` of ``BTC/USDT``."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """The quote currency, ``USDT`` of ``BTC/USDT``."""
        return self.symbol.partition("/")[2]


@attrs.frozen(slots=True)
class Quote:
    """Best prices at an instant, in quote currency per base. ``bid`` or ``ask`` is None if unknown.

    Attributes:
        asks: price and amount (base) of the book's asks, best first; None where there is no book.
        last: the last traded price; asked for only where there is no bid, None if the venue does not tell.
    """

    bid: Decimal | None
    ask: Decimal | None
    ts_ms: int
    asks: tuple[tuple[Decimal, Decimal], ...] | None = None
    last: Decimal | None = None

    @property
    def mid(self) -> Decimal | None:
        """Middle of bid and ask, None without both."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def spread_pct(self) -> Decimal | None:
        """``100*(ask-bid)/mid``, None without both prices."""
        if self.bid is None or self.ask is None:
            return None
        return HUNDRED * (self.ask - self.bid) / ((self.ask + self.bid) / 2)


@attrs.frozen(slots=True)
class Candle:
    """One closed candle in money: what protective exits and recorded markets walk along.

    Attributes:
        after_hole: no candle comes directly before it.
    """

    ts_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    after_hole: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen(slots=True)
class Costs:
    """Fee, slippage and spread of simulated fills, as fractions (0.002 means 0.2 %).

    Attributes:
        fee: taker fee; taken in base on buys and in quote on sells, like Gate.
        slippage: added to the ask on buys, taken from the bid on sells.
        half_spread: half the bid-ask spread around a recorded price.
    """

    fee: Decimal = Decimal("0.002")
    slippage: Decimal = Decimal("0.0005")
    half_spread: Decimal = Decimal("0.0001")

    def bid(self, price: Decimal) -> Decimal:
        """Return the bid at a recorded price."""
        return price * (1 - self.half_spread)

    def ask(self, price: Decimal) -> Decimal:
        """Return the ask at a recorded price."""
        return price * (1 + self.half_spread)

    def ask_of_bid(self, bid: Decimal) -> Decimal:
        """Return the ask that goes with a bid."""
        return bid / (1 - self.half_spread) * (1 + self.half_spread)

    def quote(self, price: Decimal, ts_ms: int) -> Quote:
        """Return the quote at a recorded price."""
        return Quote(self.bid(price), self.ask(price), ts_ms)
