"""``cab token``: who may use the HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import cab_command, cab_group, load, settings_options
from cab_core.cli.output import emit, table

if TYPE_CHECKING:
    from cab_core.settings import Settings
    from cab_core.storage import Connection

T = TypeVar("T")


@cab_group("token", examples=("cab token new anna --role operator", "cab token list --json"))
def group() -> None:
    """Make, list and revoke the tokens of the HTTP API."""


@cab_command("new", examples=("cab token new anna --role operator", "cab token new prometheus --json"))
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(("viewer", "operator", "admin")),
    default="viewer",
    show_default=True,
    help="viewer reads; operator also starts, pauses and resumes; admin also stops and releases halts.",
)
@settings_options
def new(name: str, role: str, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Make a token for NAME and print it. It is shown this once: only its hash is kept."""
    from cab_core.app.desk.commands import Role
    from cab_core.app.tokens import issue_token, mint

    settings, now_ms = load(config, overrides).settings, _now_ms()
    minted = mint(name, Role[role.upper()], system_actor(), now_ms)
    _write(settings, lambda conn: issue_token(conn, minted, system_actor(), now_ms))
    told = {"id": minted.stored.id, "name": name, "role": role, "token": minted.text.reveal()}
    emit(told, as_json, lambda: _print_new(told))


@cab_command("list", examples=("cab token list", "cab token list --json"))
@settings_options
def list_tokens(as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """List all tokens, the revoked ones too, without their secrets."""
    from cab_core.storage import NoDatabaseError
    from cab_core.storage.tokens import load_tokens

    try:
        found = _visit(load(config, overrides).settings, load_tokens, read_only=True)
    except NoDatabaseError:
        found = []
    rows = [
        {
            "id": token.id,
            "name": token.name,
            "role": token.role,
            "created_ms": token.created_ms,
            "created_by": token.created_by,
            "last_used_ms": token.last_used_ms,
            "revoked_ms": token.revoked_ms,
        }
        for token in found
    ]
    emit(rows, as_json, lambda: _print_list(rows))


@cab_command("revoke", examples=("cab token revoke 1f0c9a27", "cab token revoke 1f0c9a27 --json"))
@click.argument("token_id", metavar="ID")
@settings_options
def revoke(token_id: str, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Revoke the token with this ID at once, also for the bot that runs."""
    from cab_core.app.tokens import withdraw_token

    settings = load(config, overrides).settings
    gone = _visit(settings, lambda conn: withdraw_token(conn, token_id, system_actor(), _now_ms()))
    told = {"id": gone.id, "name": gone.name, "role": gone.role, "revoked": True}
    emit(told, as_json, lambda: click.echo(f"revoked {gone.id} of {gone.name} ({gone.role})"))


for _command in (new, list_tokens, revoke):
    group.add_command(_command)


def _visit(settings: Settings, fn: Callable[[Connection], T], *, read_only: bool = False) -> T:
    from cab_core.storage import visit

    return visit(_where(settings), fn, read_only=read_only)


def _write(settings: Settings, fn: Callable[[Connection], T]) -> T:
    """Write to the database; make it first, where cab has not run yet."""
    from cab_core.storage import NoDatabaseError, Store

    async def make() -> None:
        await (await Store.open(_where(settings))).close()

    try:
        return _visit(settings, fn)
    except NoDatabaseError:
        asyncio.run(make())
        return _visit(settings, fn)


def _where(settings: Settings) -> str | Path:
    return settings.database_url.reveal() or settings.db_path


def _print_new(told: dict[str, Any]) -> None:
    click.echo(told["token"])
    click.echo(f"token {told['id']} of {told['name']}, role {told['role']}: shown this once", err=True)


def _print_list(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no tokens; make one: cab token new NAME")
        return
    headers = ("id", "name", "role", "created", "by", "last used", "revoked")
    table(
        headers,
        [
            (
                row["id"],
                row["name"],
                row["role"],
                _when(row["created_ms"]),
                row["created_by"],
                _when(row["last_used_ms"]),
                _when(row["revoked_ms"]),
            )
            for row in rows
        ],
    )


def _when(ts_ms: int | None) -> str:
    return "-" if ts_ms is None else datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _now_ms() -> int:
    from cab_core.clock import SystemClock

    return SystemClock().now_ms()
