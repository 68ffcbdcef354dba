"""A sample market made from a seed: regimes, clustered volatility, daily volume rhythm, a few missing bars.

Only integers of a guaranteed random stream and the four basic operations are used, no logarithms or sines,
so one seed gives the same bytes on every machine. A longer market starts like a shorter one.
"""

from __future__ import annotations

import hashlib

import attrs
import numpy as np

from cab_core.domain.bars import Bars, FloatArray, IntArray
from cab_core.domain.timeframes import DAY_MS, HOUR_MS, TF_MS
from cab_core.errors import UsageError

#: Monday 2024-01-01 00:00 UTC: a market starts here unless told otherwise, not at today's date.
START_MS = 1_704_067_200_000

BARS_PER_DAY = DAY_MS // TF_MS
MAX_DAYS = 3_660

#: First price in quote and daily volume in base of well-known symbols; others get `_OTHER`.
_FIRST = {
    "BTC/USDT": (42_000.0, 30_000.0),
    "ETH/USDT": (2_300.0, 350_000.0),
    "SOL/USDT": (100.0, 4_000_000.0),
    "XRP/USDT": (0.62, 500_000_000.0),
    "DOGE/USDT": (0.09, 2_000_000_000.0),
}
_OTHER = (25.0, 3_000_000.0)

#: Price moves inside a bar; each draws two uniforms, four more decide about the bar as a whole.
_STEPS = 8
_DRAWS = 2 * _STEPS + 4

#: Relative volume by hour of the UTC day: quiet at dawn, busiest when America opens.
_RHYTHM = np.array(
    [10, 9, 8, 7, 7, 7, 8, 9, 10, 10, 10, 10, 11, 14, 16, 16, 15, 13, 12, 11, 11, 10, 10, 10], np.float64
) / 10.6  # fmt: skip

#: Least chance per bar that one to three bars go missing.
_GAP_CHANCE = 1 / 1_500

#: Chance per bar of sudden news, how many times wider such a bar is, and how many of them are sudden falls.
_NEWS_CHANCE, _NEWS_SIZE = 1 / 400, 4.0
_FALLS, _FALL = 0.3, -0.055

_VARIANCE_MEMORY = 0.90
_VARIANCE_NEWS = 0.08


@attrs.frozen(slots=True)
class _Regime:
    """A state of the market: drift per bar, typical deviation per bar, pull to its start, bars it lasts."""

    drift: float
    sigma: float
    pull: float
    bars: int


_REGIMES = (
    _Regime(drift=0.0004, sigma=0.0024, pull=0.0, bars=140),
    _Regime(drift=0.0, sigma=0.0020, pull=0.03, bars=110),
    _Regime(drift=-0.0003, sigma=0.0026, pull=0.0, bars=110),
    _Regime(drift=0.0, sigma=0.0045, pull=0.02, bars=60),
    _Regime(drift=0.0012, sigma=0.0036, pull=0.0, bars=30),
    _Regime(drift=-0.0016, sigma=0.0042, pull=0.0, bars=26),
)


def generate(
    symbol: str, days: int, seed: int, *, start_ms: int = START_MS, end_ms: int | None = None
) -> Bars:
    """Return ``days`` days of made-up 15-minute candles.

    Args:
        symbol: ``BASE/QUOTE``; sets price level, volume and, with the seed, the path.
        days: 1 to 3,660.
        seed: any integer >= 0.
        start_ms: open time of the first bar, rounded down to the grid.
        end_ms: close time of the last bar instead of ``start_ms``, rounded down to the grid.

    Raises:
        UsageError: days or seed are out of range.
    """
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"days is {days}", where="generate", fix=f"give 1 to {MAX_DAYS} days")
    if seed < 0:
        raise UsageError(f"seed is {seed}", where="generate", fix="give a seed of 0 or more")
    n = days * BARS_PER_DAY
    first_ms = (start_ms if end_ms is None else end_ms - n * TF_MS) // TF_MS * TF_MS
    ts_ms = first_ms + np.arange(n, dtype=np.int64) * TF_MS
    draws = _uniforms(symbol, seed, n)
    first_price, daily_volume = _FIRST.get(symbol.upper(), _OTHER)
    path = _path(draws, first_price)
    decimals = 2 if first_price >= 1_000 else 4 if first_price >= 1 else 6
    open_, close = path[:, 0], path[:, -1]
    volume = _volume(draws, ts_ms, (path.max(axis=1) - path.min(axis=1)) / open_)
    bars = Bars.of(
        ts_ms,
        np.round(open_, decimals),
        np.round(path.max(axis=1), decimals),
        np.round(path.min(axis=1), decimals),
        np.round(close, decimals),
        np.round(volume * daily_volume / BARS_PER_DAY, 3),
    )
    return bars.take(_present(draws))


