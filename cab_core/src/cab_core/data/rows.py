"""Candle rows from text and back: a vectorised reading of plain decimals, a slow one that finds the fault."""

from __future__ import annotations

from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import Bars

HEADER = "ts_ms,open,high,low,close,volume"
COLUMNS = HEADER.split(",")

Table: TypeAlias = npt.NDArray[np.float64]

#: Bytes parsed at once, up to the next line end: the steps of parsing need ten times as much memory.
_PIECE = 1 << 20

_PLAIN = b"0123456789."
_ROW = b"," * (len(COLUMNS) - 1) + b"\n"
_COMMA, _POINT, _ZERO = ord(","), ord("."), ord("0")
_NEWLINE_TO_COMMA = bytes.maketrans(b"\n", b",")

#: Powers of ten and integers up to here are float64 exactly, so their quotient is the correctly rounded value
#: of the decimal text (Clinger 1990).
_POWERS = 10.0 ** np.arange(23)
_EXACT_INTEGER = 2**53


def parse_rows(body: bytes) -> Table | None:
    """Return the rows of a CSV body as float64, shape [N, 6], or None if a line is no row of six numbers.

    Every value is the float64 nearest to its text, as ``float`` would give it.
    """
    end = len(body.rstrip(b"\n"))
    tables = [np.empty((0, len(COLUMNS)))]
    start = 0
    while start < end:
        stop = body.find(b"\n", start + _PIECE, end) + 1
        table = _parse_piece(body[start:stop] if stop else body[start:end] + b"\n")
        if table is None:
            return None
        tables.append(table)
        start = stop or end
    return np.concatenate(tables)


def _parse_piece(lines: bytes) -> Table | None:
    if not _is_table(lines):
        return None
    values = _plain_decimals(lines)
    if values is None:
        values = _any_numbers(lines)
    return None if values is None else values.reshape(-1, len(COLUMNS))


def format_rows(bars: Bars) -> bytes:
    """Return header and rows as text, every value as its shortest plain decimal, never with an exponent."""
    floats = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    columns = [map(str, bars.ts_ms.tolist()), *(map(_decimal, column.tolist()) for column in floats)]
    lines = [HEADER, *map(",".join, zip(*columns, strict=True)), ""]
    return "\n".join(lines).encode()


def first_bad_line(body: bytes) -> tuple[int, str, str]:
    """Return index, fault and fix of the first line of a body that `parse_rows` refused."""
    for row, line in enumerate(body.rstrip(b"\n").split(b"\n")):
        try:
            cells = line.decode().split(",")
        except UnicodeDecodeError:
            return row, "the line is not UTF-8 text", "export the file as CSV in UTF-8"
        if len(cells) != len(COLUMNS):
            return row, f"{len(cells)} columns instead of {len(COLUMNS)}: {_short(line)}", f"write {HEADER}"
        for name, cell in zip(COLUMNS, cells, strict=True):
            if not _is_number(cell):
                return row, f"{name} is not a number: {cell[:40]!r}", "write plain decimals like 16541.77"
    raise ValueError("every line is a row of six numbers")


def _decimal(value: float) -> str:
    text = repr(value)
    if "e" in text:
        return np.format_float_positional(value, trim="-")
    return text.removesuffix(".0")


def _is_table(body: bytes) -> bool:
    """Tell whether every line has five commas and otherwise only characters of numbers."""
    return body.translate(None, _PLAIN + b"+-eE") == _ROW * body.count(b"\n")


def _plain_decimals(body: bytes) -> Table | None:
    """Parse digits with at most one point each; None if a token is something else or too long to be exact."""
    digits = body.translate(_NEWLINE_TO_COMMA, b".")
    if len(digits.translate(None, b"0123456789,")):
        return None
    text = np.frombuffer(body, np.uint8)
    marks = np.flatnonzero(text < _ZERO)  # commas, points and line ends, in order
    is_point = text[marks] == _POINT
    ends = np.flatnonzero(~is_point)
    has_point = np.concatenate((is_point[:1] & (ends[:1] > 0), is_point[ends[1:] - 1]))
    decimals = np.where(has_point, marks[ends] - marks[ends - 1] - 1, 0)
    lengths = np.diff(marks[ends], prepend=-1) - 1 - has_point
    one_point_each = np.count_nonzero(is_point) == np.count_nonzero(has_point)
    if not one_point_each or lengths.min() < 1 or lengths.max() > len(str(_EXACT_INTEGER)) + 1:
        return None
    integers = np.fromstring(digits, dtype=np.int64, sep=",")
    if integers.max() > _EXACT_INTEGER:
        return None
    quotients: Table = integers / _POWERS[decimals]
    return quotients


def _any_numbers(body: bytes) -> Table | None:
    cells = chain.from_iterable(line.split(b",") for line in body.split(b"\n")[:-1])
    try:
        return np.fromiter(map(float, cells), np.float64)
    except ValueError:
        return None


def _is_number(cell: str) -> bool:
    """Tell whether ``cell`` is a number in the alphabet of candle files (no ``nan``, no ``1_000``)."""
    if not cell or cell.strip("0123456789.+-eE"):
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _short(line: bytes) -> str:
    return repr(line[:60].decode(errors="replace"))
