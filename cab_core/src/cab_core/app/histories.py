"""The candle files of a backtest, put together by symbol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

import attrs
import numpy as np

from cab_core.app.times import minute
from cab_core.data.checks import missing_bars
from cab_core.data.files import CandleFile, read_market
from cab_core.data.oddities import oddities
from cab_core.data.symbols import NamedFile, known
from cab_core.domain.bars import Bars
from cab_core.domain.candles import Series, prepare
from cab_core.domain.timeframes import DAY_MS, TF_MS, floor_ms
from cab_core.errors import DataError, UsageError
from cab_core.report.facts import DataFacts


@attrs.frozen(eq=False, slots=True)
class Histories:
    """Candles to replay.

    Attributes:
        files: the files with their symbols, by symbol and time.
        series: prepared candles by symbol, in the order in which the symbols were first named.
    """

    files: tuple[tuple[str, CandleFile], ...]
    series: Mapping[str, Series]

    @property
    def sha256(self) -> str:
        """The hash of all candles with their symbols."""
        lines = "".join(f"{symbol} {file.sha256}\n" for symbol, file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def bars(self) -> int:
        """The number of prepared candles."""
        return sum(map(len, self.series.values()))

    def facts(self) -> tuple[DataFacts, ...]:
        """Describe the files."""
        return tuple(described(symbol, file) for symbol, file in self.files)

    def warnings(self, now_ms: int) -> list[str]:
        """Return what is odd about the candles, with the file each is in."""
        return [
            f"{file.path.name}: {text}"
            for _, file in self.files
            for text in oddities(file.bars, TF_MS, now_ms)
        ]

    def span(self, from_ms: int | None, to_ms: int | None) -> tuple[int, int] | None:
        """Return first and last open time of the candles between two times, None for all of them.

        Raises:
            UsageError: the times lie outside the data, or no candle lies between them.
        """
        if from_ms is None and to_ms is None:
            return None
        first = min(int(s.bars.ts_ms[0]) for s in self.series.values())
        last = max(int(s.bars.ts_ms[-1]) for s in self.series.values()) + TF_MS
        begin, end = first if from_ms is None else from_ms, last if to_ms is None else to_ms
        reach = f"the data reaches from {minute(first)} to {minute(last)} UTC"
        _within(begin, "--from", floor_ms(first, DAY_MS), last - 1, reach)
        _within(end, "--to", first + 1, floor_ms(last - 1, DAY_MS) + DAY_MS, reach)
        if not any(_any_real(series.bars, begin, end) for series in self.series.values()):
            between = f"no candle lies between {minute(begin)} and {minute(end)}"
            raise UsageError(between, where="--from, --to", fix=reach)
        return begin, end - TF_MS


def read_histories(named: Sequence[NamedFile]) -> Histories:
    """Read candle files; several files of one symbol are joined.

    Args:
        named: at least one file of 15m candles; where no symbol is given, the file's name tells.

    Raises:
        DataError: a file cannot be used, or two files of one symbol overlap.
        UsageError: a symbol is unknown, or the quote currencies differ.
    """
    by_symbol: dict[str, list[CandleFile]] = {}
    for each in named:
        file = read_market(each.path)
        by_symbol.setdefault(known(each.symbol or file.symbol, each.path), []).append(file)
    quotes = sorted({symbol.partition("/")[2] for symbol in by_symbol})
    if len(quotes) > 1:
        raise UsageError(
            f"one account cannot trade against {' and '.join(quotes)}",
            where="--data",
            fix="run one backtest per quote currency",
        )
    series = {symbol: prepare(joined(symbol, files)) for symbol, files in by_symbol.items()}
    return Histories(tuple((s, file) for s, files in by_symbol.items() for file in files), series)


def joined(symbol: str, files: list[CandleFile]) -> Bars:
    """Sort the files of one symbol by time, in place, and join their candles.

    Raises:
        DataError: two files overlap.
    """
    files.sort(key=lambda file: int(file.bars.ts_ms[0]))
    for earlier, later in pairwise(files):
        if later.bars.ts_ms[0] <= earlier.bars.ts_ms[-1]:
            raise DataError(
                f"two files of {symbol} overlap: {earlier.path} ends with "
                f"{minute(int(earlier.bars.ts_ms[-1]))}, {later.path} begins with "
                f"{minute(int(later.bars.ts_ms[0]))}",
                where=str(later.path),
                fix="give one of them, cut one, or name another symbol with --symbol",
            )
    if len(files) == 1:
        return files[0].bars
    return Bars.of(*(np.concatenate(parts) for parts in zip(*(f.bars.columns() for f in files), strict=True)))


def described(symbol: str, file: CandleFile) -> DataFacts:
    """Return what is told about a file."""
    stamps = file.bars.ts_ms
    return DataFacts(
        symbol=symbol,
        name=file.path.name,
        sha256=file.sha256,
        bars=len(stamps),
        first_ms=int(stamps[0]),
        last_ms=int(stamps[-1]),
        holes=len(file.holes),
        missing=missing_bars(file.holes),
        zero_volume=int(np.count_nonzero(file.bars.volume == 0)),
    )


def _within(at_ms: int, option: str, first: int, last: int, reach: str) -> None:
    if not first <= at_ms <= last:
        raise UsageError(f"{minute(at_ms)} UTC lies outside the data", where=option, fix=reach)


def _any_real(bars: Bars, begin: int, end: int) -> bool:
    inside = (bars.ts_ms >= begin) & (bars.ts_ms + TF_MS <= end) & ~bars.synthetic
    return bool(inside.any())
