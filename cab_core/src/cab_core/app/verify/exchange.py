"""I1 to I5, I7, I11 at the venue itself, through a broker's reading verbs only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from cab_core.app.verify.evidence import PREFIX, Evidence
from cab_core.app.verify.invariants import BY_NAME
from cab_core.app.verify.results import Found, Result
from cab_core.app.verify.values import amount
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Fill, OrderState, OrderType, Side, VenueOrder
from cab_core.domain.timeframes import DAY_MS
from cab_core.sdk import Balance, Broker

#: What happened within this time may not be visible at the venue yet, or not settled here yet.
SETTLING_MS = 120_000

#: How far back venues list orders and trades in full.
LOOK_BACK_MS = 7 * DAY_MS

_NONE = Decimal(0)
_REFUSED = frozenset({OrderState.REJECTED, OrderState.ABANDONED})
_TAKEN = frozenset({OrderState.ACKED, OrderState.DONE})


@attrs.frozen(kw_only=True)
class VenueView:
    """What the venue says, read once.

    Attributes:
        since_ms: from when on its lists are complete.
        now_ms: its clock.
        stops: it keeps resting stops.
    """

    since_ms: int
    now_ms: int
    stops: bool
    orders: Sequence[VenueOrder]
    fills: Sequence[Fill]
    balances: Mapping[str, Balance]
    instruments: Mapping[str, Instrument]


async def check_exchange(evidence: Evidence, broker: Broker, *, stops_expected: bool = True) -> list[Result]:
    """Compare the database with the venue, for a bot at rest.

    Args:
        evidence: what the database says.
        broker: the open account; only its reading verbs are called.
        stops_expected: positions rest on a stop at the venue, where it keeps stops.

    Raises:
        cab_core.errors.CabError: the venue does not answer.
    """
    view = await look(evidence, broker)
    found = {
        "I1": _one_each(view),
        "I2": _all_known(evidence, view),
        "I3": _same_trades(evidence, view),
        "I4": _owned(evidence, view),
        "I5": _covered(evidence, view),
        "I7": _true_ends(evidence, view),
    }
    if stops_expected and view.stops:
        found["I11"] = _guarded(evidence, view)
    return [
        Result.of(name, BY_NAME[name].text, Found([*problems], "the exchange agrees"))
        for name, problems in found.items()
    ]


async def look(evidence: Evidence, broker: Broker) -> VenueView:
    """Read orders, trades, balances and rules of every symbol the database knows."""
    now_ms = await broker.server_time_ms()
    symbols = sorted({row["symbol"] for row in evidence.intents} | evidence.positions.keys())
    first_ms = min((row["created_ms"] for row in evidence.intents), default=now_ms)
    since_ms = max(now_ms - LOOK_BACK_MS, first_ms - DAY_MS)
    orders: list[VenueOrder] = []
    fills: list[Fill] = []
    for symbol in symbols:
        orders += await broker.orders(symbol, since_ms)
        fills += await broker.fills_since(symbol, since_ms)
    return VenueView(
        since_ms=since_ms,
        now_ms=now_ms,
        stops=broker.caps().native_stop != "none",
        orders=orders,
        fills=fills,
        balances=await broker.balances(),
        instruments=await broker.instruments(),
    )


def _one_each(view: VenueView) -> Iterator[str]:
    """I1: a fired stop and the order it became share an id and count once."""
    counts = Counter(
        (order.client_id, order.stop) for order in view.orders if order.client_id.startswith(PREFIX)
    )
    for (client_id, _), count in counts.items():
        if count > 1:
            yield f"the exchange has {count} orders {client_id}"


def _all_known(evidence: Evidence, view: VenueView) -> Iterator[str]:
    sent = {row["client_id"] for row in evidence.intents if row["sent_ms"] is not None}
    dealt_with = {trade.client_id for trade in evidence.trades if trade.trade_id in evidence.adjusted}
    dealt_with |= {event.ref for event in evidence.of_kind("order.stray.cancel")}
    for order in view.orders:
        ours = order.client_id.startswith(PREFIX) and not {order.client_id, order.order_id} & dealt_with
        if ours and order.client_id not in sent:
            yield f"order {order.order_id} ({order.client_id}) of {order.symbol} was never journalled as sent"


def _same_trades(evidence: Evidence, view: VenueView) -> Iterator[str]:
    known = {(trade.symbol, trade.trade_id): trade for trade in evidence.trades}
    listed = set()
    for fill in view.fills:
        key = fill.symbol, fill.trade_id
        listed.add(key)
        trade = known.get(key)
        if trade is None and fill.client_id.startswith(PREFIX) and fill.ts_ms < view.now_ms - SETTLING_MS:
            yield f"trade {fill.trade_id} of {fill.symbol} ({fill.client_id}) is not in the database"
        elif trade is not None and (trade.quantity, trade.price) != (fill.quantity, fill.price):
            yield f"trade {fill.trade_id} of {fill.symbol} is another one at the exchange"
    for key, trade in known.items():
        if trade.ours and key not in listed and view.since_ms <= trade.ts_ms:
            yield f"trade {trade.trade_id} of {trade.symbol} is not at the exchange"


def _owned(evidence: Evidence, view: VenueView) -> Iterator[str]:
    """I4: what is held beyond the positions is not the bot's and stays out of it."""
    needed: defaultdict[str, Decimal] = defaultdict(Decimal)
    slack: defaultdict[str, Decimal] = defaultdict(Decimal)
    for symbol, state in evidence.positions.items():
        base, quantity = symbol.partition("/")[0], amount(state["quantity"])
        needed[base] += quantity
        step = view.instruments[symbol].amount_step if symbol in view.instruments else _NONE
        slack[base] += max(step, quantity / 1000)
    for base, quantity in needed.items():
        held = view.balances.get(base, Balance(_NONE)).total
        if held < quantity - slack[base]:
            yield f"positions hold {quantity} {base}, the exchange has {held}"


