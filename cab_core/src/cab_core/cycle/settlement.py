"""Settlement (spec 11): own trades into the book, and unknown outcomes resolved by observation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Broker
from cab_core.cycle.asking import asked
from cab_core.cycle.fee_rates import fee_rates
from cab_core.cycle.order_events import NoEvents, OrderEvents
from cab_core.cycle.proof import UNSETTLED_MS, Proof, odd
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.standing import STUCK_MS, Standing, Standings
from cab_core.cycle.trader import Trader
from cab_core.domain.book_state import account_state, position_state
from cab_core.domain.booking import AppliedTo
from cab_core.domain.figures import quantity
from cab_core.domain.limits import limit_use
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Absent, Ack, Fill, Found, Intent, OrderState, Side, Undetermined
from cab_core.errors import CabError
from cab_core.ports import Changes, IntentChange, Note, Storage

log = logging.getLogger("cab.settlement")


#: An exit that waits longer than this for its stop to be canceled calls for a person.
HELD_UP_MS = 30_000

#: An entry is not sent if recording that takes longer than this.
LATE_MS = 5_000


@attrs.define(eq=False)
class Settlement:
    """Books what the venue says of orders that have not ended.

    Attributes:
        standings: those orders.
        resting_ms: time between looks at a quiet resting stop.
        record: told every order that ended at the venue, with its fills.
    """

    trader: Trader
    broker: Broker
    storage: Storage
    clock: Clock
    standings: Standings = attrs.field(factory=Standings)
    events: OrderEvents = attrs.field(factory=NoEvents)
    record: Callable[[OrderRecord], None] = lambda _: None
    resting_ms: int = 30_000

    @property
    def proof(self) -> Proof:
        """Looks at the account as a whole."""
        return Proof(self.trader, self.broker, self.clock)

    async def settle(self, standing: Standing, ack: Ack) -> tuple[Fill, ...]:
        """Book the order's own trades that are not booked yet, in one transaction with its end.

        It ends once the venue calls it final and the trades add up to what the venue says was filled: trades
        may show up late, and nothing is sized on an amount that is not confirmed. Not for ever, though: an
        order whose trades do not add up in time is closed with an estimate of what is missing.

        Returns:
            What is newly booked.
        """
        standing.take(ack, self.clock.now_ms())
        trades = await self.trades_of(standing)
        true_id = _order_of(standing, trades or ())
        if true_id is not None:
            client_id = standing.intent.client_id
            log.warning("%s is order %s: the venue called it %s", client_id, true_id, ack.order_id)
            ack = attrs.evolve(ack, order_id=true_id)
            standing.take(ack, self.clock.now_ms())
        intent = standing.intent
        recorded = standing.state is OrderState.ACKED and standing.recorded_id == ack.order_id
        moved = [] if recorded else [change(intent, OrderState.ACKED, ack.order_id)]
        if trades is not None:
            standing.filled = sum((trade.quantity for trade in trades), ZERO)
        if not ack.final:
            return await self.write(standing, moved, trades or ())
        if trades is not None and self.proof.complete(standing, ack, trades):
            return await self.write(standing, moved, trades, ended=ack.ended)
        missing = await self.proof.missing(standing, ack, listed=trades is not None)
        if missing is None:
            return await self.write(standing, moved, trades or ())
        return await self._close(standing, moved, trades or (), missing)

    async def look(self, standing: Standing) -> bool:
        """Ask the venue about an order; return True if it proved that it never took it."""
        now_ms = self.clock.now_ms()
        ack = standing.ack
        if ack is not None and ack.final:  # only its trades are missing
            await self.settle(standing, ack)
            standing.looked(now_ms, self.resting_ms)
            return False
        try:
            resolution = await asked(self.broker.resolve(standing.intent), "resolve")
            lost = standing.state is OrderState.ACKED and not isinstance(resolution, Found)
            standing.lost_ms = (standing.lost_ms or now_ms) if lost else None
        except CabError as error:
            resolution = Undetermined(str(error))
            standing.lost_ms = None
        if isinstance(resolution, Found):
            await self.settle(standing, resolution.ack)
        elif standing.state is OrderState.SENT:
            await self.move(standing, OrderState.UNKNOWN)
        if isinstance(resolution, Absent) and standing.unknown and await self._unsold(standing, now_ms):
            await self.end(standing, OrderState.ABANDONED, "the venue never took it")
            return True
        standing.looked(now_ms, self.resting_ms)
        if isinstance(resolution, Undetermined) and standing.state is OrderState.ACKED:
            await self._forgotten(standing)
            return False
        if not standing.unknown or now_ms - standing.since_ms <= STUCK_MS:
            return False
        if not standing.reported:
            standing.reported = True
            reason = getattr(resolution, "message", "")
            self.events.stuck(standing.intent, f"its outcome is unknown for 10 minutes: {reason}")
        return standing.intent.side is Side.SELL and await self._proven_absent(standing)

    def held_up(self, standing: Standing) -> None:
        """Tell a person, once, of an exit that waits for its stop to be canceled."""
        waited_ms = self.clock.now_ms() - standing.since_ms
        if waited_ms >= HELD_UP_MS and not standing.reported:
            standing.reported = True
            what = f"it waits for {waited_ms // 1000} s because the resting stop cannot be canceled"
            self.events.stuck(standing.intent, f"{what}; that stop still guards the position")

    async def move(self, standing: Standing, to: OrderState, message: str = "") -> None:
        """Bring an order to a state, durably."""
        intent = standing.intent
        moved = (change(intent, to, message=message or None),)
        now_ms = self.clock.now_ms()
        await self.storage.commit(Changes(ts_ms=now_ms, trace_id=intent.trace_id, moved=moved))
        standing.enter(to, now_ms)
        self.events.changed(intent, to, message)

    async def sent(self, standing: Standing) -> bool:
        """Bring an order to ``SENT``, durably: it may exist from here on. False if it is not to be sent.

        An entry whose record had to wait for the database is given up: its price is gone.
        """
        await self.move(standing, OrderState.SENT)
        late = self.clock.now_ms() - standing.since_ms > LATE_MS
        if late and standing.intent.side is Side.BUY:
            await self.end(standing, OrderState.REJECTED, "not_sent: its record had to wait for the database")
            return False
        return True

    async def end(self, standing: Standing, to: OrderState, message: str) -> None:
        """Bring an order to a terminal state, durably, and forget it."""
        await self.move(standing, to, message)
        self.standings.end(standing)

    def enter(self, trade: Fill, context: AppliedTo, trace_id: str, *, final: bool) -> bool:
        """Let a trade enter the book; False if it was there."""
        applied = self.trader.settle(trade, context, final=final)
        if not applied.duplicate:
            self.events.booked(trade, applied, trace_id)
        return not applied.duplicate

    def booked(self, symbol: str) -> dict[str, Any]:
        """Return what a change of the book writes: the symbol's position and the account."""
        book = self.trader.book
        positions: Mapping[str, Mapping[str, Any] | None] = {symbol: position_state(book, symbol)}
        return {"positions": positions, "account": account_state(book)}

    async def write_dust(self, trace_id: str, *, refused: bool = False) -> None:
        """Write down what was left as dust since the last time, and the book with it, and tell of it."""
        left, self.trader.book.left = self.trader.book.left, []
        for each in left:
            facts = {"quantity": f"{each.quantity:f}", "cost": f"{each.cost:f}", "value": f"{each.value:f}"}
            note = Note("position.dust", each.symbol, facts)
            changed = self.booked(each.symbol)
            now_ms = self.clock.now_ms()
            await self.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, notes=(note,), **changed))
            self.events.dust(each, trace_id, refused=refused)

    async def _unsold(self, standing: Standing, now_ms: int) -> bool:
        """Say whether what a sell would have sold is still there: lists may lag behind balances.

        They do not lag for long: what is missing later was taken by somebody else.
        """
        intent = standing.intent
        position = self.trader.book.positions.get(intent.symbol)
        if intent.side is Side.BUY or position is None:
            return True
        if now_ms - (intent.sent_ms or standing.since_ms) > STUCK_MS:
            return True
        instrument = self.trader.config.instruments[intent.symbol]
        try:
            balances = await asked(self.broker.balances(), "balances")
        except CabError:
            return False
        held = balances[instrument.base].total if instrument.base in balances else ZERO
        return held > position.quantity - instrument.amount_step

    async def trades_of(self, standing: Standing) -> tuple[Fill, ...] | None:
        """Return the order's own trades that can be booked, None if they cannot be had now."""
        if standing.is_stop and standing.ack is not None and _quiet(standing.ack):
            return ()
        try:
            told = tuple(await asked(self.broker.fills_of(standing.intent), "fills_of"))
        except CabError as error:
            log.warning("the trades of %s cannot be read yet: %s", standing.intent.client_id, error)
            return None
        left_out = {t.trade_id: why for t in told if (why := odd(t, standing.intent)) is not None}
        known = self.trader.book.seen[standing.intent.symbol].ids
        for trade_id in left_out.keys() - standing.odd - known.keys():
            standing.odd.add(trade_id)
            self.events.stuck(standing.intent, f"a trade of it is left out: {left_out[trade_id]}")
        return tuple(trade for trade in told if trade.trade_id not in left_out)

    async def _proven_absent(self, standing: Standing) -> bool:
        """End a sell whose outcome nothing tells by what the account holds; True if it sold nothing.

        Without this an open position would have no exit for as long as a venue says nothing of one order.
        """
        missing = await self.proof.unaccounted(standing)
        if missing is None:
            return False
        if missing >= self.trader.config.instruments[standing.intent.symbol].amount_step:
            await self._close(standing, [], (), missing)
            return False
        evidence = "the account still holds what it was to sell, and no such order is open"
        await self.end(standing, OrderState.ABANDONED, evidence)
        self.events.stuck(standing.intent, f"it is given up: {evidence}; the exit is planned anew")
        return True

    async def _forgotten(self, standing: Standing) -> None:
        """End a sell that the venue had taken and knows no more by what the account holds.

        It would hold back every exit of its symbol for ever. What it may have sold at last shows in the
        account by then: the looks that prove it lie farther apart than balances lag. Of a purchase the
        account proves nothing, for it may hold coins of the owner: a person is told.
        """
        if standing.intent.side is Side.BUY:
            lost_ms = standing.lost_ms
            if (
                lost_ms is not None
                and self.clock.now_ms() - lost_ms >= UNSETTLED_MS
                and not standing.reported
            ):
                standing.reported = True
                self.events.stuck(standing.intent, "the venue had taken it and knows it no more")
            return
        missing = await self.proof.unaccounted(standing, UNSETTLED_MS)
        if missing is not None:
            await self._close(standing, [], (), missing, "the venue knows it no more")

    async def _close(
        self,
        standing: Standing,
        moved: list[IntentChange],
        trades: tuple[Fill, ...],
        missing: Decimal,
        why: str = "its trades do not add up",
    ) -> tuple[Fill, ...]:
        """End an order that nothing settles; what a sell sold without a trade is booked by estimate.

        A purchase is not estimated: what is held without a trade of ours is not the bot's to sell.
        """
        intent = standing.intent
        sold = (
            intent.side is Side.SELL and missing >= self.trader.config.instruments[intent.symbol].amount_step
        )
        text = f"{why}: {quantity(missing)} is missing"
        if sold:
            text += " and booked as sold, at an estimated price"
            trades = (*trades, self.proof.estimate(intent, missing, self.proof.price(intent, trades)))
            standing.filled += missing
        fresh = await self.write(
            standing, moved, trades, ended=text, adjusted="trades_missing" if sold else None
        )
        self.events.stuck(intent, f"{text}; its trades are looked for by reconciliation from now on")
        return fresh

    async def write(
        self,
        standing: Standing,
        moved: Sequence[IntentChange],
        trades: tuple[Fill, ...],
        *,
        ended: str | None = None,
        adjusted: str | None = None,
    ) -> tuple[Fill, ...]:
        """Book what is not booked yet and write it, with the order's end if ``ended`` says why.

        Args:
            standing: the order.
            moved: its steps before its end.
            trades: all of its trades; those that are booked already count once.
            ended: why it ends with this.
            adjusted: why one of the trades is estimated; None if none is.

        Returns:
            What is newly booked.
        """
        intent = standing.intent
        over = ended is not None
        fresh = await self._book(standing, trades, ended=over)
        if over:
            moved = [*moved, change(intent, OrderState.DONE, intent.order_id, ended or None)]
        if moved or fresh:  # all trades: those of a write that failed are missing in the database
            notes = (
                (Note("position.adjusted", intent.symbol, _adjustment(adjusted, trades)),) if adjusted else ()
            )
            await self._commit(intent, moved, trades, notes, booked=bool(fresh) or over)
        if moved:
            standing.enter(OrderState.ACKED, self.clock.now_ms())
            standing.recorded_id = intent.order_id
        for move in moved:
            self.events.changed(intent, move.to, move.message or "")
        if over:
            self.standings.end(standing)
            self.record(OrderRecord(plain(intent), trades))
        if fresh or over:
            self.events.settled(standing.planned, fresh, ended=over)
        await self.write_dust(intent.trace_id)
        return fresh

    async def _book(self, standing: Standing, trades: Sequence[Fill], *, ended: bool) -> tuple[Fill, ...]:
        fresh, planned = [], standing.planned
        for number, trade in enumerate(trades, 1):
            final = ended and number == len(trades)
            context = attrs.evolve(planned.context, fee_rates=await fee_rates(self.broker, trade))
            if self.enter(trade, context, standing.intent.trace_id, final=final):
                fresh.append(trade)
        if ended and len(fresh) < len(trades):  # the last trade was booked before it was known to be the last
            self.trader.leave_small(planned.intent.symbol, self.clock.now_ms())
        return tuple(fresh)

    async def _commit(
        self,
        intent: Intent,
        moved: Sequence[IntentChange],
        trades: tuple[Fill, ...],
        notes: Sequence[Note],
        *,
        booked: bool,
    ) -> None:
        changed = self.booked(intent.symbol) if booked else {}
        await self.storage.commit(
            Changes(
                ts_ms=self.clock.now_ms(),
                trace_id=intent.trace_id,
                moved=moved,
                fills=trades,
                notes=notes,
                counters=self._limits() if booked and trades else {},
                **changed,
            )
        )

    def _limits(self) -> dict[str, Decimal]:
        now_ms = self.clock.now_ms()
        return limit_use(self.trader.book, self.trader.halts.released_ms(now_ms), now_ms)


