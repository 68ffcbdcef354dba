"""Candle files: CSV or gzipped CSV, read fast and checked, written atomically."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from pathlib import Path

import attrs
import numpy as np

from cab_core.atomic import make_folder, replacing
from cab_core.data.checks import Hole, bad_row, find_holes, infer_timeframe
from cab_core.data.rows import HEADER, Table, first_bad_line, format_rows, parse_rows
from cab_core.data.symbols import guessed
from cab_core.domain.bars import Bars
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES
from cab_core.errors import DataError, NotFoundError
from cab_core.textfile import decoded, has_mark

SUFFIXES = (".csv", ".csv.gz")

#: Most that is read of one file: ten years of one-minute candles are 5.3 million rows and 330 MiB.
MOST_ROWS = 8_000_000
MOST_BYTES = 400 * 1024 * 1024
_PIECE = 4 * 1024 * 1024

_FIX_HEADER = f"make the first line exactly: {HEADER}"


@attrs.frozen(eq=False, slots=True)
class CandleFile:
    """A candle file that passed all checks.

    Attributes:
        path: where it was read.
        symbol: ``BASE/QUOTE`` as the file name suggests, None if it does not.
        bars: the candles.
        timeframe: a key of `TIMEFRAMES`.
        sha256: of the decompressed content, as hexadecimal digits.
        holes: missing candles between the first and the last.
    """

    path: Path
    symbol: str | None
    bars: Bars
    timeframe: str
    sha256: str
    holes: tuple[Hole, ...]


def read_candles(path: Path | str) -> CandleFile:
    """Read and check a candle file of any timeframe.

    The header is ``ts_ms,open,high,low,close,volume``; ``ts_ms`` is the open time in epoch milliseconds.

    Raises:
        NotFoundError: there is no such file.
        DataError: the file cannot be used; names the row and the value.
    """
    path = Path(path)
    content = _content(path)
    text = _unmarked(path, content)
    text = text.replace(b"\r\n", b"\n") if b"\r" in text else text
    header, _, body = text.partition(b"\n")
    _check_header(path, text, header)
    table = parse_rows(body)
    if table is None:
        raise _bad_text(path, body)
    if len(table) == 0:
        raise DataError("the file has a header but no candle", where=str(path), fix="export it again")
    if problem := bad_row(table):
        raise _at_row(path, problem.row, problem.what, problem.fix)
    bars = _bars(table)
    timeframe, mixed = infer_timeframe(bars.ts_ms)
    if mixed is not None:
        raise _at_row(path, mixed.row, mixed.what, mixed.fix)
    holes = find_holes(bars.ts_ms, TIMEFRAMES[timeframe])
    return CandleFile(path, guessed(path), bars, timeframe, hashlib.sha256(content).hexdigest(), holes)


def read_market(path: Path | str) -> CandleFile:
    """Read a file to trade on: like `read_candles`, but 15-minute candles only."""
    file = read_candles(path)
    tf_ms = TIMEFRAMES[file.timeframe]
    if tf_ms == TF_MS:
        return file
    fix = "give a file of 15m candles"
    if TF_MS % tf_ms == 0:
        fix = f"run: cab data import {file.path} --to 15m"
    raise DataError(f"trading needs 15m candles, these are {file.timeframe}", where=str(file.path), fix=fix)


def check_suffix(path: Path) -> None:
    """Refuse a file name that is neither ``.csv`` nor ``.csv.gz``."""
    if not path.name.endswith(SUFFIXES):
        raise DataError(
            f"unknown kind of candle file {path.name!r}", where=str(path), fix="name it .csv or .csv.gz"
        )


def write_candles(path: Path | str, bars: Bars) -> None:
    """Write candles to ``path`` whole or not at all; equal candles give equal bytes.

    The folder is made if it is missing. Synthetic candles are left out: readers find their hole again.

    Raises:
        DataError: the file cannot be written; nothing half-written stays.
    """
    path = Path(path)
    check_suffix(path)
    content = format_rows(bars.take(~bars.synthetic))
    if path.suffix == ".gz":
        content = _gzipped(content)
    try:
        make_folder(path.parent)
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise DataError(
            f"cannot write the file: {error.strerror}",
            where=str(path),
            fix="check permissions and free space, or choose another folder",
        ) from None


def _gzipped(content: bytes) -> bytes:
    """Compress without name and time, so that the bytes depend on the content only."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def _content(path: Path) -> bytes:
    """Return the decompressed content."""
    if path.is_dir():
        raise DataError("this is a folder, not a file", where=str(path), fix="name one candle file in it")
    check_suffix(path)
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw as file:
            content = _bounded(path, file)
    except FileNotFoundError:
        raise NotFoundError(
            "there is no such file", where=str(path), fix="check the path; cab data list shows stored files"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"the gzip file is damaged or cut short ({error})",
            where=str(path),
            fix="copy or download it again",
        ) from None
    except OSError as error:
        raise DataError(
            f"cannot read the file: {error.strerror}", where=str(path), fix="check its permissions"
        ) from None
    return content


def _bounded(path: Path, file: io.BufferedIOBase) -> bytes:
    """Read in pieces up to a bound: a small gzip file may unfold to more than there is memory."""
    pieces, size, rows = [], 0, 0
    while piece := file.read(_PIECE):
        pieces.append(piece)
        size, rows = size + len(piece), rows + piece.count(b"\n")
        if size > MOST_BYTES or rows > MOST_ROWS:
            raise DataError(
                f"the file holds more than {MOST_ROWS:,} candles or {MOST_BYTES >> 20} MiB of text",
                where=str(path),
                fix="split it by years, or make longer candles of it",
            )
    return b"".join(pieces)


def _unmarked(path: Path, content: bytes) -> bytes:
    """Return UTF-8 without a byte-order mark, as spreadsheets and editors put one in front."""
    if not has_mark(content):
        return content
    try:
        return decoded(content).encode()
    except UnicodeDecodeError:
        raise DataError(
            "the file is not what its byte-order mark says", where=str(path), fix="export it as UTF-8"
        ) from None


def _check_header(path: Path, content: bytes, header: bytes) -> None:
    if not content.strip():
        raise DataError("the file is empty", where=str(path), fix=_FIX_HEADER)
    try:
        found = header.decode()
    except UnicodeDecodeError:
        raise DataError(
            "the file is not UTF-8 text", where=f"{path}:1", fix="export it as CSV in UTF-8"
        ) from None
    if found != HEADER:
        raise DataError(f"wrong header {found[:80]!r}", where=f"{path}:1", fix=_FIX_HEADER)


def _bars(table: Table) -> Bars:
    columns = [np.ascontiguousarray(column) for column in table.T]
    stamps = columns[0].astype(np.int64)
    return Bars(
        stamps,
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        columns[5],
        np.zeros(len(stamps), np.bool_),
    )


def _bad_text(path: Path, body: bytes) -> DataError:
    row, what, fix = first_bad_line(body)
    return _at_row(path, row, what, fix)


def _at_row(path: Path, row: int, what: str, fix: str) -> DataError:
    """Build the error for the candle with index ``row``; line 1 of the file is the header."""
    return DataError(what, where=f"{path}:{row + 2}", fix=fix)
