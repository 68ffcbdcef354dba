"""Protective exits: levels, the two-stage stop, take profits and the trailing stop (spec section 9).

Everything here is a pure function of a `Protection` and a price. Sales are decisions, not facts:

- A function that decides returns the protection *as it will be once its sales are filled* and leaves
  `Protection.quantity` alone, because only fills change what is held.
- The caller keeps the old protection until a fill arrives and commits the new one together with that fill
  (`Book.apply` does both, and takes the sold quantity off). A crash in between leaves the old protection and
  the old quantity, so the same decision is made again and meets the intent that is already in the journal:
  nothing is lost and nothing is sold twice.
- Without sales, the new protection (a higher peak or stop) may be stored at once: `Book.guard`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import attrs

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.market import Candle, Instrument
from cab_core.domain.money import ONE, ZERO, floor_step
from cab_core.domain.orders import Purpose
from cab_core.domain.sellable import sellable

StopKind: TypeAlias = Literal["stop_loss", "breakeven", "trailing_stop"]

#: A take-profit part must be worth this many times the least notional, so that it can be sold at all (9.6).
NOTIONAL_MARGIN = Decimal("1.05")

_TWO = Decimal(2)
STOP_PURPOSES: dict[StopKind, Purpose] = {
    "stop_loss": Purpose.STOP_LOSS,
    "breakeven": Purpose.BREAKEVEN,
    "trailing_stop": Purpose.TRAIL,
}
#: Ends the reason of a sale that had to wait until the price was beyond a hole, or beyond its stop.
GAP = "_gap"

#: Relative margin of `quiet_band`, far above the rounding of float64 prices.
_BAND = 1e-9


@attrs.frozen(slots=True)
class Levels:
    """Prices fixed at the entry, in quote per base. ``breakeven`` is capped at ``tp1``."""

    sl: Decimal
    tp1: Decimal
    tp2: Decimal
    breakeven: Decimal


@attrs.frozen(slots=True)
class Protection:
    """The protective state of one position, persisted with every fill and change.

    Attributes:
        stage: 0 before the first take profit, 1 after it.
        stop: price at or below which everything is sold; never falls.
        kind: what the stop is; becomes the reason of its sale.
        peak: highest bid since the first take profit, None in stage 0.
        levels: the fixed prices.
        quantity: managed base, not yet floored to the amount step.
        entry_price: average entry fill price without fees.
    """

    stage: int
    stop: Decimal
    kind: StopKind
    peak: Decimal | None
    levels: Levels
    quantity: Decimal
    entry_price: Decimal


@attrs.frozen(slots=True)
class ExitSale:
    """A decided market sell of ``quantity`` base (a multiple of the amount step).

    Attributes:
        price: the bid at which it is decided, before slippage; in candle mode the level or the gap open.
        reason: shown to people: the stop's kind, with ``_gap`` where the price jumped through it, or
            ``take_profit_1``, ``take_profit_1_all``, ``take_profit_2``.
        gap: the candle opened below the stop.
        purpose: goes into the intent key.
    """

    quantity: Decimal
    price: Decimal
    reason: str
    gap: bool
    purpose: Purpose


def protect(entry_price: Decimal, quantity: Decimal, cost: Decimal, rules: ExitRules) -> Protection:
    """Return the protection of a new position.

    Args:
        entry_price: average entry fill price without fees.
        quantity: sellable base after fees taken in base; > 0.
        cost: quote paid, including buy fees.
        rules: the distances.
    """
    tp1 = entry_price * (ONE + rules.tp1)
    breakeven = cost / quantity / (ONE - rules.fee) if rules.breakeven_include_fees else entry_price
    sl = entry_price * (ONE - rules.stop_loss)
    levels = Levels(sl, tp1, entry_price * (ONE + rules.tp2), min(breakeven, tp1))
    return Protection(0, sl, "stop_loss", None, levels, quantity, entry_price)


def on_price(
    p: Protection, bid: Decimal, instrument: Instrument, rules: ExitRules
) -> tuple[Protection, list[ExitSale]]:
    """Judge one observed bid (9.3): the stop, then TP1, then TP2. Sales are priced at the bid.

    Returns:
        The protection once the sales are filled, and the sales in the order they must be sent.
    """
    if bid <= p.stop:
        return p, _stop_out(p, _sellable(p, instrument), bid)
    following, sales, _ = _targets(p, _sellable(p, instrument), bid, bid, instrument, rules)
    return following, sales


def on_candle(
    p: Protection, candle: Candle, instrument: Instrument, rules: ExitRules, best: bool = False
) -> tuple[Protection, list[ExitSale]]:
    """Judge one whole candle of bids (9.4): along the worse of the two orders of its extremes, or the better.

    A candle does not tell whether its low or its high came first. Path A goes open, low, high, close, path B
    open, high, low, close; both meet every armed level at that level's price, the stop that the path itself
    has raised included. What is taken is the path that is worth less at the close, or with ``best`` more: a
    bound over these two paths, not over every path that the price may have gone. Under both, a gap through
    the stop is sold at the open, and an open above a target earns nothing extra.

    Returns:
        The protection once the sales are filled, and the sales in the order they must be sent.
    """
    if candle.open <= p.stop:
        return p, _stop_out(p, _sellable(p, instrument), candle.open, gap=True)
    if candle.low > p.stop and candle.high < _ceiling(p, rules):
        return p, []
    low_first = _Path(p, instrument, rules)
    low_first.rise(candle.open)
    low_first.fall(candle.low)
    low_first.rise(candle.high)
    low_first.fall(candle.close)
    high_first = _Path(p, instrument, rules)
    high_first.rise(candle.open)
    high_first.rise(candle.high)
    high_first.fall(candle.low)
    a, b = low_first.value(candle.close), high_first.value(candle.close)
    taken = high_first if (b > a if best else b < a) else low_first
    return taken.protection, taken.sales


def sold(p: Protection, quantity: Decimal) -> Protection:
    """Return the protection after ``quantity`` base has left the position."""
    return with_quantity(p, p.quantity - quantity)


def with_quantity(p: Protection, quantity: Decimal) -> Protection:
    """Return the protection of another managed quantity."""
    return Protection(p.stage, p.stop, p.kind, p.peak, p.levels, quantity, p.entry_price)


def after_take_profit_1(p: Protection, rules: ExitRules) -> Protection:
    """Return the protection after the first take profit: stop at break-even, trail armed."""
    levels = p.levels
    stop = max(p.stop, levels.breakeven)
    taken = Protection(1, stop, "breakeven", levels.tp1, levels, p.quantity, p.entry_price)
    return _trailed(taken, levels.tp1, rules)


def not_lower(current: Protection, following: Protection) -> Protection:
    """Return ``following`` unless it is older than ``current``: stage, stop and peak never go back.

    Fills may be applied late, with a protection that was decided before another change was stored.
    """
    # A stop of stage 1 is above every stop of stage 0, so the pair orders all states of one position.
    newer = (following.stage, following.stop) >= (current.stage, current.stop)
    ahead = following if newer else current
    peaks = [peak for peak in (current.peak, following.peak) if peak is not None]
    peak = max(peaks, default=None)
    return ahead if peak == ahead.peak else attrs.evolve(ahead, peak=peak)


def quiet_band(p: Protection, rules: ExitRules) -> tuple[float, float]:
    """Return float bounds ``(low, high)`` inside of which a candle changes nothing.

    A candle whose lowest bid is above ``low`` and whose highest bid is below ``high`` causes no sale and
    moves neither peak nor stop under `on_candle` and `on_price`. The bounds are conservative by 1e-9
    relative, so float prices may be compared with them.
    """
    return float(p.stop) * (1 + _BAND), float(_ceiling(p, rules)) * (1 - _BAND)


class _Path:
    """The price on its way through a candle, leg by leg without turning within one.

    Attributes:
        protection: as it is once the sales are filled.
        sales: what was sold on the way, each at the level it was met at.
    """

    def __init__(self, p: Protection, instrument: Instrument, rules: ExitRules) -> None:
        self.protection = p
        self.sales: list[ExitSale] = []
        self._left = _sellable(p, instrument)
        self._instrument = instrument
        self._rules = rules

    def rise(self, price: Decimal) -> None:
        """Meet the targets up to a price, and let the trail follow it."""
        if self._left:
            self.protection, sales, self._left = _targets(
                self.protection, self._left, price, None, self._instrument, self._rules
            )
            self.sales += sales

    def fall(self, price: Decimal) -> None:
        """Meet the stop, if it lies at or above a price."""
        if self._left and price <= self.protection.stop:
            self.sales += _stop_out(self.protection, self._left, self.protection.stop)
            self._left = ZERO

    def value(self, close: Decimal) -> Decimal:
        """Return what was sold and what is still held are worth at the close, without fees."""
        value, held = ZERO, self.protection.quantity
        for sale in self.sales:
            value += sale.quantity * sale.price
            held -= sale.quantity
        return value + held * close


def _ceiling(p: Protection, rules: ExitRules) -> Decimal:
    """Return the price from which on a rise sells something or moves the stop."""
    if p.peak is None:
        return p.levels.tp1
    return min(p.peak, p.levels.tp2) if rules.tp2_enabled else p.peak


def _targets(
    p: Protection,
    left: Decimal,
    high: Decimal,
    price: Decimal | None,
    instrument: Instrument,
    rules: ExitRules,
) -> tuple[Protection, list[ExitSale], Decimal]:
    """Take profits at a price risen to ``high``; sold at ``price``, or at the level itself if None.

    Returns:
        The following protection, the sales, and what is left of the sellable quantity ``left``.
    """
    levels = p.levels
    sales: list[ExitSale] = []
    if p.stage == 0:
        if high < levels.tp1:
            return p, sales, left
        half = sellable(p.quantity / _TWO, levels.tp1, instrument, margin=NOTIONAL_MARGIN)
        at = levels.tp1 if price is None else price
        # The half is never the larger part, so it alone decides whether both parts can be sold.
        if not half:
            return p, _sale(left, at, "take_profit_1_all", Purpose.TAKE_PROFIT_1), ZERO
        sales = _sale(half, at, "take_profit_1", Purpose.TAKE_PROFIT_1)
        left -= half
        p = after_take_profit_1(p, rules)
    if rules.tp2_enabled and high >= levels.tp2:
        at = levels.tp2 if price is None else price
        sales.extend(_sale(left, at, "take_profit_2", Purpose.TAKE_PROFIT_2))
        return p, sales, ZERO
    return _trailed(p, high, rules), sales, left


def _trailed(p: Protection, price: Decimal, rules: ExitRules) -> Protection:
    """Raise peak and stop of stage 1 to what ``price`` allows."""
    if p.peak is not None and price < p.peak:
        return p
    trail = price * (ONE - rules.trailing)
    if trail > p.stop:
        return Protection(p.stage, trail, "trailing_stop", price, p.levels, p.quantity, p.entry_price)
    return Protection(p.stage, p.stop, p.kind, price, p.levels, p.quantity, p.entry_price)


def _sellable(p: Protection, instrument: Instrument) -> Decimal:
    return floor_step(p.quantity, instrument.amount_step)


def _stop_out(p: Protection, quantity: Decimal, price: Decimal, gap: bool = False) -> list[ExitSale]:
    reason = p.kind + GAP if gap else p.kind
    return _sale(quantity, price, reason, STOP_PURPOSES[p.kind], gap)


def _sale(
    quantity: Decimal, price: Decimal, reason: str, purpose: Purpose, gap: bool = False
) -> list[ExitSale]:
    """Return the sale, or nothing where less than one step is held."""
    return [ExitSale(quantity, price, reason, gap, purpose)] if quantity else []
