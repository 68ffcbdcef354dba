"""A memory that forgets: `cab_core.ports.Storage` without a database, for checks and measurements."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from cab_core.domain.orders import OrderState, client_order_id
from cab_core.domain.risk import Halts
from cab_core.ports import Changes, Committed, Remembered


@attrs.define(eq=False)
class MemoryRecords:
    """Refuses duplicates like a database does, but keeps nothing for a restart."""

    _states: dict[tuple[str, int], OrderState] = attrs.field(factory=dict, init=False)
    _cycles: set[tuple[str, int]] = attrs.field(factory=set, init=False)
    _halts: Halts = attrs.field(factory=Halts, init=False)

    async def remember(self) -> Remembered:
        """Return an empty past."""
        return Remembered(
            account=None,
            positions={},
            open_intents=(),
            halts=Halts(),
            last_candles={},
            peak_reset=False,
            regime=None,
            values={},
        )

    async def commit(self, changes: Changes) -> Committed:
        """Take the changes in; refused at a duplicate."""
        intents = {(intent.key, intent.attempt) for intent, _ in changes.planned}
        cycles = set() if changes.cycle is None else {(changes.cycle.symbol, changes.cycle.candle_ts_ms)}
        if intents & self._states.keys() or cycles & self._cycles:
            return Committed("duplicate")
        self._states |= dict.fromkeys(intents, OrderState.PLANNED)
        self._states |= {(move.key, move.attempt): move.to for move in changes.moved}
        self._cycles |= cycles
        for halt in changes.halts:
            self._halts = self._halts.trip(halt)
        return Committed()

    async def last_attempt(self, key: str) -> tuple[int, OrderState] | None:
        """Return number and state of the newest attempt of an intent key, None if it was never planned."""
        attempts = [attempt for known, attempt in self._states if known == key]
        return (max(attempts), self._states[key, max(attempts)]) if attempts else None

    async def known_orders(self, ids: Collection[str]) -> Mapping[str, OrderState]:
        """Return the client ids among ``ids`` that were planned; no venue has orders of this account."""
        planned = {client_order_id(key, attempt): state for (key, attempt), state in self._states.items()}
        return {client_id: state for client_id, state in planned.items() if client_id in ids}

    async def halts(self, now_ms: int) -> tuple[Halts, bool]:
        """Return the halts tripped so far."""
        return self._halts.expire(now_ms), False

    async def save_regime(self, regime: Mapping[str, Any]) -> None:
        """Nothing to keep."""
