"""``cab show``: the lists that API and pages show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command
from cab_core.cli.desk import ask, desk_options
from cab_core.cli.output import emit, table

if TYPE_CHECKING:
    from decimal import Decimal

    from cab_core.app.desk.desk import Desk, Filter

#: Columns shown to people; with --json there are all fields.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "positions": (
        "symbol",
        "quantity",
        "entry_price",
        "bid",
        "unrealized",
        "stop",
        "stop_kind",
        "entry_reason",
    ),
    "orders": ("created_ms", "symbol", "side", "purpose", "state", "cost", "quantity", "reason", "client_id"),
    "fills": (
        "ts_ms",
        "symbol",
        "side",
        "quantity",
        "price",
        "value",
        "fee",
        "fee_currency",
        "further_fees",
        "trade_id",
    ),
    "trades": (
        "closed_ms",
        "symbol",
        "entry_price",
        "exit_price",
        "pnl",
        "pnl_pct",
        "exit_reason",
        "trace_id",
    ),
    "decisions": ("candle_ts_ms", "symbol", "close", "action", "reason", "trace_id"),
    "signals": ("symbol", "strategy", "action", "confidence", "weight", "reason", "stopped_by", "warming"),
    "limits": ("rule", "value", "limit", "unit", "used_pct", "halted"),
    "sources": ("name", "penalty", "text", "stale"),
    "equity": ("ts_ms", "equity", "peak", "drawdown_pct"),
    "runs": ("run_id", "symbols", "strategies", "report"),
}


#: Lists of the account, whose rows name no symbol.
_OF_THE_ACCOUNT = frozenset({"equity", "limits"})

#: Which columns are what; those of no group are plain numbers and percentages.
_SIGNED_MONEY = frozenset({"pnl", "unrealized"})
_MONEY = frozenset({"cost", "equity", "peak", "value"})
_PRICES = frozenset({"bid", "close", "entry_price", "exit_price", "price", "reference", "stop"})


@cab_command(
    "show",
    examples=("cab show trades --limit 20", "cab show orders --symbol BTC/USDT --json", "cab show signals"),
)
@click.argument("what", type=click.Choice(tuple(_COLUMNS)))
@click.option(
    "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Rows, newest first."
)
@click.option("--after", default="", metavar="CURSOR", help="Go on after this page: its `next`.")
@click.option("--symbol", help="Only this symbol.")
@click.option("--trace", "trace_id", help="Only what belongs to one cycle.")
@click.option("--since", metavar="TIME", help="Only since then, UTC.")
@desk_options
def command(
    what: str,
    limit: int,
    after: str,
    symbol: str | None,
    trace_id: str | None,
    since: str | None,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """List what the bot holds, sent, traded, decided and measures, newest first.

    Asks the running bot, or its database where none runs. The numbers are those of the API and of the pages.
    """
    from cab_core.app.desk.desk import Filter
    from cab_core.app.times import instant_ms

    wanted = Filter(
        limit=limit,
        after=after,
        symbol=symbol,
        trace_id=trace_id,
        since_ms=None if since is None else instant_ms(since, "--since"),
    )

    async def answer(desk: Desk) -> tuple[Sequence[Any], str | None, str]:
        rows, following = await _QUESTIONS[what](desk, wanted)
        return rows, following, await _quote(desk) if what in _OF_THE_ACCOUNT else ""

    rows, following, quote = ask(config, overrides, remote, answer)
    emit({"items": rows, "next": following}, as_json, lambda: _print(what, rows, following, quote))


async def _quote(desk: Desk) -> str:
    from cab_core.domain.currencies import quote_of

    symbols = (await desk.status()).symbols
    return quote_of(symbols[0].symbol) if symbols else ""


def _print(what: str, rows: Sequence[Any], following: str | None, quote: str) -> None:
    columns = _COLUMNS[what]
    cells = [[_cell(name, getattr(row, name), row, quote) for name in columns] for row in rows]
    table([name.removesuffix("_ms").replace("_", " ") for name in columns], cells)
    if not rows:
        click.echo(f"no {what} yet")
    if following is not None:
        click.echo(f"more: cab show {what} --after {following}")


def _cell(name: str, value: object, row: Any, quote: str) -> object:
    from decimal import Decimal

    from cab_core.app.times import second

    if name.endswith("_ms") and isinstance(value, int):
        return second(value)
    if isinstance(value, Decimal | float):
        return _figure(name, value, row, quote)
    if isinstance(value, tuple | list):
        return ", ".join(str(each) for each in value)
    return value


def _figure(name: str, value: Decimal | float, row: Any, quote: str) -> str:
    """Return the figure of a column as people read it; ``quote`` is the currency of rows without a symbol."""
    from cab_core.domain import figures
    from cab_core.domain.currencies import quote_of

    currency = quote_of(row.symbol) if hasattr(row, "symbol") else quote
    if hasattr(row, "unit") and name in ("value", "limit"):
        return figures.measured(value, row.unit, currency)
    if name == "fee":
        return figures.quantity(value)
    if name in _SIGNED_MONEY:
        return figures.signed_money(value, currency)
    if name in _MONEY:
        return figures.money(value, currency)
    if name in _PRICES:
        return figures.price(value)
    return figures.quantity(value) if name == "quantity" else figures.number(value)


_Rows = tuple[Sequence[Any], str | None]


async def _positions(desk: Desk, wanted: Filter) -> _Rows:
    held = [each for each in await desk.positions() if wanted.symbol in (None, each.symbol)]
    return held, None


async def _signals(desk: Desk, wanted: Filter) -> _Rows:
    told = await desk.signals()
    return [row for row in told.rows if wanted.symbol in (None, row.symbol)], None


async def _limits(desk: Desk, _: Filter) -> _Rows:
    return (await desk.risk()).limits, None


async def _sources(desk: Desk, _: Filter) -> _Rows:
    return (await desk.regime()).sources, None


async def _equity(desk: Desk, wanted: Filter) -> _Rows:
    points = await desk.equity(wanted.since_ms, wanted.limit)
    return points[::-1], None


_QUESTIONS: Mapping[str, Callable[[Desk, Filter], Awaitable[_Rows]]] = {
    "positions": _positions,
    "orders": lambda desk, wanted: desk.orders(wanted),
    "fills": lambda desk, wanted: desk.fills(wanted),
    "trades": lambda desk, wanted: desk.trades(wanted),
    "decisions": lambda desk, wanted: desk.decisions(wanted),
    "signals": _signals,
    "limits": _limits,
    "sources": _sources,
    "equity": _equity,
    "runs": lambda desk, wanted: desk.runs(wanted),
}