def _uniforms(symbol: str, seed: int, n: int) -> FloatArray:
    """Return uniforms in [0, 1), shape [n, _DRAWS]; line by line, so that more bars only append."""
    digest = hashlib.sha256(symbol.upper().encode()).digest()
    stream = np.random.PCG64(seed + int.from_bytes(digest[:8], "big"))
    raw = stream.random_raw(n * _DRAWS)
    uniforms = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return uniforms.reshape(n, _DRAWS)


def _path(draws: FloatArray, first_price: float) -> FloatArray:
    """Return the prices inside each bar from open to close, shape [n, _STEPS + 1]."""
    # The sum of two uniforms has variance 1/6: scaled, the steps of a bar add up to variance 1.
    noise = draws[:, :_STEPS] + draws[:, _STEPS : 2 * _STEPS] - 1
    walk = np.cumsum(noise, axis=1) * np.sqrt(6.0 / _STEPS)
    drift, sigma = _dynamics(walk[:, -1].tolist(), draws[:, 2 * _STEPS].tolist(), draws[:, -1].tolist())
    share = np.arange(1, _STEPS + 1) / _STEPS
    relative = np.ones((len(draws), _STEPS + 1))
    relative[:, 1:] += drift[:, None] * share + sigma[:, None] * walk
    closes = first_price * np.cumprod(relative[:, -1])
    opens = np.concatenate(([first_price], closes[:-1]))
    return opens[:, None] * relative


def _dynamics(
    shocks: list[float], switches: list[float], choices: list[float]
) -> tuple[FloatArray, FloatArray]:
    """Return drift and deviation per bar: a chain of regimes over a variance that remembers large moves."""
    regime = _REGIMES[0]
    variance, away = regime.sigma**2, 0.0
    drifts, sigmas = [], []
    for shock, switch, choice in zip(shocks, switches, choices, strict=True):
        if switch * regime.bars < 1:
            regime = _REGIMES[int(choice * len(_REGIMES))]
            away = 0.0
        sigma = variance**0.5
        drift = regime.drift - regime.pull * away
        if switch > 1 - _NEWS_CHANCE and choice < _FALLS:
            drift = _FALL
        elif switch > 1 - _NEWS_CHANCE:
            sigma *= _NEWS_SIZE
        drifts.append(drift)
        sigmas.append(sigma)
        away += drift + sigma * shock
        calm = (1 - _VARIANCE_MEMORY - _VARIANCE_NEWS) * regime.sigma**2
        variance = variance * (_VARIANCE_MEMORY + _VARIANCE_NEWS * min(shock * shock, 9.0)) + calm
    return np.array(drifts), np.array(sigmas)


def _volume(draws: FloatArray, ts_ms: IntArray, width: FloatArray) -> FloatArray:
    """Return relative volumes: the rhythm of the day, more in wide bars, and noise."""
    hour = (ts_ms % DAY_MS) // HOUR_MS
    noise = draws[:, 2 * _STEPS + 1]
    return _RHYTHM[hour] * (0.3 + 140 * width) * (0.4 + 1.2 * noise * noise * noise + 0.6 * noise)


def _present(draws: FloatArray) -> IntArray:
    """Return the rows that are not missing; a gap takes one to three bars."""
    gap = draws[:, 2 * _STEPS + 2]
    lengths = np.where(gap < _GAP_CHANCE, 1 + np.floor(3 * gap / _GAP_CHANCE), 0).astype(np.int64)
    lengths[0] = 0
    present = np.ones(len(draws), np.bool_)
    for reach in range(1, 4):
        present[reach:] &= lengths[: len(lengths) - reach] < reach
    return np.flatnonzero(present)
