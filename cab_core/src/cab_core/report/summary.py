"""The summary of a run: the JSON of ``cab backtest``. Its keys are API."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.cycle.results import RunResult
from cab_core.domain.drawdowns import Drawdown
from cab_core.domain.performance import YearOfReturns
from cab_core.domain.timeframes import DAY_MS, HOUR_MS
from cab_core.domain.trade_figures import Group, TradeFigures
from cab_core.report.facts import DataFacts, RunFacts
from cab_core.report.figures import RunFigures, run_figures
from cab_core.report.rows import human_summary

__all__ = ["human_summary", "summary"]


def summary(run: RunResult, facts: RunFacts) -> dict[str, Any]:
    """Return what the run came to as plain data for JSON.

    Money is text, percents and ratios are numbers, times epoch milliseconds; what is undefined is None.
    """
    figures = run_figures(run)
    return {
        **_identity(run, facts),
        **_curve(run, figures),
        **_trades(figures.trades),
        "fees_quote": _money(run.fees),
        "turnover_quote": _money(figures.turnover),
        "exits_by_reason": run.exits_by_reason,
        "blocked_by_reason": dict(run.blocked),
        "doubts": [attrs.asdict(doubt) for doubt in facts.doubts],
        "plugin_failures": [attrs.asdict(failure) for failure in facts.failures],
        "alarms": facts.alarms,
        "by_exit_reason": _groups(figures.exits),
        "by_strategy": _groups(figures.strategies),
        "by_symbol": _groups(figures.symbols),
        "monthly_returns_pct": [_year(year) for year in figures.months],
        "worst_drawdowns": [_drawdown(each) for each in figures.figures.drawdowns],
        "elapsed_s": round(facts.elapsed_s, 6),
        "bars_per_s": round(run.cycles / facts.elapsed_s, 1) if facts.elapsed_s > 0 else None,
    }


def _identity(run: RunResult, facts: RunFacts) -> dict[str, Any]:
    return {
        "run_id": facts.run_id,
        "data_sha256": facts.data_sha256,
        "config_sha256": facts.config_sha256,
        "decisions_sha256": run.decisions_sha256,
        "plugins": [{"id": p.id, "dist": p.dist, "version": p.version} for p in facts.plugins],
        "data": _files(facts.data),
        "detail": None
        if facts.detail is None
        else {
            "files": _files(facts.detail.files),
            "candles": facts.detail.candles,
            "walked_whole": facts.detail.whole,
        },
        "symbols": list(run.symbols),
        "fill_policy": facts.fills,
        "seed": facts.seed,
        "first_ms": int(run.times[0]) if len(run.times) else None,
        "last_ms": int(run.times[-1]) if len(run.times) else None,
        "bars": run.cycles,
    }


def _files(files: Sequence[DataFacts]) -> list[dict[str, Any]]:
    return [
        {
            "symbol": file.symbol,
            "file": file.name,
            "sha256": file.sha256,
            "bars": file.bars,
            "first_ms": file.first_ms,
            "last_ms": file.last_ms,
            "holes": file.holes,
            "missing": file.missing,
            "zero_volume": file.zero_volume,
        }
        for file in files
    ]


def _curve(run: RunResult, figures: RunFigures) -> dict[str, Any]:
    own, held = figures.figures, figures.held_figures
    return {
        "orders": len(run.orders),
        "fills": figures.fills,
        "trades": len(run.trades),
        "open_positions": len(run.open_positions),
        "baseline": _money(run.baseline),
        "final_equity": _money(run.final_equity),
        "return_pct": own.return_pct,
        "cagr_pct": own.cagr_pct,
        "volatility_pct": own.volatility_pct,
        "max_drawdown_pct": own.max_drawdown_pct,
        "max_drawdown": _drawdown(own.drawdowns[0]) if own.drawdowns else None,
        "sharpe": own.sharpe,
        "sortino": own.sortino,
        "calmar": own.calmar,
        "too_short": figures.too_short,
        "buy_and_hold_pct": held.return_pct,
        "buy_and_hold": {
            "return_pct": held.return_pct,
            "cagr_pct": held.cagr_pct,
            "volatility_pct": held.volatility_pct,
            "max_drawdown_pct": held.max_drawdown_pct,
            "sharpe": held.sharpe,
            "sortino": held.sortino,
            "calmar": held.calmar,
        },
        "exposure_pct": figures.exposure_pct,
        "symbol_exposure_pct": figures.symbol_exposure_pct,
    }


def _trades(trades: TradeFigures) -> dict[str, Any]:
    return {
        "wins": trades.wins,
        "losses": trades.losses,
        "win_rate": trades.win_rate,
        "profit_factor": trades.profit_factor,
        "expectancy_quote": _money(trades.expectancy),
        "expectancy_pct": trades.expectancy_pct,
        "average_win_quote": _money(trades.average_win),
        "average_loss_quote": _money(trades.average_loss),
        "payoff": trades.payoff,
        "best_trade_quote": _money(trades.best),
        "worst_trade_quote": _money(trades.worst),
        "longest_losing_streak": trades.losing_streak,
        "longest_winning_streak": trades.winning_streak,
        "average_trade_hours": None if trades.average_ms is None else trades.average_ms / HOUR_MS,
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _groups(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    return {
        group.name: {
            "count": group.count,
            "wins": group.wins,
            "win_rate": group.win_rate,
            "pnl_quote": _money(group.pnl),
            "share_quote": _money(group.share),
        }
        for group in groups
    }


def _drawdown(fall: Drawdown) -> dict[str, Any]:
    return {
        "depth_pct": fall.depth_pct,
        "start_ms": fall.start_ms,
        "bottom_ms": fall.bottom_ms,
        "recovery_ms": fall.recovery_ms,
        "duration_days": fall.duration_ms / DAY_MS,
    }


def _year(year: YearOfReturns) -> dict[str, Any]:
    return {"year": year.year, "months": list(year.months), "total": year.total}