def _covered(evidence: Evidence, view: VenueView) -> Iterator[str]:
    """I5: sells of the bot that rest are covered by what it manages; what is beyond is not its own."""
    for symbol in sorted({order.symbol for order in view.orders}):
        base = symbol.partition("/")[0]
        sells = [o for o in view.orders if o.open and o.side is Side.SELL and o.symbol == symbol]
        ours = [order for order in sells if _is_ours(order, evidence)]
        state = evidence.positions.get(symbol)
        managed = _NONE if state is None else amount(state["quantity"])
        if (asked := _left(ours)) > managed:
            ids = ", ".join(sorted(order.order_id for order in ours))
            yield f"sells of {asked} {base} rest at the exchange ({ids}), the bot manages {managed}"
        held = view.balances.get(base, Balance(_NONE)).total
        if (asked := _left([o for o in sells if o.stop or o in ours])) > held:
            yield f"sells of {asked} {base} rest at the exchange, which has {held}"


def _left(orders: Sequence[VenueOrder]) -> Decimal:
    return sum((o.quantity - o.filled for o in orders if o.quantity is not None), _NONE)


def _is_ours(order: VenueOrder, evidence: Evidence) -> bool:
    """Say whether the bot made the order; a stop of an amount that it has placed stops for may be its own."""
    if order.client_id:
        return order.client_id.startswith(PREFIX)
    rows = [row for row in evidence.intents if row["symbol"] == order.symbol]
    known = order.order_id in {row["order_id"] for row in rows}
    stops = {amount(row["quantity"]) for row in rows if row["type"] == OrderType.STOP_LIMIT}
    return known or (order.stop and order.quantity in stops)


def _true_ends(evidence: Evidence, view: VenueView) -> Iterator[str]:
    by_client = {order.client_id: order for order in view.orders if order.client_id}
    order_ids = {order.order_id for order in view.orders}
    traded = {fill.client_id for fill in view.fills}
    for row in evidence.intents:
        client_id, state, sent_ms = row["client_id"], row["state"], row["sent_ms"]
        if state in _REFUSED and (client_id in by_client or client_id in traded):
            yield f"order {client_id} is {state}, but the exchange has it"
        elif (
            state in _TAKEN
            and row["type"] == OrderType.MARKET
            and view.since_ms <= (sent_ms or 0) < view.now_ms - SETTLING_MS
            and client_id not in by_client.keys() | traded
            and row["order_id"] not in order_ids
        ):
            yield f"order {client_id} is {state}, but the exchange does not know it"


def _guarded(evidence: Evidence, view: VenueView) -> Iterator[str]:
    for symbol, state in evidence.positions.items():
        stops = [o for o in view.orders if o.symbol == symbol and o.stop and o.open and o.side is Side.SELL]
        guarded = sum((stop.quantity or _NONE for stop in stops), _NONE)
        quantity = amount(state["quantity"])
        step = view.instruments[symbol].amount_step if symbol in view.instruments else _NONE
        if not stops:
            yield f"position {symbol} has no stop at the exchange"
        elif quantity - guarded > max(step, quantity / 1000):
            yield f"position {symbol} holds {quantity}, {guarded} of it rests on a stop"
