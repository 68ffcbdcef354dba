"""Performance figures of an account's curve. Every convention is written down in docs/reference/figures.md.

Figures that the data does not define (one day, no variance, no fall, nothing left) are None.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from cab_core.domain.bars import FloatArray, IntArray
from cab_core.domain.drawdowns import Curve, Drawdown, worst_drawdowns
from cab_core.domain.timeframes import DAY_MS

#: Crypto trades every day.
DAYS_A_YEAR = 365

#: Daily returns that differ by less have no variance; what remains is rounding of float64.
_NO_SPREAD = 1e-12


@attrs.frozen(slots=True, kw_only=True)
class CurveFigures:
    """Return and risk of one curve; percents are in percent.

    Attributes:
        return_pct: of the whole span.
        cagr_pct: the same per year of 365 days.
        volatility_pct: standard deviation of the daily returns, per year.
        sharpe: mean daily return over its standard deviation, per year, risk-free rate 0.
        sortino: the same over the downside deviation.
        calmar: ``cagr_pct`` over ``max_drawdown_pct``.
        max_drawdown_pct: the deepest fall below a peak.
        drawdowns: the five deepest, deepest first.
    """

    return_pct: float | None = None
    cagr_pct: float | None = None
    volatility_pct: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    max_drawdown_pct: float | None = None
    drawdowns: tuple[Drawdown, ...] = ()


@attrs.frozen(slots=True)
class YearOfReturns:
    """Returns of the twelve months of a calendar year and of all of it, in percent; None outside the run."""

    year: int
    months: tuple[float | None, ...]
    total: float | None


def curve_figures(curve: Curve) -> CurveFigures:
    """Return all figures of ``curve``."""
    if not len(curve) or curve.values[0] <= 0:
        return CurveFigures()
    # Growth beyond float64 gives an infinite variance, which becomes None.
    with np.errstate(over="ignore", invalid="ignore"):
        return _figures(curve)


def _figures(curve: Curve) -> CurveFigures:
    worst = worst_drawdowns(curve)
    deepest = worst[0].depth_pct if worst else 0.0
    returns = daily_returns(curve)
    cagr = _cagr_pct(curve, returns)
    return CurveFigures(
        return_pct=_growth_pct(curve.values[0], curve.values[-1]),
        cagr_pct=cagr,
        volatility_pct=_volatility_pct(returns),
        sharpe=_sharpe(returns),
        sortino=_sortino(returns),
        calmar=_ratio(cagr, deepest),
        max_drawdown_pct=deepest,
        drawdowns=worst,
    )


def daily_closes(curve: Curve) -> tuple[IntArray, FloatArray]:
    """Return the UTC days of the curve, counted from the epoch, and what it was at their ends.

    A close at midnight is the end of the day before. A day without a close ends as the day before did.
    """
    days = (curve.times[1:] - 1) // DAY_MS
    every = np.arange(days[0], days[-1] + 1)
    return every, curve.values[np.searchsorted(days, every, side="right")]


def daily_returns(curve: Curve) -> FloatArray | None:
    """Return the fraction gained on each UTC day, the first counted from the baseline.

    None where a day begins with nothing left: there is no return on nothing.
    """
    closes = np.concatenate((curve.values[:1], daily_closes(curve)[1]))
    if (closes[:-1] <= 0).any():
        return None
    return closes[1:] / closes[:-1] - 1


def monthly_returns(curve: Curve) -> tuple[YearOfReturns, ...]:
    """Return the table of monthly returns by calendar year, oldest first, from the closes of UTC days."""
    if len(curve) < 2:
        return ()
    days, closes = daily_closes(curve)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    last = np.append(np.flatnonzero(np.diff(months)), len(months) - 1)
    ends = dict(zip(months[last].tolist(), closes[last].tolist(), strict=True))
    table = []
    before = float(curve.values[0])
    for year in range(int(months[0]) // 12, int(months[-1]) // 12 + 1):
        returns: list[float | None] = []
        begin = before
        for month in range(12 * year, 12 * year + 12):
            end = ends.get(month)
            returns.append(None if end is None else _growth_pct(before, end))
            before = before if end is None else end
        table.append(YearOfReturns(1970 + year, tuple(returns), _growth_pct(begin, before)))
    return tuple(table)


def _growth_pct(begin: float, end: float) -> float | None:
    return _finite(100 * (float(end) / float(begin) - 1)) if begin > 0 else None


def _cagr_pct(curve: Curve, returns: FloatArray | None) -> float | None:
    """Return the yearly growth; a span below two UTC days or 24 hours says nothing about a year."""
    span_ms = int(curve.times[-1] - curve.times[0])
    if returns is None or len(returns) < 2 or span_ms < DAY_MS or curve.values[-1] <= 0:
        return None
    years = span_ms / (DAYS_A_YEAR * DAY_MS)
    log_growth = math.log(curve.values[-1] / curve.values[0]) / years
    # exp overflows beyond about 709; such growth is no figure either.
    return 100 * math.expm1(log_growth) if log_growth < 700 else None


def _deviation(returns: FloatArray | None) -> float | None:
    """Return the sample standard deviation, 0 where all returns are the same."""
    if returns is None or len(returns) < 2:
        return None
    return _finite(float(returns.std(ddof=1))) if np.ptp(returns) > _NO_SPREAD else 0.0


def _volatility_pct(returns: FloatArray | None) -> float | None:
    deviation = _deviation(returns)
    return None if deviation is None else _finite(100 * deviation * math.sqrt(DAYS_A_YEAR))


def _sharpe(returns: FloatArray | None) -> float | None:
    return _yearly_ratio(returns, _deviation(returns))


def _sortino(returns: FloatArray | None) -> float | None:
    if returns is None or len(returns) < 2:
        return None
    downside = math.sqrt(float(np.square(np.minimum(returns, 0)).mean()))
    return _yearly_ratio(returns, downside if downside > _NO_SPREAD else 0.0)


def _yearly_ratio(returns: FloatArray | None, deviation: float | None) -> float | None:
    if returns is None:
        return None
    ratio = _ratio(float(returns.mean()), deviation)
    return None if ratio is None else ratio * math.sqrt(DAYS_A_YEAR)


def _ratio(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else _finite(value / by)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
