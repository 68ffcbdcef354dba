"""Gate's candle rows as bars (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cab_core.sdk import Bars

#: One candle: open time in epoch milliseconds, open, high, low, close, base volume.
Row = tuple[int, float, float, float, float, float]

#: Length of the timeframes that Gate and UTC agree about. Weeks are made of days: Gate's begin elsewhere.
TIMEFRAMES_MS = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "8h": 28_800_000,
    "1d": 86_400_000,
}


def closed_rows(answer: Sequence[Any], length_ms: int, now_ms: int) -> list[Row]:
    """Return the closed candles of an answer, oldest first, each once; of two versions the later one.

    A candle is closed when its time is over on the venue's clock and the venue's own flag does not deny it.

    Raises:
        ValueError: a row is no candle: misaligned, not finite, or with a high below its low.
    """
    denied = {_row(raw)[0] for raw in answer if len(raw) > 7 and str(raw[7]).lower() == "false"}
    rows = past_rows([_row(raw) for raw in answer], length_ms, now_ms)
    return [row for row in rows if row[0] not in denied]


def past_rows(rows: Sequence[Row], length_ms: int, now_ms: int) -> list[Row]:
    """Return the candles whose time is over, oldest first, each once; of two versions the later one.

    Raises:
        ValueError: a row is no candle.
    """
    found: dict[int, Row] = {}
    for row in rows:
        _check(row, length_ms)
        if row[0] + length_ms <= now_ms:
            found[row[0]] = row
    return [found[ts_ms] for ts_ms in sorted(found)]


def _row(raw: Any) -> Row:
    """Read ``[t, quote volume, close, high, low, open, base volume, closed]``."""
    if not isinstance(raw, list) or len(raw) < 7:
        raise ValueError(f"{raw!r} is no candle")
    try:
        close, high, low, opened, volume = (float(field) for field in raw[2:7])
        return int(raw[0]) * 1000, opened, high, low, close, volume
    except TypeError as error:
        raise ValueError(f"{raw!r} is no candle") from error


def _check(row: Row, length_ms: int) -> None:
    ts_ms, opened, high, low, close, volume = row
    prices = (opened, high, low, close)
    sane = (
        ts_ms % length_ms == 0
        and all(math.isfinite(price) and price > 0 for price in prices)
        and low == min(prices)
        and high == max(prices)
        and math.isfinite(volume)
        and volume >= 0
    )
    if not sane:
        raise ValueError(f"{row!r} is no candle of {length_ms} ms")


def bars_of(rows: Sequence[Row]) -> Bars:
    """Turn rows into columns."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), (), ()]
    return Bars.of(*columns)
