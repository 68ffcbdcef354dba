"""What puts a symbol's book right again, and when the operator must be told (spec 12). Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import attrs

from cab_core.domain.comparison import LocalView, VenueView, managed_after, stray_trades, strays
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO, floor_step
from cab_core.domain.orders import Fill, Side, VenueOrder
from cab_core.domain.reconcile import Finding, Kind
from cab_core.domain.timeframes import MINUTE_MS

#: Consecutive cycles with the same mismatch that need no person yet.
TOLERATED_CYCLES = 3

#: How often a person is reminded of a mismatch that stays.
REMINDER_MS = 15 * MINUTE_MS

#: How the trade ids of booked adjustments begin: an estimated external sell, a balance taken over.
ESTIMATED, ADOPTED = "estimated:", "adopted:"

#: Client id of adjustments: no order of ours is behind them.
EXTERNAL = "external"


def estimate_id(client_id: str) -> str:
    """Return the trade id of what an order of ours sold without a trade to show for it."""
    return f"{ESTIMATED}{client_id}"


@attrs.frozen(slots=True, kw_only=True)
class Corrections:
    """What to do, in this order. Nothing here ever buys.

    Attributes:
        adopted: trades of ours to book, oldest first. ``known``, ``refused``: the client ids among them that
            are in the journal, and those that are there as never taken by the venue.
        shrunk: what somebody sold by hand, as a sell of ours at the present bid.
        taken_over: a foreign balance that becomes a position at the present bid.
        canceled: orders of ours that nobody waits for.
    """

    adopted: tuple[Fill, ...] = ()
    known: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    shrunk: Fill | None = None
    taken_over: Fill | None = None
    canceled: tuple[VenueOrder, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class Allowed:
    """Which corrections may be made now.

    Attributes:
        shrink: the same shortfall has been seen twice in a row, or the operator insists.
        take_over: the operator asks for it.
    """

    shrink: bool = False
    take_over: bool = False


def corrections(
    found: Collection[Finding],
    local: LocalView,
    venue: VenueView,
    instrument: Instrument,
    allowed: Allowed,
    now_ms: int,
) -> Corrections:
    """Return what to do about the findings of these two views."""
    kinds = {finding.kind for finding in found}
    managed, total = managed_after(local, venue, instrument), venue.base_total - local.elsewhere
    shrunk = taken_over = None
    if Kind.POSITION_SHORT in kinds and allowed.shrink:
        missing = managed - max(ZERO, total)
        shrunk = _adjustment(ESTIMATED, Side.SELL, missing, local, venue, instrument, now_ms)
    if Kind.UNMANAGED in kinds and allowed.take_over and local.flat and not stray_trades(local, venue):
        surplus = floor_step(total - managed, instrument.amount_step)
        if venue.bid is not None and surplus * venue.bid >= instrument.min_notional:
            taken_over = _adjustment(ADOPTED, Side.BUY, surplus, local, venue, instrument, now_ms)
    return Corrections(
        adopted=tuple(stray_trades(local, venue)),
        known=local.known,
        refused=local.refused,
        shrunk=shrunk,
        taken_over=taken_over,
        canceled=_open_once(strays(local, venue)),
    )


def _open_once(orders: Sequence[VenueOrder]) -> tuple[VenueOrder, ...]:
    """Return the open ones, each once, in an order that does not depend on the listing's."""
    by_id = {order.order_id: order for order in orders if order.open}
    return tuple(by_id[order_id] for order_id in sorted(by_id))


def _adjustment(
    prefix: str,
    side: Side,
    quantity: Decimal,
    local: LocalView,
    venue: VenueView,
    instrument: Instrument,
    now_ms: int,
) -> Fill | None:
    if venue.bid is None:
        return None
    return Fill(
        f"{prefix}{local.ref}",
        EXTERNAL,
        local.symbol,
        side,
        quantity,
        venue.bid,
        ZERO,
        instrument.quote,
        now_ms,
    )


@attrs.frozen(slots=True)
class Streak:
    """A kind of mismatch in consecutive cycles of one symbol.

    Attributes:
        count: how many cycles so far.
        told_ms: when a person was last told, None before that.
    """

    count: int
    told_ms: int | None = None


def follow(
    streaks: Mapping[Kind, Streak], found: Collection[Kind], undecided: Collection[Kind], now_ms: int
) -> tuple[dict[Kind, Streak], tuple[Kind, ...]]:
    """Count one more cycle.

    Args:
        streaks: as of the cycle before.
        found: kinds of mismatches of this cycle.
        undecided: kinds this cycle could say nothing about; they stay as they are.
        now_ms: the time of the cycle.

    Returns:
        The streaks now, and the kinds a person is to be told about: those that have just been found more
        than three times in a row, then every 15 minutes.
    """
    following = {kind: streak for kind, streak in streaks.items() if kind in undecided}
    due = []
    for kind in sorted(found):
        before = streaks.get(kind, Streak(0))
        streak = Streak(before.count + 1, before.told_ms)
        quiet = streak.told_ms is not None and now_ms - streak.told_ms < REMINDER_MS
        if streak.count > TOLERATED_CYCLES and not quiet:
            due.append(kind)
            streak = Streak(streak.count, now_ms)
        following[kind] = streak
    return following, tuple(due)
