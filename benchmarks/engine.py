"""The replay engine alone: candles in memory, decisions, orders, exits and ledger; no files, no report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import Figure, cpu_seconds, run_process
from benchmarks.yardstick import Row, loop
from cab_core.app.config import cycle_config, judge_of, panels_of, plugins_for
from cab_core.app.research import Plan, prepare_run
from cab_core.cycle.backtest import Backtest
from cab_core.data.files import read_market, write_candles
from cab_core.data.generator import generate
from cab_core.data.symbols import NamedFile
from cab_core.domain.bars import Bars
from cab_core.domain.candles import prepare
from cab_core.settings import load_settings

NINE = (
    "ema_atr,ema_cross,rsi_momentum,bollinger_bands,donchian_breakout,"
    "supertrend,stochastic_adx,keltner_squeeze,vwap_reversion"
)
ONE_STRATEGY = ("STRATEGY_SET=ema_cross",)
NINE_VOTING = (f"STRATEGY_SET={NINE}", "STRATEGY_MODE=vote")
YEAR = 365
SYMBOLS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "UNI")


def backtest(bars: dict[str, Bars], overrides: Sequence[str]) -> Backtest:
    """Return a backtest over generated or given bars, with all installed risk rules."""
    settings = load_settings({}, Path.cwd() / "nowhere", overrides, require_run=False).settings
    plugins = plugins_for(settings, {})
    return Backtest(
        config=cycle_config(settings, [bound.name for bound in plugins.strategies], list(bars)),
        series={symbol: prepare(columns) for symbol, columns in bars.items()},
        panels=panels_of(plugins),
        judge=judge_of(plugins),
    )


def rows_of(bars: Bars) -> list[Row]:
    """Return the bars as the yardstick takes them."""
    columns = (bars.open, bars.high, bars.low, bars.close)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def year(rounds: int, bars: Bars) -> list[Figure]:
    """Time one year with one strategy and with nine, each beside the yardstick in the same process."""
    figures = []
    rows = rows_of(bars)
    cases = (
        ("one strategy (ema_cross), one year", ONE_STRATEGY),
        ("nine strategies voting, one year", NINE_VOTING),
    )
    for name, overrides in cases:
        run = backtest({"BTC/USDT": bars}, overrides)
        run.execute()
        micros, sticks = [], []
        for _ in range(rounds):
            sticks.append(1e6 * cpu_seconds(partial(loop, rows)) / len(rows))
            micros.append(1e6 * cpu_seconds(run.execute) / len(rows))
        figures.append(Figure(name, micros, "us CPU per bar", 3.0, sticks))
    return figures


def recheck(rounds: int, data: Path, folder: Path) -> list[Figure]:
    """Compare what asking strategies again costs with the whole command, each over a year."""
    figures = []
    for name, overrides, options in (
        ("one strategy (ema_cross)", ONE_STRATEGY, ("--strategies", "ema_cross")),
        ("nine strategies voting", NINE_VOTING, ("--strategies", NINE, "--mode", "vote")),
    ):
        plan = Plan(data=(NamedFile(data, "BTC/USDT"),))
        settings = load_settings({}, Path.cwd() / "nowhere", overrides, require_run=False).settings
        prepared = prepare_run(plan, settings)
        finished = prepared.backtest.execute()
        command = [sys.executable, "-c", "from cab_core.cli import main; main()", "backtest", "-q"]
        command += ["--data", str(data), "--symbol", "BTC/USDT", *options]
        shares = [
            100 * cpu_seconds(partial(prepared.doubts, finished)) / run_process(command, folder).cpu_s
            for _ in range(rounds)
        ]
        figures.append(Figure(f"asking again, {name}", shares, "% of cab backtest", 5.0))
    return figures


def ten_years(rounds: int, folder: Path) -> list[Figure]:
    """Compare ten years with one, each in a process of its own."""
    ratios, memory = [], []
    for _ in range(rounds):
        short, long = (_alone(folder, "years", count) for count in (1, 10))
        ratios.append(long[0] / short[0])
        memory.append(long[1])
    return [
        Figure("ten years against one, nine strategies", ratios, "times", 11.0),
        Figure("  memory of ten years", memory, "MiB", 200.0),
    ]


def ten_symbols(rounds: int, folder: Path) -> list[Figure]:
    """Compare ten symbols of eight months in one portfolio with one symbol, per bar."""
    ratios, memory = [], []
    for _ in range(rounds):
        one, ten = (_alone(folder, "symbols", count) for count in (1, 10))
        ratios.append(ten[0] / one[0] / 10)
        memory.append(ten[1])
    return [
        Figure("ten symbols, CPU per bar against one symbol", ratios, "times"),
        Figure("  memory of ten symbols", memory, "MiB", 250.0),
    ]


def _alone(folder: Path, what: str, count: int) -> tuple[float, float]:
    """Time ``count`` years or symbols in a process that reads its candles: making them takes more memory."""
    data = folder / f"{count}-{what}"
    if not data.exists():
        data.mkdir()
        run_process(
            [sys.executable, "-m", "benchmarks.engine", "make", what, str(count), str(data)], folder, _path()
        )
    done = run_process([sys.executable, "-m", "benchmarks.engine", "time", str(data)], folder, _path())
    return float(done.output), done.rss_mib


def _path() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def make(what: str, count: int, folder: Path) -> None:
    """Write the candles of ``count`` years of one symbol, or of ``count`` symbols over eight months."""
    days = YEAR * count if what == "years" else 243
    for base in SYMBOLS[: 1 if what == "years" else count]:
        write_candles(folder / f"{base}-USDT_15m.csv.gz", generate(f"{base}/USDT", days, 7))


def time_once(folder: Path) -> None:
    """Print the CPU seconds of one run over every file of the folder."""
    files = [read_market(path) for path in sorted(folder.iterdir())]
    run = backtest({file.symbol or file.path.stem: file.bars for file in files}, NINE_VOTING)
    del files
    print(cpu_seconds(run.execute))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        time_once(Path(sys.argv[2]))
