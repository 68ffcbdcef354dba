"""One symbol as the bot has it and as the venue shows it, and what the two views imply together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill, Intent, OrderType, Side, VenueOrder
from cab_core.domain.resting import DesiredStop

#: How our client order ids begin. An order that carries it was made by a bot, this one or another.
CLIENT_PREFIX = "t-c"

#: Balances may lag behind own trades by this much: before that they prove nothing about what is managed.
BALANCE_LAG_MS = 100_000

#: Share of the managed quantity, and of a stop's trigger, by which the venue may differ.
TOLERANCE = Decimal("0.001")


@attrs.frozen(slots=True, kw_only=True)
class LocalView:
    """One symbol as the bot has it. Amounts in base.

    Attributes:
        managed: held by our own fills, dust included. ``elsewhere``: the same of other symbols of that base.
        ref: names the state of the position; part of the ids of adjustments, so that each is made once.
        flat: there is no open position.
        intents: attempts that have not ended.
        known: those of the venue's order ids and client ids that are in the journal.
        refused: those of the known client ids that are on record as never taken by the venue.
        booked: those of the venue's trade ids that are in the book.
        stop: what should rest, None where nothing should.
        quote_needed: what all open entries of the account may still spend.
    """

    symbol: str
    managed: Decimal = ZERO
    elsewhere: Decimal = ZERO
    ref: str = ""
    flat: bool = True
    intents: Sequence[Intent] = ()
    known: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    booked: frozenset[str] = frozenset()
    stop: DesiredStop | None = None
    quote_needed: Decimal = ZERO


@attrs.frozen(slots=True, kw_only=True)
class VenueView:
    """One symbol as complete listings of the venue show it.

    Attributes:
        base_total: free and locked base.
        orders: open orders and stops, and those that ended lately.
        trades: the account's own trades of that time.
        bid: None if there is no price.
    """

    base_total: Decimal
    quote_free: Decimal
    orders: Sequence[VenueOrder] = ()
    trades: Sequence[Fill] = ()
    bid: Decimal | None = None


def undecided(local: LocalView, venue: VenueView) -> bool:
    """Say whether trades are still to come, so that the balance proves nothing about the position."""
    if any(intent.sent_ms is not None and open_at(intent, venue) is None for intent in local.intents):
        return True
    if any(order.filled for intent in local.intents if (order := open_at(intent, venue)) is not None):
        return True
    if any(trade.trade_id not in local.booked and _of_any(trade, local.intents) for trade in venue.trades):
        return True
    return any(invisible(order, venue) for order in strays(local, venue))


def base_delta(fill: Fill, instrument: Instrument) -> Decimal:
    """Return what a fill adds to the base that is held; negative for a sell."""
    moved = fill.quantity if fill.side is Side.BUY else -fill.quantity
    return moved - fill.fee_in(instrument.base)


def strays(local: LocalView, venue: VenueView) -> list[VenueOrder]:
    """Return the venue's orders of ours that the bot does not count among its open ones and must act on."""
    return [order for order in venue.orders if is_ours(order, local) and _astray(order, local, venue)]


def stray_trades(local: LocalView, venue: VenueView) -> list[Fill]:
    """Return trades of ours that are not booked and belong to no open order, each once, oldest first.

    At one instant purchases come first: what is sold has been bought before.
    """
    found = {
        trade.trade_id: trade
        for trade in venue.trades
        if trade.client_id.startswith(CLIENT_PREFIX)
        and trade.trade_id not in local.booked
        and not _of_any(trade, local.intents)
    }
    return sorted(found.values(), key=lambda t: (t.ts_ms, t.side is Side.SELL, t.trade_id))


def managed_after(local: LocalView, venue: VenueView, instrument: Instrument) -> Decimal:
    """Return the managed quantity once stray trades are booked."""
    managed = local.managed
    for trade in stray_trades(local, venue):  # never below nothing: what was not held cannot be sold
        managed = max(ZERO, managed + base_delta(trade, instrument))
    return managed


def tolerance(managed: Decimal, instrument: Instrument) -> Decimal:
    """Return by how much base the venue may differ."""
    return max(instrument.amount_step, managed * TOLERANCE)


def is_ours(order: VenueOrder, local: LocalView) -> bool:
    """Say whether a bot of ours made the order."""
    return order.client_id.startswith(CLIENT_PREFIX) or order.order_id in local.known


def _astray(order: VenueOrder, local: LocalView, venue: VenueView) -> bool:
    if belongs(order, local.intents):
        return False
    return order.open or _invisible_of(order, local, venue)


def _invisible_of(order: VenueOrder, local: LocalView, venue: VenueView) -> bool:
    """Say whether an ended order filled something that is neither in the journal nor among the trades."""
    known = order.client_id in local.known or order.order_id in local.known
    return (not known or order.client_id in local.refused) and invisible(order, venue)


def invisible(order: VenueOrder, venue: VenueView) -> bool:
    """Say whether more of the order is filled than its trades show so far."""
    return order.filled > visible(order.client_id, venue)


def visible(client_id: str, venue: VenueView) -> Decimal:
    """Return the base that the trades of a client id add up to, each trade once."""
    trades = {trade.trade_id: trade.quantity for trade in venue.trades if trade.client_id == client_id}
    return sum(trades.values(), ZERO)


def open_at(intent: Intent, venue: VenueView) -> VenueOrder | None:
    """Return the open order of an attempt, None if the venue lists none."""
    return next((order for order in venue.orders if order.open and _matches(order, intent)), None)


def belongs(order: VenueOrder, intents: Sequence[Intent]) -> bool:
    """Say whether the order is one of these attempts."""
    return any(_matches(order, intent) for intent in intents)


def _matches(order: VenueOrder, intent: Intent) -> bool:
    if intent.order_id is not None and order.order_id == intent.order_id:
        return True
    if order.client_id:
        return order.client_id == intent.client_id
    # A venue may keep no client id of a stop whose answer was lost: its figures tell.
    return (
        order.stop
        and intent.order_id is None
        and intent.type is OrderType.STOP_LIMIT
        and (order.trigger, order.limit, order.quantity) == (intent.trigger, intent.limit, intent.quantity)
    )


def _of_any(trade: Fill, intents: Sequence[Intent]) -> bool:
    return any(trade.client_id == intent.client_id for intent in intents)
