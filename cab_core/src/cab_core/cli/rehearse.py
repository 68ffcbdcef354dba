"""``cab rehearse``: live trading without risk, with everything going wrong on purpose."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command, set_option
from cab_core.cli.many import ManyValues, data_option, listed, named, symbol_option
from cab_core.cli.output import as_typed, emit, table

if TYPE_CHECKING:
    from cab_core.app.rehearsal import Level, Report, Watch
    from cab_core.data.symbols import NamedFile

_DAY = "%Y-%m-%d"


@cab_command(
    "rehearse",
    cls=ManyValues,
    examples=(
        "cab rehearse",
        "cab rehearse --data BTC-USDT_15m.csv.gz --from 2024-08-04 --days 3 --faults heavy --kills 20",
        "cab rehearse --strategies ema_atr --set STOP_LOSS_PCT=2",
        "cab rehearse --seed 11 --days 1 --headless --json",
    ),
)
@click.option("--strategies", metavar="A,B,…", help="Strategies in order, of those that are installed.")
@set_option
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0), help="Of market, faults and kills."
)
@click.option("--days", default=3, show_default=True, type=click.IntRange(1, 365), help="How long.")
@data_option("15m candle files to trade on; without any, a market is made up from the seed.", required=False)
@symbol_option
@click.option(
    "--from",
    "start",
    type=click.DateTime([_DAY]),
    metavar="YYYY-MM-DD",
    help="Day of the candles to start on; those before are history.  [default: after a third of them]",
)
@click.option(
    "--kills", default=5, show_default=True, type=click.IntRange(0, 10_000), help="How many SIGKILLs."
)
@click.option(
    "--faults",
    default="light",
    show_default=True,
    type=click.Choice(["none", "light", "heavy"]),
    help="How much else goes wrong.",
)
@click.option(
    "--tick",
    default=60,
    show_default=True,
    type=click.IntRange(1, 300),
    metavar="SECONDS",
    help="Market time between the bot's looks at its exits.",
)
@click.option(
    "--database",
    default="",
    metavar="URL",
    help="An empty database on a PostgreSQL server.  [default: a file in the folder]",
)
@click.option(
    "--redis", default="", metavar="URL", help="A Redis server for events and instance key.  [default: none]"
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="New folder for database, ledger and logs.  [default: a temporary one, kept]",
)
@click.option("--headless", is_flag=True, help="Plain lines, no live view.")
def command(
    strategies: str | None,
    overrides: tuple[str, ...],
    seed: int,
    days: int,
    data: tuple[NamedFile, ...],
    symbols: tuple[str, ...],
    start: datetime | None,
    kills: int,
    faults: Level,
    tick: int,
    database: str,
    redis: str,
    folder: Path | None,
    headless: bool,
    as_json: bool,
) -> int:
    """Let the live bot trade on an exchange of this machine while connections, answers and processes fail.

    It is the bot of MODE=live with your strategies and risk settings, if there are any here; keys,
    connection, database and notifiers are the rehearsal's own. At the end every order is compared with what
    the exchange really did. Exit code 1 if anything that must hold did not.

    The same seed plans the same market, faults and kills; at which instruction a kill strikes is never the
    same.
    """
    import asyncio

    from cab_core.app.rehearsal import Plan, rehearse

    plan = Plan(
        seed=seed,
        days=days,
        files=named(data, symbols) if data else (),
        symbols=() if data else listed(symbols),
        opens=start.strftime(_DAY) if start is not None else "",
        kills=kills,
        faults=faults,
        tick_s=tick,
        database=database,
        redis=redis,
        folder=folder,
        home=Path.cwd(),
        overrides=(*overrides, *([] if strategies is None else [f"STRATEGY_SET={strategies}"])),
    )
    with_view = sys.stderr.isatty() and not (headless or as_json)
    report = asyncio.run(rehearse(plan, _watch(plan.seed, with_view=with_view)))
    emit(report, as_json, lambda: _print(report, database))
    return 0 if report.verdict == "clean" else 1


def _watch(seed: int, *, with_view: bool) -> Watch:
    from cab_core.cli import rehearse_view

    return rehearse_view.live(seed) if with_view else rehearse_view.lines()


def _print(report: Report, database: str) -> None:
    rows = [
        ("Verdict", report.verdict),
        ("Orders", f"{report.orders:,}, {report.fills:,} fills, {report.exits_refused:,} exits refused"),
        ("Restarts", f"{report.restarts:,}, after {report.kills:,} kills"),
        *((f"Fault: {kind.replace('_', ' ')}", count) for kind, count in report.faults.items()),
        ("Invariants", f"{len(report.invariants_checked)} checked: {' '.join(report.invariants_checked)}"),
        ("Took", f"{report.elapsed_s:,.0f} s for {report.days} days, seed {report.seed}"),
        ("Folder", report.folder),
    ]
    table(("", "cab rehearse"), rows)
    for violation in report.violations:
        click.echo(f"violated: {violation}")
    if not report.orders:
        click.echo("nothing was traded, so little was shown: choose other days, or settings that trade")
    where = "DATABASE_URL=URL" if database else f"DB_PATH={report.folder / 'trader.sqlite3'}"
    click.echo("next:")
    for line, why in (
        (f"cab verify --ledger {report.folder / 'ledger.json'} --set {where}", "each invariant"),
        (f"cab rehearse --seed {report.seed + 1} --faults heavy --kills 50", "harder"),
    ):
        click.echo(f"  {as_typed(line)}  ({why})")
