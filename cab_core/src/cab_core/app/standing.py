"""Where each symbol stands: its newest cycle, and since when the reason of that cycle has held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cab_core.cycle.backtest import Finished
from cab_core.cycle.tape import Tape, cycle_id
from cab_core.domain.signals import Action
from cab_core.domain.timeframes import TF_MS
from cab_core.storage import Connection, last_candles
from cab_core.storage.pages import newest_traces
from cab_core.storage.traces import reason_since

#: One line of the answer, JSON-safe: ``since_ms`` is the open time of the first candle with that reason in a
#: row, ``held_ms`` the time from there to the close of the newest candle.
Standing = dict[str, Any]


def standing_of_database(conn: Connection, symbol: str | None) -> list[Standing]:
    """Return the newest cycle of every symbol on record, or of one."""
    known = [each for each in sorted(last_candles(conn)) if symbol in (None, each)]
    return [
        _standing(t.symbol, t.trace_id, t.candle_ts_ms, reason_since(conn, t), t.action, t.reason)
        for t in newest_traces(conn, known)
    ]


def standing_of_run(finished: Finished, run_id: str, symbols: Sequence[str]) -> list[Standing]:
    """Return the last cycle of every symbol of a backtest that has just run."""
    return [_last(finished, tape, run_id) for tape in finished.tapes if tape.symbol in symbols]


def _last(finished: Finished, tape: Tape, run_id: str) -> Standing:
    rows = np.flatnonzero(tape.decided_rows())
    final, ordered = tape.final[rows], tape.ordered[rows]
    others = np.flatnonzero((final != final[-1]) | (ordered != ordered[-1]))
    row, first = int(rows[-1]), int(rows[others[-1] + 1 if len(others) else 0])
    return _standing(
        tape.symbol,
        cycle_id(run_id, tape.index, row),
        int(tape.bars.ts_ms[row]),
        int(tape.bars.ts_ms[first]),
        Action(int(tape.ordered[row])).label,
        finished.reasons.text(int(tape.final[row])),
    )


def _standing(
    symbol: str, trace_id: str, candle_ts_ms: int, since_ms: int, action: str, reason: str
) -> Standing:
    return {
        "symbol": symbol,
        "trace_id": trace_id,
        "candle_ts_ms": candle_ts_ms,
        "action": action,
        "reason": reason,
        "since_ms": since_ms,
        "held_ms": candle_ts_ms + TF_MS - since_ms,
    }
