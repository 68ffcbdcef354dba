"""Closing every position of the account: what the dead man's switch does, and nobody else by itself."""

from __future__ import annotations

from decimal import Decimal

from cab_core.app.account import open_account
from cab_core.app.session import Session
from cab_core.clock import Clock, turn
from cab_core.cycle.trader import Planned
from cab_core.domain.booking import AppliedTo
from cab_core.domain.figures import quantity
from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose
from cab_core.safety.dead_man import FlattenReport
from cab_core.settings.schema import Settings

#: Looks at an exit that has not ended, and the pause before each, milliseconds: long enough for two looks at
#: the account that prove what an order has sold.
LOOKS, PAUSE_MS = 40, 1_000


async def flatten(settings: Settings, clock: Clock | None = None) -> FlattenReport:
    """Resolve what is unknown, cancel resting stops, sell every managed position at market.

    The same way as every exit: journalled first, sent at most once, settled from own trades. Calling it again
    goes on where it was cut off. The caller holds the instance lock.

    Returns:
        What was sold, and what is left with the reasons.

    Raises:
        CabError: venue or database could not be opened.
    """
    async with open_account(settings, clock=clock) as session, turn(session.venue.clock):
        await session.orchestrator.execution.recover()
        before = {s: position.quantity for s, position in session.trader.book.positions.items()}
        for symbol in before:
            bid = (await session.venue.market.quote(symbol)).bid
            if bid is not None:
                session.trader.book.mark(symbol, bid)
            await _close(session, symbol)
        return _report(session, before)


async def _close(session: Session, symbol: str) -> None:
    """Sell the position of one symbol and wait until the sale is settled; what is too small stays as dust."""
    execution, clock = session.orchestrator.execution, session.venue.clock
    for look in range(LOOKS):
        if look:
            await clock.sleep_until(clock.now_ms() + PAUSE_MS)
            await execution.tend(symbol)
        if symbol not in session.trader.book.positions:
            return
        if not execution.standings.selling(symbol):
            planned = _sale(session, symbol)
            if planned is None:
                session.trader.leave_small(symbol, clock.now_ms())
                await execution.settlement.write_dust(session.orchestrator.records.ids.trace_id())
                return
            await execution.sell([planned])


def _sale(session: Session, symbol: str) -> Planned | None:
    position = session.trader.book.positions[symbol]
    quantity = floor_step(position.quantity, session.trader.config.instruments[symbol].amount_step)
    if not quantity:
        return None
    now_ms = session.venue.clock.now_ms()
    trace_id, bid = session.orchestrator.records.ids.trace_id(), session.trader.book.marks.get(symbol)
    why = AppliedTo(Purpose.DEAD_MAN, "dead_man", trace_id)
    intent = session.trader.exit_of(position, why.purpose, quantity, why.reason, trace_id, now_ms, bid)
    return Planned(intent, why)


def _report(session: Session, before: dict[str, Decimal]) -> FlattenReport:
    book, rules = session.trader.book, session.trader.config.instruments
    after = {s: book.ledger.held(s).quantity for s in before}
    left = {s: quantity for s, quantity in after.items() if quantity >= rules[s].amount_step}
    open_orders = [
        planned.intent.client_id
        for symbol in before
        for planned in session.orchestrator.execution.open_intents(symbol)
    ]
    errors = [
        f"{quantity(held)} {symbol} is left" for symbol, held in left.items() if symbol in book.positions
    ]
    errors += [f"order {client_id} has not ended" for client_id in open_orders]
    return FlattenReport(
        symbols=tuple(before),
        sold={s: quantity - after[s] for s, quantity in before.items()},
        left=left,
        errors=tuple(errors),
    )
