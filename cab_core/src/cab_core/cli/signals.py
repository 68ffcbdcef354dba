"""``cab signals``: what the strategies say about each bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.many import data_option, named, symbol_option
from cab_core.cli.output import table

if TYPE_CHECKING:
    from cab_core.app.raw_signals import RawSignals, Row
    from cab_core.data.symbols import NamedFile
    from cab_core.settings import Settings

#: Rows shown on a terminal.
_SHOWN = 40


@cab_command(
    "signals",
    examples=(
        "cab signals --data BTC-USDT.csv.gz --strategies ema_cross,supertrend --csv",
        "cab signals --data BTC-USDT.csv.gz --strategies ema_cross,supertrend --aggregate vote",
    ),
)
@data_option("15m candles.", required=True, many=False)
@symbol_option
@click.option("--strategies", metavar="A,B,…", help="Strategies in order; also paths such as ./my.py:Mine.")
@click.option(
    "--aggregate",
    "mode",
    type=click.Choice(["first", "vote", "weighted"]),
    help="Print what their answers add up to instead.",
)
@click.option("--min-confidence", help="Least confidence of an answer that counts, 0 to 1.")
@click.option("--weights", metavar="A:1,B:2", help="Weight of each strategy; 1 where silent.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@settings_options
def command(
    data: NamedFile,
    symbols: tuple[str, ...],
    strategies: str | None,
    mode: str | None,
    min_confidence: str | None,
    weights: str | None,
    as_csv: bool,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Print what the strategies say about each bar, unfiltered.

    One row per bar and strategy; bars are counted from 0 in the order of the file. No trend or volume filter,
    no position rule and no risk rule has a say here.
    """
    from cab_core.app.raw_signals import aggregation, raw_signals

    chosen = {
        "STRATEGY_SET": strategies,
        "STRATEGY_MIN_CONFIDENCE": min_confidence,
        "STRATEGY_WEIGHTS": weights,
    }
    given = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    settings: Settings = load(config, (*overrides, *given)).settings
    (file,) = named((data,), symbols)
    signals = raw_signals(file, settings)
    for warning in signals.warnings:
        click.echo(f"warning: {warning}", err=True)
    if mode is None:
        rows, column = signals.rows(), "strategy"
    else:
        how = aggregation(
            signals.names, mode, settings.strategy_min_confidence, dict(settings.strategy_weights)
        )
        rows, column = signals.aggregated(how), "mode"
    header = ("bar", "ts_ms", column, "action", "confidence", "reason")
    _print(header, rows, signals, as_csv=as_csv, as_json=as_json)


def _print(
    header: Sequence[str], rows: Iterator[Row], signals: RawSignals, *, as_csv: bool, as_json: bool
) -> None:
    if as_json:
        document = {
            "symbol": signals.symbol,
            "strategies": signals.names,
            "rows": [dict(zip(header, row, strict=True)) for row in rows],
        }
        click.echo(json.dumps(document, separators=(",", ":"), allow_nan=False))
    elif as_csv:
        sys.stdout.writelines(_lines(header, rows))
    elif sys.stdout.isatty():
        _print_some(header, rows)
    else:
        table(header, [tuple(map(_text, row)) for row in rows])


def _print_some(header: Sequence[str], rows: Iterator[Row]) -> None:
    table(header, [tuple(map(_text, row)) for row in islice(rows, _SHOWN)])
    left = sum(1 for _ in rows)
    if left:
        click.echo(f"and {left:,} more rows; all of them with --csv or --json")


def _lines(header: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    for cells in chain((header,), rows):
        yield ",".join(map(_text, cells)) + "\n"


def _text(cell: object) -> str:
    return repr(cell) if isinstance(cell, float) else str(cell)
