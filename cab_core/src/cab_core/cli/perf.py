"""``cab perf``: profit and loss of a period."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import NotRunningError

if TYPE_CHECKING:
    from cab_core.app.perf import Period

_PERIODS = ("today", "yesterday", "week", "month", "custom")
_RUN = "run: cab run (or set DB_PATH)"


@cab_command(
    "perf", examples=("cab perf", "cab perf --period custom --from 2024-05-01 --to 2024-05-31 --json")
)
@click.option(
    "--period",
    type=click.Choice(_PERIODS),
    default="today",
    show_default=True,
    help="UTC days, weeks from Monday, calendar months.",
)
@click.option("--from", "begin", metavar="TIME", help="Begin of a custom period.")
@click.option("--to", "end", metavar="TIME", help="End of a custom period; a date means the end of that day.")
@click.option(
    "--format", "style", type=click.Choice(("table", "json", "csv")), default="table", show_default=True
)
@settings_options
def command(
    period: Period,
    begin: str | None,
    end: str | None,
    style: str,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Report profit and loss from the database, also while the bot runs.

    For a run on a recorded market, now is the last time it has lived through.
    """
    from cab_core.app.perf import report
    from cab_core.storage import NoDatabaseError, visit

    settings = load(config, overrides).settings
    where = settings.database_url.reveal() or settings.db_path
    try:
        told = visit(where, lambda conn: report(conn, settings, period, begin, end))
    except NoDatabaseError as error:
        raise NotRunningError(
            f"{error.what}: cab has not run here yet", where=error.where, fix=_RUN
        ) from error
    if told is None:
        raise NotRunningError("nothing is recorded yet: no candle was evaluated", where=str(where), fix=_RUN)
    if style == "csv" and not as_json:
        _print_csv(told)
    else:
        emit(told, as_json or style == "json", lambda: _print(told))


def _print_csv(told: Mapping[str, Any]) -> None:
    """Print one row per figure; those of groups have dotted names."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("figure", "value"))
    for name, value in _flat(told):
        writer.writerow((name, value))


def _flat(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    from decimal import Decimal

    for key, value in told.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", " ".join(value)
        elif isinstance(value, Decimal):
            yield f"{prefix}{key}", f"{value:f}"
        else:
            yield f"{prefix}{key}", "" if value is None else value


def _print(told: Mapping[str, Any]) -> None:
    from cab_core.app.times import minute
    from cab_core.domain.figures import fee, money, number, percent, signed_money

    streak, quote = told["current_streak"], told["quote"]

    def both(first: str, second: str) -> str:
        return f"{signed_money(told[first], quote)}, {signed_money(told[second], quote)}"

    kind = "wins" if streak > 0 else "losses"
    rows = [
        ("Period", f"{minute(told['from_ms'])} to {minute(told['to_ms'])} UTC"),
        ("Now", f"{minute(told['now_ms'])} UTC, {told['now_is']}"),
        ("Realized", signed_money(told["realized"], quote)),
        ("Unrealized", signed_money(told["unrealized"], quote)),
        ("Equity", f"{money(told['equity'], quote)} from {money(told['baseline'], quote)}"),
        ("Fees", ", ".join(fee(paid, currency) for currency, paid in told["fees"].items()) or "none"),
        ("Fills, turnover", f"{told['fills']:,}, {money(told['turnover'], quote)}"),
        ("Round trips", f"{told['round_trips']:,}: {told['wins']} won, {told['losses']} lost"),
        ("Win rate, profit factor", f"{percent(told['win_rate'], 1)}, {number(told['profit_factor'])}"),
        ("Average win, loss", both("average_win", "average_loss")),
        ("Best, worst", both("best", "worst")),
        ("Streak", f"{abs(streak)} {kind}" if streak else "none"),
        (
            "Drawdown",
            f"{percent(told['max_drawdown_pct'])} at most, {percent(told['current_drawdown_pct'])} now",
        ),
        ("Open", ", ".join(told["open_positions"]) or "nothing"),
    ]
    rows += _group_rows("By symbol", told["by_symbol"], quote)
    rows += _group_rows("By strategy", told["by_strategy"], quote)
    rows += _group_rows("By exit", told["exits_by_reason"], quote)
    blocked = ", ".join(f"{reason} {count:,}" for reason, count in told["blocked_by_reason"].items())
    rows.append(("Blocked", blocked or "nothing"))
    regimes = told["regime_minutes"]
    if regimes is not None:
        rows.append(("Regime minutes", ", ".join(f"{name} {count:,}" for name, count in regimes.items())))
    table(("", f"{told['account']}, {told['period']}"), rows)


def _group_rows(label: str, groups: Mapping[str, Mapping[str, Any]], quote: str) -> list[tuple[str, str]]:
    from cab_core.domain.figures import signed_money

    texts = [
        f"{name}: {group['count']:,}, {group['wins']} won, {signed_money(group['pnl'], quote)}"
        for name, group in groups.items()
    ]
    return [(label if not index else "", text) for index, text in enumerate(texts)]
