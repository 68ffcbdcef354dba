"""Candle files on the command line: ``--data [SYMBOL=]FILE…`` and ``--symbol``, alike in every command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import click

from cab_core.cli.base import CabCommand
from cab_core.data.symbols import NamedFile, parse_symbol
from cab_core.errors import UsageError

_FLAG = "--data"


Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

symbol_option = click.option(
    "--symbol",
    "--symbols",
    "symbols",
    multiple=True,
    metavar="A/B,…",
    help="Symbols of the files whose names do not tell, in their order.",
)


def data_option(text: str, *, required: bool, many: bool = True) -> Decorator:
    """Return the option ``--data``, its values as `NamedFile`."""
    return click.option(
        _FLAG,
        "data",
        required=required,
        multiple=many,
        type=NamedFile.parse,
        metavar="[SYMBOL=]FILE" + ("…" if many else ""),
        help=text,
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


def listed(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols of a repeated option whose values may hold several with commas between.

    Raises:
        UsageError: one is no symbol, or nothing but commas is given.
    """
    symbols = tuple(parse_symbol(part) for text in texts for part in text.split(",") if part.strip())
    if texts and not symbols:
        raise UsageError("no symbols", where="--symbol", fix="give at least one, e.g. BTC/USDT")
    return symbols


def named(files: Sequence[NamedFile], symbols: Sequence[str]) -> tuple[NamedFile, ...]:
    """Return the files with the symbols of ``--symbol``, one for each file that was not named as SYMBOL=FILE.

    Raises:
        UsageError: there are more or fewer symbols than such files.
    """
    given = listed(symbols)
    unnamed = sum(file.symbol is None for file in files)
    if not given:
        return tuple(files)
    if len(given) != unnamed:
        count = f"{len(given)} symbol{'' if len(given) == 1 else 's'} for {unnamed} files"
        fix = "name one symbol per file in their order, or write --data SYMBOL=FILE"
        raise UsageError(count, where="--symbol", fix=fix)
    rest = iter(given)
    return tuple(file if file.symbol else NamedFile(file.path, next(rest)) for file in files)
