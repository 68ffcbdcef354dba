"""``cab status``: everything at a glance."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command
from cab_core.cli.desk import ask, desk_options
from cab_core.cli.output import emit, red, table
from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import (
    measured,
    money,
    percent,
    price,
    quantity,
    signed_money,
    signed_number,
    signed_percent,
    unit_name,
)
from cab_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from cab_core.app.desk.views import PositionView, Status, SymbolStatus


@cab_command("status", examples=("cab status", "cab status --symbol BTC/USDT --json", "cab status --watch 5"))
@click.option("--symbol", help="Only this symbol.")
@click.option("--watch", type=click.IntRange(1, 3600), metavar="SECONDS", help="Show it again and again.")
@desk_options
def command(
    symbol: str | None,
    watch: int | None,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Show what the bot does: states, positions, equity, limits, regime.

    Without a running bot the database answers, and the answer says so. Exit code 0 if a bot runs, 5 if not.
    """
    if watch is not None and as_json:
        raise UsageError("--watch shows a page, --json one document", where="--watch", fix="use one of them")
    while True:
        told = ask(config, overrides, remote, lambda desk: desk.status(symbol))
        if watch is not None and sys.stdout.isatty():
            click.clear()
        emit(told, as_json, partial(_print, told))
        if watch is None:
            return ExitCode.OK if told.running else ExitCode.NOT_RUNNING
        time.sleep(watch)


def _print(told: Status) -> None:
    from cab_core.app.times import second

    now = second(told.now_ms)
    state = "" if told.running else ", NOT RUNNING: this is what the database holds"
    if told.silent_pid is not None:
        state = f"; a bot runs (pid {told.silent_pid}), but without an API: this is what the database holds"
    title = f"cab {told.version}, {told.mode.upper()}, {told.prices}, {now} UTC{state}"
    table(
        ("symbol", "state", "bid", "position", "unrealized", "stop", "entries", "last decision"),
        [_symbol(each) for each in told.symbols],
        title=title,
    )
    table(("", "account"), _account(told))
    for trouble in told.troubles:
        click.echo(red(trouble))


def _symbol(each: SymbolStatus) -> tuple[object, ...]:
    held, last = each.position, each.last_decision
    return (
        each.symbol,
        each.state,
        "" if each.bid is None else price(each.bid),
        "flat" if held is None else f"{quantity(held.quantity)} at {price(held.entry_price)}",
        _gain(held),
        "" if held is None or held.stop is None else f"{price(held.stop)} {held.stop_kind}",
        "open" if each.blocked_by is None else f"wait: {each.blocked_by}",
        "" if last is None else f"{last.action}: {last.reason} ({last.trace_id})",
    )


def _account(told: Status) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    quote = quote_of(told.symbols[0].symbol) if told.symbols else ""
    if (worth := told.account) is not None:
        change = worth.equity - worth.baseline
        rows += [
            ("Equity", f"{money(worth.equity, quote)} {quote} ({signed_money(change, quote)})"),
            (
                "Realized, unrealized",
                f"{signed_money(worth.realized, quote)}, {signed_money(worth.unrealized, quote)}",
            ),
            ("Drawdown", f"{percent(worth.drawdown_pct)} from {money(worth.peak, quote)}"),
            ("Free", f"{money(worth.quote_free, quote)} {quote}"),
        ]
    score = "" if told.regime.score is None else f" (score {signed_number(told.regime.score)})"
    sourced = told.regime.source == "macro"
    regime = f"{told.regime.state or 'unknown'}{score}" if sourced else "no source: always risk on"
    rows.append(("Regime", regime))
    for limit in told.limits:
        value, most = (measured(each, limit.unit, quote) for each in (limit.value, limit.limit))
        halted = ", HALTED" if limit.halted else ""
        rows.append((f"Limit {limit.rule}", f"{value} of {most} {unit_name(limit.unit, quote)}{halted}"))
    rows.append(("Halts", ", ".join(halt.rule for halt in told.halts) or "none"))
    rows.append(("Unfinished orders", str(told.unfinished_orders)))
    return rows


def _gain(held: PositionView | None) -> str:
    if held is None or held.unrealized is None:
        return ""
    share = "" if held.unrealized_pct is None else f" ({signed_percent(held.unrealized_pct)})"
    return f"{signed_money(held.unrealized, quote_of(held.symbol))}{share}"
