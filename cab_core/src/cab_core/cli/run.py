"""``cab run``: trade until stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit, red, table
from cab_core.cli.run_face import Face, face_of
from cab_core.cli.speed import Speed
from cab_core.errors import ExitCode, RefusedError

if TYPE_CHECKING:
    from cab_core.app.market_choice import MarketChoice
    from cab_core.app.run import View
    from cab_core.app.starting import Lobby, StartingDesk
    from cab_core.settings.schema import Settings


@cab_command(
    "run",
    examples=(
        "cab run --market sample --speed 600 --set SYMBOLS=BTC/USDT --set MODE=paper --set EXCHANGE=gateio",
        "cab run --market file:BTC-USDT_15m.csv.gz --speed max --json",
        "cab run --set MODE=live --set EXCHANGE=gateio --set SYMBOLS=BTC/USDT --yes-live",
    ),
)
@click.option(
    "--market",
    "markets",
    multiple=True,
    metavar="MARKET",
    help="exchange (default), sample, sample:SEED, or file:PATH of a candle file or a folder of them; "
    "file:PATH may be repeated.",
)
@click.option(
    "--speed",
    type=Speed(),
    default="1",
    show_default=True,
    help="How many times faster than real time a recorded market is played.",
)
@click.option(
    "--api/--no-api",
    "api",
    default=None,
    help="Serve the HTTP API and the pages, or not.  [default: as API_ENABLED says, not with --speed max]",
)
@click.option("--yes-live", is_flag=True, help="Confirm that MODE=live sends real orders.")
@click.option(
    "--same-account",
    is_flag=True,
    help="Confirm, once, that a new API_KEY is of the account in the database, where the exchange does not "
    "tell.",
)
@settings_options
def command(
    markets: Sequence[str],
    speed: float,
    api: bool | None,
    yes_live: bool,
    same_account: bool,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Trade until stopped, or until a recorded market ends; with simulated money unless MODE=live.

    Live trading sends real orders: it asks to type the symbols, or needs --yes-live. Rehearse first: cab
    rehearse.

    The HTTP API and the pages are at http://HOST:PORT; a link that logs in once is printed at the start.

    Settings come from the environment, .env and cab.toml. Everything is kept in the database at DB_PATH: the
    next start goes on where this one stopped, also after a crash.

    Ctrl-C stops after the present step and prints a summary (exit code 130), a second one stops at once.
    SIGTERM, as a service manager sends it, and the end of the recording are ordinary ends (exit code 0); a
    recording that ends with a failed plugin, or with a strategy whose answers knew the future, ends with 1.
    Before the bot is ready both signals end the start (exit code 130).
    """
    from cab_core.app.market_choice import parse_market
    from cab_core.app.starting import nobody
    from cab_core.settings.schema import hide_secrets

    choice = parse_market(markets)
    loaded = load(config, overrides, require_run=True)
    settings = loaded.settings
    secrets = hide_secrets(os.environ)
    if settings.mode == "live":
        _confirm(settings, choice, yes_live=yes_live)
    face = face_of(loaded, as_json=as_json)
    wanted = settings.api_enabled and (speed > 0 or choice.kind == "exchange") if api is None else api
    with _with_api(settings, face) if wanted else nullcontext((face.view, nobody)) as (view, lobby):
        if choice.kind == "exchange":
            from cab_core.app.guards import Invocation
            from cab_core.app.run_quoted import run_quoted

            said = [word for word in sys.argv if word != "--same-account"]  # of this start alone
            again = [sys.executable, *said, *([] if yes_live else ["--yes-live"])]
            logging.getLogger("cab.run").info("asking %s", settings.exchange)
            face.say(f"asking {settings.exchange} …")
            called = Invocation(restart=again, config=config, overrides=overrides, secrets=secrets)
            trading = run_quoted(
                settings, view, called=called, lobby=_told(lobby, face), same_account=same_account
            )
            running = asyncio.run(trading)
        else:
            from cab_core.app.run import run_paper

            running = asyncio.run(run_paper(settings, choice, speed, view))
    told = running.summary()
    emit(told, as_json, lambda: _print(told))
    if running.ended == "SIGINT":
        return ExitCode.INTERRUPTED
    return ExitCode.PROBLEMS if running.ended == "end" and told["alarms"] else ExitCode.OK


def _confirm(settings: Settings, choice: MarketChoice, *, yes_live: bool) -> None:
    """Let nobody trade real money by accident: live needs a word of the person who starts it."""
    if choice.kind != "exchange":
        raise RefusedError(
            "live trading needs the exchange's own market",
            where="--market",
            fix="leave --market out, or set MODE=paper",
        )
    if yes_live:
        return
    symbols = ",".join(settings.symbols)
    fix = "add --yes-live, or type the symbols when asked; rehearse first: cab rehearse"
    if not sys.stdin.isatty():
        raise RefusedError("live trading was not confirmed", where="MODE=live", fix=fix)
    click.echo(f"MODE=live: real orders for {symbols} go to {settings.exchange}.", err=True)
    if click.prompt("Type the symbols to confirm", err=True).replace(" ", "").upper() != symbols:
        raise RefusedError("the symbols do not match", where="MODE=live", fix=fix)


@contextmanager
def _with_api(settings: Settings, face: Face) -> Iterator[tuple[View, Lobby]]:
    """Take the port, before anything is traded, and serve the API beside what is shown, and before."""
    from cab_core.api.bot_view import api_lobby, api_view, both
    from cab_core.api.serve import listen
    from cab_core.app.local_files import lock_file
    from cab_core.safety.instance_lock import refuse_if_held

    refuse_if_held(lock_file(settings))  # it has the port, too: say who it is
    with listen(settings) as taken:
        yield both(api_view(taken, face.show_link), face.view), api_lobby(taken)


def _told(lobby: Lobby, face: Face) -> Lobby:
    """Tell a person at the terminal that the start waits; elsewhere the log does."""

    async def told(desk: StartingDesk) -> None:
        face.say(desk.reason)
        await lobby(desk)

    return told


def _print(told: dict[str, Any]) -> None:
    from cab_core.app.times import second
    from cab_core.domain.currencies import quote_of
    from cab_core.domain.figures import money, quantity, signed_money

    ends = {"end": "the recording ended", "SIGINT": "stopped by Ctrl-C", "SIGTERM": "stopped by SIGTERM"}
    quote = quote_of(told["symbols"][0])
    change = signed_money(told["equity"] - told["baseline"], quote)
    held = [f"{symbol} {quantity(each['quantity'])}" for symbol, each in told["positions"].items()]
    rows = [
        ("Ended", f"{ends[told['ended']]} at {second(told['now_ms'])} UTC"),
        ("Market", f"{told['market']}, {', '.join(told['symbols'])}"),
        ("Evaluated", f"{told['cycles']:,} candles"),
        ("Orders", f"{told['orders']:,}, {told['fills']:,} fills, {told['trades']:,} round trips"),
        ("Equity", f"{money(told['equity'], quote)} {quote} ({change} since the start of the account)"),
        ("Open", ", ".join(held) or "nothing"),
    ]
    if told["halts"]:
        rows.append(("Halted by", ", ".join(told["halts"])))
    if told["failures"]:
        rows.append(("Failures", ", ".join(f"{loop}: {n}" for loop, n in told["failures"].items())))
    table(("", "cab run"), rows)
    for alarm in told["alarms"]:
        click.echo(red(f"do not believe this result: {alarm}"))
