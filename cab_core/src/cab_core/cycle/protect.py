"""Resting stops (spec 9.5): the desired stop of each position against the one at the exchange.

Level-triggered: at every look the desired stop is derived from the book anew, so that no step of it can be
lost in a crash. The software stop goes on beside it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Protocol

import attrs

from cab_core.clock import Clock
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.standing import Standing
from cab_core.cycle.stop_intents import planned_stop
from cab_core.domain.position import Position
from cab_core.domain.resting import DesiredStop, desired_stop, replace_reason

#: A stop that was triggered but does not fill is canceled and sold at market after this long.
UNFILLED_MS = 5_000

#: Attempts to place a stop before a person is told.
TRIES = 3


class Warn(Protocol):
    """Tells the operator."""

    def __call__(
        self, severity: str, kind: str, text: str, trace_id: str, *, symbol: str = "", ts_ms: int = 0
    ) -> None:
        """Publish an alert."""


@attrs.define(eq=False)
class Protector:
    """Keeps a stop order at the exchange for every open position.

    Attributes:
        execution: sends and cancels.
        offset: how far the limit of a stop lies below its trigger, as a fraction.
        max_ttl_s: longest life of a stop at the venue in seconds, None without limit.
        trace_id: makes the trace id of a stop.
        may_arm: says whether a stop may be placed, by symbol and trace id: not beside one that nobody knows.
    """

    execution: Execution
    clock: Clock
    offset: Decimal
    max_ttl_s: int | None
    warn: Warn
    trace_id: Callable[[], str]
    may_arm: Callable[[str, str], Awaitable[bool]]
    _failures: dict[str, int] = attrs.field(factory=dict, init=False)
    _armed: dict[str, str] = attrs.field(factory=dict, init=False)
    _small: dict[str, str] = attrs.field(factory=dict, init=False)

    async def tend(self, symbol: str) -> None:
        """Bring the stop at the exchange to what the position needs."""
        standings = self.execution.standings
        position = self.execution.trader.book.positions.get(symbol)
        if standings.selling(symbol):
            return  # a market exit is under way: what is left is known once it is settled
        stop = standings.stop(symbol)
        if stop is not None and stop.unknown:
            return  # being resolved
        if position is None or position.protection is None:
            await self._lift(symbol)
            return
        if stop is not None and self._overdue(stop):
            if await self._lift(symbol):
                await self.sell_out(symbol)
            return
        await self._arm(symbol, position, stop)

    async def sell_out(self, symbol: str) -> None:
        """Sell the whole position at market because its stop is due."""
        sale = self.execution.trader.stop_out(symbol, self.trace_id(), self.clock.now_ms())
        if sale is not None:
            await self.execution.sell([sale])

    async def _arm(self, symbol: str, position: Position, stop: Standing | None) -> None:
        desired = self._desired(position)
        if desired is None:
            await self._lift(symbol)
            self._too_small(symbol, position)
            return
        if stop is not None:
            if replace_reason(stop.intent, desired, self.clock.now_ms(), self.max_ttl_s) is None:
                return
            if not await self._lift(symbol):
                return
            left = self.execution.trader.book.positions.get(symbol)
            desired = None if left is None else self._desired(left)
            if left is None or desired is None:
                return
            position = left
        elif symbol in self._armed and symbol not in self.execution.standings.lifted:
            text = f"the stop of {symbol} at the exchange was gone; it is placed again"
            self.warn(
                "important", "stop_missing", text, self.trace_id(), symbol=symbol, ts_ms=self.clock.now_ms()
            )
        await self._place(symbol, position, desired)

    async def _place(self, symbol: str, position: Position, desired: DesiredStop) -> None:
        trace_id = self.trace_id()
        if not await self.may_arm(symbol, trace_id):
            return
        done = await self.execution.place_stop(planned_stop(position, desired, trace_id, self.clock.now_ms()))
        if done.refused is None:
            self._failures.pop(symbol, None)
            self._armed[symbol] = position.id
            self.execution.standings.lifted.discard(symbol)
        elif done.refused == "trigger_reached":
            await self.sell_out(symbol)
        elif done.refused != "duplicate":
            self._failed(symbol, done.refused, trace_id)

    def _failed(self, symbol: str, reason: str, trace_id: str) -> None:
        count = self._failures.get(symbol, 0) + 1
        self._failures[symbol] = count
        if count == TRIES:
            text = (
                f"the stop of {symbol} cannot be placed at the exchange ({reason}); the bot watches it itself"
            )
            self.warn("critical", "stop_not_placed", text, trace_id, symbol=symbol, ts_ms=self.clock.now_ms())

    def _too_small(self, symbol: str, position: Position) -> None:
        """Tell a person, once a position, that nothing guards it at the exchange."""
        if self._small.get(symbol) != position.id:
            self._small[symbol] = position.id
            text = f"the stop of {symbol} is too small to rest at the exchange; the bot watches it itself"
            trace_id, now_ms = self.trace_id(), self.clock.now_ms()
            self.warn("important", "stop_not_placed", text, trace_id, symbol=symbol, ts_ms=now_ms)

    async def _lift(self, symbol: str) -> bool:
        self._armed.pop(symbol, None)
        return await self.execution.lift_stop(symbol)

    def _overdue(self, stop: Standing) -> bool:
        fired_ms = None if stop.ack is None else stop.ack.fired_ms
        return fired_ms is not None and self.clock.now_ms() - fired_ms >= UNFILLED_MS

    def _desired(self, position: Position) -> DesiredStop | None:
        if position.protection is None:
            return None
        instrument = self.execution.trader.config.instruments[position.symbol]
        return desired_stop(position.protection, instrument, self.offset)
