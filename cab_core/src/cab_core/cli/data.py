"""``cab data``: candle files and the folder that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from cab_core.app.times import minute
from cab_core.cli.base import cab_command, cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode, RefusedError

if TYPE_CHECKING:
    from cab_core.data.inspection import Inspection
    from cab_core.data.store import CandleStore, Stored

_DAY = "%Y-%m-%d"
_SHOWN_HOLES = 10

_file = click.argument("file", type=click.Path(path_type=Path))


@cab_group("data", examples=("cab data check btc.csv.gz", "cab data generate --days 30 --out btc.csv.gz"))
def group() -> None:
    """Import, list, check and generate candle files.

    A file is CSV or gzipped CSV with the header ts_ms,open,high,low,close,volume; ts_ms is the open time in
    UTC milliseconds.
    """


@cab_command(
    "import",
    examples=(
        "cab data import binance_BTC-USDT_15m_2023.csv.gz",
        "cab data import eth_5m.csv --symbol ETH/USDT --to 15m",
    ),
)
@_file
@click.option("--symbol", metavar="BASE/QUOTE", help="Symbol of the candles; default: from the file name.")
@click.option("--to", type=click.Choice(["15m"]), help="Build 15m candles from 1m or 5m ones.")
@click.option("--replace", is_flag=True, help="Replace candles already stored for the symbol.")
@settings_options
def import_(
    file: Path,
    symbol: str | None,
    to: str | None,
    replace: bool,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Check FILE and keep its candles in the data folder (beside the database)."""
    stored = _store(config, overrides).add(file, symbol=symbol, to=to, replace=replace)
    emit(stored, as_json, lambda: _print_imported(stored))


@cab_command("list", examples=("cab data list", "cab data list --json"))
@settings_options
def list_(as_json: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """List the stored candle files; exit code 1 if one of them is damaged."""
    store = _store(config, overrides)
    found = store.list()
    emit({"folder": store.folder, "files": found}, as_json, lambda: _print_list(store, found))
    return ExitCode.PROBLEMS if any(stored.problem for stored in found) else ExitCode.OK


@cab_command("check", examples=("cab data check btc.csv.gz", "cab data check btc.csv.gz --json"))
@_file
def check(file: Path, as_json: bool) -> int:
    """Check FILE: order, grid, prices, volumes and holes; exit code 1 if there is a problem.

    Missing candles are none: a market in which nothing traded for a while has no candle then.
    """
    from cab_core.clock import SystemClock
    from cab_core.data.files import read_candles
    from cab_core.data.inspection import inspect_file

    report = inspect_file(read_candles(file), SystemClock().now_ms())
    emit(report, as_json, lambda: _print_inspection(report))
    return ExitCode.PROBLEMS if report.problems else ExitCode.OK


@cab_command(
    "generate",
    examples=(
        "cab data generate --symbol BTC/USDT --days 30 --seed 7 --out btc.csv.gz",
        "cab data generate --symbol ETH/USDT --days 365 --start 2025-01-01 --out eth.csv.gz",
    ),
)
@click.option(
    "--symbol", default="BTC/USDT", show_default=True, metavar="BASE/QUOTE", help="Sets level and path."
)
@click.option("--days", default=30, show_default=True, help="Length in days.")
@click.option("--seed", default=11, show_default=True, help="One seed, one market, on every machine.")
@click.option(
    "--start",
    default="2024-01-01",
    show_default=True,
    type=click.DateTime([_DAY]),
    metavar="YYYY-MM-DD",
    help="First day, UTC.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .csv or .csv.gz file.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def generate(
    symbol: str, days: int, seed: int, start: datetime, out: Path, force: bool, as_json: bool
) -> None:
    """Make up a market of 15m candles with trends, shocks, quiet and a few missing bars."""
    from cab_core.clock import SystemClock
    from cab_core.data import generator
    from cab_core.data.files import read_market, write_candles
    from cab_core.data.inspection import inspect_file

    start_ms = int(start.replace(tzinfo=UTC).timestamp() * 1000)
    bars = generator.generate(symbol, days, seed, start_ms=start_ms)
    if out.exists() and not force:
        raise RefusedError("the file exists", where=str(out), fix="use --force, or another --out")
    write_candles(out, bars)
    report = attrs.evolve(inspect_file(read_market(out), SystemClock().now_ms()), symbol=symbol)
    emit(report, as_json, lambda: click.echo(f"{len(bars)} candles of {symbol}, seed {seed}, in {out}"))


for _command in (import_, list_, check, generate):
    group.add_command(_command)


def _store(config: Path | None, overrides: Sequence[str]) -> CandleStore:
    from cab_core.data.store import CandleStore

    return CandleStore(Path(load(config, overrides).settings.db_path).parent / "candles")


def _print_inspection(report: Inspection) -> None:
    rows = [(name, getattr(report, name)) for name in ("path", "symbol", "timeframe", "bars")]
    rows += [("first", minute(report.first_ms)), ("last", minute(report.last_ms))]
    rows += [(name, getattr(report, name)) for name in ("missing", "zero_volume", "sha256")]
    table(("", "value"), rows)
    if report.holes:
        shown = [(minute(hole.after_ms), str(hole.missing)) for hole in report.holes[:_SHOWN_HOLES]]
        if rest := len(report.holes) - len(shown):
            shown.append((f"and {rest} more", ""))
        click.echo()
        table(("hole after", "missing"), shown)
    for note in report.notes:
        click.echo(f"note: {note}")
    for problem in report.problems:
        click.echo(f"problem: {problem}")


def _print_imported(stored: Stored) -> None:
    click.echo(f"{stored.bars} candles of {stored.symbol} in {stored.path}")
    click.echo(f"{minute(stored.first_ms)} to {minute(stored.last_ms)}, {stored.missing} missing")
    if stored.left_out:
        click.echo(f"{stored.left_out} source candles at the ends are part of no whole 15m candle: left out")
    if stored.thin:
        click.echo(f"{stored.thin} of them hold times without a trade: made of what did trade")


def _print_list(store: CandleStore, found: Sequence[Stored]) -> None:
    if not found:
        click.echo(f"no candles in {store.folder}; add some with: cab data import FILE")
        return
    table(
        ("symbol", "bars", "first", "last", "missing", "problem"),
        [
            (s.symbol, s.bars, minute(s.first_ms), minute(s.last_ms), s.missing, "")
            if not s.problem
            else (s.symbol, "", "", "", "", s.problem)
            for s in found
        ],
    )
