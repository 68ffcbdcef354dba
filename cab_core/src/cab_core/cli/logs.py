"""``cab logs``: the log of the bot, searched."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from cab_core.cli.base import cab_command
from cab_core.cli.desk import ask, desk_options

if TYPE_CHECKING:
    from cab_core.app.desk.desk import Desk, Filter
    from cab_core.app.desk.views import LogLine

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@cab_command(
    "logs",
    examples=("cab logs --level WARNING", "cab logs --trace 4f0c2a9b1d3e5f67 --json", "cab logs --follow"),
)
@click.option("-n", "--lines", type=click.IntRange(1, 500), default=50, show_default=True, help="At most.")
@click.option("--level", type=click.Choice(_LEVELS), help="This level and above.")
@click.option("--trace", "trace_id", help="Only lines of one cycle, order, command or look.")
@click.option("--symbol", help="Only lines about one symbol.")
@click.option("--text", default="", help="Only lines with this text.")
@click.option("--since", metavar="TIME", help="Only lines since then, UTC.")
@click.option("-f", "--follow", is_flag=True, help="Wait for new lines until Ctrl-C.")
@desk_options
def command(
    lines: int,
    level: str | None,
    trace_id: str | None,
    symbol: str | None,
    text: str,
    since: str | None,
    follow: bool,
    as_json: bool,
    remote: str | None,
    config: Path | None,
    overrides: Sequence[str],
) -> None:
    """Show log lines, oldest first: of the running bot, or of the files it left.

    With --json each line is one JSON object.
    """
    from cab_core.app.desk.desk import Filter
    from cab_core.app.times import instant_ms

    wanted = Filter(
        limit=lines,
        level=level,
        trace_id=trace_id,
        symbol=symbol,
        text=text,
        since_ms=None if since is None else instant_ms(since, "--since"),
    )
    seen: list[LogLine] = []
    while True:
        found, _ = ask(config, overrides, remote, partial(_lines, wanted))
        for line in reversed([each for each in found if each not in seen]):
            click.echo(_text(line, as_json=as_json))
        if not follow:
            return
        seen, wanted = found or seen, _newer(wanted, found)
        time.sleep(1)


async def _lines(wanted: Filter, desk: Desk) -> tuple[list[LogLine], str | None]:
    return await desk.logs(wanted)


def _newer(wanted: Filter, found: Sequence[LogLine]) -> Filter:
    """Ask for what came since the newest line; it is asked for again, and left out by comparison."""
    from cab_core.app.times import instant_ms

    if not found:
        return wanted
    return attrs.evolve(wanted, limit=500, since_ms=instant_ms(found[0].timestamp, "timestamp"))


def _text(line: LogLine, *, as_json: bool) -> str:
    from cab_core.app.desk.plain import plain

    if as_json:
        return json.dumps(plain(line), ensure_ascii=False)
    about = " ".join(part for part in (line.symbol, line.trace_id) if part and part != "-")
    return f"{line.timestamp} {line.level:<8} {line.module} {about and f'[{about}] '}{line.message}"
