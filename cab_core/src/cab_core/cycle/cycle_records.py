"""Cycles as they are written down: their trace ids, what they consist of, and the commit that keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock
from cab_core.cycle.announce import Announcer
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.moment import Moment
from cab_core.cycle.trace import TraceHead, trace_of
from cab_core.cycle.trader import Planned, Ruling
from cab_core.domain.book_state import account_state
from cab_core.domain.money import to_decimal
from cab_core.domain.risk import Halt
from cab_core.ports import Changes, Cycle, Ids, Note, Storage


@attrs.define(eq=False)
class CycleRecords:
    """Makes the cycles of all symbols and writes down those that end without an order.

    Attributes:
        versions: (name, version) of each strategy in set order, for traces.
    """

    storage: Storage
    clock: Clock
    ids: Ids
    execution: Execution
    announcer: Announcer
    versions: Sequence[tuple[str, str]] = ()
    _trace_ids: dict[tuple[str, int], str] = attrs.field(factory=dict, init=False)

    def trace_id(self, symbol: str, candle_ts_ms: int) -> str:
        """Return the trace id of a candle's cycle: its walk and its evaluation share one."""
        key = (symbol, candle_ts_ms)
        if key not in self._trace_ids:
            self._trace_ids = {k: v for k, v in self._trace_ids.items() if k[0] != symbol}
            self._trace_ids[key] = self.ids.trace_id()
        return self._trace_ids[key]

    def cycle(
        self,
        symbol: str,
        moment: Moment,
        ruling: Ruling | None,
        final: tuple[str, str],
        planned: Planned | None,
        trace_id: str,
    ) -> Cycle:
        """Return the cycle that ends in ``final``: action and reason."""
        head = TraceHead(
            trace_id=trace_id,
            symbol=symbol,
            candle_ts_ms=moment.candle_ts_ms,
            candle=moment.candle,
            versions=self.versions,
        )
        order = None if planned is None else planned.intent.client_id
        trace = trace_of(head, moment.votes, 0, moment.trend, 0, moment.volume_ratio, ruling, final, order)
        close: Decimal = to_decimal(moment.candle["close"])
        return Cycle(
            trace_id=trace_id,
            symbol=symbol,
            candle_ts_ms=moment.candle_ts_ms,
            close=close,
            action=final[0],
            reason=final[1],
            order_key=None if planned is None else planned.intent.key,
            trace=trace,
        )

    async def missed(self, symbol: str, candle_ts_ms: int) -> Cycle:
        """Record a candle that never came."""
        cycle = Cycle(
            trace_id=self.trace_id(symbol, candle_ts_ms),
            symbol=symbol,
            candle_ts_ms=candle_ts_ms,
            close=None,
            action="hold",
            reason="stale_data",
            order_key=None,
            trace={},
        )
        await self.storage.commit(Changes(ts_ms=self.clock.now_ms(), trace_id=cycle.trace_id, cycle=cycle))
        return cycle

    async def record(self, cycle: Cycle, ruling: Ruling | None = None) -> None:
        """Write a cycle without an order, with the halts it tripped and the equity's peak."""
        trips = () if ruling is None or ruling.assessment is None else ruling.assessment.trips
        written = await self.storage.commit(
            Changes(
                ts_ms=self.clock.now_ms(),
                trace_id=cycle.trace_id,
                cycle=cycle,
                halts=trips,
                equity=self.announcer.take_equity(),
                **self.execution.booked(cycle.symbol),
            )
        )
        if not written and trips:  # the candle was on record already; what it tripped now is not
            await self.halted(trips, cycle.trace_id)

    async def halted(self, trips: Sequence[Halt], trace_id: str) -> None:
        """Write down halts that began, and the account they began with."""
        now_ms = self.clock.now_ms()
        account = account_state(self.execution.trader.book)
        await self.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, halts=trips, account=account))

    def account(self) -> dict[str, Any]:
        """Return the account to write along with a cycle, so that no peak of the equity is lost."""
        return {"account": account_state(self.execution.trader.book), "equity": self.announcer.take_equity()}

    async def note(self, kind: str, ref: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Write something into the journal that is no change of the account."""
        now_ms = self.clock.now_ms()
        await self.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, notes=(Note(kind, ref, payload),)))
