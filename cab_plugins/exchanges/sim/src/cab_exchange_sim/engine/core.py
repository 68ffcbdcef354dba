"""What all parts of the exchange share: its clock, markets, accounts and ledger."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from cab_core.domain.orders import Rejected
from cab_exchange_sim.engine.accounts import Accounts
from cab_exchange_sim.engine.ledger import Entry, EntryKind, Ledger
from cab_exchange_sim.engine.market import Market
from cab_exchange_sim.engine.values import Refused
from cab_exchange_sim.engine.venue import Conditions, VenueSettings

_FIRST_ORDER = 95_000_000_001
_FIRST_STOP = 1_400_000_001
_FIRST_TRADE = 3_100_000_001

#: The venue's label for each reason of the matching core.
_LABELS = {
    "bad_precision": "INVALID_PRECISION",
    "below_min_notional": "INVALID_PARAM_VALUE",
    "below_amount_step": "AMOUNT_TOO_LITTLE",
    "no_quote": "ORDER_BOOK_NOT_FOUND",
}


@attrs.define(slots=True)
class Core:
    """The exchange without its orders.

    Attributes:
        now_ms: the exchange's true time.
    """

    settings: VenueSettings
    markets: Mapping[str, Market]
    accounts: Accounts
    now_ms: int
    ledger: Ledger = attrs.field(factory=Ledger)
    conditions: Conditions = attrs.field(factory=Conditions)
    _order_ids: itertools.count[int] = attrs.field(factory=lambda: itertools.count(_FIRST_ORDER))
    _stop_ids: itertools.count[int] = attrs.field(factory=lambda: itertools.count(_FIRST_STOP))
    _trade_ids: itertools.count[int] = attrs.field(factory=lambda: itertools.count(_FIRST_TRADE))

    def market(self, pair: str) -> Market:
        """Return a market.

        Raises:
            Refused: label ``INVALID_CURRENCY_PAIR``.
        """
        market = self.markets.get(pair)
        if market is None:
            raise Refused("INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
        return market

    @property
    def server_ms(self) -> int:
        """The time the exchange reports and judges requests by."""
        return self.now_ms + self.conditions.clock_skew_ms

    def admit(self, expires_ms: int | None) -> None:
        """Let a trading request in.

        Raises:
            Refused: it is too late, or the account must not trade.
        """
        if expires_ms is not None and self.server_ms > expires_ms:
            raise Refused(self.settings.expired_label, f"the request expired at {expires_ms}")
        if self.conditions.read_only:
            raise Refused("READ_ONLY", "this key may only read", 403)
        if self.conditions.locked:
            raise Refused("ACCOUNT_LOCKED", "the account is locked", 403)

    def next_order_id(self) -> str:
        """Return the next order's id."""
        return str(next(self._order_ids))

    def next_stop_id(self) -> str:
        """Return the next stop's id."""
        return str(next(self._stop_ids))

    def next_trade_id(self) -> str:
        """Return the next trade's id."""
        return str(next(self._trade_ids))

    def note(self, kind: EntryKind, **fields: Any) -> None:
        """Append an event to the ledger."""
        self.ledger.add(Entry(number=self.ledger.next_number, ms=self.now_ms, kind=kind, **fields))


def refusal(rejected: Rejected) -> Refused:
    """Return the venue's answer for a refusal of the matching core."""
    message = rejected.message
    if rejected.reason == "below_min_notional":
        message = f"Your order size is too small: {message}"
    return Refused(_LABELS.get(rejected.reason, "INVALID_PARAM_VALUE"), message)


def on_step(what: str, value: Decimal, step: Decimal, settings: VenueSettings) -> Decimal:
    """Return an amount or price that is a positive multiple of ``step``, cut if the exchange cuts.

    Raises:
        Refused: label ``INVALID_PRECISION`` or ``INVALID_PARAM_VALUE``.
    """
    if not value.is_finite() or value <= 0:
        raise Refused("INVALID_PARAM_VALUE", f"{what} {value} must be above 0")
    if not value % step:
        return value
    if settings.precision == "reject":
        raise Refused("INVALID_PRECISION", f"{what} {value:f} is no multiple of {step:f}")
    return value - value % step
