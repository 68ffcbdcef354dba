"""``cab audit``: who changed what, and whether the journal is as it was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from cab_core.settings import Settings
    from cab_core.storage import AuditRow, Connection

_HEAD = re.compile(r"(\d{1,15}):([0-9a-f]{8,64})")


@cab_group("audit", examples=("cab audit list --actor cli:anna", "cab audit verify"))
def group() -> None:
    """Show who changed what, and check that nobody changed the record of it.

    Every change an operator makes, by command, API, page or Telegram, is a row of the journal: who, in which
    role, what, before and after. The rows are chained by their hashes.
    """


@group.cab_command("list", examples=("cab audit list", "cab audit list --action risk. --since 2024-05-01"))
@click.option("--actor", help="Only this one, e.g. cli:anna.")
@click.option("--action", help="Only this action; with a dot at its end all that begin so, e.g. risk.")
@click.option("--since", help="Only from this date or time on (UTC).")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most rows.")
@settings_options
def listed(
    actor: str | None,
    action: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """List the newest entries, the newest last."""
    from cab_core.app.times import instant_ms
    from cab_core.storage import load_audit, visit

    settings = load(config, overrides).settings
    since_ms = 0 if since is None else instant_ms(since, "--since")

    def newest(conn: Connection) -> list[AuditRow]:
        found = load_audit(
            conn, actor=actor, action=action, since_ms=since_ms, limit=limit, newest_first=True
        )
        return found[::-1]

    rows = visit(_where(settings), newest)
    emit({"entries": [_data(row) for row in rows]}, as_json, lambda: _print(rows))


@group.cab_command(
    "verify", examples=("cab audit verify", "cab audit verify --head 2780:f12cf9c1e9b2ea0c --json")
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="SEQ:HASH",
    help="A row that was known before, as the last line of a daily report says it; may be given often.",
)
@settings_options
def verify(heads: Sequence[str], as_json: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """Check the whole journal: no row was changed, removed, moved or cut off its end.

    The exit code is 1 if one was, and the number of the first wrong row is printed. Whoever can write to the
    database can make all of it anew, hashes included; --head finds that, with a line that was sent elsewhere
    before.
    """
    from cab_core.storage import visit

    known = [_head(text) for text in heads]
    settings = load(config, overrides).settings
    told = visit(_where(settings), lambda conn: _verified(conn, known))
    emit(told, as_json, lambda: _print_verdict(told))
    return ExitCode.OK if told["ok"] else ExitCode.PROBLEMS


def _verified(conn: Connection, heads: Sequence[tuple[int, str]]) -> dict[str, Any]:
    from cab_core.storage.journal import breaks, head_text, holds_head

    wrong = [(found.seq, found.text) for found in breaks(conn)]
    wrong += [
        (seq, f"journal row {seq} is not the one that was known as {seq}:{start}")
        for seq, start in heads
        if not holds_head(conn, seq, start)
    ]
    wrong.sort()
    head = head_text(conn)
    return {
        "ok": not wrong,
        "rows": int(head.partition(":")[0]),
        "first_wrong": wrong[0][0] if wrong else None,
        "problems": [text for _, text in wrong],
        "head": head,
    }


def _head(text: str) -> tuple[int, str]:
    found = _HEAD.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no head of a journal",
            where="--head",
            fix="give SEQ:HASH as a daily report ends with",
        )
    return int(found[1]), found[2]


def _where(settings: Settings) -> str | Path:
    return settings.database_url.reveal() or settings.db_path


def _data(row: AuditRow) -> dict[str, Any]:
    import attrs

    return {"seq": row.seq, "ts_ms": row.ts_ms, **attrs.asdict(row.entry, recurse=False)}


def _print(rows: Sequence[AuditRow]) -> None:
    from cab_core.app.times import second

    cells = [
        (
            row.seq,
            second(row.ts_ms),
            row.entry.actor,
            row.entry.role,
            row.entry.surface,
            row.entry.action,
            row.entry.target,
            row.entry.outcome,
        )
        for row in rows
    ]
    if cells:
        table(("row", "time (UTC)", "actor", "role", "surface", "action", "target", "outcome"), cells)
    else:
        click.echo("no entry")


def _print_verdict(told: dict[str, Any]) -> None:
    for problem in told["problems"]:
        click.echo(problem)
    if told["ok"]:
        click.echo(f"{told['rows']} rows are as they were written; head {told['head']}")
    else:
        click.echo(f"the first wrong row is {told['first_wrong']}")
