"""``cab reconcile``: compare the book with the exchange, and correct the book on request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode, NotFoundError
from cab_core.nearest import nearest

if TYPE_CHECKING:
    from cab_core.app.reconcile import Compared


@cab_command("reconcile", examples=("cab reconcile", "cab reconcile --symbol BTC/USDT --fix --json"))
@click.option("--symbol", help="Only this symbol; default: SYMBOLS and what is still open beside them.")
@click.option("--fix", is_flag=True, help="Make the corrections for which there is evidence.")
@click.option(
    "--force-sync", is_flag=True, help="Also reduce a position to what is there, at the first sight."
)
@click.option(
    "--adopt",
    is_flag=True,
    help="Also take over base that the bot did not buy, at the present price (needs ADOPT_EXTERNAL=true).",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="json is the same as --json.",
)
@settings_options
def command(
    symbol: str | None,
    fix: bool,
    force_sync: bool,
    adopt: bool,
    output: str,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Compare orders, positions and stops of the book with the exchange.

    Nothing is changed unless --fix, --force-sync or --adopt says so; a bot may be running then. To correct
    something the bot must be stopped: while it runs it corrects by itself. It never buys to match, and never
    touches orders of others.

    Exit code 0 if book and exchange agree (after the corrections, if any were asked for), 1 if not.
    """
    from cab_core.app.reconcile import Wish, reconcile, require_account

    settings = load(config, overrides, require_run=True).settings
    wish = Wish(fix=fix, force=force_sync, adopt=adopt, actor=system_actor())
    leaving = require_account(settings, wish)
    symbols = _symbols(symbol, (*settings.symbols, *leaving))
    compared = asyncio.run(reconcile(settings, symbols, wish, leaving))
    clean = all(one.clean for one in compared)
    document = {"clean": clean, "dry_run": not wish.writes, "symbols": [_data(one) for one in compared]}
    emit(document, as_json or output == "json", lambda: _print(compared, dry_run=not wish.writes))
    return ExitCode.OK if clean else ExitCode.PROBLEMS


def _symbols(wanted: str | None, known: Sequence[str]) -> Sequence[str]:
    if wanted is None:
        return known
    symbol = wanted.upper()
    if symbol not in known:
        close = nearest(symbol, known)
        fix = f"did you mean {close}?" if close else f"SYMBOLS are {', '.join(known)}"
        raise NotFoundError(f"{wanted} is not traded here", where="--symbol", fix=fix)
    return [symbol]


def _data(one: Compared) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "clean": one.clean,
        "skipped": one.skipped,
        "findings": one.findings,
        "corrected": one.corrected,
        "left": one.left,
    }


def _print(compared: Sequence[Compared], *, dry_run: bool) -> None:
    rows = [
        (one.symbol, finding.kind, finding.ref, finding.expected, finding.actual, finding.correction)
        for one in compared
        for finding in one.findings
    ]
    if rows:
        last = "would be done" if dry_run else "remedy"
        table(("symbol", "finding", "order", "expected", "found", last), rows)
    for one in compared:
        for done in one.corrected:
            click.echo(f"{one.symbol}: {done}")
        click.echo(f"{one.symbol}: {_verdict(one)}")


def _verdict(one: Compared) -> str:
    if one.skipped is not None:
        return "no verdict: an order is under way, try again"
    if one.clean:
        return "book and exchange agree"
    kinds = ", ".join(sorted({str(finding.kind) for finding in one.left}))
    if "position_short" in kinds:
        return f"{kinds}; a position is reduced at the second sight, or now with --force-sync"
    return kinds
