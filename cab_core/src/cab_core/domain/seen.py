"""Which trades are already in the books, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cab_core.domain.timeframes import MINUTE_MS

#: Trade ids kept per symbol at least.
REMEMBERED = 256

#: Ids of trades that are younger than this, seen from the newest, are kept however many there are: an order
#: can be filled by any number of trades in one millisecond, and some of them may show up late.
LATE_MS = 15 * MINUTE_MS


class SeenTrades:
    """The newest trade ids of one symbol.

    Ids are forgotten once they are neither among the newest nor young, but not their time: a trade not newer
    than a forgotten one counts as known, so nothing is ever applied twice. The table of trades, unique by
    trade id, is the durable guard.
    """

    __slots__ = ("_floor_ms", "_ids", "_newest_ms")

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._floor_ms: int | None = None
        self._newest_ms = 0

    def knows(self, trade_id: str, ts_ms: int) -> bool:
        """Say whether the trade has been added, or is too old to tell."""
        return trade_id in self._ids or (self._floor_ms is not None and ts_ms <= self._floor_ms)

    def add(self, trade_id: str, ts_ms: int) -> None:
        """Remember the trade."""
        self._ids[trade_id] = ts_ms
        self._newest_ms = max(self._newest_ms, ts_ms)
        while len(self._ids) > REMEMBERED:
            oldest, forgotten = next(iter(self._ids.items()))
            if forgotten > self._newest_ms - LATE_MS:
                return
            del self._ids[oldest]
            self._floor_ms = forgotten if self._floor_ms is None else max(self._floor_ms, forgotten)

    @property
    def floor_ms(self) -> int | None:
        """Time at or before which every trade counts as known."""
        return self._floor_ms

    @property
    def ids(self) -> Mapping[str, int]:
        """The remembered ids with their times, oldest added first."""
        return self._ids

    def restore(self, ids: Iterable[tuple[str, int]], floor_ms: int | None) -> None:
        """Replace the memory by a saved one."""
        self._ids = dict(ids)
        self._newest_ms = max(self._ids.values(), default=0)
        self._floor_ms = floor_ms
