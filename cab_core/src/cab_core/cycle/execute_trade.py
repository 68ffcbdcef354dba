"""The only caller of a broker's order methods (spec 10): journalled intent, one send, own trades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock, TurnLock
from cab_core.contracts import Broker
from cab_core.cycle.attempts import KEPT, Attempts, following
from cab_core.cycle.dust import refused_as_small
from cab_core.cycle.fee_rates import fee_rates
from cab_core.cycle.locked import locked_by
from cab_core.cycle.market import RecordedMarket
from cab_core.cycle.records import Executed, OrderRecord
from cab_core.cycle.refusals import Refusals
from cab_core.cycle.settlement import Settlement, plain
from cab_core.cycle.standing import Standing, Standings
from cab_core.cycle.trader import Planned, Trader
from cab_core.domain.booking import AppliedTo
from cab_core.domain.figures import quantity
from cab_core.domain.money import floor_step
from cab_core.domain.orders import (
    Ack,
    Fill,
    Intent,
    OrderState,
    OrderType,
    Outcome,
    Purpose,
    Rejected,
    Side,
    Unknown,
    VenueOrder,
)
from cab_core.ports import Changes, Committed, Note, OpenIntent, Storage

#: A market order that has not ended after this long is canceled.
MARKET_TIMEOUT_MS = 120_000


def _allow(_: Intent) -> str | None:
    return None


@attrs.define(eq=False)
class Execution:
    """Sends orders of one account, at most once each, and books their fills.

    Attributes:
        trader: books the fills.
        broker: the opened account.
        storage: durable memory; an intent is on disk before its send.
        clock: the injected clock.
        settlement: books trades and resolves unknown outcomes.
        gate: asked once more about each buy right before the send; a text refuses it.
        recorded: the recorded market that orders fill at: it stands at the level an exit was decided at, and
            in its holes exits wait. None where prices are observed.
        jitter: returns a number between -1 and 1 that varies pauses.
        lock: of the account; given away while a refused order waits, if its caller holds it.
        refusals: what the venue refused so far, and what follows from it.
    """

    trader: Trader
    broker: Broker
    storage: Storage
    clock: Clock
    settlement: Settlement
    gate: Callable[[Intent], str | None] = _allow
    recorded: RecordedMarket | None = None
    jitter: Callable[[], float] = lambda: 0.0
    lock: TurnLock = attrs.field(default=attrs.Factory(lambda self: TurnLock(self.clock), takes_self=True))
    refusals: Refusals = attrs.field(factory=Refusals, init=False)

    @property
    def attempts(self) -> Attempts:
        """Plans attempts, and those that follow them."""
        return Attempts(
            self.storage, self.clock, self.settlement, self.refusals, self.lock, self.jitter, self.recorded
        )

    @property
    def standings(self) -> Standings:
        """The orders that have not ended."""
        return self.settlement.standings

    async def plan(self, planned: Sequence[Planned], **changes: Any) -> Committed:
        """Write intents durably, with further `Changes`; or nothing, and say why: one is a duplicate."""
        return await self.attempts.plan(planned, **changes)

    async def execute_trade(self, planned: Planned) -> Executed:
        """Send a planned order once and book what was filled.

        The rest of a partially filled exit is sent again at once, as the next attempt; so is an order that
        was refused for a passing reason before anything can have been accepted.
        """
        fills: tuple[Fill, ...] = ()
        parts = refusals = 0
        while True:
            fit = await self._fit(planned)
            if isinstance(fit, Executed):
                return attrs.evolve(fit, fills=fills)
            done = await self._send(fit)
            fills = (*fills, *done.fills)
            parts, refusals = (parts + 1, 0) if done.fills else (parts, refusals + 1)
            again = await self.attempts.after(fit, done, parts, refusals)
            if again is None:
                return attrs.evolve(done, fills=fills)
            planned = again

    async def sell(self, sales: Sequence[Planned], **changes: Any) -> list[Executed]:
        """Plan and make exits that supervision asks for, until they are done: a refused one is tried again.

        Nothing is planned while another market sell of the symbol has not ended.
        """
        if self.standings.selling(sales[0].intent.symbol):
            return []
        if not await self.plan(sales, **changes):
            sales = await self.attempts.again(sales)
            if not sales or not await self.plan(sales, **changes):
                return []
        return [await self.execute_trade(sale) for sale in sales]

    async def tend(self, symbol: str) -> None:
        """Look after the symbol's orders that have not ended: settle, resolve, send waiting exits."""
        now_ms = self.clock.now_ms()
        for standing in self.standings.each(symbol):
            if standing.state is OrderState.PLANNED:
                exits = standing.intent.side is Side.SELL and not standing.is_stop
                paused = standing.due_ms > now_ms or not self.refusals.pauses.over(
                    standing.intent.key, now_ms
                )
                if exits and not paused:
                    self._reprice(standing)
                    await self.execute_trade(standing.planned)
            elif standing.due_ms <= now_ms:
                await self._look(standing)

    async def drop_pointless(self, symbol: str) -> None:
        """End exits that wait although nothing is held any more: none may sell what is bought next."""
        if symbol in self.trader.book.positions:
            return
        for standing in self.standings.each(symbol):
            waits = standing.state is OrderState.PLANNED and not standing.is_stop
            if waits and standing.intent.side is Side.SELL:
                await self.settlement.end(standing, OrderState.ABANDONED, "nothing is held any more")

    async def leave_small(self, symbol: str, trace_id: str) -> None:
        """Give up, and tell of, a position that is to be sold and is too small for any order by now."""
        if self.trader.leave_small(symbol, self.clock.now_ms()):
            await self.settlement.write_dust(trace_id, refused=True)

    async def settle(self, symbol: str) -> None:
        """Look at every order of the symbol that has been sent, due or not."""
        for standing in self.standings.each(symbol):
            if standing.state is not OrderState.PLANNED:
                await self._look(standing)

    def take_over(self, left_open: Sequence[OpenIntent]) -> None:
        """Take in the orders that a former run left open; nothing is asked or sent."""
        now_ms = self.clock.now_ms()
        for found in left_open:
            self.standings.add(Standing.left_open(found, now_ms))

    async def recover(self) -> None:
        """Settle what a former run left open, before anything new is decided.

        What may have been sent is resolved by observation. What was only planned is sent now if it is an exit
        and abandoned if it is an entry or a stop: its price is gone. An exit that waits in a hole of a
        recorded market is left to the look at its next candle.
        """
        for standing in self.standings.each():
            if standing.state is not OrderState.PLANNED:
                await self._look(standing)
        for standing in self.standings.each():
            if standing.state is not OrderState.PLANNED:
                continue
            if standing.intent.side is Side.BUY or standing.is_stop:
                await self.settlement.end(standing, OrderState.ABANDONED, "stopped before the send")
            elif not self.attempts.closed(standing.intent.symbol, standing.intent.created_ms):
                await self.execute_trade(standing.planned)

    async def place_stop(self, planned: Planned) -> Executed:
        """Let a stop rest at the venue; nothing happens while it waits for a former attempt."""
        wanted = [planned]
        if not await self.plan(wanted):
            wanted = await self.attempts.again(wanted)
            if not wanted or not await self.plan(wanted):
                return Executed("duplicate")
        return await self._send(wanted[0])

    async def lift_stop(self, symbol: str) -> bool:
        """Cancel the symbol's resting stop and settle what it sold; True if none rests any more."""
        stop = self.standings.stop(symbol)
        if stop is None:
            return True
        if stop.unknown:
            await self._look(stop)
        if not stop.unknown and self.standings.find(stop.intent.client_id) is not None:
            await self._cancel(stop)
        return self.standings.stop(symbol) is None

    async def cancel_stray(self, order: VenueOrder, trace_id: str) -> Outcome:
        """Cancel a resting order that carries our prefix but that no record of ours knows."""
        note = {"client_id": order.client_id, "order_id": order.order_id, "symbol": order.symbol}
        await self._note("order.stray.cancel", order.order_id, note, trace_id)
        intent = Intent(
            f"stray|{order.order_id}",
            order.symbol,
            order.side,
            Purpose.MANUAL,
            "stray",
            trace_id,
            order.created_ms,
            type=OrderType.STOP_LIMIT if order.stop else OrderType.MARKET,
            order_id=order.order_id,
        )
        return await self._cancelled(intent)

    async def book(
        self, symbol: str, fills: Sequence[Fill], context: AppliedTo, reason: str, trace_id: str
    ) -> None:
        """Book trades that no order of ours made here, in one transaction with why."""
        fresh = []
        for number, fill in enumerate(fills, 1):
            priced = attrs.evolve(context, fee_rates=await fee_rates(self.broker, fill))
            if self.settlement.enter(fill, priced, trace_id, final=number == len(fills)):
                fresh.append(fill)
        note = Note("position.adjusted", symbol, {"reason": reason, "trades": [f.trade_id for f in fresh]})
        changes = Changes(
            ts_ms=self.clock.now_ms(),
            trace_id=trace_id,
            fills=tuple(fresh),
            notes=(note,),
            **self.settlement.booked(symbol),
        )
        await self.storage.commit(changes)
        await self.settlement.write_dust(trace_id)

    def booked(self, symbol: str) -> dict[str, Any]:
        """Return what a change of the book writes: the symbol's position and the account."""
        return self.settlement.booked(symbol)

    def busy(self, symbol: str, within_ms: int = 10_000) -> bool:
        """Say whether a young order of the symbol is on its way or being settled."""
        return self.standings.in_flight(symbol, self.clock.now_ms(), within_ms)

    def open_intents(self, symbol: str) -> list[Planned]:
        """Return the symbol's orders that have not ended."""
        return [standing.planned for standing in self.standings.of(symbol)]

    def no_entry(self, symbol: str) -> str | None:
        """Say why orders of the past forbid an entry of the symbol now, None if they do not."""
        now_ms = self.clock.now_ms()
        if self.refusals.account(now_ms) is not None or self.standings.unknown(symbol):
            return "broker_error"
        stuck = any(standing.reported for standing in self.standings)
        settling = any(not s.is_stop for s in self.standings.of(symbol))
        return "broker_error" if stuck or settling else None

    # Before the send.

    async def _fit(self, planned: Planned) -> Planned | Executed:
        """Return what of a planned order is sent now, or why nothing is: an exit waits, or is pointless."""
        intent, symbol = planned.intent, planned.intent.symbol
        standing = self.standings.find(intent.client_id)
        if standing is None or standing.state is not OrderState.PLANNED:
            return Executed("abandoned")
        if intent.side is Side.BUY:
            refused = self.gate(intent)
            if refused is not None:
                await self.settlement.end(standing, OrderState.ABANDONED, refused)
            return planned if refused is None else Executed(refused)
        if self.standings.selling(symbol) or self.attempts.closed(symbol, self.clock.now_ms()):
            return Executed("waiting", transient=True)
        if not await self.lift_stop(symbol):
            self.settlement.held_up(standing)
            return Executed("waiting", transient=True)
        left = self._left(intent)
        if left == intent.quantity:
            return planned
        await self.settlement.end(
            standing, OrderState.ABANDONED, f"only {quantity(left)} of it can be sold by now"
        )
        if not left:
            await self.leave_small(symbol, intent.trace_id)
        # A part of the position, such as a first target, is sold by a level that asks again.
        if not left or intent.purpose is Purpose.TAKE_PROFIT_1:
            return Executed("already_sold")
        rest = following(planned, left)
        return rest if await self.plan([rest]) else Executed("already_sold")

    def _left(self, intent: Intent) -> Decimal:
        """Return what of an exit is held now, in the steps of now: rules and holdings may have changed."""
        position = self.trader.book.positions.get(intent.symbol)
        if position is None or intent.quantity is None:
            return Decimal(0)
        step = self.trader.config.instruments[intent.symbol].amount_step
        return floor_step(min(intent.quantity, position.quantity), step)

    def _reprice(self, standing: Standing) -> None:
        """Let an exit that has waited be measured against the price of now, not of its decision."""
        intent = standing.intent
        bid = self.trader.book.marks.get(intent.symbol, intent.reference)
        standing.planned = attrs.evolve(standing.planned, intent=attrs.evolve(intent, reference=bid))

    # The send.

    async def _send(self, planned: Planned) -> Executed:
        standing = self.standings.find(planned.intent.client_id)
        if standing is None or not await self.settlement.sent(standing):
            return Executed("abandoned" if standing is None else "storage_away")
        intent = attrs.evolve(planned.intent, sent_ms=standing.since_ms)
        standing.planned = attrs.evolve(planned, intent=intent)
        if intent.side is Side.SELL and intent.reference is not None and not standing.is_stop:
            if self.recorded is not None:
                self.recorded.move_to(intent.symbol, intent.reference)
            self.trader.book.mark(intent.symbol, intent.reference)
        outcome = await self._submit(intent)
        if isinstance(outcome, Ack):
            self.refusals.accepted(intent)
            return Executed(None, await self.settlement.settle(standing, outcome))
        if isinstance(outcome, Rejected):
            return await self._rejected(standing, outcome)
        await self.settlement.move(standing, OrderState.UNKNOWN, outcome.message)
        return Executed(None, unknown=True)

    async def _submit(self, intent: Intent) -> Outcome:
        try:
            return await self.broker.submit(intent)
        except Exception as error:  # noqa: BLE001 - isolation: a broker that fails may have sent the order
            return Unknown(f"the broker failed: {type(error).__name__}: {error}")

    async def _cancelled(self, intent: Intent) -> Outcome:
        try:
            return await self.broker.cancel(intent)
        except Exception as error:  # noqa: BLE001 - isolation: likewise
            return Unknown(f"the broker failed: {type(error).__name__}: {error}")

    async def _rejected(self, standing: Standing, outcome: Rejected) -> Executed:
        intent = standing.intent
        text = f"{outcome.reason}: {outcome.message}"
        await self.settlement.end(standing, OrderState.REJECTED, text)
        self.settlement.record(OrderRecord(plain(intent), ()))
        if (told := self.refusals.note(standing, outcome, self.clock.now_ms())) is not None:
            self.settlement.events.stuck(intent, told)
        if outcome.reason == "below_min_notional" and intent.side is Side.SELL and not standing.is_stop:
            await refused_as_small(self.settlement, intent, outcome.message)
        if outcome.reason == "insufficient_funds" and intent.side is Side.SELL:
            locks = await locked_by(self.broker, intent.symbol, self.standings, self.clock.now_ms())
            text = f"{text}; {locks}" if locks else text
        return Executed(outcome.reason, transient=outcome.transient, why=text)

    # After the send.

    async def _look(self, standing: Standing) -> None:
        absent = await self.settlement.look(standing)
        if not absent:
            await self._cancel_overdue(standing)
        intent = standing.intent
        if intent.quantity is None or standing.is_stop or self.standings.find(intent.client_id) is not None:
            return
        left = intent.quantity - standing.filled
        again = following(standing.planned, left)
        if left > 0 and (absent or intent.purpose in KEPT) and await self.plan([again]):
            await self.execute_trade(again)

    async def _cancel_overdue(self, standing: Standing) -> None:
        """Cancel a market order that the venue has accepted but does not end."""
        intent = standing.intent
        if self.standings.find(intent.client_id) is None or standing.state is not OrderState.ACKED:
            return
        final = standing.ack is not None and standing.ack.final
        age_ms = self.clock.now_ms() - (intent.sent_ms or intent.created_ms)
        if not final and not standing.is_stop and age_ms > MARKET_TIMEOUT_MS:
            self.settlement.events.overdue(intent, age_ms // 1000)
            await self._cancel(standing)

    async def _cancel(self, standing: Standing) -> None:
        """Cancel a resting order; what became of it is settled now or at the next look."""
        outcome = await self._cancelled(standing.intent)
        if isinstance(outcome, Ack):
            self.standings.lifted.add(standing.intent.symbol)
            await self.settlement.settle(standing, outcome)
        elif isinstance(outcome, Rejected):  # it had ended: read how
            await self.settlement.look(standing)
        else:
            standing.due_ms = self.clock.now_ms()

    async def _note(self, kind: str, ref: str, payload: dict[str, Any], trace_id: str) -> None:
        await self.storage.commit(
            Changes(ts_ms=self.clock.now_ms(), trace_id=trace_id, notes=(Note(kind, ref, payload),))
        )
