"""``cab demo``: see the bot at work without configuration, keys or network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.atomic import make_folder
from cab_core.cli.base import cab_command
from cab_core.cli.output import as_typed, emit, red, table
from cab_core.cli.speed import Speed
from cab_core.domain.figures import percent
from cab_core.errors import CabError, ExitCode

if TYPE_CHECKING:
    from cab_core.app.demo import Demo
    from cab_core.app.runs import Runs

#: Seconds of waiting in the show unless ``--speed`` says otherwise; deciding takes three times as long.
_SHOW_S = 8.0
_DAY_S = 86_400


@cab_command("demo", examples=("cab demo", "cab demo --headless --seed 7 --json"))
@click.option("--headless", is_flag=True, help="No dashboard and no live view: only the report, at once.")
@click.option("--seed", type=click.IntRange(0), help="Another market; the default shows everything once.")
@click.option("--days", type=click.IntRange(10, 365), help="Length of the market.  [default: 30]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("cab-demo"),
    show_default=True,
    help="Folder for candles and report.",
)
@click.option(
    "--speed", type=Speed(), help="How many times faster than real time to play it; max: only the report."
)
@click.option("--no-browser", is_flag=True, help="Print the link of the dashboard, but open no browser.")
@click.option(
    "--linger",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long the dashboard stays at the end; until Ctrl-C without it.",
)
def command(
    headless: bool,
    seed: int | None,
    days: int | None,
    out: Path,
    speed: float | None,
    no_browser: bool,
    linger: float | None,
    as_json: bool,
) -> int:
    """Trade a made-up month: nine strategies vote, six risk rules and a scripted macro regime hold back.

    It needs no configuration, no keys and no network, and reads none of your settings. The market is made
    from the seed, so the same seed gives the same report.

    On a terminal, or with --linger, the month is played like a bot's and shown on a dashboard at 127.0.0.1,
    which stays at the end. Ctrl-C before writes the report of the part that was played (exit code 130).

    An installed plugin that fails is named; the exit code is then 1.
    """
    from cab_core.app.demo import DAYS, SEED, conclude, run_demo

    seed, days = SEED if seed is None else seed, DAYS if days is None else days
    watched = sys.stderr.isatty() or linger is not None
    if watched and not (headless or as_json or speed == 0):
        from cab_core.cli.demo_live import Show, can_browse

        return Show(
            seed=seed,
            days=days,
            out=out,
            runs=_runs(out),
            speed=days * _DAY_S / _SHOW_S if speed is None else speed,
            linger_s=linger,
            browse=sys.stderr.isatty() and not no_browser and can_browse(),
            tell=lambda demo, told: _print(told, demo),
        ).run()
    demo = run_demo(seed, days, out)
    told = conclude(demo, out, _runs(out))
    emit(told, as_json, lambda: _print(told, demo))
    return ExitCode.OK if demo.facts.believable else ExitCode.PROBLEMS


def _runs(out: Path) -> Runs:
    """Return the folder where ``cab why`` looks, or the demo's own if the configuration is broken."""
    from cab_core.app.runs import Runs
    from cab_core.cli.base import load

    try:
        folder = Path(load(None, ()).settings.db_path).parent
        make_folder(folder)
        usable = os.access(folder, os.W_OK)
    except (CabError, OSError):
        usable = False
    return Runs((folder if usable else out) / "runs")


def _print(told: dict[str, Any], demo: Demo) -> None:
    from cab_core.app.demo import SYMBOLS
    from cab_core.report import human_summary

    plugins = demo.prepared.plugins
    click.echo(
        f"cab demo · seed {demo.seed} · {' '.join(SYMBOLS)} · 15m · {demo.days} days · "
        f"{len(plugins.strategies)} strategies, {len(plugins.rules)} risk rules"
    )
    rows = human_summary(told)
    shares = told["demo"]["regime_minutes"]
    whole = sum(shares.values()) or 1
    regimes = ", ".join(f"{name} {percent(100 * part / whole, 0)}" for name, part in shares.items())
    table(("", f"run {told['run_id']}"), [*rows, ("Regimes", regimes)])
    for alarm in demo.facts.alarms:
        click.echo(red(f"do not believe this result: {alarm}"))
    click.echo(f"\nreport: {told['report']}  (sha256 {told['report_sha256'][:16]})")
    click.echo("next:")
    lines = [as_typed(line) for line in told["next"]]
    width = max(map(len, lines))
    for line, why in zip(lines, ("why the last trade was made", "write your own", "trade"), strict=True):
        click.echo(f"  {line:<{width}}  {why}")
