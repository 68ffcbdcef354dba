"""A real run on a sample market, and its facts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
import pytest

from cab_core.app.config import cycle_config, judge_of, panels_of, plugins_for
from cab_core.cycle.backtest import Backtest
from cab_core.cycle.results import RunResult
from cab_core.data.generator import generate
from cab_core.domain.candles import prepare
from cab_core.report import DataFacts, PluginFacts, RunFacts
from cab_core.settings import load_settings

SYMBOLS = ("BTC/USDT", "ETH/USDT")
SETTINGS = ["STRATEGY_SET=ema_cross,supertrend", "VOLUME_FILTER_ENABLED=false", "TREND_REQUIRE_UP=false"]


@pytest.fixture(scope="session")
def run() -> RunResult:
    """Sixty days of two symbols with two strategies and all rules."""
    pytest.importorskip("cab_strategy_ema_cross", reason="the strategy cab-strategy-ema-cross is missing")
    pytest.importorskip("cab_strategy_supertrend", reason="the strategy cab-strategy-supertrend is missing")
    settings = load_settings({}, Path("/nonexistent"), SETTINGS, require_run=False).settings
    plugins = plugins_for(settings, {})
    backtest = Backtest(
        config=cycle_config(settings, [bound.name for bound in plugins.strategies], SYMBOLS),
        series={symbol: prepare(generate(symbol, 60, seed=7)) for symbol in SYMBOLS},
        panels=panels_of(plugins),
        judge=judge_of(plugins),
    )
    result = backtest.execute().result
    assert len(result.trades) > 20
    return result


@pytest.fixture
def facts(run: RunResult) -> RunFacts:
    return RunFacts(
        run_id="a1b2c3",
        data=tuple(
            DataFacts(
                symbol=symbol,
                name=f"{symbol.replace('/', '-')}.csv.gz",
                sha256=hashlib.sha256(symbol.encode()).hexdigest(),
                bars=len(bars),
                first_ms=int(bars.ts_ms[0]),
                last_ms=int(bars.ts_ms[-1]),
                holes=2,
                missing=3,
                zero_volume=4,
            )
            for symbol, bars in run.bars.items()
        ),
        data_sha256="d" * 64,
        config_sha256="c" * 64,
        config={"STRATEGY_SET": "ema_cross,supertrend", "STOP_LOSS_PCT": "5.0"},
        changed=frozenset({"STRATEGY_SET"}),
        plugins=(PluginFacts("strategy:ema_cross", "cab-strategy-ema-cross", "0.1.0"),),
        elapsed_s=0.5,
    )


@pytest.fixture
def quiet(run: RunResult) -> RunResult:
    """The same candles with nothing bought."""
    return attrs.evolve(
        run,
        equity=run.equity * 0 + float(run.baseline),
        invested=run.invested * 0,
        final_equity=run.baseline,
        fees=run.fees * 0,
        trades=(),
        open_positions=(),
        orders=(),
        blocked={},
    )
