"""Short ways to write prices, fills and candles in the tests of the account, and hypothesis strategies."""

from __future__ import annotations

from decimal import Decimal

import attrs
from hypothesis import strategies as st

from cab_core.domain.book import AppliedTo, Book
from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import ExitSale, Protection, on_candle
from cab_core.domain.market import Candle, Costs, Instrument, Quote
from cab_core.domain.matching import Match, fill_of, filled_part, market_buy, market_sell
from cab_core.domain.orders import Fill, Intent, Purpose, Side, intent_key

D = Decimal
SYMBOL = "BTC/USDT"
BTC = Instrument(SYMBOL, amount_step=D("0.00001"), min_notional=D(5))
RULES = ExitRules(fee=D("0.001"))
COSTS = Costs(fee=D("0.001"))
START_MS = 1_704_067_200_000
BAR_MS = 900_000


def candle(o: str, h: str, low: str, c: str, ts_ms: int = START_MS) -> Candle:
    return Candle(ts_ms, D(o), D(h), D(low), D(c))


def fill(
    side: Side,
    quantity: str,
    price: str,
    *,
    trade_id: str,
    ts_ms: int = START_MS,
    fee: str = "0",
    fee_currency: str = "USDT",
    client_id: str = "",
    symbol: str = SYMBOL,
) -> Fill:
    order = client_id or f"order-of-{trade_id}"
    return Fill(trade_id, order, symbol, side, D(quantity), D(price), D(fee), fee_currency, ts_ms)


def bought(quantity: str, price: str, **more: object) -> Fill:
    return fill(Side.BUY, quantity, price, **more)  # type: ignore[arg-type]  # passed through unchanged


def sold(quantity: str, price: str, **more: object) -> Fill:
    return fill(Side.SELL, quantity, price, **more)  # type: ignore[arg-type]  # passed through unchanged


ENTRY = AppliedTo(Purpose.ENTRY, "vote:5-2", "trace", RULES, ("ema_cross", "supertrend"))
EXIT = AppliedTo(Purpose.SIGNAL_SELL, "signal_sell")


@attrs.define
class Trading:
    """A tiny trader: buys when flat, follows the protective exits candle by candle, keeps the journal.

    ``journal`` holds every fill with its context in the order of application.
    """

    book: Book
    partial: float = 0.0
    journal: list[tuple[Fill, AppliedTo]] = attrs.Factory(list)
    stops: list[tuple[str, Decimal]] = attrs.Factory(list)

    def buy(self, cost: Decimal, price: Decimal, ts_ms: int) -> None:
        intent = Intent(
            intent_key(SYMBOL, Side.BUY, Purpose.ENTRY, str(ts_ms)),
            SYMBOL,
            Side.BUY,
            Purpose.ENTRY,
            "vote:5-2",
            "trace",
            ts_ms,
            cost=cost,
        )
        part = filled_part(1, intent.client_id, self.partial)
        match = market_buy(cost, COSTS.quote(price, ts_ms), BTC, COSTS, part=part)
        if isinstance(match, Match):
            self._apply(fill_of(match, intent, 1, ts_ms), ENTRY)

    def walk(self, bar: Candle, *, best: bool = False) -> None:
        """Let one candle of bids pass, sending the rest of partly filled exits again."""
        position = self.book.positions.get(SYMBOL)
        if position is None or position.protection is None:
            return
        following, sales = on_candle(position.protection, bar, BTC, RULES, best)
        if not sales:
            self.book.guard(SYMBOL, following)
        for number, sale in enumerate(sales):
            self._sell(sale, following, bar.ts_ms + number)
        left = self.book.positions.get(SYMBOL)
        if left is not None and left.protection is not None:
            self.stops.append((left.id, left.protection.stop))

    def _sell(self, sale: ExitSale, following: Protection, ts_ms: int) -> None:
        left = sale.quantity
        position = self.book.positions[SYMBOL]
        for attempt in range(1, 20):
            key = intent_key(SYMBOL, Side.SELL, sale.purpose, f"{position.id}-{position.protection}")
            intent = Intent(
                key, SYMBOL, Side.SELL, sale.purpose, sale.reason, "trace", ts_ms, attempt, quantity=left
            )
            part = filled_part(1, intent.client_id, self.partial)
            quote = Quote(sale.price, sale.price, ts_ms)
            match = market_sell(left, quote, BTC, COSTS, part=part)
            if not isinstance(match, Match):
                return
            to = AppliedTo(sale.purpose, sale.reason, protection=following)
            self._apply(fill_of(match, intent, 1, ts_ms), to)
            left -= match.quantity
            if not left or SYMBOL not in self.book.positions:
                return

    def _apply(self, trade: Fill, to: AppliedTo) -> None:
        assert not self.book.apply(trade, to).duplicate
        self.journal.append((trade, to))


def new_book(baseline: str = "1000") -> Book:
    return Book(D(baseline), {SYMBOL: BTC})


cents = st.integers(5_000, 20_000).map(lambda c: D(c) / 100)


@st.composite
def bars(draw: st.DrawFn, start: Decimal | None = None, ts_ms: int = START_MS) -> Candle:
    """A candle of possible prices, opening within 4 % of ``start``."""
    base = start if start is not None else D(100)
    moves = [draw(st.integers(-400, 400)) for _ in range(4)]
    prices = [(base * (10_000 + move) / 10_000).quantize(D("0.01")) for move in moves]
    return Candle(ts_ms, prices[0], max(prices), min(prices), prices[3])


@st.composite
def paths(draw: st.DrawFn, most: int = 12) -> list[Candle]:
    """A run of candles, each opening near the close before it."""
    price = D(100)
    path: list[Candle] = []
    for number in range(draw(st.integers(1, most))):
        bar = draw(bars(price, START_MS + number * BAR_MS))
        price = bar.close
        path.append(bar)
    return path
