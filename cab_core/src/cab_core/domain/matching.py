"""How simulated orders fill: prices, precision, minimums, fees (spec 10.1). Pure.

The paper broker, replay and any simulated venue fill through these functions, so their fills are equal to the
last digit.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction

import attrs

from cab_core.domain import figures
from cab_core.domain.figures import money
from cab_core.domain.market import Costs, Instrument, Quote
from cab_core.domain.money import ONE, ZERO, floor_step
from cab_core.domain.orders import Fill, Intent, Rejected, Side

#: Half the spread assumed around the last price where a side of the quote is missing: half of 0.02 %.
LAST_HALF_SPREAD = Decimal("0.0001")

#: A partial fill is a whole number of these parts of the order, at least one and never all.
_PARTS = 10


@attrs.frozen(slots=True)
class Match:
    """One execution: base quantity, price in quote per base, fee in ``fee_currency``."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str

    @property
    def value(self) -> Decimal:
        """Quote value before fees."""
        return self.quantity * self.price


def market_buy(
    cost: Decimal,
    quote: Quote,
    instrument: Instrument,
    costs: Costs,
    *,
    last: Decimal | None = None,
    part: Decimal = ONE,
) -> Match | Rejected:
    """Match a market buy of at most ``cost`` quote at the ask plus slippage; the fee is taken in base.

    Args:
        cost: a multiple of the cost step.
        quote: best prices now.
        instrument: precision and minimums.
        costs: fee and slippage.
        last: last price, used where there is no ask.
        part: fraction of the order that fills; see `filled_part`.
    """
    refused = _refused(cost, instrument.cost_step, "cost")
    if refused is not None:
        return refused
    ask = quote.ask if quote.ask is not None or last is None else last * (ONE + LAST_HALF_SPREAD)
    if ask is None:
        return _no_quote(instrument)
    if cost < instrument.min_notional:
        return below_minimum(cost, instrument)
    price = ask * (ONE + costs.slippage)
    quantity = floor_step(cost / price, instrument.amount_step)
    if not quantity:
        step = f"{instrument.amount_step:f} {instrument.base}"
        return Rejected(
            "below_amount_step", f"{money(cost, instrument.quote)} {instrument.quote} buys less than {step}"
        )
    quantity = _part_of(quantity, part, instrument)
    return Match(quantity, price, quantity * costs.fee, instrument.base)


def market_sell(
    quantity: Decimal,
    quote: Quote,
    instrument: Instrument,
    costs: Costs,
    *,
    last: Decimal | None = None,
    part: Decimal = ONE,
) -> Match | Rejected:
    """Match a market sell of ``quantity`` base at the bid less slippage; the fee is taken in quote.

    Args:
        quantity: a multiple of the amount step.
        quote: best prices now.
        instrument: precision and minimums.
        costs: fee and slippage.
        last: last price, used where there is no bid.
        part: fraction of the order that fills; see `filled_part`.
    """
    refused = _refused(quantity, instrument.amount_step, "quantity")
    if refused is not None:
        return refused
    bid = quote.bid if quote.bid is not None or last is None else last * (ONE - LAST_HALF_SPREAD)
    if bid is None:
        return _no_quote(instrument)
    if quantity < instrument.min_amount:
        least = f"{instrument.min_amount:f} {instrument.base}"
        return Rejected(
            "below_min_notional", f"{figures.quantity(quantity)} is less than the least amount of {least}"
        )
    if quantity * bid < instrument.min_notional:
        return below_minimum(quantity * bid, instrument)
    return sell_at(_part_of(quantity, part, instrument), bid * (ONE - costs.slippage), instrument, costs)


def sell_at(quantity: Decimal, price: Decimal, instrument: Instrument, costs: Costs) -> Match:
    """Return the execution of a sell at a given price: limit orders know no slippage."""
    return Match(quantity, price, quantity * price * costs.fee, instrument.quote)


def triggered(trigger: Decimal, bid: Decimal) -> bool:
    """Say whether a resting stop fires at this bid."""
    return bid <= trigger


def filled_part(seed: int, client_id: str, probability: float) -> Decimal:
    """Return the fraction of an order that fills: 1, or with ``probability`` between 0.1 and 0.9.

    Depends on its arguments alone, never on the order of calls, so a repeated run fills the same.
    """
    if probability <= 0:
        return ONE
    digest = hashlib.sha256(f"{seed}|{client_id}".encode()).digest()
    drawn = Fraction(int.from_bytes(digest[:8], "big"), 1 << 64)
    if drawn >= probability:
        return ONE
    return Decimal(1 + int.from_bytes(digest[8:16], "big") % (_PARTS - 1)) / _PARTS


def trade_id(client_id: str, n: int) -> str:
    """Return the id of the ``n``-th trade (from 1) of an order."""
    return f"{client_id}-{n}"


def fill_of(match: Match, intent: Intent, n: int, ts_ms: int) -> Fill:
    """Return the ``n``-th fill (from 1) of an intent."""
    client_id = intent.client_id
    return Fill(
        trade_id(client_id, n),
        client_id,
        intent.symbol,
        intent.side,
        match.quantity,
        match.price,
        match.fee,
        match.fee_currency,
        ts_ms,
        intent.reference,
    )


def match_market(
    intent: Intent,
    quote: Quote,
    instrument: Instrument,
    costs: Costs,
    *,
    last: Decimal | None = None,
    part: Decimal = ONE,
) -> Match | Rejected:
    """Match the market order of an intent: buys by their cost, sells by their quantity."""
    if intent.side is Side.BUY:
        return market_buy(intent.cost or ZERO, quote, instrument, costs, last=last, part=part)
    return market_sell(intent.quantity or ZERO, quote, instrument, costs, last=last, part=part)


def off_step(value: Decimal, step: Decimal) -> bool:
    """Say whether ``value`` is no positive multiple of ``step``, or no finite Decimal at all."""
    return not isinstance(value, Decimal) or not value.is_finite() or value <= 0 or bool(value % step)


def bad_precision(what: str, value: Decimal, step: Decimal) -> Rejected:
    """Return the rejection of a number that is not quantized."""
    return Rejected("bad_precision", f"{what} {value} is not a positive multiple of {step:f}")


def below_minimum(value: Decimal, instrument: Instrument) -> Rejected:
    """Return the rejection of an order worth too little."""
    quote = instrument.quote
    least = f"{instrument.min_notional:f} {quote}"
    return Rejected(
        "below_min_notional", f"{money(value, quote)} {quote} is less than the minimum of {least}"
    )


def _refused(value: Decimal, step: Decimal, what: str) -> Rejected | None:
    return bad_precision(what, value, step) if off_step(value, step) else None


def _part_of(quantity: Decimal, part: Decimal, instrument: Instrument) -> Decimal:
    """Return the filled part of a quantity, at least one step of it."""
    if part == ONE:
        return quantity
    step = instrument.amount_step
    return max(floor_step(quantity * part, step), step)


def _no_quote(instrument: Instrument) -> Rejected:
    return Rejected("no_quote", f"{instrument.symbol} has no price now", transient=True)
