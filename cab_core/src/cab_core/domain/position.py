"""An open position and the record it leaves behind."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import attrs

from cab_core.domain.exit_rules import ExitRules
from cab_core.domain.exits import Levels, Protection, not_lower, protect, with_quantity
from cab_core.domain.ledger import Fee, Lot, Sale
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill
from cab_core.domain.risk import PositionView


class ExitFill(NamedTuple):
    """One sell of a position: base sold, price, its reason, its fee in quote, what it realized."""

    ts_ms: int
    quantity: Decimal
    price: Decimal
    reason: str
    fee: Decimal
    pnl: Decimal


@attrs.frozen(slots=True, kw_only=True)
class TradeRecord:
    """A closed trade. Money in quote.

    Attributes:
        quantity: base bought, before fees in base.
        entry_price: average entry fill price without fees.
        cost: quote paid for it, including buy fees.
        proceeds: quote received by its sells, after fees.
        fees_quote: all its fees valued in quote at fill prices.
        pnl: sum of what its sells realized (FIFO), less dust of it that was written off. Differs from
            proceeds minus cost by the cost of dust left behind or sold along.
        exits: its sells, oldest first.
        votes: strategies that voted for the entry.
        levels: the protective prices of the entry, None if it never had any.
    """

    symbol: str
    opened_ms: int
    closed_ms: int
    quantity: Decimal
    entry_price: Decimal
    cost: Decimal
    proceeds: Decimal
    fees_quote: Decimal
    pnl: Decimal
    exits: tuple[ExitFill, ...]
    entry_reason: str
    votes: tuple[str, ...]
    trace_id: str
    levels: Levels | None


@attrs.define(slots=True, kw_only=True)
class Position:
    """An open position of one symbol. Amounts in base, money in quote.

    Attributes:
        id: ``<symbol>@<opened_ms>``; part of the intent keys of its exits.
        quantity: managed base, dust of earlier trades included; not floored to the amount step.
        cost: cost of the lots behind ``quantity``.
        entry_price: average entry fill price without fees.
        protection: its protective state, None for a position adopted without rules.
        votes: strategies that voted for the entry.
        bought: base bought, before fees in base. ``spent``: quote value of it without fees.
        received: base bought, after fees in base. ``paid``: quote paid for it, including fees.
        realized: sum of what its sells realized. ``proceeds``: what they brought in.
        fees_quote: all fees so far, valued in quote.
        exits: its sells, oldest first.
    """

    id: str
    symbol: str
    opened_ms: int
    trace_id: str = ""
    entry_reason: str = ""
    votes: tuple[str, ...] = ()
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    entry_price: Decimal = ZERO
    protection: Protection | None = None
    bought: Decimal = ZERO
    spent: Decimal = ZERO
    received: Decimal = ZERO
    paid: Decimal = ZERO
    realized: Decimal = ZERO
    proceeds: Decimal = ZERO
    fees_quote: Decimal = ZERO
    exits: list[ExitFill] = attrs.Factory(list)
    _view: PositionView | None = attrs.field(default=None, init=False, eq=False, repr=False)

    def add(self, fill: Fill, fee: Fee, lot: Lot, held: Lot, rules: ExitRules | None) -> None:
        """Take in one entry fill; ``held`` is what the ledger holds of the symbol after it.

        Until the first exit the levels follow the average price of the entry's fills.
        """
        value = fill.quantity * fill.price
        self.bought += fill.quantity
        self.spent += value
        self.received += lot.quantity
        self.paid += lot.cost
        self.entry_price = self.spent / self.bought
        self.fees_quote += fee.quote + fee.base * fill.price
        self._hold(held)
        if rules is not None and not self.exits and (self.protection is None or self.protection.stage == 0):
            self.protection = protect(self.entry_price, self.received, self.paid, rules)
        if self.protection is not None and self.protection.quantity != self.quantity:
            self.protection = with_quantity(self.protection, self.quantity)

    def reduce(
        self, fill: Fill, fee: Fee, sale: Sale, held: Lot, reason: str, following: Protection | None
    ) -> None:
        """Take in one sell; ``following`` is the protection that was decided along with it."""
        fee_quote = fee.quote + fee.base * fill.price
        self.exits.append(ExitFill(fill.ts_ms, fill.quantity, fill.price, reason, fee_quote, sale.realized))
        self.realized += sale.realized
        self.proceeds += sale.proceeds
        self.fees_quote += fee_quote
        self._hold(held)
        current = self.protection
        if current is not None and following is not None and following is not current:
            current = not_lower(current, following)
        if current is not None:
            self.protection = with_quantity(current, self.quantity)

    def guard(self, following: Protection) -> None:
        """Store a protection decided without a sale; stage, peak and stop never go back."""
        if self.protection is not None:
            following = not_lower(self.protection, following)
        if following.quantity != self.quantity:
            following = with_quantity(following, self.quantity)
        self.protection = following

    def record(self, closed_ms: int) -> TradeRecord:
        """Return the record of the trade, closed at ``closed_ms``."""
        return TradeRecord(
            symbol=self.symbol,
            opened_ms=self.opened_ms,
            closed_ms=closed_ms,
            quantity=self.bought,
            entry_price=self.entry_price,
            cost=self.paid,
            proceeds=self.proceeds,
            fees_quote=self.fees_quote,
            pnl=self.realized,
            exits=tuple(self.exits),
            entry_reason=self.entry_reason,
            votes=self.votes,
            trace_id=self.trace_id,
            levels=None if self.protection is None else self.protection.levels,
        )

    def view(self) -> PositionView:
        """Return what risk rules see of it."""
        if self._view is None:
            self._view = PositionView(self.symbol, self.quantity, self.cost, self.opened_ms)
        return self._view

    def _hold(self, held: Lot) -> None:
        self.quantity, self.cost = held
        self._view = None
