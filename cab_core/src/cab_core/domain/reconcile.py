"""What the book says against what the venue says: every difference as a finding (spec 12). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum

import attrs

from cab_core.domain.alerts import Severity
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill, Intent, OrderType, Side, VenueOrder

#: How our client order ids begin. An order that carries it was made by a bot, this one or another.
CLIENT_PREFIX = "t-c"

#: Share of the managed quantity, and of a stop's trigger, by which the venue may differ.
TOLERANCE = Decimal("0.001")


class Kind(StrEnum):
    """What a finding is about."""

    ORDER_NOT_OPEN = "order_not_open"
    ORDER_UNRESOLVED = "order_unresolved"
    STRAY_ORDER = "stray_order"
    STRAY_FILLS = "stray_fills"
    FOREIGN_ORDER = "foreign_order"
    POSITION_SHORT = "position_short"
    UNMANAGED = "unmanaged"
    QUOTE_SHORT = "quote_short"
    STOP_MISSING = "stop_missing"
    STOP_QUANTITY = "stop_quantity"
    STOP_PRICE = "stop_price"


#: What would be done about each kind of finding.
CORRECTIONS: dict[Kind, str] = {
    Kind.ORDER_NOT_OPEN: "settle the order from own trades",
    Kind.ORDER_UNRESOLVED: "find out by observation whether the venue has it",
    Kind.STRAY_ORDER: "cancel the order",
    Kind.STRAY_FILLS: "book its trades and arm protection",
    Kind.FOREIGN_ORDER: "none: orders of others are left alone",
    Kind.POSITION_SHORT: "book the difference as an external sell at the present bid",
    Kind.UNMANAGED: "none: base that the bot did not buy is left alone",
    Kind.QUOTE_SHORT: "delay entries",
    Kind.STOP_MISSING: "place the stop",
    Kind.STOP_QUANTITY: "replace the stop",
    Kind.STOP_PRICE: "replace the stop",
}

_SEVERITIES = {
    Kind.STRAY_ORDER: Severity.CRITICAL,
    Kind.STRAY_FILLS: Severity.CRITICAL,
    Kind.FOREIGN_ORDER: Severity.INFO,
    Kind.UNMANAGED: Severity.INFO,
}


@attrs.frozen(slots=True, order=True)
class Finding:
    """One difference.

    Attributes:
        ref: the order it is about, empty for balances and positions.
        expected: what the book says. ``actual``: what the venue says.
        correction: what puts it right.
    """

    kind: Kind
    symbol: str
    ref: str
    expected: str
    actual: str
    correction: str
    severity: Severity

    @property
    def mismatch(self) -> bool:
        """Whether book and venue contradict each other; what belongs to others is only reported."""
        return self.severity is not Severity.INFO


@attrs.frozen(slots=True)
class DesiredStop:
    """The stop that should rest at the venue."""

    quantity: Decimal
    trigger: Decimal


@attrs.frozen(slots=True, kw_only=True)
class LocalView:
    """One symbol as the bot has it. Amounts in base.

    Attributes:
        managed: held by our own fills, dust included. ``elsewhere``: the same of other symbols of that base.
        ref: names the state of the position; part of the ids of adjustments, so that each is made once.
        flat: there is no open position.
        intents: attempts that have not ended.
        known: those of the venue's order ids and client ids that are in the journal.
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


def findings(local: LocalView, venue: VenueView, instrument: Instrument) -> tuple[Finding, ...]:
    """Return every difference, in an order that does not depend on that of the facts."""
    found = [
        *_order_findings(local, venue),
        *_position_findings(local, venue, instrument),
        *_stop_findings(local, venue, instrument),
    ]
    if local.quote_needed > venue.quote_free:
        found.append(_finding(Kind.QUOTE_SHORT, local, "", local.quote_needed, venue.quote_free))
    return tuple(sorted(set(found)))


def undecided(local: LocalView, venue: VenueView) -> bool:
    """Say whether trades are still to come, so that the balance proves nothing about the position."""
    if any(intent.sent_ms is not None and _open_at(intent, venue) is None for intent in local.intents):
        return True
    if any(order.filled for intent in local.intents if (order := _open_at(intent, venue)) is not None):
        return True
    if any(trade.trade_id not in local.booked and _of_any(trade, local.intents) for trade in venue.trades):
        return True
    return any(_invisible(order, venue) for order in strays(local, venue))


def base_delta(fill: Fill, instrument: Instrument) -> Decimal:
    """Return what a fill adds to the base that is held; negative for a sell."""
    fee = fill.fee if fill.fee_currency == instrument.base else ZERO
    return (fill.quantity if fill.side is Side.BUY else -fill.quantity) - fee


def strays(local: LocalView, venue: VenueView) -> list[VenueOrder]:
    """Return the venue's orders of ours that the bot does not count among its open ones and must act on."""
    return [order for order in venue.orders if _ours(order, local) and _astray(order, local, venue)]


def stray_trades(local: LocalView, venue: VenueView) -> list[Fill]:
    """Return trades of ours that are not booked and belong to no open order, each once, oldest first."""
    found = {
        trade.trade_id: trade
        for trade in venue.trades
        if trade.client_id.startswith(CLIENT_PREFIX)
        and trade.trade_id not in local.booked
        and not _of_any(trade, local.intents)
    }
    return sorted(found.values(), key=lambda trade: (trade.ts_ms, trade.trade_id))


