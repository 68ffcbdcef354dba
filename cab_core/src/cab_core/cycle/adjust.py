"""Makes the corrections of a reconciliation through the one way to orders and the book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import attrs

from cab_core.cycle.announce import Announcer
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.trader import Trader
from cab_core.cycle.unknown_orders import UnknownOrders
from cab_core.domain import figures
from cab_core.domain.booking import AppliedTo
from cab_core.domain.corrections import Corrections
from cab_core.domain.orders import Ack, Fill, Purpose, Side, VenueOrder

#: Why trades of ours are found that no order waits for.
_OTHERS = "another instance trades this account, or the database is an older copy"
_LATE = "they were listed after it had been closed"
_REFUSED = "the exchange filled what is on record as never taken"


@attrs.frozen(eq=False)
class Adjuster:
    """Books adjustments and cancels stray orders. It never buys and never sells."""

    trader: Trader
    execution: Execution
    announcer: Announcer
    unknown: UnknownOrders

    async def make(self, symbol: str, todo: Corrections, now_ms: int, trace_id: str) -> tuple[str, ...]:
        """Make the corrections and say what was done."""
        unknown = any(fill.client_id not in todo.known for fill in todo.adopted)
        if unknown or todo.canceled:
            await self.unknown.halt(_unknown_text(symbol, todo), trace_id)
        done = [*await self._adopt(symbol, todo, now_ms, trace_id)]
        if todo.shrunk is not None:
            done.append(await self._shrink(symbol, todo.shrunk, trace_id))
        if todo.taken_over is not None:
            done.append(await self._take_over(symbol, todo.taken_over, trace_id))
        done += [await self._cancel(order, now_ms, trace_id) for order in todo.canceled]
        return tuple(done)

    async def _adopt(self, symbol: str, todo: Corrections, now_ms: int, trace_id: str) -> Sequence[str]:
        done = []
        for client_id, fills in _by_order(todo.adopted):
            side = fills[0].side
            context = AppliedTo(
                Purpose.ENTRY if side is Side.BUY else Purpose.MANUAL,
                "adopted",
                rules=self.trader.config.exits if side is Side.BUY else None,
            )
            refused = client_id in todo.refused
            await self.execution.book(
                symbol, fills, context, "refused_but_filled" if refused else "stray_fills", trace_id
            )
            verb = "bought" if side is Side.BUY else "sold"
            quantity = sum(fill.quantity for fill in fills)
            what, why = ("unknown order", _OTHERS) if client_id not in todo.known else ("order", _LATE)
            if refused:
                what, why = "refused order", _REFUSED
            text = f"booked {figures.quantity(quantity)} {verb} by the {what} {client_id}"
            self._critical(symbol, f"{text}: {why}", now_ms, trace_id)
            done.append(text)
        return done

    async def _shrink(self, symbol: str, sold: Fill, trace_id: str) -> str:
        context = AppliedTo(Purpose.MANUAL, "external_sell")
        await self.execution.book(symbol, [sold], context, "external_sell", trace_id)
        sale = f"{figures.quantity(sold.quantity)}, estimated at {figures.price(sold.price)}"
        text = f"booked an external sell of {sale}"
        self.announcer.alert(
            "important", "reconciliation.completed", text, trace_id, symbol=symbol, ts_ms=sold.ts_ms
        )
        return text

    async def _take_over(self, symbol: str, bought: Fill, trace_id: str) -> str:
        # A deposit in kind: it comes from outside, so no cash of the account is spent on it.
        self.trader.book.deposit(bought.value)
        context = AppliedTo(Purpose.MANUAL, "adopted", rules=self.trader.config.exits)
        await self.execution.book(symbol, [bought], context, "adopt_external", trace_id)
        return f"took over {figures.quantity(bought.quantity)} at {figures.price(bought.price)}"

    async def _cancel(self, order: VenueOrder, now_ms: int, trace_id: str) -> str:
        outcome = await self.execution.cancel_stray(order, trace_id)
        what = f"the unknown order {order.client_id or order.order_id} of this bot's prefix"
        text = f"canceled {what}" if isinstance(outcome, Ack) else f"could not cancel {what} yet"
        self._critical(order.symbol, f"{text}: {_OTHERS}", now_ms, trace_id)
        return text

    def _critical(self, symbol: str, text: str, now_ms: int, trace_id: str) -> None:
        self.announcer.alert(
            "critical", "reconciliation.completed", text, trace_id, symbol=symbol, ts_ms=now_ms
        )


def _unknown_text(symbol: str, todo: Corrections) -> str:
    """Name the orders that no record knows."""
    ids = [*(fill.client_id for fill in todo.adopted), *(o.client_id or o.order_id for o in todo.canceled)]
    return f"{symbol}: no record of this bot knows {', '.join(dict.fromkeys(ids))}"


def _by_order(trades: Sequence[Fill]) -> Iterator[tuple[str, list[Fill]]]:
    """Yield the trades of one order after the other, in the order they were made."""
    for client_id, fills in groupby(trades, key=lambda fill: fill.client_id):
        yield client_id, list(fills)
