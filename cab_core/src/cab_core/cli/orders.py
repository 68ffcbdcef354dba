"""``cab orders``: what has not ended, and a person's word on what nothing else tells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import cab_command, cab_group
from cab_core.cli.desk import ask, desk_options
from cab_core.cli.output import emit, table
from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import money, quantity
from cab_core.errors import RefusedError

if TYPE_CHECKING:
    from cab_core.app.desk.commands import Done
    from cab_core.app.desk.views import OrderView

_COLUMNS = ("sent", "symbol", "side", "purpose", "state", "cost", "quantity", "client id", "order id")

#: Orders shown at most; an account has a few per symbol.
_MOST = 500


@cab_group("orders", examples=("cab orders list", "cab orders settle t-c... --outcome absent"))
def group() -> None:
    """List orders that have not ended, and settle one whose outcome nothing tells."""


@cab_command("list", examples=("cab orders list", "cab orders list --symbol BTC/USDT --json"))
@click.option("--symbol", help="Only this symbol.")
@desk_options
def list_command(
    symbol: str | None, as_json: bool, remote: str | None, config: Path | None, overrides: Sequence[str]
) -> None:
    """List the orders that have not ended: planned, sent, acked (at the exchange) or unknown.

    All orders, ended ones too: cab show orders.
    """
    from cab_core.app.desk.desk import Filter

    wanted = Filter(limit=_MOST, symbol=symbol, order_state="unfinished")
    rows, _ = ask(config, overrides, remote, lambda desk: desk.orders(wanted))
    emit({"items": rows}, as_json, lambda: _print_list(rows))


@cab_command(
    "settle",
    examples=(
        "cab orders settle t-cabcdefghijklmnop-1 --outcome absent --yes",
        "cab orders settle t-cabcdefghijklmnop-1 --outcome filled --quantity 0.25 --price 41000 --yes",
    ),
)
@click.argument("order", metavar="INTENT")
@click.option(
    "--outcome",
    type=click.Choice(("absent", "filled")),
    required=True,
    help="absent: the exchange never took it; filled: it has traded.",
)
@click.option("--quantity", help="filled: base it traded; booked only where the exchange shows no trade.")
@click.option("--price", help="filled: quote per base it traded at, on average.")
@click.option("--reason", default="", help="Why; it is kept in the audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@desk_options
def settle(
    order: str,
    outcome: str,
    quantity: str | None,
    price: str | None,
    reason: str,
    yes: bool,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """End the order INTENT (its client id) by your word, after ten minutes in which nothing told its outcome.

    Look at the exchange first: open orders, ended orders, own trades. A running bot asks the exchange once
    more, and what that tells counts before your word. A stopped bot's database takes your word alone.

    absent gives the order up; an exit is planned anew. filled books the trades that the exchange shows; where
    it shows none, what --quantity and --price say is booked as an estimate and told. Nothing is invented.
    """
    from cab_core.app.desk.commands import Action, Actor, Command, Role, verdict_of

    verdict = verdict_of(order, outcome, quantity, price)
    if not yes:
        if not sys.stdin.isatty():
            raise RefusedError(
                f"settling {order} was not confirmed", where="cab orders settle", fix="add --yes"
            )
        click.confirm(f"Settle {order} as {outcome}? This cannot be undone.", abort=True, err=True)
    actor = Actor(name=system_actor(), role=Role.ADMIN, surface="cli")
    command = Command(action=Action.SETTLE, actor=actor, verdict=verdict, reason=reason)
    done = ask(config, overrides, remote, lambda desk: desk.do(command))
    emit(done, as_json, lambda: _print_done(done))


group.add_command(list_command)
group.add_command(settle)


def _print_list(rows: Sequence[OrderView]) -> None:
    from cab_core.app.times import second

    cells = [
        (
            "" if row.sent_ms is None else second(row.sent_ms),
            row.symbol,
            row.side,
            row.purpose,
            row.state,
            "" if row.cost is None else money(row.cost, quote_of(row.symbol)),
            "" if row.quantity is None else quantity(row.quantity),
            row.client_id,
            row.order_id or "",
        )
        for row in rows
    ]
    table(_COLUMNS, cells)
    if not rows:
        click.echo("every order has ended")


def _print_done(done: Done) -> None:
    click.echo(f"{done.order}: {done.order_state}")
    for trade_id in done.booked:
        click.echo(f"booked {trade_id}")
    if done.planned is not None:
        click.echo(f"planned anew: {done.planned}")
    click.echo(f"trace {done.trace_id}, audit {done.audit_seq}")
