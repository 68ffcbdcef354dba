"""Orders that carry this bot's signs and that no record of it knows.

Either another instance trades the account, or the database is an older copy. What was filled is adopted and
protected; entries stay halted until a person has said that only this bot trades here: the halt is latched
like that of a critical risk rule and released the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Broker
from cab_core.cycle.announce import Announcer
from cab_core.cycle.asking import asked
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.stop_intents import planned_stop
from cab_core.domain.comparison import BALANCE_LAG_MS
from cab_core.domain.figures import price, quantity
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Ack, OrderState, VenueOrder
from cab_core.domain.resting import DesiredStop
from cab_core.domain.risk import UNKNOWN_ORDERS as RULE
from cab_core.domain.risk import Halt
from cab_core.domain.unknown_stops import Signature, unknown_stops
from cab_core.errors import CabError, StorageError
from cab_core.ports import Changes, Storage

#: How long a younger stop of another instance is left for that instance to lift.
LEFT_MS = 180_000


@attrs.define(eq=False, kw_only=True)
class UnknownOrders:
    """Halts entries over orders that nobody knows, and lets no second stop rest beside an unknown one.

    Attributes:
        offset: how far limits of resting stops lie below their triggers; None where no stops rest.
    """

    execution: Execution
    broker: Broker
    storage: Storage
    clock: Clock
    announcer: Announcer
    offset: Decimal | None
    _asked: set[str] = attrs.field(factory=set, init=False)
    _compared: set[str] = attrs.field(factory=set, init=False)
    _left_ms: dict[str, int] = attrs.field(factory=dict, init=False)

    @property
    def halted(self) -> bool:
        """Whether entries wait for a person to look at such orders."""
        active = self.execution.trader.halts.active(self.clock.now_ms())
        return any(halt.rule == RULE for halt in active)

    async def halt(self, what: str, trace_id: str) -> None:
        """Let no entry through until a person releases it; durable before the orders are dealt with."""
        if self.halted:
            return
        reason = (
            f"{what}: another instance trades this account, or the database is an older copy; once only this "
            f"bot trades here: cab risk reset {RULE}"
        )
        now_ms, trader = self.clock.now_ms(), self.execution.trader
        halt = Halt(RULE, now_ms, None, reason)
        await self.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, halts=(halt,)))
        trader.halts = trader.halts.trip(halt)
        event = {"rule": RULE, "reason": reason, "value": None, "threshold": None}
        self.announcer.bus.publish("emergency.stop", event, trace_id)

    async def may_arm(self, symbol: str, trace_id: str) -> bool:
        """Say whether a stop may be placed where none of ours rests.

        Costs a question while entries are halted, and before the symbol is compared for the first time:
        until then a stop that nobody knows may be any.
        """
        if symbol in self._compared and not self.halted:
            return True
        try:
            orders = await asked(self.broker.orders(symbol, self.clock.now_ms()), "orders")
            known = await self.storage.known_orders({order.order_id for order in orders})
            strangers = self._strangers(symbol, orders, known)
            if not strangers or symbol not in self._compared:
                return not strangers
            balances = await asked(self.broker.balances(), "balances")
        except StorageError:
            raise
        except CabError:
            return False  # what rests there is not known: the bot watches the stop itself
        base = balances.get(self._instrument(symbol).base)
        total = ZERO if base is None else base.total
        await self._look_at(symbol, strangers, (), total, trace_id)
        if self.execution.standings.stop(symbol) is not None:
            return False
        signature = self._signature(symbol, (), total)
        doubtful = [order for order in strangers if signature is not None and signature.is_doubtful(order)]
        for order in doubtful:
            self._ask(order, trace_id)
        return not doubtful

    async def look_at(
        self,
        symbol: str,
        orders: Sequence[VenueOrder],
        known: Collection[str],
        before: Collection[Decimal],
        total: Decimal,
        trace_id: str,
    ) -> tuple[str, ...]:
        """Take over the oldest waiting stop that is this bot's by its figures, and say what was done.

        Of two instances that see each other's stops both so keep the older one. Over one that may be this
        bot's a person is asked before any is placed beside it.

        Args:
            symbol: which.
            orders: what the venue lists of it.
            known: those of its order ids that are in the journal.
            before: base that was managed before unknown trades were booked.
            total: free and locked base at the venue.
            trace_id: of the look.
        """
        self._compared.add(symbol)
        return await self._look_at(symbol, self._strangers(symbol, orders, known), before, total, trace_id)

    async def _look_at(
        self,
        symbol: str,
        strangers: Sequence[VenueOrder],
        before: Collection[Decimal],
        total: Decimal,
        trace_id: str,
    ) -> tuple[str, ...]:
        signature, standings = self._signature(symbol, before, total), self.execution.standings
        if signature is None or not strangers or standings.selling(symbol):
            return ()
        mine = standings.stop(symbol)
        own = [order for order in strangers if signature.is_own(order)]
        if not own:
            doubtful = [order for order in strangers if signature.is_doubtful(order)]
            if mine is None:
                await self._ask_about(symbol, doubtful, trace_id)
            return ()
        await self.halt(f"stop {own[0].order_id} of {symbol} is in no record of this bot", trace_id)
        if mine is not None and (mine.intent.sent_ms or 0) <= own[0].created_ms:
            return await self._lift_surplus(own, trace_id)
        if not await self.execution.lift_stop(symbol):
            return ()
        return (await self._adopt(symbol, own[0], trace_id),)

    async def _ask_about(self, symbol: str, doubtful: Sequence[VenueOrder], trace_id: str) -> None:
        """Halt entries over stops that may be this bot's; what a person has released is not asked again."""
        unasked = [order for order in doubtful if order.order_id not in self._asked]
        if unasked:
            await self.halt(f"stop {unasked[0].order_id} of {symbol} may be this bot's", trace_id)
        for order in unasked:
            self._ask(order, trace_id)

    def _signature(self, symbol: str, before: Collection[Decimal], total: Decimal) -> Signature | None:
        """Return what a stop of the symbol's position looks like, None where none would rest."""
        book = self.execution.trader.book
        position = book.positions.get(symbol)
        if position is None or position.protection is None or self.offset is None:
            return None
        held = book.ledger.held(symbol).quantity
        traded_ms = book.last_fill_ms.get(symbol, 0)
        settled = self.clock.now_ms() - traded_ms >= BALANCE_LAG_MS
        return Signature(
            instrument=self._instrument(symbol),
            amounts=[held, *before, *(held - amount for amount in before)],
            opened_ms=int(position.id.rpartition("@")[2]),
            offset=self.offset,
            unmanaged=total - self._managed(symbol) if settled else None,
        )

    def _managed(self, symbol: str) -> Decimal:
        """Return what the bot holds of the symbol's base, under whichever symbol."""
        ledger, base = self.execution.trader.book.ledger, self._instrument(symbol).base
        held = [ledger.held(each).quantity for each in ledger.symbols() if each.partition("/")[0] == base]
        return sum(held, ZERO)

    def _instrument(self, symbol: str) -> Instrument:
        return self.execution.trader.book.instruments[symbol]

    def _strangers(
        self, symbol: str, orders: Sequence[VenueOrder], known: Collection[str]
    ) -> list[VenueOrder]:
        intents = [planned.intent for planned in self.execution.open_intents(symbol)]
        return unknown_stops(orders, known, intents)

    async def _adopt(self, symbol: str, order: VenueOrder, trace_id: str) -> str:
        """Make a waiting stop one of the journal: from here on it is looked after like any other."""
        position = self.execution.trader.book.positions.get(symbol)
        if position is None or position.protection is None or order.trigger is None or order.limit is None:
            return f"stop {order.order_id} of {symbol} has nothing to guard any more"
        level = DesiredStop(
            order.quantity or Decimal(0), order.trigger, order.limit, position.protection.kind
        )
        planned = planned_stop(position, level, trace_id, self.clock.now_ms())
        last = await self.storage.last_attempt(planned.intent.key)
        if last is not None:  # this database has placed the same stop before
            intent = attrs.evolve(planned.intent, attempt=last[0] + 1)
            planned = attrs.evolve(planned, intent=intent)
        await self.execution.plan([planned])
        standing = self.execution.standings.find(planned.intent.client_id)
        if standing is None:
            raise CabError(f"stop {order.order_id} of {symbol} could not be taken over")
        settlement = self.execution.settlement
        await settlement.move(standing, OrderState.SENT)
        intent = attrs.evolve(standing.intent, sent_ms=order.created_ms)
        standing.planned = attrs.evolve(standing.planned, intent=intent)
        await settlement.settle(standing, Ack(order.order_id, final=False))
        text = f"took over the unknown stop {order.order_id} at {price(order.trigger)}"
        self._critical(order, text, trace_id)
        return text

    async def _lift_surplus(self, found: Sequence[VenueOrder], trace_id: str) -> tuple[str, ...]:
        """Cancel a younger stop beside ours once another instance has had the time to lift it."""
        now_ms, done = self.clock.now_ms(), []
        for order in found:
            if now_ms - self._left_ms.setdefault(order.order_id, now_ms) < LEFT_MS:
                self._ask(order, trace_id)
                continue
            outcome = await self.execution.cancel_stray(order, trace_id)
            verb = "canceled" if isinstance(outcome, Ack) else "could not cancel"
            done.append(f"{verb} the second stop {order.order_id}")
        return tuple(done)

    def _ask(self, order: VenueOrder, trace_id: str) -> None:
        """Tell a person, once, of a stop that is not ours to touch."""
        if order.order_id not in self._asked:
            self._asked.add(order.order_id)
            amount = "" if order.quantity is None else f" of {quantity(order.quantity)}"
            what = f"an unknown stop {order.order_id}{amount} waits: no second one is placed beside it"
            self._critical(order, f"{what}; look at the exchange, then: cab risk reset {RULE}", trace_id)

    def _critical(self, order: VenueOrder, text: str, trace_id: str) -> None:
        now_ms = self.clock.now_ms()
        self.announcer.alert("critical", "stop_unknown", text, trace_id, symbol=order.symbol, ts_ms=now_ms)
