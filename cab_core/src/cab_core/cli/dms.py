"""``cab dms``: what the dead man's switch has done, its release, and a second watcher from outside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.domain.figures import quantity
from cab_core.errors import ExitCode, NotRunningError, RefusedError, UsageError

if TYPE_CHECKING:
    from cab_core.safety.instance_lock import Holder
    from cab_core.safety.latch import Latch
    from cab_core.settings import Settings


@cab_group("dms", examples=("cab dms status", 'cab dms ack --reason "looked at the exchange, all flat"'))
def group() -> None:
    """See and release what the dead man's switch has done.

    The switch is a process of its own beside a running bot. When the bot is dead and nobody takes its place,
    it closes all positions, and nothing starts again before `cab dms ack`.
    """


@group.cab_command("status", examples=("cab dms status", "cab dms status --json"))
@settings_options
def status(as_json: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """Show whether it has acted, why, and what came of it. The exit code is 1 if it has."""
    settings = load(config, overrides).settings
    latch, holder = _latch(settings), _holder(settings)
    told = _told(settings, latch, holder)
    emit(told, as_json, lambda: _print_status(told))
    return ExitCode.OK if latch is None else ExitCode.PROBLEMS


@group.cab_command(
    "ack",
    examples=('cab dms ack --reason "exchange was down, all flat"', "cab dms ack --reason checked --json"),
)
@click.option("--reason", required=True, help="What was found; it is kept with the report.")
@click.option("--by", default="", help="Who looked; default: the user of this shell.")
@settings_options
def ack(reason: str, by: str, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Let the bot start again after the dead man's switch has acted."""
    from cab_core.app.local_files import database_file, lock_file
    from cab_core.safety.instance_lock import DEAD_MAN
    from cab_core.safety.latch import acknowledge, acknowledged_file

    if not reason.strip():
        raise UsageError("the reason is empty", where="--reason", fix="say what you found at the exchange")
    settings = load(config, overrides).settings
    holder = _holder(settings)
    if holder is not None and holder.role == DEAD_MAN:
        raise RefusedError(
            f"process {holder.pid} is still closing positions",
            where=str(lock_file(settings)),
            fix="wait until it has finished; see: cab dms status",
        )
    database = database_file(settings)
    actor, now_ms = by or system_actor(), time.time_ns() // 1_000_000
    _audit_ack(settings, actor, reason.strip(), now_ms)
    latch = acknowledge(database, reason=reason.strip(), by=actor, now_ms=now_ms)
    kept = None if latch is None else acknowledged_file(database)
    text = "nothing to acknowledge" if latch is None else f"released; the report is kept in {kept}"
    emit({"acknowledged": latch, "kept": kept}, as_json, lambda: click.echo(text))


@group.cab_command("watch", examples=("cab dms watch", "cab dms watch --act --json"))
@click.option("--act", is_flag=True, help="Close all positions as the built-in switch would.")
@settings_options
def watch(act: bool, as_json: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """Watch a running bot from outside, until it stops (exit code 0) or is dead (1).

    It sees only whether the process is there, not whether it works: it raises an alarm when the process is
    gone without a clean stop and no other one takes its place within DMS_TIMEOUT_SEC.
    """
    from cab_core.app.local_files import lock_file
    from cab_core.app.outside import watch_outside

    loaded = load(config, overrides)
    settings = loaded.settings
    from cab_core.observability.logs import configure_logging

    configure_logging(settings.log_level, settings.log_format, secrets=settings.secret_texts())
    holder = _holder(settings)
    if holder is None:
        raise NotRunningError("no bot is running", where=str(lock_file(settings)), fix="run: cab run")
    reason = watch_outside(settings, holder, act=act, config=config, overrides=overrides)
    told = {"pid": holder.pid, "dead": bool(reason), "reason": reason or "it was stopped", "acted": act}
    emit(told, as_json, lambda: click.echo(f"process {holder.pid}: {told['reason']}"))
    return ExitCode.PROBLEMS if reason else ExitCode.OK


def _audit_ack(settings: Settings, actor: str, reason: str, now_ms: int) -> None:
    """Note who lets the bot start again. A database that is gone keeps nobody from it."""
    from cab_core.storage import AuditEntry, NoDatabaseError, visit, write_audit

    latch = _latch(settings)
    if latch is None:
        return
    entry = AuditEntry(
        actor=actor,
        role="admin",
        surface="cli",
        action="dms.ack",
        before={"latched": True, "since": latch.since, "reason": latch.reason},
        after={"latched": False, "reason": reason},
    )
    where = settings.database_url.reveal() or settings.db_path
    with suppress(NoDatabaseError):
        visit(where, lambda conn: write_audit(conn, entry, now_ms), read_only=False)


def _latch(settings: Settings) -> Latch | None:
    from cab_core.app.local_files import database_file
    from cab_core.safety.latch import read_latch

    return read_latch(database_file(settings))


def _holder(settings: Settings) -> Holder | None:
    from cab_core.app.local_files import lock_file
    from cab_core.safety.instance_lock import living_holder

    return living_holder(lock_file(settings))


def _told(settings: Settings, latch: Latch | None, holder: Holder | None) -> dict[str, Any]:
    from cab_core.app.dead_man import wanted
    from cab_core.app.local_files import database_file
    from cab_core.safety.instance_lock import DEAD_MAN
    from cab_core.safety.latch import latch_file

    acting = holder is not None and holder.role == DEAD_MAN
    finished = latch is not None and latch.report is not None
    state = "acting" if acting else "latched" if finished else "interrupted" if latch else "clear"
    return {
        "state": state,
        "enabled": wanted(settings),
        "running_pid": None if holder is None else holder.pid,
        "latch": latch,
        "file": latch_file(database_file(settings)),
    }


_MEANINGS = {
    "clear": "it has not acted",
    "acting": "closing positions now; no bot can start",
    "latched": "it closed the positions; no bot starts until: cab dms ack --reason TEXT",
    "interrupted": "it was cut off while closing positions; the next cab run takes over",
}


def _print_status(told: dict[str, Any]) -> None:
    rows: list[tuple[str, object]] = [
        ("State", f"{told['state']}: {_MEANINGS[told['state']]}"),
        ("Watches", "yes" if told["enabled"] else "no (DMS_ENABLED)"),
        ("Running", told["running_pid"] or "no"),
    ]
    latch: Latch | None = told["latch"]
    if latch is not None:
        rows += [("Since", latch.since), ("Reason", latch.reason)]
        if latch.last is not None:
            rows.append(
                ("Last beat", f"{latch.last.positions} positions, {latch.last.open_intents} open orders")
            )
        if latch.report is not None:
            rows += [("Sold", _amounts(latch.report.sold)), ("Left", _amounts(latch.report.left))]
        rows.append(("File", told["file"]))
    table(("", "dead man's switch"), rows)


def _amounts(amounts: Any) -> str:
    return ", ".join(f"{symbol} {quantity(amount)}" for symbol, amount in amounts.items()) or "nothing"
