"""``cab smoke``: is this installation able to trade on paper?"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from cab_core.cli.base import cab_command
from cab_core.cli.output import emit
from cab_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cab_core.app.smoke import Check


@cab_command("smoke", examples=("cab smoke", "cab smoke --json"))
def command(as_json: bool) -> int:
    """Check the installation offline, in a folder of its own: broker, database, and one full cycle.

    It reads none of your settings and touches none of your files. The exit code is 0 if all three checks are
    ok, else 1.
    """
    from cab_core.app.smoke import smoke

    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="cab-smoke-") as folder:
        checks = asyncio.run(smoke(Path(folder)))
    seconds = perf_counter() - began
    ok = all(check.ok for check in checks)
    document = {"ok": ok, "seconds": round(seconds, 3), "checks": checks}
    emit(document, as_json, lambda: _print(checks, seconds))
    return ExitCode.OK if ok else ExitCode.PROBLEMS


def _print(checks: Sequence[Check], seconds: float) -> None:
    for check in checks:
        click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    click.echo(f"{sum(check.ok for check in checks)} of {len(checks)} checks ok in {seconds:.1f} s")
