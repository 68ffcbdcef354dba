"""``cab backtest``: recorded candles through the full trading cycle."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.many import ManyValues, data_option, named, symbol_option
from cab_core.cli.output import emit, red, table
from cab_core.errors import DataError, ExitCode

if TYPE_CHECKING:
    from cab_core.app.research import FillPolicy, Prepared
    from cab_core.app.runs import Runs
    from cab_core.cycle.results import RunResult
    from cab_core.data.symbols import NamedFile
    from cab_core.report import RunFacts

#: Trades shown with their trace ids.
_SHOWN_TRADES = 5


def _detail_file(text: str) -> NamedFile:
    from cab_core.data.symbols import NamedFile

    return NamedFile.parse(text, "--detail")


@cab_command(
    "backtest",
    cls=ManyValues,
    examples=(
        "cab backtest --data BTC-USDT.csv.gz --strategies ema_cross,supertrend --mode vote --report btc.html",
        "cab backtest --data BTC-USDT.csv.gz ETH-USDT.csv.gz --from 2023-03-01 --to 2023-06-30 --json",
        "cab backtest --data BTC-USDT.csv.gz --detail BTC-USDT_1m.csv.gz --fills best",
    ),
)
@data_option("Candle files (.csv, .csv.gz); several after one flag, or the flag again.", required=True)
@symbol_option
@click.option("--strategies", metavar="A,B,…", help="Strategies in order; also paths such as ./my.py:Mine.")
@click.option("--mode", type=click.Choice(["first", "vote", "weighted"]), help="How several become one.")
@click.option("--from", "begin", metavar="TIME", help="Trade from then on; earlier candles only warm up.")
@click.option("--to", "end", metavar="TIME", help="Trade until then; a date means the end of that day.")
@click.option(
    "--fills",
    type=click.Choice(["worst", "best"]),
    default="worst",
    show_default=True,
    help="Which order of a candle's extremes counts: the one worth less at its close, or more.",
)
@click.option(
    "--detail",
    multiple=True,
    type=_detail_file,
    metavar="[SYMBOL=]FILE",
    help="Finer candles (1m, 5m) to walk the 15m candles by; again for more files.",
)
@click.option(
    "--macro", type=click.Path(path_type=Path), help="JSON lines of what macro sources had to read."
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a report.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@settings_options
def command(
    data: tuple[NamedFile, ...],
    symbols: tuple[str, ...],
    strategies: str | None,
    mode: str | None,
    begin: str | None,
    end: str | None,
    fills: FillPolicy,
    detail: tuple[NamedFile, ...],
    macro: Path | None,
    report: Path | None,
    quiet: bool,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Replay recorded candles through the full trading cycle.

    Several files are a portfolio that shares one account; files of one symbol are joined. A candle does not
    tell whether its low or its high came first: policy worst takes the order that is worth less at its
    close, best the other one. For each candle that bounds these two orders, not every path the price may
    have gone, nor a whole run. With --detail a candle is walked by its finer ones where they are
    complete, and the band shrinks to what the market did; the others are counted. Every bar can be explained
    afterwards: cab why ID.

    Strategies are asked again about the bars with orders and a sample of the others, alone and with no later
    bar. Answers that change, and plugins that fail, are named; the exit code is then 1.
    """
    from cab_core.app.research import Plan, prepare_run
    from cab_core.app.runs import Runs
    from cab_core.app.times import end_ms, instant_ms
    from cab_core.clock import SystemClock

    loaded = load(config, (*overrides, *_chosen(strategies, mode)), decides=True)
    plan = Plan(
        data=named(data, symbols),
        from_ms=None if begin is None else instant_ms(begin, "--from"),
        to_ms=None if end is None else end_ms(end, "--to"),
        fills=fills,
        detail=detail,
        macro=macro,
    )
    prepared = prepare_run(plan, loaded.settings)
    odd = prepared.histories.warnings(SystemClock().now_ms())
    with _progress(prepared.histories.bars, shown=not (quiet or as_json)) as advance:
        finished, facts = prepared.run(progress=advance)
    warnings = [*facts.alarms, *loaded.warnings, *odd, *prepared.plugins.report.warnings]

    from cab_core.report import summary

    told = summary(finished.result, facts)
    if report is not None:
        told |= _write_report(report, finished.result, facts)
    kept = _keep(Runs(Path(loaded.settings.db_path).parent / "runs"), prepared, finished.result, told)
    told |= {"last_trades": last_trades(finished.result), "warnings": warnings}
    emit(told, as_json, lambda: _print(told, kept, facts.alarms))
    return ExitCode.OK if facts.believable else ExitCode.PROBLEMS


def last_trades(run: RunResult) -> list[dict[str, Any]]:
    """Return the newest closed trades, newest first, with the trace ids that explain their entries."""
    return [
        {
            "symbol": trade.symbol,
            "opened_ms": trade.opened_ms,
            "closed_ms": trade.closed_ms,
            "pnl_quote": f"{trade.pnl:f}",
            "exit": trade.exits[-1].reason if trade.exits else None,
            "trace_id": trade.trace_id,
        }
        for trade in run.trades[: -_SHOWN_TRADES - 1 : -1]
    ]


def _chosen(strategies: str | None, mode: str | None) -> list[str]:
    chosen = (("STRATEGY_SET", strategies), ("STRATEGY_MODE", mode))
    return [f"{name}={value}" for name, value in chosen if value is not None]


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on stderr where a person looks at it."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} bars"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluating", total=total)
        yield lambda bars: bar.advance(task, bars)


def _write_report(path: Path, run: RunResult, facts: RunFacts) -> dict[str, Any]:
    from cab_core.report import write_report

    try:
        return {"report": str(path), "report_sha256": write_report(path, run, facts)}
    except OSError as error:
        raise DataError(
            f"cannot write the report: {error.strerror}",
            where=str(path),
            fix="choose a folder with free space that you may write to",
        ) from error


def _keep(runs: Runs, prepared: Prepared, run: RunResult, told: Mapping[str, Any]) -> bool:
    """Keep the record of the run; a place that cannot be written costs explanations, not the result."""
    try:
        runs.save(prepared, run, told)
    except OSError as error:
        click.echo(
            f"warning: the run is not recorded, cab why will not find it: {error.strerror}: {runs.folder}",
            err=True,
        )
        return False
    return True


def _print(told: Mapping[str, Any], kept: bool, alarms: Sequence[str]) -> None:
    from cab_core.app.times import minute
    from cab_core.domain.figures import quote_of, signed_money
    from cab_core.report import human_summary

    table(("", f"run {told['run_id']}"), human_summary(told))
    for alarm in alarms:
        click.echo(red(f"do not believe this result: {alarm}"))
    for warning in told["warnings"][len(alarms) :]:
        click.echo(f"warning: {warning}", err=True)
    if told["last_trades"]:
        click.echo()
        rows = [
            (
                trade["symbol"],
                minute(trade["opened_ms"]),
                minute(trade["closed_ms"]),
                signed_money(trade["pnl_quote"], quote_of(trade["symbol"])),
                trade["exit"],
                trade["trace_id"],
            )
            for trade in told["last_trades"]
        ]
        table(("last trades", "opened", "closed", "pnl", "exit", "trace id"), rows)
        if kept:
            click.echo(f"\nwhy a trade was made: cab why {told['last_trades'][0]['trace_id']}")
    if "report" in told:
        click.echo(f"report: {told['report']}")
