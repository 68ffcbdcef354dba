"""What commands print: one JSON document, or text for people; plain when piped."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import click


def emit(data: object, as_json: bool, human: Callable[[], None]) -> None:
    """Print ``data`` as one JSON document on stdout, or let ``human`` print it."""
    if as_json:
        click.echo(to_json(data))
    else:
        human()


def to_json(data: object) -> str:
    """Return the JSON text of data, in the form `cab_core.app.desk.plain` gives it everywhere."""
    from cab_core.app.desk.plain import plain

    return json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)


def as_typed(command: str) -> str:
    """Return a command that begins with ``cab`` as it works where this one was called.

    An environment that is not on the path is called by the path of its program, as ``make`` does.
    """
    called, found = Path(sys.argv[0]), shutil.which("cab")
    if called.name != "cab" or not called.exists() or (found and called.samefile(found)):
        return command
    return command.replace("cab", shlex.quote(str(called)), 1) if command.startswith("cab ") else command


def use_color(stream: IO[str]) -> bool:
    """Say whether to style: NO_COLOR and TERM=dumb never, FORCE_COLOR always, otherwise on a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def red(text: str) -> str:
    """Return a line that must not be overlooked: marked everywhere, red where stdout is styled."""
    return click.style(f"! {text}", fg="red", bold=True) if use_color(sys.stdout) else f"! {text}"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table to stdout: framed on a terminal, aligned columns of plain text when piped."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    stream = sys.stdout
    if use_color(stream):
        _rich_table(headers, texts, title, stream)
        return
    widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
    if title:
        click.echo(title)
    for row in (list(headers), *texts):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str, stream: IO[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    framed = Table(*headers, title=title or None, title_justify="left")
    for row in rows:
        framed.add_row(*(Text(cell) for cell in row))
    Console(file=stream, force_terminal=True).print(framed)
