"""``cab start``, ``pause``, ``resume`` and ``stop``: commands to a running bot."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import CabCommand, cab_command
from cab_core.cli.desk import ask, desk_options
from cab_core.cli.output import emit
from cab_core.errors import RefusedError

if TYPE_CHECKING:
    from cab_core.app.desk.commands import Done

_REASON = click.option("--reason", default="", help="Why; it is kept in the audit.")
_SYMBOL = click.option("--symbol", help="Only this symbol; default: all.")


def _made(name: str, text: str, examples: Sequence[str]) -> CabCommand:
    def command(
        symbol: str | None,
        reason: str,
        as_json: bool,
        remote: str | None,
        config: Path | None,
        overrides: Sequence[str],
    ) -> None:
        done = _send(name, symbol, reason, remote, config, overrides)
        emit(done, as_json, lambda: _print(done))

    command.__doc__ = text
    decorated: Callable[..., Any] = _SYMBOL(_REASON(desk_options(command)))
    return cab_command(name, examples=examples)(decorated)


def _send(
    name: str,
    symbol: str | None,
    reason: str,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> Done:
    from cab_core.app.desk.commands import Action, Actor, Command, Role

    actor = Actor(name=system_actor(), role=Role.ADMIN, surface="cli")
    command = Command(action=Action(name), actor=actor, symbol=symbol, reason=reason)
    return ask(config, overrides, remote, lambda desk: desk.do(command))


def _print(done: Done) -> None:
    for symbol, state in done.states.items():
        click.echo(f"{symbol}: {state}")
    unchanged = "" if done.changed else "nothing changed; "
    click.echo(f"{unchanged}trace {done.trace_id}, audit {done.audit_seq}")


start = _made(
    "start",
    """Let a bot that waits (AUTOSTART=false) trade.

    Exits are supervised from the first moment of a run; this lets entries through.
    """,
    ("cab start", "cab start --symbol BTC/USDT --json"),
)

pause = _made(
    "pause",
    """Stop new entries; open positions stay protected and are exited as usual.

    A pause outlives a restart of the bot. Lift it with: cab resume.
    """,
    ("cab pause --reason 'exchange maintenance'", "cab pause --symbol BTC/USDT --json"),
)

resume = _made(
    "resume",
    """Let entries through again after a pause.""",
    ("cab resume", "cab resume --symbol BTC/USDT --reason 'all clear' --json"),
)


@cab_command("stop", examples=("cab stop --yes", "cab stop --symbol BTC/USDT --yes --json"))
@_SYMBOL
@_REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
@desk_options
def stop(
    symbol: str | None,
    reason: str,
    yes: bool,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Stop the loops of a symbol, or the whole bot, after the present step.

    Nothing is sold: what is open stays open, in live with its stop resting at the exchange, and nobody looks
    after it until the next start. To stop entries only, use: cab pause.
    """
    if not yes:
        what = symbol or "the whole bot"
        if not sys.stdin.isatty():
            raise RefusedError(f"stopping {what} was not confirmed", where="cab stop", fix="add --yes")
        click.confirm(f"Stop {what}? Open positions are no longer supervised.", abort=True, err=True)
    done = _send("stop", symbol, reason, remote, config, overrides)
    emit(done, as_json, lambda: _print(done))
