"""The book: one account's cash, positions, realized PnL, equity and closed trades, moved by fills alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import attrs

from cab_core.domain.booking import Applied, AppliedTo, LeftDust, check
from cab_core.domain.equity import Equity, snapshot
from cab_core.domain.exits import Protection, after_take_profit_1
from cab_core.domain.ledger import Fee, Ledger, Lot, split_fees
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill, Purpose, Side
from cab_core.domain.position import Position, TradeRecord
from cab_core.domain.risk import BookView, HourlyReturns, RoundTrip
from cab_core.domain.seen import SeenTrades
from cab_core.domain.sellable import sellable
from cab_core.domain.timeframes import MINUTE_MS, utc_day

__all__ = ["Applied", "AppliedTo", "Book"]

Trip = TypeVar("Trip", RoundTrip, TradeRecord)

#: What the five-minute monitoring looks back on (spec 8.6).
ACTIVITY_MS = 5 * MINUTE_MS

#: Round trips shown to risk rules; their contract promises the last 50.
VIEWED_ROUND_TRIPS = 50


_DUPLICATE = Applied(duplicate=True)


class Book:
    """One account. Mutable, not thread-safe; all money in the quote currency that all symbols share.

    Args:
        baseline: equity at the start.
        instruments: rules of every symbol that is traded or open.

    Attributes:
        quote_free: cash as the fills imply it; starts at the baseline.
        positions: open positions by symbol.
        ledger: the FIFO lots, dust included.
        trades: closed trades, oldest first. ``round_trips``: the same as risk rules see them.
        realized: net PnL since the baseline. ``realized_by_day``: the same by UTC day of the sell.
        peak: running maximum of the equity, raised by `snapshot` and `raise_peak`.
        last_fill_ms: time of the last fill by symbol.
        marks: last bid by symbol.
        recent: fills of the last five minutes as (time, client id, quote value).
        left: what was left as dust since its shell last took note of it; not part of the account.
    """

    __slots__ = (
        "_currencies",
        "baseline",
        "instruments",
        "last_fill_ms",
        "ledger",
        "left",
        "marks",
        "peak",
        "positions",
        "quote_free",
        "realized",
        "realized_by_day",
        "recent",
        "round_trips",
        "seen",
        "trades",
    )

    def __init__(self, baseline: Decimal, instruments: Mapping[str, Instrument]) -> None:
        self.baseline = baseline
        self.instruments = dict(instruments)
        self.quote_free = baseline
        self.peak = baseline
        self.realized = ZERO
        self.realized_by_day: dict[int, Decimal] = {}
        self.positions: dict[str, Position] = {}
        self.ledger = Ledger()
        self.trades: list[TradeRecord] = []
        self.round_trips: list[RoundTrip] = []
        self.last_fill_ms: dict[str, int] = {}
        self.marks: dict[str, Decimal] = {}
        self.recent: deque[tuple[int, str, Decimal]] = deque()
        self.left: list[LeftDust] = []
        self.seen: dict[str, SeenTrades] = {symbol: SeenTrades() for symbol in self.instruments}
        self._currencies = {i.symbol: (i.base, i.quote) for i in self.instruments.values()}

    def apply(self, fill: Fill, to: AppliedTo) -> Applied:
        """Take in one fill, once: a known ``trade_id`` of the symbol changes nothing.

        Raises:
            ValueError: quantity, price or fee is not a finite Decimal, or not positive.
            KeyError: the symbol has no instrument.
        """
        symbol = fill.symbol
        if self.seen[symbol].knows(fill.trade_id, fill.ts_ms):
            return _DUPLICATE
        check(fill)
        base, quote = self._currencies[symbol]
        fee = split_fees(fill.fees, base, quote, to.fee_rates)
        value = fill.quantity * fill.price
        cash_fee = fill.fee_in(quote)
        if fill.side is Side.BUY:
            self.quote_free -= value + cash_fee
            applied = self._buy(fill, fee, to)
        else:
            self.quote_free += value - cash_fee
            applied = self._sell(fill, fee, to)
        self.seen[symbol].add(fill.trade_id, fill.ts_ms)
        self.last_fill_ms[symbol] = max(fill.ts_ms, self.last_fill_ms.get(symbol, fill.ts_ms))
        self._remember(fill, value)
        return applied

    def guard(self, symbol: str, protection: Protection) -> None:
        """Store a protection that changed without a sale (a higher peak or stop)."""
        self.positions[symbol].guard(protection)

    def leave_dust(self, symbol: str, now_ms: int) -> RoundTrip | None:
        """Close the position of the symbol; what is left of it stays in the ledger as dust.

        For what cannot be sold. It stays in the equity at the last bid. Returns the round trip if anything
        was sold.
        """
        position = self.positions.pop(symbol)
        self.marks.setdefault(symbol, position.entry_price)
        if position.quantity:
            worth = position.quantity * self.marks[symbol]
            sold = bool(position.exits)
            self.left.append(LeftDust(symbol, now_ms, position.quantity, position.cost, worth, sold))
        if not position.exits:
            return None
        trade = position.record(now_ms)
        trip = RoundTrip(symbol, trade.opened_ms, now_ms, trade.pnl)
        self.trades.append(trade)
        self.round_trips.append(trip)
        return trip

    def dust(self) -> dict[str, Lot]:
        """Return what is held outside of positions: quantity and cost by symbol."""
        return {s: self.ledger.held(s) for s in self.ledger.symbols() if s not in self.positions}

    def write_off(self, symbol: str, now_ms: int) -> Decimal:
        """Realize the cost of the symbol's dust as a loss, in the round trip that left it.

        Returns:
            The loss, 0 where there is no dust.

        Raises:
            ValueError: the symbol has an open position, so it has no dust.
        """
        if symbol in self.positions:
            raise ValueError(f"{symbol} has an open position: its dust goes with the next sale")
        loss = self.ledger.write_off(symbol).cost
        if loss:
            self._realize(-loss, now_ms)
            _lessen(self.trades, symbol, loss)
            _lessen(self.round_trips, symbol, loss)
        return loss

    def mark(self, symbol: str, bid: Decimal) -> None:
        """Value the symbol at ``bid`` from now on."""
        self.marks[symbol] = bid

    def unrealized(self, symbol: str | None = None) -> Decimal:
        """Return value at the last bid minus lot cost of what is held of one symbol, or of all.

        Dust counts as positions do: that something is too small to sell makes no loss undone. What was never
        marked is valued at its entry price, dust at its cost.
        """
        symbols = self.ledger.symbols() if symbol is None else (symbol,)
        return sum((self._unrealized(each) for each in symbols), ZERO)

    def cost_held(self) -> Decimal:
        """Return the lot cost of everything that is held, dust included."""
        return sum((self.ledger.held(symbol).cost for symbol in self.ledger.symbols()), ZERO)

    def equity(self) -> Decimal:
        """Return baseline + realized + unrealized."""
        return self.baseline + self.realized + self.unrealized()

    def snapshot(self) -> Equity:
        """Return equity, peak and drawdown now, raising the peak."""
        taken = snapshot(self.equity(), self.peak)
        self.peak = taken.peak
        return taken

    def raise_peak(self) -> None:
        """Raise the peak to the equity now, if that is higher: `snapshot` without its figures."""
        equity = self.equity()
        if equity > self.peak:
            self.peak = equity

    def reset_peak(self) -> None:
        """Set the peak to the current equity (manual reset of the drawdown halt)."""
        self.peak = self.equity()

    def deposit(self, value: Decimal) -> None:
        """Take in quote value from outside, or give it away if negative: neither gain nor loss.

        The baseline moves along. So does the peak, by as much as leaves the drawdown what it is in percent:
        money that comes or goes neither trips a limit nor hides a loss.
        """
        before = self.equity()
        self.baseline += value
        self.quote_free += value
        after = before + value
        if self.peak <= before or before <= 0 or after <= 0:
            self.peak = max(ZERO, after)
        else:
            self.peak = self.peak * after / before

    def activity(self, now_ms: int) -> tuple[int, Decimal]:
        """Return the number of filled orders and their quote value in the last five minutes."""
        recent = [entry for entry in self.recent if now_ms - ACTIVITY_MS < entry[0]]
        if not recent:
            return 0, ZERO
        return len({client_id for _, client_id, _ in recent}), sum((v for _, _, v in recent), ZERO)

    def view(
        self,
        now_ms: int,
        *,
        spreads: Sequence[float],
        released_ms: Mapping[str, int],
        hourly_returns: Callable[[str], HourlyReturns | None],
        orders_5m: int | None = None,
        turnover_5m: Decimal | None = None,
    ) -> BookView:
        """Return the immutable snapshot that risk rules see.

        Args:
            now_ms: the time of the candidate.
            spreads: earlier spread observations of the candidate's symbol, in percent.
            released_ms: per rule, when its halt was last released.
            hourly_returns: known 1h returns of a symbol.
            orders_5m: orders of the last five minutes; counted from the fills if None.
            turnover_5m: their quote value; likewise.
        """
        if orders_5m is None or turnover_5m is None:
            orders, turnover = self.activity(now_ms) if self.recent else (0, ZERO)
            orders_5m = orders if orders_5m is None else orders_5m
            turnover_5m = turnover if turnover_5m is None else turnover_5m
        unrealized = self.unrealized()
        equity = self.baseline + self.realized + unrealized
        return BookView(
            positions={symbol: position.view() for symbol, position in self.positions.items()},
            round_trips=self.round_trips[-VIEWED_ROUND_TRIPS:],
            realized_today=self.realized_by_day.get(utc_day(now_ms), ZERO),
            unrealized=unrealized,
            equity=equity,
            peak=max(self.peak, equity),
            last_fill_ms=dict(self.last_fill_ms),
            spreads=spreads,
            orders_5m=orders_5m,
            turnover_5m=turnover_5m,
            released_ms=released_ms,
            hourly_returns=hourly_returns,
        )

    def _buy(self, fill: Fill, fee: Fee, to: AppliedTo) -> Applied:
        symbol = fill.symbol
        lot = self.ledger.buy(symbol, fill.quantity, fill.price, fee)
        position = self.positions.get(symbol)
        if position is None:
            position = Position(
                id=f"{symbol}@{fill.ts_ms}",
                symbol=symbol,
                opened_ms=fill.ts_ms,
                trace_id=to.trace_id,
                entry_reason=to.reason,
                votes=to.votes,
            )
            self.positions[symbol] = position
        position.add(fill, fee, lot, self.ledger.held(symbol), to.rules)
        closed = (
            self.leave_dust(symbol, fill.ts_ms) if self._is_dust(position, position.entry_price, to) else None
        )
        return Applied(None, closed, fee_unpriced=fee.unpriced)

    def _sell(self, fill: Fill, fee: Fee, to: AppliedTo) -> Applied:
        symbol = fill.symbol
        sale = self.ledger.sell(symbol, fill.quantity, fill.price, fee)
        self._realize(sale.realized, fill.ts_ms)
        closed = None
        position = self.positions.get(symbol)
        if position is not None:
            following = to.protection or _recovered(position.protection, to)
            position.reduce(fill, fee, sale, self.ledger.held(symbol), to.reason, following)
            if self._is_dust(position, fill.price, to):
                closed = self.leave_dust(symbol, fill.ts_ms)
        return Applied(sale.realized, closed, unmatched=sale.unmatched, fee_unpriced=fee.unpriced)

    def _is_dust(self, position: Position, price: Decimal, to: AppliedTo) -> bool:
        """Say whether nothing is left, or what is left of an ended order cannot be sold at ``price``."""
        if not position.quantity or not to.final:
            return not position.quantity
        return not sellable(position.quantity, price, self.instruments[position.symbol])

    def _unrealized(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        if position is not None:
            return position.quantity * self.marks.get(symbol, position.entry_price) - position.cost
        quantity, cost = self.ledger.held(symbol)
        return quantity * self.marks[symbol] - cost if symbol in self.marks else ZERO

    def _realize(self, amount: Decimal, ts_ms: int) -> None:
        day = utc_day(ts_ms)
        self.realized += amount
        self.realized_by_day[day] = self.realized_by_day.get(day, ZERO) + amount

    def _remember(self, fill: Fill, value: Decimal) -> None:
        self.recent.append((fill.ts_ms, fill.client_id, value))
        while self.recent[0][0] <= fill.ts_ms - ACTIVITY_MS:
            self.recent.popleft()


def _recovered(current: Protection | None, to: AppliedTo) -> Protection | None:
    """Return the protection after a first take profit whose decided protection was lost in a crash."""
    if current is None or to.rules is None or to.purpose is not Purpose.TAKE_PROFIT_1 or current.stage == 1:
        return None
    return after_take_profit_1(current, to.rules)


def _lessen(trips: list[Trip], symbol: str, loss: Decimal) -> None:
    """Take ``loss`` off the newest trip of the symbol."""
    for index in range(len(trips) - 1, -1, -1):
        if trips[index].symbol == symbol:
            trips[index] = attrs.evolve(trips[index], pnl=trips[index].pnl - loss)
            return
