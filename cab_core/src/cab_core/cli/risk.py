"""``cab risk``: what holds entries back, and the release of a halt by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cab_core.cli.actor import system_actor
from cab_core.cli.base import cab_command, cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import NotRunningError

if TYPE_CHECKING:
    from cab_core.app.desk.views import LimitView
    from cab_core.settings import Settings
    from cab_core.storage import Connection

T = TypeVar("T")


@cab_group("risk", examples=("cab risk status", "cab risk reset max_drawdown"))
def group() -> None:
    """Show what the risk rules hold back, and release halts."""


@cab_command("status", examples=("cab risk status", "cab risk status --json"))
@settings_options
def status(as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Show active halts, today's counters and how far the limits are used."""
    settings = load(config, overrides).settings
    report = _visit(settings, lambda conn: _report(conn, settings))
    emit(report, as_json, lambda: _print_status(report, settings))


@cab_command("reset", examples=("cab risk reset max_drawdown", "cab risk reset --by alice --json"))
@click.argument("rule", required=False)
@click.option("--by", default="", help="Who releases it; default: the user of this shell.")
@settings_options
def reset(rule: str | None, by: str, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Release the halt of RULE, or all halts. A running instance notices at its next cycle.

    Releasing max_drawdown also starts the peak of equity anew, from the equity of that moment.
    """
    settings = load(config, overrides).settings
    actor = by or system_actor()
    released = _visit(settings, lambda conn: _release(conn, rule, actor), read_only=False)
    emit({"by": actor, "released": released}, as_json, lambda: _print_released(rule, released))


group.add_command(status)
group.add_command(reset)


def _visit(settings: Settings, fn: Callable[[Connection], T], *, read_only: bool = True) -> T:
    from cab_core.storage import NoDatabaseError, visit

    try:
        return visit(settings.database_url.reveal() or settings.db_path, fn, read_only=read_only)
    except NoDatabaseError as error:
        raise NotRunningError(
            f"{error.what}: cab has not run here yet", where=error.where, fix="run: cab run (or set DB_PATH)"
        ) from error


def _report(conn: Connection, settings: Settings) -> dict[str, Any]:
    from cab_core.app.desk.risk import saved_limits
    from cab_core.app.history import account_now
    from cab_core.storage import active_halts, load_counters, load_halts, releases
    from cab_core.storage.records import utc_date

    now_ms, _ = account_now(conn)
    halts = load_halts(conn)
    return {
        "now_ms": now_ms,
        "entries_allowed": not active_halts(halts, now_ms),
        "halts": active_halts(halts, now_ms),
        "released_ms": releases(halts, now_ms),
        "counters": load_counters(conn, utc_date(now_ms)),
        "limits": saved_limits(conn, settings, now_ms),
    }


def _release(conn: Connection, rule: str | None, actor: str) -> list[dict[str, Any]]:
    from cab_core.app.desk.risk import release
    from cab_core.app.history import account_now
    from cab_core.app.ids import SystemIds
    from cab_core.storage import AuditEntry, write_audit

    now_ms, _ = account_now(conn)
    found = release(conn, rule, actor, now_ms)
    if not found:
        return []
    entry = AuditEntry(
        actor=actor,
        role="admin",
        surface="cli",
        action="desk.release",
        target=rule or "",
        before={"halts": [each.halt.rule for each in found]},
        after={"halts": []},
        trace_id=SystemIds().trace_id(),
    )
    write_audit(conn, entry, now_ms)
    return [
        {
            "rule": each.halt.rule,
            "since_ms": each.halt.since_ms,
            "reason": each.halt.reason,
            "released_ms": now_ms,
            "peak_reset": each.peak,
            "equity": each.equity,
        }
        for each in found
    ]


def _print_status(report: dict[str, Any], settings: Settings) -> None:
    from cab_core.domain.currencies import quote_of

    quote = quote_of(next(iter(settings.symbols), ""))
    click.echo("entries: allowed" if report["entries_allowed"] else "entries: HALTED")
    for halt in report["halts"]:
        until = "until released by hand" if halt.until_ms is None else f"until {_when(halt.until_ms)}"
        click.echo(f"  {halt.rule}: {halt.reason}, since {_when(halt.since_ms)}, {until}")
    table(
        ("limit", "now", "allowed", "unit", "used"),
        [_limit_cells(limit, quote) for limit in report["limits"]],
    )
    for counter in report["counters"]:
        click.echo(f"today {counter.scope} {counter.rule}: {counter.value}")


def _limit_cells(limit: LimitView, quote: str) -> tuple[object, ...]:
    from cab_core.domain.figures import measured, percent, unit_name

    now, most = (measured(each, limit.unit, quote) for each in (limit.value, limit.limit))
    return limit.rule, now, most, unit_name(limit.unit, quote), percent(limit.used_pct, 0)


def _print_released(rule: str | None, released: Sequence[dict[str, Any]]) -> None:
    if not released:
        click.echo(f"no halt of {rule} is active" if rule else "no halt is active")
    for entry in released:
        note = "; the peak of equity starts anew" if entry["peak_reset"] else ""
        since = _when(entry["since_ms"])
        click.echo(f"released {entry['rule']}, halted since {since} ({entry['reason']}){note}")


def _when(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
