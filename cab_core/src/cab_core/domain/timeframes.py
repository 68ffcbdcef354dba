"""Timeframes in milliseconds and the epoch-aligned arithmetic on them."""

from __future__ import annotations

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

#: The trading timeframe: every signal comes from closed 15-minute bars.
TF_MS = 15 * MINUTE_MS

#: Monday 1970-01-05 00:00 UTC: weeks start here, not at the epoch's Thursday.
FIRST_MONDAY_MS = 4 * DAY_MS

TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": TF_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
    "1w": WEEK_MS,
}

#: Higher timeframes that confirm the trend, in the order of spec 4.1.
TREND_TIMEFRAMES = ("1h", "4h", "1d", "1w")

#: Anchored-window length of the trading timeframe, in bars (design section 3).
LOOKBACK_BARS = 500

#: Anchored-window length of each higher timeframe, in bars.
TREND_LOOKBACK = {"1h": 300, "4h": 300, "1d": 300, "1w": 104}


def origin_ms(tf_ms: int) -> int:
    """Return the instant from which buckets of ``tf_ms`` are counted."""
    return FIRST_MONDAY_MS if tf_ms == WEEK_MS else 0


def floor_ms(ts_ms: int, tf_ms: int) -> int:
    """Return the open time of the bucket of ``tf_ms`` that holds ``ts_ms``."""
    origin = origin_ms(tf_ms)
    return (ts_ms - origin) // tf_ms * tf_ms + origin


def anchor_ms(open_ms: int, tf_ms: int, lookback: int) -> int:
    """Return where the window of the decision bar that opens at ``open_ms`` starts.

    The window spans between ``lookback`` and ``2 * lookback`` bars; all bars of one epoch-aligned block of
    ``lookback`` bars share one start, so a vectorised pass over the block equals bar-by-bar evaluation.
    """
    block = lookback * tf_ms
    origin = origin_ms(tf_ms)
    return (open_ms - block - origin) // block * block + origin


def utc_day(ts_ms: int) -> int:
    """Return the UTC day number (days since the epoch) of ``ts_ms``."""
    return ts_ms // DAY_MS
