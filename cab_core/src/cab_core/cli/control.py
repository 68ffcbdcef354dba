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
from cab_core.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from cab_core.app.desk.commands import Done, Open

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
    confirm: str = "",
) -> Done:
    from cab_core.app.desk.commands import Action, Actor, Command, Role

    actor = Actor(name=system_actor(), role=Role.ADMIN, surface="cli")
    command = Command(action=Action(name), actor=actor, symbol=symbol, reason=reason, confirm=confirm)
    return ask(config, overrides, remote, lambda desk: desk.do(command))


def guard_of(each: Open) -> str:
    """Return what guards an open position."""
    bot = f"the bot sells it at {each.stop:f}" if each.watched and each.stop is not None else ""
    resting = f"stop {each.resting_stop} rests at the exchange" if each.resting_stop else ""
    return ", ".join(filter(None, (bot, resting))) or "nothing guards it"


def _print(done: Done) -> None:
    for symbol, state in done.states.items():
        click.echo(f"{symbol}: {state}")
    for closing in done.closings:
        detail = f": {closing.detail}" if closing.detail else ""
        click.echo(
            f"{closing.symbol}: {closing.state.replace('_', ' ')}, {closing.sold:f} sold, "
            f"{closing.left:f} left{detail}"
        )
    for each in done.positions:
        click.echo(f"open: {each.quantity:f} {each.symbol}, {guard_of(each)}")
    unchanged = "" if done.changed else "nothing changed; "
    click.echo(f"{unchanged}trace {done.trace_id}, audit {done.audit_seq}")


start = _made(
    "start",
    """Let what is stopped, or waits since the start (AUTOSTART=false), trade.

    What is paused stays so: lift that with cab resume. Exits are supervised in every state.
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
    """Decide nothing more about a symbol, or about any: no entry, and no exit by a signal.

    Nothing is sold: what is open stays open, its stop and targets are watched on, and the bot goes on
    running, with its API and chat. A stop outlives a restart; lift it with: cab start. To stop entries only,
    use: cab pause. To sell what is open: cab close. To end the process: Ctrl-C there, or SIGTERM.
    """
    if not yes:
        what = symbol or "every symbol"
        if not sys.stdin.isatty():
            raise RefusedError(f"stopping {what} was not confirmed", where="cab stop", fix="add --yes")
        click.confirm(f"Stop {what}? Nothing is sold; exits are watched on.", abort=True, err=True)
    done = _send("stop", symbol, reason, remote, config, overrides)
    emit(done, as_json, lambda: _print(done))


@cab_command("close", examples=("cab close BTC/USDT", "cab close --all --yes --reason 'on leave' --json"))
@click.argument("symbol", required=False)
@click.option("--all", "everything", is_flag=True, help="Every position.")
@_REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
@desk_options
def close(
    symbol: str | None,
    everything: bool,
    reason: str,
    yes: bool,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Sell the position of a symbol, or every one, at market.

    A bot must run; it may be paused, halted or stopped, and the symbol may have been taken out of SYMBOLS.
    What rests at the exchange is canceled first. An exit that is under way is not doubled.

    Exit code 0 if all of it is sold; 1 if something is left or still under way: the answer says what.
    """
    if (symbol is None) is not everything:
        raise UsageError("name one symbol, or --all", where="cab close", fix="cab close BTC/USDT")
    what = symbol or "ALL"
    if not yes:
        if not sys.stdin.isatty():
            raise RefusedError(f"closing {what} was not confirmed", where="cab close", fix="add --yes")
        click.confirm(f"Sell {symbol or 'every position'} at market?", abort=True, err=True)
    done = _send("close", symbol, reason, remote, config, overrides, confirm=what)
    emit(done, as_json, lambda: _print(done))
    return ExitCode.OK if all(each.state == "sold" for each in done.closings) else ExitCode.PROBLEMS
