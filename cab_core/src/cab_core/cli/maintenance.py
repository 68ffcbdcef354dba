"""``cab maintenance``: backups, their return, pruning and upkeep of the database, and dust."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode, RefusedError

if TYPE_CHECKING:
    from cab_core.app.maintenance import BackedUp, Copied, Dusted, Order, Pruned, Restored, Rotated, Vacuumed
    from cab_core.storage.retention import Gone

_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
_file = click.Path(dir_okay=False, path_type=Path)


@cab_group("maintenance", examples=("cab maintenance backup", "cab maintenance restore FILE --dry-run"))
def group() -> None:
    """Back up, restore, move, check, prune and tidy the database; give up dust.

    Backups lie in the folder `backups` beside the database, those of a PostgreSQL database in the folder of
    DB_PATH; they are SQLite files either way. Everything that changes something is entered into the journal.
    """


@group.cab_command("backup", examples=("cab maintenance backup", "cab maintenance backup --json"))
@_dry_run
@settings_options
def backup(dry_run: bool, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Copy the database, also while a bot runs, and check the copy.

    Exit code 0 if the backup is whole, 1 if it could not be made, 5 if there is no database.
    """
    from cab_core.app.maintenance import take_backup

    done = take_backup(load(config, overrides).settings, _order(dry_run))
    emit(done, as_json, lambda: _print_backup(done))