def change(
    intent: Intent, to: OrderState, order_id: str | None = None, message: str | None = None
) -> IntentChange:
    """Return the step of an attempt to its next state."""
    return IntentChange(key=intent.key, attempt=intent.attempt, to=to, order_id=order_id, message=message)


def plain(intent: Intent) -> Intent:
    """Return the intent as it was decided, without what its sending added."""
    return attrs.evolve(intent, sent_ms=None, order_id=None)


def rest_of(intent: Intent, fills: Sequence[Fill]) -> Decimal:
    """Return what is left to sell of a partially filled exit; 0 for a buy or where nothing was filled."""
    if intent.side is not Side.SELL or intent.quantity is None or not fills:
        return ZERO
    return max(ZERO, intent.quantity - sum((fill.quantity for fill in fills), ZERO))


def _order_of(standing: Standing, trades: Sequence[Fill]) -> str | None:
    """Return the id that the trades carry, if the venue had called the order otherwise; else None."""
    told = next((trade.order_id for trade in trades if trade.order_id), None)
    return None if standing.is_stop or told == standing.intent.order_id else told


def _adjustment(reason: str, trades: Sequence[Fill]) -> dict[str, Any]:
    return {"reason": reason, "trades": [trade.trade_id for trade in trades]}


def _quiet(ack: Ack) -> bool:
    """Say whether a resting stop cannot have traded: nothing filled, trigger not reached."""
    return not ack.final and ack.fired_ms is None and not ack.filled
