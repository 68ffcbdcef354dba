"""What the book says against what the venue says: every difference as a finding (spec 12). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import attrs

from cab_core.domain.alerts import Severity
from cab_core.domain.comparison import (
    TOLERANCE,
    LocalView,
    VenueView,
    belongs,
    invisible,
    is_ours,
    managed_after,
    open_at,
    stray_trades,
    strays,
    tolerance,
    undecided,
    visible,
)
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import OrderType, VenueOrder

#: Share of the booked cash by which the venue may differ: what rounding of many trades comes to.
CASH_TOLERANCE = Decimal("0.0001")


class Kind(StrEnum):
    """What a finding is about."""

    ORDER_NOT_OPEN = "order_not_open"
    ORDER_UNRESOLVED = "order_unresolved"
    STRAY_ORDER = "stray_order"
    STRAY_FILLS = "stray_fills"
    REFUSED_BUT_FILLED = "refused_but_filled"
    FOREIGN_ORDER = "foreign_order"
    POSITION_SHORT = "position_short"
    UNMANAGED = "unmanaged"
    QUOTE_SHORT = "quote_short"
    CASH_MOVED = "cash_moved"
    STOP_MISSING = "stop_missing"
    STOP_QUANTITY = "stop_quantity"
    STOP_PRICE = "stop_price"


#: What would be done about each kind of finding.
CORRECTIONS: dict[Kind, str] = {
    Kind.ORDER_NOT_OPEN: "settle the order from own trades",
    Kind.ORDER_UNRESOLVED: "find out by observation whether the venue has it",
    Kind.STRAY_ORDER: "cancel the order",
    Kind.STRAY_FILLS: "book its trades and arm protection",
    Kind.REFUSED_BUT_FILLED: "book its trades and arm protection",
    Kind.FOREIGN_ORDER: "none: orders of others are left alone",
    Kind.POSITION_SHORT: "book the difference as an external sell at the present bid",
    Kind.UNMANAGED: "none: base that the bot did not buy is left alone",
    Kind.QUOTE_SHORT: "delay entries",
    Kind.CASH_MOVED: "count it as a deposit or withdrawal once it lasts",
    Kind.STOP_MISSING: "place the stop",
    Kind.STOP_QUANTITY: "replace the stop",
    Kind.STOP_PRICE: "replace the stop",
}

_SEVERITIES = {
    Kind.STRAY_ORDER: Severity.CRITICAL,
    Kind.STRAY_FILLS: Severity.CRITICAL,
    Kind.REFUSED_BUT_FILLED: Severity.CRITICAL,
    Kind.FOREIGN_ORDER: Severity.INFO,
    Kind.UNMANAGED: Severity.INFO,
    Kind.CASH_MOVED: Severity.INFO,
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


def cash_finding(instrument: Instrument, booked: Decimal, there: Decimal, *, fixed: bool) -> Finding | None:
    """Return how the account's cash differs from the book's; None where it does not.

    Args:
        instrument: any of the account: all share its quote currency.
        booked: what own trades make of the cash.
        there: what the venue says, locked cash included.
        fixed: only a part of the account is the bot's: more than that is no difference.
    """
    if fixed and there >= booked:
        return None
    if abs(there - booked) <= max(instrument.cost_step, abs(booked) * CASH_TOLERANCE):
        return None
    texts = f"{booked:f}", f"{there:f}"
    kind = Kind.CASH_MOVED
    return Finding(kind, instrument.quote, "", *texts, CORRECTIONS[kind], _SEVERITIES[kind])


def _order_findings(local: LocalView, venue: VenueView) -> Iterable[Finding]:
    for intent in local.intents:
        if intent.sent_ms is None or open_at(intent, venue) is not None:
            continue
        kind = Kind.ORDER_UNRESOLVED if intent.order_id is None else Kind.ORDER_NOT_OPEN
        yield _finding(kind, local, intent.client_id, "open", "not open")
    for order in venue.orders:
        if order.open and not is_ours(order, local) and not belongs(order, local.intents):
            yield _finding(Kind.FOREIGN_ORDER, local, order.order_id, "none", _described(order))
    astray = strays(local, venue)
    for order in astray:
        if order.open:
            yield _finding(Kind.STRAY_ORDER, local, order.order_id, "none", _described(order))
    filled: dict[str, Decimal] = {}
    for order in astray:
        if invisible(order, venue):
            filled[order.client_id] = max(order.filled, filled.get(order.client_id, ZERO))
    for trade in stray_trades(local, venue):
        filled.setdefault(trade.client_id, visible(trade.client_id, venue))
    for client_id, quantity in filled.items():
        refused = client_id in local.refused
        kind = Kind.REFUSED_BUT_FILLED if refused else Kind.STRAY_FILLS
        yield _finding(kind, local, client_id, "refused" if refused else "none", f"{quantity:f} filled")


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
    resting = [order for intent in stops if (order := open_at(intent, venue)) is not None]
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


def _described(order: VenueOrder) -> str:
    amount = "" if order.quantity is None else f" {order.quantity:f}"
    return f"{order.side}{amount}{' stop' if order.stop else ''}"


def _finding(
    kind: Kind, local: LocalView, ref: str, expected: Decimal | str, actual: Decimal | str
) -> Finding:
    texts = [f"{value:f}" if isinstance(value, Decimal) else value for value in (expected, actual)]
    severity = _SEVERITIES.get(kind, Severity.IMPORTANT)
    return Finding(kind, local.symbol, ref, texts[0], texts[1], CORRECTIONS[kind], severity)
