"""``cab doctor``: check what a run needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command, load, settings_options
from cab_core.cli.output import emit, table
from cab_core.errors import ConfigError, ExitCode, NotFoundError

if TYPE_CHECKING:
    from cab_core.app.doctor import Row


@cab_command("doctor", examples=("cab doctor", "cab doctor --online --json", "cab doctor --only database"))
@click.option(
    "--online", is_flag=True, help="Also ask the exchange and the macro sources; they are only read."
)
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check; may be given several times.")
@settings_options
def command(
    online: bool,
    only: Sequence[str],
    as_json: bool,
    config: Path | None,
    overrides: Sequence[str],
) -> int:
    """Check everything a run needs, and say how to mend what is not well.

    Nothing is changed. Exit code 1 if a check fails; warnings alone do not count.
    """
    rows = _settings_rows(config, overrides) or _examined(online, only, config, overrides)
    healthy = not any(row.status == "fail" for row in rows)
    emit({"ok": healthy, "rows": rows}, as_json, lambda: _print(rows, healthy=healthy))
    return ExitCode.OK if healthy else ExitCode.PROBLEMS


def _settings_rows(config: Path | None, overrides: Sequence[str]) -> list[Row]:
    """Return the problems of the settings, of a run if they are there: with them nothing can be judged."""
    from cab_core.app.doctor import Row, Verdict
    from cab_core.settings import missing_for_run, read_settings

    read = read_settings(os.environ, Path.cwd(), overrides, config, require_run=False)
    try:
        load(config, overrides, require_run=not missing_for_run(read.settings), decides=True)
    except ConfigError as error:
        return [Row("settings", Verdict.FAIL, str(each), each.fix) for each in error.problems]
    return []


def _examined(online: bool, only: Sequence[str], config: Path | None, overrides: Sequence[str]) -> list[Row]:
    from cab_core.app.doctor import examine, here

    loaded = load(config, overrides)
    checks = dict(here.checks(loaded, Path.cwd()))
    if online:
        from cab_core.app.doctor import online as others

        checks |= others.checks(loaded.settings)
    unknown = [name for name in only if name not in checks]
    if unknown:
        raise NotFoundError(
            f"there is no check {unknown[0]!r}", where="--only", fix=f"there are: {', '.join(checks)}"
        )
    return list(examine({name: check for name, check in checks.items() if not only or name in only}))


def _print(rows: Sequence[Row], *, healthy: bool) -> None:
    table(("check", "state", "detail", "fix"), [(r.check, r.status.upper(), r.detail, r.fix) for r in rows])
    click.echo("Nothing keeps the bot from working." if healthy else "Mend what says FAIL first.")
