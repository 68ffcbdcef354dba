"""Tells when stops are looked at late: too many symbols for the requests allowed, or a slow exchange."""

from __future__ import annotations

import attrs

from cab_core.cycle.exit_watch import ExitWatch
from cab_core.domain.timeframes import TF_MS

#: A look that is this many times later than it should be is told of.
LATE = 3

#: Real time after which what was not looked at counts as not watched, at the least.
UNWATCHED_MS = 60_000


def late_after_ms(exits_ms: int | None) -> int:
    """Return how old the last look at a held symbol may be; ``exits_ms`` is None on a recorded market."""
    return 2 * TF_MS if exits_ms is None else max(UNWATCHED_MS, LATE * exits_ms)


@attrs.define(eq=False)
class LookWatch:
    """Compares the age of each held symbol's last look with the setting.

    Attributes:
        exits: looks at the exits.
        exits_ms: time between two looks as it should be.
    """

    exits: ExitWatch
    exits_ms: int
    _late: set[str] = attrs.field(factory=set, init=False)

    async def run(self) -> None:
        """Compare until cancelled."""
        clock = self.exits.execution.clock
        while True:
            await clock.sleep_until(clock.now_ms() + self.exits_ms)
            self.compare(clock.now_ms())

    def compare(self, now_ms: int) -> None:
        """Warn of each held symbol once, when its look is late, and again after it was in time."""
        ages = {symbol: self.exits.age_ms(symbol) for symbol in self.exits.execution.trader.book.positions}
        late = {symbol for symbol, age_ms in ages.items() if age_ms > LATE * self.exits_ms}
        for symbol in sorted(late - self._late):
            text = (
                f"the stop of {symbol} was looked at {ages[symbol] // 1000} s ago, "
                f"EXITS_INTERVAL_SEC is {self.exits_ms // 1000}"
            )
            records = self.exits.records
            trace_id = records.ids.trace_id()
            records.announcer.alert("important", "exits_late", text, trace_id, symbol=symbol, ts_ms=now_ms)
        self._late = late
