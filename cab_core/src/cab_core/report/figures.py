"""All figures of one run, computed once for summary and report."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain

import attrs
import numpy as np

from cab_core.cycle.results import RunResult
from cab_core.domain.bars import FloatArray
from cab_core.domain.currencies import quote_of
from cab_core.domain.drawdowns import Curve
from cab_core.domain.money import ZERO
from cab_core.domain.performance import CurveFigures, YearOfReturns, curve_figures, monthly_returns
from cab_core.domain.timeframes import DAY_MS
from cab_core.domain.trade_figures import (
    Group,
    TradeFigures,
    by_exit_reason,
    by_strategy,
    by_symbol,
    trade_figures,
)

#: With fewer trades, or a shorter span, people are shown no figure that is scaled to a year.
LEAST_TRADES, LEAST_DAYS = 30, 60


@attrs.frozen(eq=False, slots=True, kw_only=True)
class RunFigures:
    """The figures of a run beside those of buy-and-hold.

    Attributes:
        quote: currency of the account.
        account: the account's curve; ``held`` the same money in equal parts of all symbols.
        exposure_pct: percent of the 15m closes with a position in any symbol.
        symbol_exposure_pct: average percent of the symbols that held a position.
        too_short: there are too few trades or days for figures of a year to say anything.
        turnover: quote value of all fills, buys and sells, before fees.
    """

    quote: str
    account: Curve
    held: Curve
    figures: CurveFigures
    held_figures: CurveFigures
    months: tuple[YearOfReturns, ...]
    trades: TradeFigures
    exits: tuple[Group, ...]
    strategies: tuple[Group, ...]
    symbols: tuple[Group, ...]
    exposure_pct: float | None
    symbol_exposure_pct: float | None
    too_short: bool
    turnover: Decimal
    fills: int


def run_figures(run: RunResult) -> RunFigures:
    """Return the figures of ``run``."""
    baseline = float(run.baseline)
    account = Curve.of(run.times, _equity(run), baseline)
    held = Curve.of(run.times, run.benchmark, baseline)
    sells = chain(
        chain.from_iterable(trade.exits for trade in run.trades),
        chain.from_iterable(position.exits for position in run.open_positions),
    )
    fills = [fill for order in run.orders for fill in order.fills]
    seen = len(run.invested) > 0
    return RunFigures(
        quote=quote_of(run.symbols[0]) if run.symbols else "",
        account=account,
        held=held,
        figures=curve_figures(account),
        held_figures=curve_figures(held),
        months=monthly_returns(account),
        trades=trade_figures(run.trades),
        exits=by_exit_reason(sells),
        strategies=by_strategy(run.trades),
        symbols=by_symbol(run.trades),
        exposure_pct=100 * float(np.count_nonzero(run.invested) / len(run.invested)) if seen else None,
        symbol_exposure_pct=100 * float(run.invested.mean()) if seen else None,
        too_short=len(run.trades) < LEAST_TRADES or _days(run) < LEAST_DAYS,
        turnover=sum((fill.value for fill in fills), ZERO),
        fills=len(fills),
    )


def _days(run: RunResult) -> float:
    return float(run.times[-1] - run.times[0]) / DAY_MS if len(run.times) else 0.0


def _equity(run: RunResult) -> FloatArray:
    """Return the equity at each close; the last is the run's, for orders of the last close fill after it."""
    equity = run.equity.copy()
    equity[-1:] = float(run.final_equity)
    return equity
