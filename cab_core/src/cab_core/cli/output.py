"""What commands print: one JSON document, or text for people; plain when piped."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import click


def emit(data: object, as_json: bool, human: Callable[[], None]) -> None:
    """Print ``data`` as one JSON document on stdout, or let ``human`` print it."""
    if as_json:
        click.echo(to_json(data))
    else:
        human()


def to_json(data: object) -> str:
    """Return the JSON text of plain data, attrs instances, Decimals (as text) and paths.

    NaN and infinity, which JSON does not know, become null.
    """
    return json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if hasattr(value, "__attrs_attrs__"):
        return {field.name: _plain(getattr(value, field.name)) for field in value.__attrs_attrs__}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def use_color(stream: IO[str]) -> bool:
    """Say whether to style: NO_COLOR and TERM=dumb never, FORCE_COLOR always, otherwise on a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


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