@group.cab_command("rotate", examples=("cab maintenance rotate --dry-run", "cab maintenance rotate --json"))
@_dry_run
@settings_options
def rotate(dry_run: bool, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Remove old backups: 7 daily and 4 weekly ones stay, and the newest of every schema.

    Of the databases that restorations replaced, the newest of each of 7 days stays. What killed backups and
    restorations left half written goes.

    Exit code 0, or 5 if there is no database.
    """
    from cab_core.app.maintenance import rotate as let_go

    done = let_go(load(config, overrides).settings, _order(dry_run))
    emit(done, as_json, lambda: _print_rotated(done))


@group.cab_command(
    "restore",
    examples=(
        "cab maintenance restore trader.sqlite3.20260102T030405Z-0002.backup --dry-run",
        "cab maintenance restore data/backups/trader.sqlite3.20260102T030405Z-0002.backup --yes --json",
    ),
)
@click.argument("file", type=_file)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_dry_run
@settings_options
def restore(
    file: Path, yes: bool, dry_run: bool, as_json: bool, config: Path | None, overrides: Sequence[str]
) -> None:
    """Check a backup and put it in the place of the database, which is kept beside. The bot must be stopped.

    What happened since the backup is not in it: run cab reconcile before the next start in live. FILE is a
    path, or a name in the folder of backups.

    Exit code 0 if it is in place, 1 if it is damaged or of a newer cab, 4 if there is no such file, 8 if it
    was not confirmed or belongs to another account, 75 if a bot runs.
    """
    from cab_core.app.maintenance import restore as put_back

    settings = load(config, overrides).settings
    if not (yes or dry_run):
        _confirm(file, settings.db_path)
    done = put_back(settings, file, _order(dry_run))
    emit(done, as_json, lambda: _print_restored(done))


@group.cab_command(
    "prune",
    examples=("cab maintenance prune --dry-run", "cab maintenance prune --set TRACE_KEEP_DAYS=30 --json"),
)
@_dry_run
@settings_options
def prune(dry_run: bool, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Let go of the details of old holds, also while a bot runs, which does so by itself once a day.

    A decision to hold keeps every detail for TRACE_KEEP_DAYS; then only its row stays, with the reason. What
    led to an order keeps everything for ever. Alerts go seven days after they were delivered. An interrupted
    prune leaves nothing half done: call it again for the rest.

    Exit code 0, 1 if the database refuses, 5 if there is none.
    """
    from cab_core.app.maintenance import prune as let_go

    with _progress() as told:
        done = let_go(load(config, overrides).settings, _order(dry_run), told)
    emit(done, as_json, lambda: _print_pruned(done))


@group.cab_command(
    "copy",
    examples=(
        "cab maintenance copy --to postgresql+asyncpg://cab@127.0.0.1/cab --dry-run",
        "cab maintenance copy --to data/trader.sqlite3 --json",
    ),
)
@click.option("--to", required=True, metavar="URL", help="An empty database on a server, or a new file.")
@_dry_run
@settings_options
def copy(to: str, dry_run: bool, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Move an account to the other engine: copy the database into an empty one. The bot must be stopped.

    Every row of the copy is compared before it is one, so an interrupted copy leaves nothing behind; the
    source stays as it is. Then name the copy by DATABASE_URL or DB_PATH, and never trade on both. A password
    is better kept out of --to: PGPASSWORD and ~/.pgpass are read, too.

    Exit code 0 if it is whole, 1 if one of the two refused, 5 if there is no source, 8 if the target is not
    empty, 75 if a bot runs.
    """
    from cab_core.app.maintenance import copy as copied

    done = copied(load(config, overrides).settings, to, _order(dry_run))
    emit(done, as_json, lambda: _print_copied(done))


@group.cab_command("vacuum", examples=("cab maintenance vacuum --dry-run", "cab maintenance vacuum --json"))
@_dry_run
@settings_options
def vacuum(dry_run: bool, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Give back the room of deleted rows. The bot must be stopped.

    Exit code 0 if it is done, 1 if there is no room for it, 5 if there is no database, 75 if a bot runs.
    """
    from cab_core.app.maintenance import vacuum as give_back

    done = give_back(load(config, overrides).settings, _order(dry_run))
    emit(done, as_json, lambda: _print_vacuumed(done))


@group.cab_command(
    "integrity",
    examples=(
        "cab maintenance integrity",
        "cab maintenance integrity data/backups/trader.sqlite3.20260102T030405Z-0002.backup --json",
    ),
)
@click.argument("file", type=_file, required=False)
@settings_options
def integrity(file: Path | None, as_json: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """Check pages, indexes and the whole journal of the database or of a backup, also while a bot runs.

    Exit code 0 if all is whole, 1 if not, 4 if there is no such file, 5 if there is no database.
    """
    from cab_core.app.maintenance import integrity as examined

    checked = examined(load(config, overrides).settings, file)
    text = "\n".join(checked.problems) or "whole: pages, indexes and journal"
    emit(
        {"where": checked.where, "ok": not checked.problems, "problems": checked.problems},
        as_json,
        lambda: click.echo(f"{checked.where}: {text}"),
    )
    return ExitCode.PROBLEMS if checked.problems else ExitCode.OK


@group.cab_command(
    "dust",
    examples=("cab maintenance dust", "cab maintenance dust --write-off --symbol BTC/USDT --yes --json"),
)
@click.option("--write-off", "give_up", is_flag=True, help="Count its cost as lost; the bot must be stopped.")
@click.option("--symbol", help="Only this one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_dry_run
@settings_options
def dust(
    give_up: bool,
    symbol: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Show what sales left over that is too little to sell; --write-off counts its cost as a loss.

    Dust is kept with its cost and goes with the next sale of its symbol. Once written off it is no longer
    the bot's, though it stays at the exchange: sell or convert it there as you like.

    Exit code 0, 4 if the symbol has none, 5 if there is no account, 8 if it was not confirmed, 75 if a bot
    runs.
    """
    from cab_core.app.maintenance import dust_of

    settings = load(config, overrides).settings
    if give_up and not (yes or dry_run):
        _confirm_loss()
    done = dust_of(settings, _order(dry_run), symbol, give_up=give_up)
    emit(done, as_json, lambda: _print_dust(done))


def _order(dry_run: bool) -> Order:
    from cab_core.app.desk.commands import Actor, Role
    from cab_core.app.maintenance import Order
    from cab_core.clock import SystemClock

    actor = Actor(name=system_actor(), role=Role.ADMIN, surface="cli")
    return Order(actor=actor, now_ms=SystemClock().now_ms(), trace_id=secrets.token_hex(8), dry_run=dry_run)


@contextmanager
def _progress() -> Iterator[Callable[[Gone], None]]:
    """Yield what shows on stderr how much went so far, where a person looks at it."""
    shown = sys.stderr.isatty()

    def told(gone: Gone) -> None:
        if shown:
            click.echo(f"\r\033[K{gone.holds} holds thinned …", nl=False, err=True)

    try:
        yield told
    finally:
        if shown:
            click.echo("\r\033[K", nl=False, err=True)


def _confirm(file: Path, database: Path) -> None:
    fix = "add --yes, or answer when asked; see first: cab maintenance restore FILE --dry-run"
    if not sys.stdin.isatty():
        raise RefusedError("the restoration was not confirmed", where=str(file), fix=fix)
    if not click.confirm(f"Replace {database} by {file.name}? The old one is kept beside.", err=True):
        raise RefusedError("the restoration was not confirmed", where=str(file), fix=fix)


def _confirm_loss() -> None:
    fix = "add --yes, or answer when asked; see first: cab maintenance dust"
    if not sys.stdin.isatty():
        raise RefusedError("the loss was not confirmed", where="--write-off", fix=fix)
    if not click.confirm("Count the cost of this dust as a loss?", err=True):
        raise RefusedError("the loss was not confirmed", where="--write-off", fix=fix)


def _print_dust(done: Dusted) -> None:
    if not done.dust:
        click.echo("no dust")
        return
    from cab_core.domain.figures import money, quantity, quote_of

    quote = quote_of(done.dust[0].symbol)
    rows = [(each.symbol, quantity(each.quantity), money(each.cost, quote)) for each in done.dust]
    table(("symbol", "base", f"cost in {quote}"), rows)
    if done.written_off:
        click.echo(f"written off: {money(sum(each.cost for each in done.dust), quote)} {quote} lost")


def _print_backup(done: BackedUp) -> None:
    verb = "would write" if done.dry_run else "wrote and checked"
    click.echo(f"{verb} {done.file} ({done.size} bytes, journal up to row {done.state['journal_seq']})")


def _print_rotated(done: Rotated) -> None:
    verb = "would be removed" if done.dry_run else "removed"
    rows = [(Path(file).name, reason) for file, reason in done.kept]
    table(("backup", "kept as"), [*rows, *((Path(file).name, verb) for file in done.removed)])


def _print_pruned(done: Pruned) -> None:
    from cab_core.app.times import minute

    verb = "would go" if done.dry_run else "went"
    click.echo(
        f"{done.where}: details of {done.holds} holds before {minute(done.before_ms)} UTC {verb}, "
        f"{done.alerts} delivered alerts, {done.freed} bytes given back"
    )


def _print_restored(done: Restored) -> None:
    verb = "would be" if done.dry_run else "is"
    click.echo(f"{done.backup} {verb} in the place of {done.file}")
    if done.replaced is not None:
        click.echo(f"the replaced database is kept as {done.replaced}")


def _print_copied(done: Copied) -> None:
    if done.dry_run:
        click.echo(f"would copy {done.source} to {done.target} (journal up to {done.state['journal_seq']})")
        return
    click.echo(f"copied and compared {sum(done.rows.values())} rows: {done.source} to {done.target}")
    click.echo("trade on the copy only: name it by DATABASE_URL or DB_PATH, and keep the old one as a backup")


def _print_vacuumed(done: Vacuumed) -> None:
    verb = "would go" if done.dry_run else "went"
    click.echo(f"{done.file}: {verb} from {done.before} to {done.after} bytes")
