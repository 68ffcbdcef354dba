"""Closing by hand: whole positions at market, the way of every exit, in whatever state the symbol is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from cab_core.app.by_hand import close_note
from cab_core.app.desk.commands import Closing, Done, Open, TransitionError
from cab_core.app.desk.plain import plain
from cab_core.app.desk.task import Task, kept
from cab_core.cycle.orchestrator import Orchestrator
from cab_core.cycle.standing import Standing
from cab_core.cycle.trader import Planned
from cab_core.domain import figures
from cab_core.domain.booking import AppliedTo
from cab_core.domain.money import floor_step
from cab_core.domain.orders import Fill, Purpose, Side
from cab_core.domain.sellable import sellable
from cab_core.storage import Connection, write_audit


async def close_by_hand(orchestrator: Orchestrator, task: Task) -> tuple[Closing, ...]:
    """Sell what is held of the command's symbol, or of all; return what came of each.

    What rests at the exchange is canceled and settled first. An exit that is under way is not doubled, and
    what is too small to be sold is told: refused if there is nothing else.

    Raises:
        TransitionError: nothing is held, or nothing of it can be sold.
        StorageError: the database refused; nothing was sent.
    """
    symbol, held = task.command.symbol, orchestrator.trader.book.positions
    wanted = sorted(held) if symbol is None else [each for each in [symbol] if each in held]
    if not wanted:
        what = "nothing is open" if symbol is None else f"{symbol} holds no position"
        raise TransitionError(what, where=symbol or "close", fix="see what is open: cab status")
    small = {each: told for each in wanted if (told := _too_small(orchestrator, each)) is not None}
    if len(small) == len(wanted):
        raise TransitionError("; ".join(small.values()), where=symbol or "close", fix="cab maintenance dust")
    return tuple(
        [
            _left_small(orchestrator, each, small[each])
            if each in small
            else await _close(orchestrator, each, task)
            for each in wanted
        ]
    )


def closed_done(
    conn: Connection,
    task: Task,
    closings: Sequence[Closing],
    states: Mapping[str, str],
    left: tuple[Open, ...],
) -> Done:
    """Write a close to the audit and return its answer, kept under its key.

    Who asked is in the journal before the order is sent: a bot that dies in between loses the row of the
    audit, not the fact.
    """
    after = {"closings": plain(closings)}
    changed = any(each.state != "too_small" and not each.earlier for each in closings)
    entry = task.entry({"states": dict(states)}, after, "ok" if changed else "ok: nothing to do")
    return kept(
        conn,
        task,
        Done(
            action=str(task.command.action),
            states=states,
            changed=changed,
            positions=left,
            closings=tuple(closings),
            trace_id=task.trace_id,
            audit_seq=write_audit(conn, entry, task.now_ms),
        ),
    )


async def _close(orchestrator: Orchestrator, symbol: str, task: Task) -> Closing:
    execution, trader = orchestrator.execution, orchestrator.trader
    if symbol not in trader.book.positions:  # its own stop sold it while another symbol's sale waited
        sold = _closing(orchestrator, symbol, None, "sold", Decimal(0), "an exit of its own has sold it")
        return attrs.evolve(sold, earlier=True)
    if (exiting := _whole_exit(orchestrator, symbol)) is not None:
        return _under_way(orchestrator, symbol, exiting, earlier=True)
    position, bid = trader.book.positions[symbol], trader.book.marks.get(symbol)
    quantity = floor_step(position.quantity, trader.config.instruments[symbol].amount_step)
    now_ms, why = execution.clock.now_ms(), "manual"
    intent = trader.exit_of(position, Purpose.MANUAL, quantity, why, task.trace_id, now_ms, bid)
    sale = Planned(intent, AppliedTo(Purpose.MANUAL, why, task.trace_id))
    planned = await execution.attempts.renewed(sale)
    note = close_note(task.command, symbol, quantity)
    if planned is None or not await execution.plan([planned], notes=(note,)):
        return _refused(orchestrator, symbol, sale, "its order is on record already")
    done = await execution.execute_trade(planned)
    if orchestrator.protector is not None:
        await orchestrator.protector.tend(symbol)
    return _outcome(orchestrator, symbol, planned, done.fills, done.why or done.refused or "")


def _outcome(
    orchestrator: Orchestrator, symbol: str, planned: Planned, fills: Sequence[Fill], why: str
) -> Closing:
    sold = sum((fill.quantity for fill in fills), Decimal(0))
    if symbol not in orchestrator.trader.book.positions:
        state = "sold" if sold else "too_small"
        return _closing(orchestrator, symbol, planned.intent.client_id, state, sold, why if not sold else "")
    if (waiting := _whole_exit(orchestrator, symbol)) is not None:
        return attrs.evolve(_under_way(orchestrator, symbol, waiting), sold=sold)
    return attrs.evolve(_refused(orchestrator, symbol, planned, why), sold=sold)


def _whole_exit(orchestrator: Orchestrator, symbol: str) -> Standing | None:
    """Return the market exit under way that sells all that is held."""
    held = orchestrator.trader.book.positions[symbol].quantity
    step = orchestrator.config.instruments[symbol].amount_step
    for standing in orchestrator.execution.standings.of(symbol):
        intent = standing.intent
        exits = intent.side is Side.SELL and not standing.is_stop
        if exits and intent.quantity is not None and held - (intent.quantity - standing.filled) < step:
            return standing
    return None


def _under_way(
    orchestrator: Orchestrator, symbol: str, standing: Standing, *, earlier: bool = False
) -> Closing:
    by = "by hand" if standing.intent.purpose is Purpose.MANUAL else f"by {standing.intent.reason}"
    detail = f"an exit {by} is {standing.state}; it is settled, and sent again where it may be"
    told = _closing(orchestrator, symbol, standing.intent.client_id, "under_way", Decimal(0), detail)
    return attrs.evolve(told, earlier=earlier)


def _refused(orchestrator: Orchestrator, symbol: str, planned: Planned, why: str) -> Closing:
    return _closing(orchestrator, symbol, planned.intent.client_id, "refused", Decimal(0), why)


def _left_small(orchestrator: Orchestrator, symbol: str, why: str) -> Closing:
    return _closing(orchestrator, symbol, None, "too_small", Decimal(0), why)


def _closing(
    orchestrator: Orchestrator, symbol: str, order: str | None, state: str, sold: Decimal, detail: str
) -> Closing:
    left = orchestrator.trader.book.ledger.held(symbol).quantity
    return Closing(symbol=symbol, order=order, state=state, sold=sold, left=left, detail=detail)


def _too_small(orchestrator: Orchestrator, symbol: str) -> str | None:
    """Say why no order can sell what is held, None if one can."""
    book = orchestrator.trader.book
    position, instrument = book.positions[symbol], orchestrator.config.instruments[symbol]
    bid = book.marks.get(symbol, position.entry_price)
    if sellable(position.quantity, bid, instrument):
        return None
    worth = figures.price(position.quantity * bid)
    return (
        f"{position.quantity:f} of {symbol} is too small to sell: worth {worth}, "
        f"an order is at least {instrument.min_notional:f} and {instrument.min_amount:f}, in steps of "
        f"{instrument.amount_step:f}"
    )
