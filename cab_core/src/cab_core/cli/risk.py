"""``cab risk``: what holds entries back, and the release of a halt by hand."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cab_core.cli.base import cab_command, cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import NotFoundError, NotRunningError
from cab_core.nearest import nearest

if TYPE_CHECKING:
    from cab_core.settings import Settings
    from cab_core.storage import Connection, EquityPoint

T = TypeVar("T")

#: Critical rules: the option that holds the limit, the setting with its default, and the unit.
_LIMITS = {
    "loss_streak": ("count", "risk_loss_streak_count", "round trips"),
    "max_drawdown": ("max_pct", "risk_max_drawdown_pct", "%"),
    "daily_loss": ("limit_quote", "risk_daily_loss_limit_quote", "quote"),
}


@cab_group("risk", examples=("cab risk status", "cab risk reset max_drawdown"))
def group() -> None:
    """Show what the risk rules hold back, and release halts."""


@cab_command("status", examples=("cab risk status", "cab risk status --json"))
@settings_options
def status(as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Show active halts, today's counters and how far the limits are used."""
    settings = load(config, overrides).settings
    report = _visit(settings, lambda conn: _report(conn, settings))
    emit(report, as_json, lambda: _print_status(report))


@cab_command("reset", examples=("cab risk reset max_drawdown", "cab risk reset --by alice --json"))
@click.argument("rule", required=False)
@click.option("--by", default="", help="Who releases it; default: the user of this shell.")
@settings_options
def reset(rule: str | None, by: str, as_json: bool, config: Path | None, overrides: Sequence[str]) -> None:
    """Release the halt of RULE, or all halts. A running instance notices at its next cycle.

    Releasing max_drawdown also starts the peak of equity anew, from the equity of that moment.
    """
    settings = load(config, overrides).settings
    actor = by or f"cli:{_user()}"
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
    from cab_core.app.history import account_now
    from cab_core.storage import active_halts, last_equity, load_counters, load_halts, releases

    now_ms, _ = account_now(conn)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()
    halts = load_halts(conn)
    counters = load_counters(conn, today)
    measured = {counter.rule: counter.value for counter in counters if counter.scope == "account"}
    return {
        "now_ms": now_ms,
        "entries_allowed": not active_halts(halts, now_ms),
        "halts": active_halts(halts, now_ms),
        "released_ms": releases(halts, now_ms),
        "counters": counters,
        "limits": [_limit(rule, settings, measured, last_equity(conn)) for rule in _LIMITS],
    }


def _limit(
    rule: str, settings: Settings, measured: dict[str, Decimal], newest: EquityPoint | None
) -> dict[str, Any]:
    option, attribute, unit = _LIMITS[rule]
    limit = Decimal(str(settings.options_of("risk_rules", rule).get(option, getattr(settings, attribute))))
    value = measured.get(rule)
    if value is None and rule == "max_drawdown" and newest is not None:
        value = newest.drawdown_pct
    used = None if value is None else float(100 * value / limit)
    return {
        "rule": rule,
        "value": value,
        "limit": limit,
        "unit": unit,
        "used_pct": used,
    }


def _release(conn: Connection, rule: str | None, actor: str) -> list[dict[str, Any]]:
    from cab_core.app.history import account_now
    from cab_core.storage import active_halts, load_halts, release_halt

    now_ms, _ = account_now(conn)
    halts = load_halts(conn)
    known = {entry.name for entry in entry_points(group="cab.risk_rules")} | {halt.rule for halt in halts}
    if rule is not None and rule not in known:
        close = nearest(rule, known)
        fix = f"did you mean {close}?" if close else f"known rules: {', '.join(sorted(known))}"
        raise NotFoundError(f"there is no risk rule {rule!r}", where="RULE", fix=fix)
    active = {halt.rule for halt in active_halts(halts, now_ms)}
    wanted = active if rule is None else active & {rule}
    found = [
        release for name in sorted(wanted) for release in release_halt(conn, name, by=actor, ts_ms=now_ms)
    ]
    return [
        {
            "rule": release.halt.rule,
            "since_ms": release.halt.since_ms,
            "reason": release.halt.reason,
            "released_ms": now_ms,
            "peak_reset": release.peak,
            "equity": release.equity,
        }
        for release in found
    ]


def _print_status(report: dict[str, Any]) -> None:
    click.echo("entries: allowed" if report["entries_allowed"] else "entries: HALTED")
    for halt in report["halts"]:
        until = "until released by hand" if halt.until_ms is None else f"until {_when(halt.until_ms)}"
        click.echo(f"  {halt.rule}: {halt.reason}, since {_when(halt.since_ms)}, {until}")
    table(("limit", "now", "allowed", "unit", "used"), [_limit_cells(limit) for limit in report["limits"]])
    for counter in report["counters"]:
        click.echo(f"today {counter.scope} {counter.rule}: {counter.value}")


def _limit_cells(limit: dict[str, Any]) -> tuple[object, ...]:
    value, used = limit["value"], limit["used_pct"]
    now = "n/a" if value is None else f"{value:.2f}"
    percent = "n/a" if used is None else f"{used:.0f} %"
    return limit["rule"], now, limit["limit"], limit["unit"], percent


def _print_released(rule: str | None, released: Sequence[dict[str, Any]]) -> None:
    if not released:
        click.echo(f"no halt of {rule} is active" if rule else "no halt is active")
    for entry in released:
        note = "; the peak of equity starts anew" if entry["peak_reset"] else ""
        since = _when(entry["since_ms"])
        click.echo(f"released {entry['rule']}, halted since {since} ({entry['reason']}){note}")


def _when(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
