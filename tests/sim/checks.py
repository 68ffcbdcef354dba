"""What must hold after every crash, and what must hold once everything has calmed down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.sim.memory import InlineWriter
from tests.sim.world import ACCOUNT, World

from cab_core.app.verify import Evidence, check_evidence, check_ledger, gather, holdings, violated
from cab_core.app.verify.evidence import PREFIX, Trade
from cab_core.app.verify.ledger import Truth, truth_of
from cab_core.app.verify.oracle import Oracle
from cab_core.app.verify.values import amount
from cab_core.domain.money import ZERO, floor_step
from cab_core.domain.orders import OrderState, Side
from cab_exchange_sim.engine import pair_of

#: Worth less than this in quote may be left unprotected: no venue sells it.
DUST_QUOTE = Decimal("3.2")

_REFUSED = frozenset({OrderState.REJECTED, OrderState.ABANDONED})


def after_a_crash(world: World, writer: InlineWriter) -> list[str]:
    """Return what is broken although nothing has been recovered yet."""
    evidence = writer.read(gather)
    return [*_database(world, evidence), *_at_any_time(evidence, ledger_of(world))]


def at_rest(world: World, writer: InlineWriter) -> list[str]:
    """Return what is broken once nothing is under way any more."""
    evidence = writer.read(gather)
    entries = ledger_of(world)
    found = [f"{r.name} (ledger): {p}" for r in violated(check_ledger(evidence, entries)) for p in r.problems]
    found += _database(world, evidence)
    found += _at_any_time(evidence, entries)
    found += [f"I8: order {row['client_id']} is {row['state']} at rest" for row in _unresolved(evidence)]
    found += _orders_of_others(world, entries)
    for symbol in world.plan.symbols:
        found += _holdings(world, evidence, symbol)
        found += _protection(world, evidence, symbol)
    return found


def ledger_of(world: World) -> list[dict[str, Any]]:
    """Return the exchange's ledger; what it never shows of stops, whose they are, it tells us."""
    entries: list[dict[str, Any]] = []
    for entry in world.exchange.ledger:
        told: dict[str, Any] = dict(entry.as_json())
        if entry.kind == "stop":
            told["text"] = entry.request_id
        entries.append(told)
    return entries


def _database(world: World, evidence: Evidence) -> list[str]:
    """Return what the database alone shows to be broken.

    While only listings fail, the exchange answers orders but cannot tell of them: I8 is judged at rest then.
    """
    mute = {"I8"} if any(w.kind == "listings_down" for w in world.plan.windows) else set()
    broken = [r for r in violated(check_evidence(evidence)) if r.name not in mute]
    return [f"{r.name} (database): {problem}" for r in broken for problem in r.problems]


