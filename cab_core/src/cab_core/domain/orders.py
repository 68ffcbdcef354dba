"""The order's life: intents, deterministic ids, outcomes of one send, fills, legal transitions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import attrs


class Side(StrEnum):
    """Buy opens a long from quote currency; sell only reduces or closes one."""

    BUY = "buy"
    SELL = "sell"


class Purpose(StrEnum):
    """Why an order is made; part of the intent key."""

    ENTRY = "entry"
    SIGNAL_SELL = "signal_sell"
    STOP_LOSS = "sl"
    TAKE_PROFIT_1 = "tp1"
    TAKE_PROFIT_2 = "tp2"
    TRAIL = "trail"
    BREAKEVEN = "be"
    DEAD_MAN = "dms"
    EMERGENCY = "emergency"
    MANUAL = "manual"


class OrderType(StrEnum):
    """Market orders for entries and exits; stop-limit only for stops resting at the exchange."""

    MARKET = "market"
    STOP_LIMIT = "stop_limit"


class OrderState(StrEnum):
    """States of an intent. ``DONE``, ``REJECTED`` and ``ABANDONED`` are terminal."""

    PLANNED = "planned"
    SENT = "sent"
    ACKED = "acked"
    UNKNOWN = "unknown"
    DONE = "done"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.PLANNED: frozenset({OrderState.SENT, OrderState.ABANDONED}),
    OrderState.SENT: frozenset({OrderState.ACKED, OrderState.REJECTED, OrderState.UNKNOWN}),
    OrderState.UNKNOWN: frozenset({OrderState.ACKED, OrderState.DONE, OrderState.ABANDONED}),
    # Once more when the venue had named it wrongly, with the right id.
    OrderState.ACKED: frozenset({OrderState.ACKED, OrderState.DONE}),
    OrderState.DONE: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.ABANDONED: frozenset(),
}

#: Transient refusals after which the same order may be sent again at once, as the next attempt.
RETRIED = frozenset({"not_sent", "rate_limited", "clock_skew"})

#: How long after the journalled send a request may still be accepted, where the venue can refuse late ones.
REQUEST_TTL_MS = 4_000

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


def advance(state: OrderState, to: OrderState) -> OrderState:
    """Return ``to`` if an intent may go there from ``state``.

    Raises:
        ValueError: the transition is not in the table; a bug, never an outcome of the market.
    """
    if to not in TRANSITIONS[state]:
        raise ValueError(f"illegal order transition {state} -> {to}")
    return to


def intent_key(symbol: str, side: Side, purpose: Purpose, ref: str) -> str:
    """Return the unique key of an intent: ``symbol|side|purpose|ref``.

    ``ref`` is the candle's ts_ms for entries, and position id + stage (+ attempt for exits) otherwise.
    """
    return f"{symbol}|{side}|{purpose}|{ref}"


def client_order_id(key: str, attempt: int) -> str:
    """Return the deterministic client order id, ``t-c<16 characters>-<attempt>``: a restart recreates it."""
    # Ten bytes are exactly sixteen characters of base32, in lower case; two at a time, as ids are many.
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:10], "big")
    digest = "".join([_PAIRS[number >> shift & 0x3FF] for shift in range(70, -1, -10)])
    return f"t-c{digest}-{attempt}"


@attrs.frozen(slots=True)
class Intent:
    """One order the kernel means to send, journalled before the send.

    Attributes:
        key: `intent_key`.
        cost: quote currency to spend; set for buys, None for sells.
        quantity: base currency to sell; set for sells, None for buys.
        reason: the exit or entry reason shown to people, e.g. ``take_profit_1`` or ``vote:5-2``.
        reference: price the slippage of the fill is measured against (mid for market orders).
        trigger: stop-limit only: trigger price. ``limit`` likewise: its limit price.
        sent_ms: when the send of this attempt was journalled, on the bot's clock; None before.
        order_id: the venue's id of this attempt, None until the venue has told.
    """

    key: str
    symbol: str
    side: Side
    purpose: Purpose
    reason: str
    trace_id: str
    created_ms: int
    attempt: int = 1
    type: OrderType = OrderType.MARKET
    cost: Decimal | None = None
    quantity: Decimal | None = None
    reference: Decimal | None = None
    trigger: Decimal | None = None
    limit: Decimal | None = None
    sent_ms: int | None = None
    order_id: str | None = None

    @property
    def client_id(self) -> str:
        """The client order id of this attempt."""
        return client_order_id(self.key, self.attempt)

    @property
    def expires_ms(self) -> int | None:
        """When a request to place it must no longer be accepted, on the bot's clock; None before the send.

        It follows from the journalled time of the send, so a restart knows it without having been there.
        """
        return None if self.sent_ms is None else self.sent_ms + REQUEST_TTL_MS


@attrs.frozen(slots=True)
class Fill:
    """One trade of ours. Amounts in base, price in quote per base.

    Attributes:
        trade_id: unique per (exchange, symbol).
        fee: amount of the fee in ``fee_currency``.
        further_fees: what a venue took besides, as (currency, amount).
        reference: price the slippage is measured against, None if unknown.
        order_id: the venue's id of the order it belongs to, None if it does not tell; not stored.
    """

    trade_id: str
    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    ts_ms: int
    reference: Decimal | None = None
    further_fees: tuple[tuple[str, Decimal], ...] = attrs.field(default=(), kw_only=True)
    order_id: str | None = attrs.field(default=None, eq=False, kw_only=True)

    @property
    def value(self) -> Decimal:
        """Quote value before fees."""
        return self.quantity * self.price

    @property
    def fees(self) -> tuple[tuple[str, Decimal], ...]:
        """Every fee as (currency, amount)."""
        return ((self.fee_currency, self.fee), *self.further_fees)

    def fee_in(self, currency: str) -> Decimal:
        """Return what was taken in a currency."""
        return sum((amount for taken, amount in self.fees if taken == currency), Decimal(0))


def fee_texts(fees: Sequence[tuple[str, Decimal]]) -> tuple[str, ...]:
    """Return fees as people read them: amount and currency."""
    return tuple(f"{amount:f} {currency}" for currency, amount in fees)


@attrs.frozen(slots=True)
class Ack:
    """The exchange has the order.

    Attributes:
        final: nothing is left to fill or to rest.
        filled: base the venue says is filled, None if it did not say. Own trades may show up later.
        fired_ms: resting stops: when the trigger was reached, on the bot's clock; None before.
        ended: why a final order ended, in the venue's words; empty if it did not say.
    """

    order_id: str
    final: bool = True
    filled: Decimal | None = None
    fired_ms: int | None = None
    ended: str = ""


@attrs.frozen(slots=True)
class Rejected:
    """The exchange has definitively not taken the order; ``transient`` says whether a retry may help.

    Reasons the kernel acts on: ``not_sent``, ``rate_limited`` and ``clock_skew`` (all transient),
    ``no_quote``, ``trigger_reached`` (a stop placed at or above the price), ``not_open`` (nothing left to
    cancel), ``below_min_notional``, ``bad_precision``, ``insufficient_funds``, ``not_tradable``, and
    ``credentials`` (key, permission or account: no order can be placed at all). Others are shown
    and end the attempt.
    """

    reason: str
    message: str = ""
    transient: bool = False


@attrs.frozen(slots=True)
class Unknown:
    """It cannot be said whether the exchange has the order. To be resolved by observation, never re-sent."""

    message: str = ""


Outcome: TypeAlias = Ack | Rejected | Unknown


@attrs.frozen(slots=True)
class Found:
    """Observation found the order at the exchange."""

    ack: Ack


@attrs.frozen(slots=True)
class Absent:
    """Observation proves that the exchange never took the order."""


@attrs.frozen(slots=True)
class Undetermined:
    """Observation could not decide yet."""

    message: str = ""


@attrs.frozen(slots=True, kw_only=True)
class VenueOrder:
    """An order as the venue lists it, ours or not. Amounts in base, prices in quote per base.

    Attributes:
        client_id: empty where the venue keeps none (resting stops of some venues).
        stop: it waits for a trigger.
        quantity: base; None for market buys, which are sized in quote.
        open: it rests or waits. ``filled``: base filled so far.
        created_ms: on the bot's clock.
    """

    order_id: str
    client_id: str
    symbol: str
    side: Side
    stop: bool
    open: bool
    quantity: Decimal | None
    filled: Decimal
    created_ms: int
    trigger: Decimal | None = None
    limit: Decimal | None = None


Resolution: TypeAlias = Found | Absent | Undetermined
