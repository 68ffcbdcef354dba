"""An option that takes several files after one flag: ``--data A B C``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cab_core.cli.base import CabCommand

_FLAG = "--data"

files_option = click.option(
    _FLAG,
    "data",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE…",
    help="Candle files (.csv, .csv.gz); several after one flag, or the flag again.",
)


class ManyValues(CabCommand):
    """A command without arguments whose ``--data`` takes every value up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each of its values, as click wants it."""
        return super().parse_args(ctx, repeated(args))


def repeated(args: Sequence[str]) -> list[str]:
    """Return ``--data A B`` as ``--data A --data B``."""
    spread: list[str] = []
    after_flag = 0
    for arg in args:
        if arg == _FLAG or arg.startswith("-"):
            after_flag = int(arg == _FLAG)
        elif after_flag:
            if after_flag > 1:
                spread.append(_FLAG)
            after_flag += 1
        spread.append(arg)
    return spread
