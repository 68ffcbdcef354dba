"""The only caller of a broker's order methods (spec 10): journalled intent, one send, own trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Broker
from cab_core.cycle import context as contexts
from cab_core.cycle.fills import EXIT_ATTEMPTS, is_last
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.trader import Planned, Trader
from cab_core.domain.book_state import account_state, position_state
from cab_core.domain.limits import limit_use
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Absent, Ack, Fill, Found, Intent, OrderState, Rejected, Side
from cab_core.ports import Changes, IntentChange, OpenIntent, Storage


@attrs.frozen(slots=True)
class Executed:
    """What came of an order.

    Attributes:
        refused: why it was not made or not filled, None if it was.
        fills: what was filled, the rest of a partial exit included.
    """

    refused: str | None
    fills: tuple[Fill, ...] = ()


def _allow(_: Intent) -> str | None:
    return None


def _forget(_: OrderRecord) -> None:
    return None


@attrs.define(eq=False)
class Execution:
    """Sends orders of one account, at most once each, and books their fills.

    Attributes:
        trader: books the fills.
        broker: the opened account.
        storage: durable memory; an intent is on disk before its send.
        clock: the injected clock.
        gate: asked once more about each buy right before the send; a text refuses it.
        record: told every order made, with its fills.
        stand_at: lets a recorded market stand at the level an exit was decided at.
        unresolved: orders whose outcome is unknown, by symbol; such a symbol takes no entry.
    """

    trader: Trader
    broker: Broker
    storage: Storage
    clock: Clock
    gate: Callable[[Intent], str | None] = _allow
    record: Callable[[OrderRecord], None] = _forget
    stand_at: Callable[[str, Decimal], None] = lambda _, __: None
    unresolved: dict[str, list[Planned]] = attrs.field(factory=dict, init=False)

    async def plan(self, planned: Sequence[Planned], **changes: Any) -> bool:
        """Write intents durably, with further `Changes`; False, writing nothing, if one is a duplicate."""
        intents = tuple((p.intent, contexts.to_json(p.context)) for p in planned)
        trace_id = planned[0].intent.trace_id
        return await self.storage.commit(
            Changes(ts_ms=self.clock.now_ms(), trace_id=trace_id, planned=intents, **changes)
        )

    async def execute_trade(self, planned: Planned) -> Executed:
        """Send a planned order once and book what was filled.

        The rest of a partially filled exit is sent again at once, as the next attempt.
        """
        intent = planned.intent
        if intent.side is Side.BUY and (refused := self.gate(intent)) is not None:
            await self._move(intent, OrderState.ABANDONED, message=refused)
            return Executed(refused)
        done = await self._send(planned)
        fills = done.fills
        while (left := _rest(intent, done)) and intent.attempt < EXIT_ATTEMPTS:
            intent = attrs.evolve(intent, attempt=intent.attempt + 1, quantity=left)
            again = attrs.evolve(planned, intent=intent)
            if not await self.plan([again]):
                break
            done = await self._send(again)
            fills = (*fills, *done.fills)
        return Executed(done.refused, fills)

    async def recover(self, left_open: Sequence[OpenIntent]) -> None:
        """Settle what a former run left open, before anything new is decided.

        What may have been sent is resolved by observation. What was only planned is sent now if it is an exit
        and abandoned if it is an entry: its price is gone.
        """
        for found in left_open:
            planned = Planned(found.intent, contexts.from_json(found.context))
            if found.state is OrderState.ACKED:
                await self._settle(planned)
            elif found.state is not OrderState.PLANNED:
                await self._resolve(planned, found.state)
            elif found.intent.side is Side.SELL:
                await self.execute_trade(planned)
            else:
                await self._move(found.intent, OrderState.ABANDONED, message="stopped before the send")

    async def resolve(self, symbol: str) -> None:
        """Look again for the orders of a symbol whose outcome is unknown."""
        for planned in self.unresolved.pop(symbol, []):
            await self._resolve(planned, OrderState.UNKNOWN)

    def booked(self, symbol: str) -> dict[str, Any]:
        """Return what a change of the book writes: the symbol's position and the account."""
        book = self.trader.book
        positions: Mapping[str, Mapping[str, Any] | None] = {symbol: position_state(book, symbol)}
        return {"positions": positions, "account": account_state(book)}

    async def _send(self, planned: Planned) -> Executed:
        intent = planned.intent
        await self._move(intent, OrderState.SENT)  # durable: from here on the order may exist
        if intent.side is Side.SELL and intent.reference is not None:
            self.stand_at(intent.symbol, intent.reference)
            self.trader.book.mark(intent.symbol, intent.reference)
        outcome = await self.broker.submit(intent)
        if isinstance(outcome, Ack):
            moved = [_change(intent, OrderState.ACKED, outcome.order_id)]
            return Executed(None, await self._settle(planned, moved, final=outcome.final))
        if isinstance(outcome, Rejected):
            await self._move(intent, OrderState.REJECTED, message=f"{outcome.reason}: {outcome.message}")
            self.record(OrderRecord(intent, ()))
            return Executed(outcome.reason)
        await self._move(intent, OrderState.UNKNOWN, message=outcome.message)
        self.unresolved.setdefault(intent.symbol, []).append(planned)
        return Executed("broker_error")

    async def _settle(
        self, planned: Planned, moved: Sequence[IntentChange] = (), *, final: bool = True
    ) -> tuple[Fill, ...]:
        """Book the order's own trades that are not booked yet, in one transaction with its end."""
        intent = planned.intent
        fills = tuple(await self.broker.fills_of(intent))
        filled = ZERO
        for fill in fills:
            filled += fill.quantity
            self.trader.settle(fill, planned.context, final=final and is_last(intent, filled))
        done = (_change(intent, OrderState.DONE),) if final else ()
        await self.storage.commit(
            Changes(
                ts_ms=self.clock.now_ms(),
                trace_id=intent.trace_id,
                moved=(*moved, *done),
                fills=fills,
                counters=self._limits() if fills else {},
                **self.booked(intent.symbol),
            )
        )
        self.record(OrderRecord(intent, fills))
        return fills

    def _limits(self) -> dict[str, Decimal]:
        now_ms = self.clock.now_ms()
        return limit_use(self.trader.book, self.trader.halts.released_ms(now_ms), now_ms)

    async def _resolve(self, planned: Planned, state: OrderState) -> None:
        intent = planned.intent
        resolution = await self.broker.resolve(intent)
        if isinstance(resolution, Found):
            await self._settle(planned, [_change(intent, OrderState.ACKED, resolution.ack.order_id)])
            return
        if state is OrderState.SENT:
            await self._move(intent, OrderState.UNKNOWN)
        if isinstance(resolution, Absent):
            await self._move(intent, OrderState.ABANDONED, message="the venue never took it")
            if intent.side is Side.SELL:  # exits are tried again, as the next attempt
                again = attrs.evolve(planned, intent=attrs.evolve(intent, attempt=intent.attempt + 1))
                if await self.plan([again]):
                    await self.execute_trade(again)
            return
        self.unresolved.setdefault(intent.symbol, []).append(planned)

    async def _move(
        self, intent: Intent, to: OrderState, *, order_id: str | None = None, message: str | None = None
    ) -> None:
        moved = (_change(intent, to, order_id, message),)
        await self.storage.commit(Changes(ts_ms=self.clock.now_ms(), trace_id=intent.trace_id, moved=moved))


def _change(
    intent: Intent, to: OrderState, order_id: str | None = None, message: str | None = None
) -> IntentChange:
    return IntentChange(key=intent.key, attempt=intent.attempt, to=to, order_id=order_id, message=message)


def _rest(intent: Intent, done: Executed) -> Decimal:
    """Return what is left to sell of a partially filled exit."""
    if intent.side is not Side.SELL or intent.quantity is None or not done.fills:
        return ZERO
    return intent.quantity - sum((fill.quantity for fill in done.fills), ZERO)
