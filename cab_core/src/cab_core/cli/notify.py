"""``cab notify``: whether alerts arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cab_core.cli.base import cab_group, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import ExitCode


@cab_group("notify", examples=("cab notify test", "cab notify test --severity critical"))
def group() -> None:
    """Try the ways on which alerts reach people."""


@group.cab_command("test", examples=("cab notify test", "cab notify test --severity critical --json"))
@click.option(
    "--severity",
    type=click.Choice(("critical", "important", "info")),
    default="info",
    show_default=True,
    help="Class of the test alert.",
)
@settings_options
def test(severity: str, as_json: bool, config: Path | None, overrides: Sequence[str]) -> int:
    """Send a test alert to every configured notifier, and print what came of each.

    It goes out at once, whatever its class, beside a running bot and past its queue. The exit code is 1 if a
    notifier did not take it.
    """
    from cab_core.app.alerting.direct import tell_now
    from cab_core.app.ids import SystemIds
    from cab_core.cli.actor import system_actor
    from cab_core.clock import SystemClock
    from cab_core.domain.alerts import Alert, Severity
    from cab_core.observability.logs import configure_logging
    from cab_core.plugins.isolation import describe

    settings = load(config, overrides).settings
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secret_texts())
    trace_id = SystemIds().trace_id()
    alert = Alert(
        Severity(severity),
        "notify.test",
        f"a test alert, sent by {system_actor()}: nothing has happened",
        trace_id,
        ts_ms=SystemClock().now_ms(),
        id=f"test-{trace_id[:6]}",
    )
    outcomes = asyncio.run(tell_now(settings, alert))
    told: list[dict[str, Any]] = [
        {
            "notifier": outcome.id,
            "taken": outcome.error is None,
            "error": None if outcome.error is None else describe(outcome.error),
            "seconds": round(outcome.seconds, 3),
        }
        for outcome in outcomes
    ]
    emit({"id": alert.id, "notifiers": told}, as_json, lambda: _print(told))
    return ExitCode.OK if all(row["taken"] for row in told) else ExitCode.PROBLEMS


def _print(told: Sequence[dict[str, Any]]) -> None:
    rows = [
        (row["notifier"], "taken" if row["taken"] else row["error"], f"{row['seconds']:.2f} s")
        for row in told
    ]
    table(("notifier", "outcome", "took"), rows)
