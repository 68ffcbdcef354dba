"""A person's word on an order whose outcome nothing tells: what is booked, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.app.desk.commands import Done, TransitionError, required_verdict
from cab_core.app.desk.task import Task, kept
from cab_core.cycle.attempts import KEPT, following
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.standing import STUCK_MS, Standing
from cab_core.domain import figures
from cab_core.domain.orders import Ack, Fill, Intent, OrderState, Side
from cab_core.domain.verdict import Fate, Verdict
from cab_core.errors import NotFoundError
from cab_core.nearest import nearest
from cab_core.storage import Connection, Store, find_intent, write_audit

#: An entry may have cost so much more than it was to spend as a rounded price makes of it.
_ROUNDING = Decimal("1.01")

_LIST = "cab orders list"

log = logging.getLogger("cab.control")


@attrs.frozen(slots=True, kw_only=True)
class Settled:
    """What a verdict came to.

    Attributes:
        before: state of the order before it. ``state``: its end.
        booked: ids of the trades that were booked.
        planned: client id of the exit that was planned anew, None without one.
    """

    order: str
    before: OrderState
    state: OrderState
    booked: tuple[str, ...] = ()
    planned: str | None = None


async def settle(execution: Execution, store: Store, task: Task, states: Mapping[str, str]) -> Done:
    """Carry out a command to settle an order, and write it to the audit.

    Raises:
        UsageError: no order is named.
        NotFoundError: there is no such order.
        TransitionError: it has ended, or is not such a one, or the venue says otherwise.
        StorageError: the database refused.
    """
    verdict = required_verdict(task.command)
    standing = await _find_standing(execution, store, verdict)
    settled = await settle_by_hand(execution, standing, verdict, task.command.actor.name)
    log.info("%s", task.by, extra={"trace_id": task.trace_id, "symbol": standing.intent.symbol})
    return await store.transact(lambda conn: _settled_done(conn, task, verdict, settled, states))


async def _find_standing(execution: Execution, store: Store, verdict: Verdict) -> Standing:
    """Return the order a verdict is about.

    Raises:
        NotFoundError: there is no such order.
        TransitionError: it has ended.
    """
    standing = execution.standings.find(verdict.order)
    if standing is not None:
        return standing
    stored = await store.transact(lambda conn: find_intent(conn, verdict.order))
    if stored is not None:
        raise TransitionError(f"order {verdict.order} has ended: {stored.state}", where="order", fix=_LIST)
    waiting = [each.intent.client_id for each in execution.standings]
    near = nearest(verdict.order, waiting)
    fix = f"did you mean {near}?" if near else f"these have not ended: {', '.join(waiting) or 'none'}"
    raise NotFoundError(f"there is no order {verdict.order!r}", where="order", fix=fix)


async def settle_by_hand(execution: Execution, standing: Standing, verdict: Verdict, by: str) -> Settled:
    """End an order by a person's word, where the venue's own does not.

    The venue is asked first: what it tells counts before what a person says, and its trades are booked
    before any estimate.

    Raises:
        TransitionError: the order is not such a one, or the venue says otherwise; naming what to do.
        StorageError: the database refused.
    """
    before, settlement = standing.state, execution.settlement
    booked: tuple[str, ...]
    _require_stuck(standing, execution.clock.now_ms())
    await settlement.look(standing)
    if execution.standings.find(verdict.order) is None:
        return await _told_meanwhile(execution, standing.intent, verdict, before)
    if verdict.fate is Fate.ABSENT and standing.unknown:
        await settlement.end(standing, OrderState.ABANDONED, f"the exchange never took it, says {by}")
        state, booked = OrderState.ABANDONED, ()
    elif verdict.fate is Fate.ABSENT:
        state, booked = OrderState.DONE, await _end_lost(execution, standing, verdict, by)
    else:
        state, booked = OrderState.DONE, await _book(execution, standing, verdict, by)
    return Settled(
        order=verdict.order,
        before=before,
        state=state,
        booked=booked,
        planned=await _plan_rest(execution, standing, verdict),
    )


def _require_stuck(standing: Standing, now_ms: int) -> None:
    """Refuse what has not been sent, rests on purpose, or may still be told of by the venue itself."""
    intent, state = standing.intent, standing.state
    if state is OrderState.PLANNED or (standing.is_stop and not standing.unknown):
        what = "has not been sent" if state is OrderState.PLANNED else "rests at the exchange"
        raise TransitionError(
            f"order {intent.client_id} {what}: its outcome is not unknown", where="order", fix=_LIST
        )
    age_ms = now_ms - (intent.sent_ms or standing.since_ms)
    if age_ms <= STUCK_MS:
        raise TransitionError(
            f"order {intent.client_id} was sent {age_ms // 1000} s ago and is still being found out",
            where="order",
            fix=f"wait until {STUCK_MS // 60_000} minutes have passed since",
        )


async def _told_meanwhile(
    execution: Execution, intent: Intent, verdict: Verdict, before: OrderState
) -> Settled:
    """Return how the venue itself has just ended the order, if that is what the person says, too."""
    last = await execution.storage.last_attempt(intent.key)
    state = OrderState.DONE if last is None else last[1]
    if (state is OrderState.ABANDONED) != (verdict.fate is Fate.ABSENT):
        raise TransitionError(
            f"the exchange has just told of order {verdict.order}: it is {state}", where="outcome", fix=_LIST
        )
    return Settled(order=verdict.order, before=before, state=state)


async def _end_lost(execution: Execution, standing: Standing, verdict: Verdict, by: str) -> tuple[str, ...]:
    """End an order that the venue had taken and knows no more, with the trades that it shows of it."""
    if standing.lost_ms is None:
        what = f"the exchange has order {verdict.order} as {standing.intent.order_id}"
        raise TransitionError(what, where="order", fix="it is settled by its trades: wait, or say filled")
    settlement = execution.settlement
    trades = await settlement.trades_of(standing) or ()
    booked = await settlement.write(standing, [], trades, ended=f"the exchange has it no more, says {by}")
    return tuple(trade.trade_id for trade in booked)


async def _book(execution: Execution, standing: Standing, verdict: Verdict, by: str) -> tuple[str, ...]:
    """End an order with the trades that the venue shows of it, or with what the person has read there."""
    settlement = execution.settlement
    if standing.ack is not None and not standing.ack.final and standing.lost_ms is None:
        raise TransitionError(
            f"order {verdict.order} is still open at the exchange as {standing.ack.order_id}",
            where="order",
            fix="cancel it there; then it is settled by its trades",
        )
    trades = await settlement.trades_of(standing) or ()
    adjusted = None if trades else "settled_by_hand"
    if trades:
        order_id = next((trade.order_id for trade in trades if trade.order_id), None)
        if order_id is not None:
            standing.take(Ack(order_id, final=True), execution.clock.now_ms())
        standing.filled = Decimal(0)
    else:
        trades = (_estimate(execution, standing, verdict),)
    standing.filled += sum((trade.quantity for trade in trades), Decimal(0))
    booked = await settlement.write(standing, [], trades, ended=f"filled, says {by}", adjusted=adjusted)
    if adjusted:
        told = f"{_amount(trades[0].quantity, trades[0].price)} is booked for it on the word of {by}"
        settlement.events.stuck(standing.intent, f"{told}: the exchange shows no trade of it")
    return tuple(trade.trade_id for trade in booked)


def _estimate(execution: Execution, standing: Standing, verdict: Verdict) -> Fill:
    """Return what the person says was traded.

    Raises:
        TransitionError: nothing is said, or more than the order could trade.
    """
    intent, quantity, price = standing.intent, verdict.quantity, verdict.price
    if quantity is None or price is None:
        raise TransitionError(
            f"the trades of order {verdict.order} cannot be had, and nothing is booked that nobody has seen",
            where="quantity",
            fix="read them at the exchange and give quantity and price; or, if there are none, say absent",
        )
    most = (intent.quantity or Decimal(0)) - standing.filled
    if intent.cost is not None:
        most = intent.cost * _ROUNDING / price - standing.filled
    if quantity > most:
        raise TransitionError(
            f"{_amount(quantity, price)} is more than order {verdict.order} could still {intent.side}",
            where="quantity",
            fix="give what the exchange shows of this order alone",
        )
    return execution.settlement.proof.estimate(intent, quantity, price)


def _amount(quantity: Decimal, price: Decimal) -> str:
    return f"{figures.quantity(quantity)} at {figures.price(price)}"


async def _plan_rest(execution: Execution, standing: Standing, verdict: Verdict) -> str | None:
    """Plan the exit of what such a sell has left, as after any other end; supervision sends it."""
    intent = standing.intent
    if intent.side is not Side.SELL or intent.quantity is None or standing.is_stop:
        return None
    left = intent.quantity - standing.filled
    if left <= 0 or (verdict.fate is Fate.FILLED and intent.purpose not in KEPT):
        return None
    again = await execution.attempts.later(following(standing.planned, left))
    return None if again is None else again.intent.client_id


def _settled_done(
    conn: Connection, task: Task, verdict: Verdict, settled: Settled, states: Mapping[str, str]
) -> Done:
    """Write a verdict that was carried out to the audit and return its answer, kept under its key.

    The order's own step, written before, names who said so: a bot that dies between the two loses the row,
    not the fact.
    """
    said = (
        {}
        if verdict.quantity is None
        else {"quantity": f"{verdict.quantity:f}", "price": f"{verdict.price:f}"}
    )
    after = {"state": settled.state, "booked": list(settled.booked), "planned": settled.planned, **said}
    return kept(
        conn,
        task,
        Done(
            action=str(task.command.action),
            states=states,
            changed=True,
            order=settled.order,
            order_state=str(settled.state),
            booked=settled.booked,
            planned=settled.planned,
            trace_id=task.trace_id,
            audit_seq=write_audit(conn, task.entry({"state": settled.before}, after), task.now_ms),
        ),
    )