def _at_any_time(evidence: Evidence, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    truth = truth_of(entries, {})
    yield from _stacked(truth, _by_hand(entries))
    for (kind, client_id), count in truth.accepted.items():
        if count > 1:
            yield f"I1: the exchange took {client_id} {count} times ({kind})"
    sent = {row["client_id"] for row in evidence.intents if row["sent_ms"] is not None}
    for client_id in sorted(truth.client_ids - sent):
        yield f"I2: the exchange took {client_id}, which was never journalled as sent"
    for row in evidence.intents:
        if row["state"] in _REFUSED and row["client_id"] in truth.client_ids:
            yield f"I7: order {row['client_id']} is {row['state']}, but the exchange took it"
    oracle = Oracle()
    for trade in truth.trades:
        oracle.take(trade)
    for problem in oracle.oversold:
        yield f"I5: {problem}"


def _stacked(truth: Truth, by_hand: Sequence[Trade]) -> Iterator[str]:
    """I6: at the exchange, an entry never comes on top of a position that the bot itself has bought."""
    held: dict[str, Decimal] = {}
    known: set[str] = set()
    for trade in sorted((*truth.trades, *by_hand), key=lambda trade: int(trade.trade_id)):
        before = held.get(trade.symbol, ZERO)
        if (
            trade.side == Side.BUY
            and before * trade.price > holdings.DUST_QUOTE
            and trade.client_id not in known
        ):
            yield f"I6: {trade.client_id} bought while {before} of {trade.symbol} were held"
        known.add(trade.client_id)
        fee = trade.fee if trade.side == Side.BUY else ZERO
        delta = trade.quantity - fee if trade.side == Side.BUY else -trade.quantity
        held[trade.symbol] = max(ZERO, before + delta)


def _by_hand(entries: Sequence[Mapping[str, Any]]) -> list[Trade]:
    """Return what others sold on the account."""
    sold = truth_of([{**e, "source": "", "text": f"{PREFIX}hand"} for e in entries if _is_hand(e)], {})
    return [*sold.trades]


def _is_hand(entry: Mapping[str, Any]) -> bool:
    return entry.get("source") == "phantom" and entry.get("side") == Side.SELL


def _unresolved(evidence: Evidence) -> Iterator[Any]:
    waiting = {OrderState.SENT, OrderState.UNKNOWN, OrderState.PLANNED}
    return (row for row in evidence.intents if row["state"] in waiting)


def _holdings(world: World, evidence: Evidence, symbol: str) -> Iterator[str]:
    """I4: what the bot thinks it has is there."""
    market = world.exchange.market(pair_of(symbol))
    holding = world.exchange.accounts.of(ACCOUNT, market.base)
    total = holding.available + holding.locked
    managed = _managed(evidence, symbol)
    slack = max(market.instrument.amount_step, managed / 1000)
    if total < managed - slack:
        yield f"I4: {managed} of {symbol} are managed, the exchange has {total}"
    resting = sum(
        (s.request.amount for s in world.exchange.waiting_stops(ACCOUNT) if s.pair == market.pair), ZERO
    )
    if resting > max(total, managed):
        yield f"I5: stops of {resting} {symbol} wait, the exchange has {total}"


def _orders_of_others(world: World, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """I4: what people ordered is left alone; what carries our prefix and nobody waits for is canceled."""
    by_id = {e["order_id"]: e for e in entries if e["kind"] == "order"}
    for entry in entries:
        order = by_id.get(entry.get("order_id", ""), {})
        if entry["kind"] == "end" and entry.get("reason") == "cancelled" and _foreign(order):
            yield f"I4: the order {order['text']} of somebody else was canceled"
    for order in world.exchange.open_now(ACCOUNT):
        if order.text.startswith(PREFIX):
            yield f"I2: the order {order.text} rests, and nobody waits for it"


def _foreign(order: Mapping[str, Any]) -> bool:
    return order.get("source") == "phantom" and not order.get("text", "").startswith(PREFIX)


def _managed(evidence: Evidence, symbol: str) -> Decimal:
    book = evidence.book or {}
    return sum((amount(quantity) for quantity, _ in book.get("lots", {}).get(symbol, ())), ZERO)


def _protection(world: World, evidence: Evidence, symbol: str) -> Iterator[str]:
    """I11: one stop rests for the whole position, at its level; nothing rests without one."""
    market = world.exchange.market(pair_of(symbol))
    stops = [s for s in world.exchange.waiting_stops(ACCOUNT) if s.pair == market.pair]
    ours = [s for s in stops if s.request.request_id.startswith(PREFIX)]
    state = evidence.positions.get(symbol)
    if state is None:
        for stop in ours:
            yield f"I11: the stop {stop.stop_id} of {symbol} waits without a position"
        return
    step = market.instrument.amount_step
    quantity = floor_step(amount(state["quantity"]), step)
    price = market.last(world.now_ms)
    if quantity * price * Decimal("0.9") < DUST_QUOTE:
        return
    if len(ours) != 1:
        yield f"I11: {len(ours)} stops wait for the position of {quantity} {symbol} at {price}"
        return
    request = ours[0].request
    if abs(request.amount - quantity) > step:
        yield f"I11: a stop of {request.amount} waits for {quantity} {symbol}"
    wanted = amount(state["protection"]["stop"])
    if abs(request.trigger - wanted) > wanted * Decimal("0.0011") + market.instrument.price_tick:
        yield f"I11: the stop of {symbol} waits at {request.trigger} instead of {wanted}"


def kinds_of(violations: list[str]) -> Counter[str]:
    """Return how often each invariant is among them."""
    return Counter(text.partition(" ")[0].rstrip(":") for text in violations)
