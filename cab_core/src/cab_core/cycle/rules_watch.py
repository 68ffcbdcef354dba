"""Keeps up with the venue's rules: precision, minimums, what may be traded, what is being delisted."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

from cab_core.clock import Clock, TurnLock
from cab_core.cycle.execute_trade import Execution
from cab_core.domain.market import Quote
from cab_core.domain.timeframes import HOUR_MS, MINUTE_MS
from cab_core.errors import CabError

log = logging.getLogger("cab.rules")

#: A position is sold this long before its symbol is delisted.
LEAVE_BEFORE_MS = HOUR_MS


@attrs.define(eq=False)
class RulesWatch:
    """Reads the venue's rules again every hour, and as soon as one has refused an order.

    Attributes:
        execution: sells what can soon no longer be sold.
        lock: held while something is sold.
        trace_id: makes the trace id of such a sale.
    """

    execution: Execution
    clock: Clock
    lock: TurnLock
    trace_id: Callable[[], str]
    _read_ms: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._read_ms = self.clock.now_ms()

    async def run(self) -> None:
        """Look every minute until cancelled."""
        while True:
            await self.clock.sleep_until(self.clock.now_ms() + MINUTE_MS)
            await self.look()

    async def look(self) -> None:
        """Read the rules if that is due, and leave what is about to be delisted."""
        now_ms = self.clock.now_ms()
        if self.execution.refusals.stale_rules or now_ms - self._read_ms >= HOUR_MS:
            await self._read(now_ms)
        trader = self.execution.trader
        for symbol in [*trader.book.positions]:
            delisting_ms = trader.config.instruments[symbol].delisting_ms
            if delisting_ms is not None and now_ms >= delisting_ms - LEAVE_BEFORE_MS:
                async with self.lock:
                    await self._leave(symbol)

    async def _read(self, now_ms: int) -> None:
        try:
            found = await self.execution.broker.instruments()
        except CabError as error:
            log.warning("the venue's rules cannot be read: %s", error)
            return
        known = self.execution.trader.config.instruments
        self.execution.trader.use({symbol: found[symbol] for symbol in known if symbol in found})
        self.execution.refusals.stale_rules, self._read_ms = False, now_ms

    async def _leave(self, symbol: str) -> None:
        """Sell a position whose symbol is about to be delisted."""
        trader = self.execution.trader
        if symbol not in trader.book.positions:
            return
        trace_id, now_ms = self.trace_id(), self.clock.now_ms()
        believed = Quote(trader.book.marks.get(symbol), None, now_ms)
        sale = trader.signal_sell(symbol, believed, "delisting", trace_id, now_ms)
        if sale is None:
            await self.execution.settlement.write_dust(trace_id)
        else:
            await self.execution.sell([sale])
