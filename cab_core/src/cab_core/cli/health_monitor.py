"""``cab health-monitor``: watch a bot from outside and tell people."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit
from cab_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from cab_core.settings import Settings


@cab_command(
    "health-monitor",
    examples=(
        "cab health-monitor --oneshot",
        "cab-health-monitor --daemon",
        "cab health-monitor --oneshot --json",
    ),
)
@click.option("--oneshot", is_flag=True, help="Look once and say it with the exit code.")
@click.option("--daemon", is_flag=True, help="Look every HEALTH_CHECK_INTERVAL_SEC until stopped.")
@settings_options
def command(
    oneshot: bool,
    daemon: bool,
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Watch the bot of this host from another process, and tell the notifiers when it is gone or unwell.

    It alerts once about each change that three looks in a row confirm, and once when all is well again. It
    never trades: closing positions of a dead bot is the dead man's switch's work, or cab dms watch --act.

    With --oneshot the exit code is 0 if the bot is healthy, 1 if it is not, 5 if none runs.
    """
    if oneshot == daemon:
        raise UsageError("say how long to watch", where="cab health-monitor", fix="add --oneshot or --daemon")
    settings = load(config, overrides).settings
    if daemon:
        return _watch(settings)
    from cab_core.app.health_monitor import Condition, look_once

    seen = look_once(settings)
    emit(seen, as_json, lambda: click.echo(f"{seen.condition}: {seen.detail}"))
    if seen.condition is Condition.HEALTHY:
        return ExitCode.OK
    return ExitCode.NOT_RUNNING if seen.condition is Condition.STOPPED else ExitCode.PROBLEMS


def _watch(settings: Settings) -> int:
    from cab_core.app.alerting.direct import notifiers_of, tell_or_log
    from cab_core.app.health_monitor import watch
    from cab_core.clock import SystemClock
    from cab_core.observability.logs import configure_logging

    configure_logging(settings.log_level, settings.log_format, secrets=settings.secret_texts())
    notifiers_of(settings)  # refused now, not when there is something to tell
    tell = partial(tell_or_log, lambda: settings)
    asyncio.run(_until_signal(watch(settings, tell, SystemClock())))
    return ExitCode.OK


async def _until_signal(watching: Coroutine[Any, Any, None]) -> None:
    """Watch until SIGINT or SIGTERM: both are ordinary ends of a daemon."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(watching)
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