def managed_after(local: LocalView, venue: VenueView, instrument: Instrument) -> Decimal:
    """Return the managed quantity once stray trades are booked."""
    managed = local.managed
    for trade in stray_trades(local, venue):  # never below nothing: what was not held cannot be sold
        managed = max(ZERO, managed + base_delta(trade, instrument))
    return managed


def tolerance(managed: Decimal, instrument: Instrument) -> Decimal:
    """Return by how much base the venue may differ."""
    return max(instrument.amount_step, managed * TOLERANCE)


def _order_findings(local: LocalView, venue: VenueView) -> Iterable[Finding]:
    for intent in local.intents:
        if intent.sent_ms is None or _open_at(intent, venue) is not None:
            continue
        kind = Kind.ORDER_UNRESOLVED if intent.order_id is None else Kind.ORDER_NOT_OPEN
        yield _finding(kind, local, intent.client_id, "open", "not open")
    for order in venue.orders:
        if order.open and not _ours(order, local) and not _belongs(order, local.intents):
            yield _finding(Kind.FOREIGN_ORDER, local, order.order_id, "none", _described(order))
    astray = strays(local, venue)
    for order in astray:
        if order.open:
            yield _finding(Kind.STRAY_ORDER, local, order.order_id, "none", _described(order))
    filled = {order.client_id: order.filled for order in astray if _invisible(order, venue)}
    for trade in stray_trades(local, venue):
        filled.setdefault(trade.client_id, _visible(trade.client_id, venue))
    for client_id, quantity in filled.items():
        yield _finding(Kind.STRAY_FILLS, local, client_id, "none", f"{quantity:f} filled")


def _position_findings(local: LocalView, venue: VenueView, instrument: Instrument) -> Iterable[Finding]:
    if undecided(local, venue):
        return
    managed = managed_after(local, venue, instrument)
    total = venue.base_total - local.elsewhere
    margin = tolerance(managed, instrument)
    if total < managed - margin:
        yield _finding(Kind.POSITION_SHORT, local, "", managed, max(ZERO, total))
    elif total > managed + margin:
        yield _finding(Kind.UNMANAGED, local, "", managed, total)


def _stop_findings(local: LocalView, venue: VenueView, instrument: Instrument) -> Iterable[Finding]:
    wanted = local.stop
    if wanted is None:
        return
    stops = [intent for intent in local.intents if intent.type is OrderType.STOP_LIMIT]
    resting = [order for intent in stops if (order := _open_at(intent, venue)) is not None]
    if not resting:
        yield _finding(Kind.STOP_MISSING, local, "", f"{wanted.quantity:f} at {wanted.trigger:f}", "none")
        return
    waiting = [order for order in resting if order.stop]
    if not waiting:  # it has fired: settlement follows it from here
        return
    quantity = sum((order.quantity or ZERO for order in waiting), ZERO)
    if quantity != wanted.quantity:
        yield _finding(Kind.STOP_QUANTITY, local, "", wanted.quantity, quantity)
    margin = wanted.trigger * TOLERANCE + instrument.price_tick
    for order in waiting:
        if order.trigger is not None and abs(order.trigger - wanted.trigger) > margin:
            yield _finding(Kind.STOP_PRICE, local, order.order_id, wanted.trigger, order.trigger)


def _ours(order: VenueOrder, local: LocalView) -> bool:
    return order.client_id.startswith(CLIENT_PREFIX) or order.order_id in local.known


def _astray(order: VenueOrder, local: LocalView, venue: VenueView) -> bool:
    if _belongs(order, local.intents):
        return False
    return order.open or _invisible_of(order, local, venue)


def _invisible_of(order: VenueOrder, local: LocalView, venue: VenueView) -> bool:
    """Say whether an ended order filled something that is neither in the journal nor among the trades."""
    known = order.client_id in local.known or order.order_id in local.known
    return not known and _invisible(order, venue)


def _invisible(order: VenueOrder, venue: VenueView) -> bool:
    return order.filled > _visible(order.client_id, venue)


def _visible(client_id: str, venue: VenueView) -> Decimal:
    trades = {trade.trade_id: trade.quantity for trade in venue.trades if trade.client_id == client_id}
    return sum(trades.values(), ZERO)


def _open_at(intent: Intent, venue: VenueView) -> VenueOrder | None:
    return next((order for order in venue.orders if order.open and _matches(order, intent)), None)


def _belongs(order: VenueOrder, intents: Sequence[Intent]) -> bool:
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


def _described(order: VenueOrder) -> str:
    amount = "" if order.quantity is None else f" {order.quantity:f}"
    return f"{order.side}{amount}{' stop' if order.stop else ''}"


def _finding(
    kind: Kind, local: LocalView, ref: str, expected: Decimal | str, actual: Decimal | str
) -> Finding:
    texts = [f"{value:f}" if isinstance(value, Decimal) else value for value in (expected, actual)]
    severity = _SEVERITIES.get(kind, Severity.IMPORTANT)
    return Finding(kind, local.symbol, ref, texts[0], texts[1], CORRECTIONS[kind], severity)
