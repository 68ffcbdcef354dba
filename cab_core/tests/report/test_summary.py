"""The summary of a run: its keys, its agreement with the run, and its text."""

from __future__ import annotations

import json
from decimal import Decimal

import attrs
import numpy as np
import pytest

from cab_core.cycle.results import RunResult
from cab_core.domain.timeframes import DAY_MS
from cab_core.report import RunFacts, human_summary, summary

PROMISED = [
    "run_id",
    "data_sha256",
    "config_sha256",
    "plugins",
    "bars",
    "decisions_sha256",
    "orders",
    "fills",
    "trades",
    "final_equity",
    "return_pct",
    "max_drawdown_pct",
    "sharpe",
    "sortino",
    "calmar",
    "profit_factor",
    "win_rate",
    "exposure_pct",
    "fees_quote",
    "buy_and_hold_pct",
    "exits_by_reason",
    "blocked_by_reason",
    "elapsed_s",
    "bars_per_s",
]


def test_promised_keys_are_there(run: RunResult, facts: RunFacts) -> None:
    found = summary(run, facts)
    assert set(PROMISED) <= set(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_it_agrees_with_the_run(run: RunResult, facts: RunFacts) -> None:
    found = summary(run, facts)
    assert found["bars"] == run.cycles
    assert found["bars_per_s"] == round(run.cycles / 0.5, 1)
    assert found["trades"] == len(run.trades)
    assert found["fills"] == sum(len(order.fills) for order in run.orders)
    assert Decimal(found["final_equity"]) == run.final_equity
    assert found["return_pct"] == pytest.approx(float(run.final_equity / run.baseline - 1) * 100)
    assert found["buy_and_hold_pct"] == pytest.approx((run.benchmark[-1] / float(run.baseline) - 1) * 100)
    assert {name: row["count"] for name, row in found["by_exit_reason"].items()} == found["exits_by_reason"]
    realized = sum(Decimal(row["pnl_quote"]) for row in found["by_symbol"].values())
    assert realized == sum(trade.pnl for trade in run.trades)
    shares = sum(Decimal(row["share_quote"]) for row in found["by_strategy"].values())
    assert float(shares) == pytest.approx(float(realized))
    turnover = sum(fill.quantity * fill.price for order in run.orders for fill in order.fills)
    assert Decimal(found["turnover_quote"]) == turnover
    assert 0 < found["symbol_exposure_pct"] <= found["exposure_pct"] <= 100


def test_a_run_without_trades_has_nulls_not_zeros(quiet: RunResult, facts: RunFacts) -> None:
    found = summary(quiet, attrs.evolve(facts, elapsed_s=0.0))
    undefined = ("sharpe", "sortino", "calmar", "profit_factor", "win_rate", "expectancy_quote", "bars_per_s")
    assert {name: found[name] for name in undefined} == dict.fromkeys(undefined)
    assert (found["return_pct"], found["max_drawdown_pct"], found["exposure_pct"]) == (0.0, 0.0, 0.0)
    rows = dict(human_summary(found))
    assert rows["Sharpe, Sortino, Calmar"] == "n/a: too few trades to say"
    assert rows["Profit factor"] == "n/a   payoff n/a"


@pytest.mark.parametrize(("trades", "days", "too_short"), [(30, 60, False), (29, 60, True), (30, 59, True)])
def test_figures_of_a_year_need_trades_and_days(
    run: RunResult, facts: RunFacts, trades: int, days: int, too_short: bool
) -> None:
    times = np.linspace(0, days * DAY_MS, len(run.times)).astype(np.int64)
    found = summary(attrs.evolve(run, trades=(run.trades * trades)[:trades], times=times), facts)
    rows = dict(human_summary(found))
    assert found["too_short"] is too_short
    assert found["sharpe"] is not None
    for label in ("CAGR", "Sharpe, Sortino, Calmar"):
        assert (rows[label] == "n/a: too few trades to say") is too_short


def test_a_run_without_candles_has_a_summary(quiet: RunResult, facts: RunFacts) -> None:
    nothing = slice(0, 0)
    empty = attrs.evolve(
        quiet,
        times=quiet.times[nothing],
        equity=quiet.equity[nothing],
        benchmark=quiet.benchmark[nothing],
        invested=quiet.invested[nothing],
        cycles=0,
    )
    found = summary(empty, facts)
    assert (found["return_pct"], found["first_ms"], found["exposure_pct"]) == (None, None, None)
    assert dict(human_summary(found))["Return"] == "n/a   buy & hold n/a"


def test_rows_fit_one_screen(run: RunResult, facts: RunFacts) -> None:
    rows = human_summary(summary(run, facts))
    assert len(rows) <= 40
    assert max(len(label) for label, _ in rows) <= 24
    texts = dict(rows)
    assert texts["Caveats"] == "simulated fills, policy worst; 6 candles missing, 8 without volume"
    assert texts["Final equity"].startswith(f"{run.final_equity:,.2f} from 10,000.00")
