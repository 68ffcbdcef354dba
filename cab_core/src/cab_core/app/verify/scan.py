"""What is asked of every row of the journal, one row after the other: a journal outgrows memory."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict

import attrs

from cab_core.app.verify.values import parsed
from cab_core.domain.timeframes import TF_MS
from cab_core.storage import JournalRow

#: A bot's clock may be this far behind the exchange's before it stops trading.
SKEW_MS = 30_000

#: Stamps outside of the years 2009 to 2099 are seconds, nanoseconds or nonsense.
_FIRST_MS, _LAST_MS = 1_230_768_000_000, 4_102_444_800_000

_KIND = re.compile(r"[a-z_]+(\.[a-z_]+)*")

#: Rows that only these checks look at; without an order there is one of the first in every cycle.
_NOT_KEPT = frozenset({"cycle", "account"})


@attrs.define
class Scan:
    """Follows the journal from its first row.

    Attributes:
        rows: how many there are. ``newest_seq`` and ``newest_epoch``: of the newest row.
        kinds, epochs, cycles, stamps: what is wrong, one line each, for I16, I17, I21 and I24.
        candles: open times of the decided candles by symbol, as they were decided.
    """

    rows: int = 0
    newest_seq: int = 0
    newest_epoch: int = 0
    kinds: list[str] = attrs.Factory(list)
    epochs: list[str] = attrs.Factory(list)
    cycles: list[str] = attrs.Factory(list)
    stamps: list[str] = attrs.Factory(list)
    candles: defaultdict[str, array[int]] = attrs.Factory(lambda: defaultdict(lambda: array("q")))
    _newest: dict[str, int] = attrs.Factory(dict)
    _positions: dict[str, str] = attrs.Factory(dict)

    def see(self, row: JournalRow) -> bool:
        """Take in the next row and say whether the other checks want it, too."""
        self.rows, self.newest_seq = self.rows + 1, row.seq
        if not _KIND.fullmatch(row.kind):
            self.kinds.append(f"journal row {row.seq} is of the unknown kind {row.kind!r}")
        if row.epoch < self.newest_epoch:
            self.epochs.append(
                f"journal row {row.seq} of epoch {row.epoch} follows epoch {self.newest_epoch}"
            )
        self.newest_epoch = max(self.newest_epoch, row.epoch)
        if not _FIRST_MS <= row.ts_ms <= _LAST_MS:
            self.stamps.append(f"journal row {row.seq} is stamped {row.ts_ms}")
        if row.kind == "cycle":
            self._decided(row, int(parsed(row.payload)["candle_ts_ms"]))
        return row.kind not in _NOT_KEPT and not self._repeats(row)

    def _decided(self, row: JournalRow, candle_ms: int) -> None:
        newest = self._newest.get(row.ref, candle_ms - 1)
        if candle_ms <= newest:
            self.cycles.append(
                f"candle {candle_ms} of {row.ref} was decided late or twice (journal row {row.seq})"
            )
        if row.ts_ms < candle_ms + TF_MS - SKEW_MS:
            self.cycles.append(
                f"candle {candle_ms} of {row.ref} was decided before its close (journal row {row.seq})"
            )
        self._newest[row.ref] = max(candle_ms, newest)
        self.candles[row.ref].append(candle_ms)

    def _repeats(self, row: JournalRow) -> bool:
        """Say whether a row only says again that a position is as it was: earlier versions wrote many."""
        if row.kind != "position":
            self._positions.clear()  # whatever else is kept may have changed what is held
            return False
        before = self._positions.get(row.ref)
        self._positions[row.ref] = row.payload
        return before == row.payload
