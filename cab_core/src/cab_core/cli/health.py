"""``cab health``: whether the bot and its parts work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command
from cab_core.cli.desk import ask, desk_options
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode, NotRunningError

if TYPE_CHECKING:
    from cab_core.app.desk.desk import Desk
    from cab_core.app.desk.views import Health, Ready


@cab_command("health", examples=("cab health", "cab health --ready --json"))
@click.option("--ready", is_flag=True, help="Only ask whether the start is complete, as a container does.")
@desk_options
def command(
    ready: bool,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Show whether the bot works, part by part.

    Exit code 0 if it is healthy (or ready, with --ready), 1 if not, 5 if no bot runs.
    """
    if ready:
        told = ask(config, overrides, remote, _ready)
        emit(told, as_json, lambda: click.echo(_waiting(told)))
        return ExitCode.OK if told.ready else ExitCode.PROBLEMS
    health = ask(config, overrides, remote, _health)
    emit(health, as_json, lambda: _print(health))
    return ExitCode.OK if health.status == "healthy" else ExitCode.PROBLEMS


async def _ready(desk: Desk) -> Ready:
    await _require_running(desk)
    return await desk.ready()


async def _health(desk: Desk) -> Health:
    await _require_running(desk)
    return await desk.health()


async def _require_running(desk: Desk) -> None:
    status = await desk.status()
    if status.silent_pid is not None:
        raise NotRunningError(
            f"a bot runs (pid {status.silent_pid}), but without an API",
            where="API_ENABLED",
            fix="start it with API_ENABLED=true to ask it for its health",
        )
    if not status.running:
        raise NotRunningError("no bot runs here", fix="run: cab run; or name another with --remote URL")


def _waiting(told: Ready) -> str:
    return "ready" if told.ready else f"not ready, waiting for: {', '.join(told.waiting_for)}"


def _print(told: Health) -> None:
    rows = [
        (
            name,
            "ok" if part.ok else "FAILS",
            part.detail,
            "" if part.latency_ms is None else f"{part.latency_ms:.0f} ms",
        )
        for name, part in told.components.items()
    ]
    title = f"{told.status}, {told.mode.upper()}, version {told.version}, up {told.uptime_s:,.0f} s"
    table(("part", "state", "detail", "latency"), rows, title=title)
