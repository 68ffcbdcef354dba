"""What ``cab data check`` tells about a candle file that passed the hard checks."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from cab_core.data.checks import Hole, missing_bars
from cab_core.data.files import CandleFile
from cab_core.data.oddities import oddities, utc_minute
from cab_core.domain.candles import MAX_HOLE
from cab_core.domain.timeframes import TIMEFRAMES


@attrs.frozen(slots=True)
class Inspection:
    """Size, span and oddities of a candle file.

    Attributes:
        first_ms: open time of the first candle; ``last_ms`` of the last.
        missing: candles missing in all ``holes``.
        zero_volume: candles without volume.
        sha256: of the decompressed content.
        notes: what is legal and good to know: holes too long to be filled.
        problems: what is hardly true of a market: results on such candles mislead.
    """

    path: Path
    symbol: str | None
    timeframe: str
    bars: int
    first_ms: int
    last_ms: int
    missing: int
    zero_volume: int
    sha256: str
    holes: tuple[Hole, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def inspect_file(file: CandleFile, now_ms: int) -> Inspection:
    """Sum up a candle file, as it looks at a time."""
    bars = file.bars
    silent = int(np.count_nonzero(bars.volume == 0))
    notes = [
        f"{hole.missing} candles missing after {utc_minute(hole.after_ms)} UTC: windows start anew there"
        for hole in file.holes
        if hole.missing > MAX_HOLE
    ]
    problems = oddities(bars, TIMEFRAMES[file.timeframe], now_ms)
    if silent == len(bars):
        problems.append("no candle has volume: the volume filter will be skipped")
    return Inspection(
        path=file.path,
        symbol=file.symbol,
        timeframe=file.timeframe,
        bars=len(bars),
        first_ms=int(bars.ts_ms[0]),
        last_ms=int(bars.ts_ms[-1]),
        missing=missing_bars(file.holes),
        zero_volume=silent,
        sha256=file.sha256,
        holes=file.holes,
        notes=tuple(notes),
        problems=tuple(problems),
    )
