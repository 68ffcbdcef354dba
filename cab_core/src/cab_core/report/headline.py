"""The figures at the top of a report and its monthly heat map."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from cab_core.cycle.results import RunResult
from cab_core.domain.figures import (
    NOT_AVAILABLE,
    money,
    number,
    percent,
    signed_money,
    signed_number,
    signed_percent,
)
from cab_core.domain.performance import YearOfReturns
from cab_core.report.figures import RunFigures
from cab_core.report.text import TOO_FEW, duration


@attrs.frozen(slots=True)
class Figure:
    """One figure: its value, and below it a comparison or detail.

    Attributes:
        sign: 1 for a gain, -1 for a loss, 0 where neither applies.
    """

    label: str
    value: str
    note: str = ""
    sign: int = 0


@attrs.frozen(slots=True)
class Cell:
    """One month of the heat map; ``heat`` from 0 to 1 is the strength of its color."""

    text: str
    sign: int = 0
    heat: float = 0.0


def headline(run: RunResult, figures: RunFigures) -> list[Figure]:
    """Return the figures in reading order."""
    quote = figures.quote
    own, held, trades = figures.figures, figures.held_figures, figures.trades
    yearly = _unsaid if figures.too_short else Figure
    return [
        Figure("Return", signed_percent(own.return_pct), _beside(held.return_pct), _sign(own.return_pct)),
        Figure("Final equity", money(run.final_equity, quote), f"from {money(run.baseline, quote)}"),
        yearly("CAGR", signed_percent(own.cagr_pct), _beside(held.cagr_pct), _sign(own.cagr_pct)),
        Figure(
            "Max drawdown",
            percent(own.max_drawdown_pct),
            f"hold {percent(held.max_drawdown_pct)}",
        ),
        yearly("Sharpe", number(own.sharpe), f"hold {number(held.sharpe)}"),
        yearly("Sortino", number(own.sortino), f"hold {number(held.sortino)}"),
        yearly("Calmar", number(own.calmar), f"hold {number(held.calmar)}"),
        Figure("Volatility", percent(own.volatility_pct), f"hold {percent(held.volatility_pct)}"),
        Figure("Trades", f"{trades.trades:,}", f"{duration(trades.average_ms)} each"),
        Figure("Win rate", percent(trades.win_rate, 1), f"{trades.wins:,} won, {trades.losses:,} lost"),
        Figure("Profit factor", number(trades.profit_factor), f"payoff {number(trades.payoff)}"),
        Figure("Expectancy", signed_money(trades.expectancy, quote), _of_cost(trades.expectancy_pct)),
        Figure(
            "Average win",
            signed_money(trades.average_win, quote),
            f"loss {signed_money(trades.average_loss, quote)}",
        ),
        Figure("Best trade", signed_money(trades.best, quote), f"worst {signed_money(trades.worst, quote)}"),
        Figure("Exposure", percent(figures.exposure_pct), f"losing streak {trades.losing_streak}"),
        Figure("Fees", money(run.fees, quote), f"turnover {money(figures.turnover, quote)}"),
    ]


def _unsaid(label: str, *_: object) -> Figure:
    """Return a figure of a year that would say nothing."""
    return Figure(label, NOT_AVAILABLE, TOO_FEW)


def months(years: Sequence[YearOfReturns]) -> list[tuple[int, list[Cell], Cell]]:
    """Return year, its twelve cells and its total; colors are scaled to the strongest month."""
    known = [abs(value) for year in years for value in year.months if value is not None]
    strongest = max(known, default=0.0)
    return [
        (year.year, [_cell(value, strongest) for value in year.months], _cell(year.total, 0.0))
        for year in years
    ]


def _cell(value: float | None, strongest: float) -> Cell:
    if value is None:
        return Cell("")
    heat = abs(value) / strongest if strongest else 0.0
    return Cell(signed_number(value), _sign(value), round(heat, 3))


def _beside(held: float | None) -> str:
    return f"hold {signed_percent(held)}"


def _of_cost(share: float | None) -> str:
    return NOT_AVAILABLE if share is None else f"{signed_percent(share)} of its cost"


def _sign(value: float | None) -> int:
    """Return the sign of a percent as it is shown."""
    shown = signed_number(value)
    return (shown[0] == "+") - (shown[0] == "-")
