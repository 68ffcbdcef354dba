"""Vectorised indicators: float64 columns in, columns of the same length out, NaN where undefined.

All conventions (seeds, population deviation, excluded bars) are those of the specification, section 3.2, and
TA-Lib computes what it defines the same way. Row k depends on rows <= k only and, bit for bit, not on how
many rows follow: a bar gets the same value in a backtest's block and at the live edge.
"""

from cab_core.domain.indicators.channels import (
    Bands,
    BollingerBands,
    Supertrend,
    bollinger,
    donchian_high,
    donchian_low,
    keltner,
    supertrend,
)
from cab_core.domain.indicators.columns import previous, ratio
from cab_core.domain.indicators.momentum import (
    Stochastic,
    roc,
    rsi,
    squeeze_momentum,
    stochastic,
)
from cab_core.domain.indicators.rolling import Moments, highest, lowest, sma, weighted_moments
from cab_core.domain.indicators.trend import Directional, Macd, adx, directional, ema, macd
from cab_core.domain.indicators.volatility import atr, true_range
from cab_core.domain.indicators.volume import (
    Vwap,
    relative_volume,
    rolling_vwap,
    utc_day_bars,
    utc_day_vwap,
)

__all__ = [
    "Bands",
    "BollingerBands",
    "Directional",
    "Macd",
    "Moments",
    "Stochastic",
    "Supertrend",
    "Vwap",
    "adx",
    "atr",
    "bollinger",
    "directional",
    "donchian_high",
    "donchian_low",
    "ema",
    "highest",
    "keltner",
    "lowest",
    "macd",
    "previous",
    "ratio",
    "relative_volume",
    "roc",
    "rolling_vwap",
    "rsi",
    "sma",
    "squeeze_momentum",
    "stochastic",
    "supertrend",
    "true_range",
    "utc_day_bars",
    "utc_day_vwap",
    "weighted_moments",
]
