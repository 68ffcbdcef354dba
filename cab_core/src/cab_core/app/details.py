"""The finer candles of a backtest: ``--detail [SYMBOL=]FILE``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import attrs

from cab_core.app.histories import Histories, described, joined
from cab_core.app.times import minute
from cab_core.cycle.detail import Detail
from cab_core.data.files import CandleFile, read_candles
from cab_core.data.symbols import NamedFile
from cab_core.domain.bars import Bars
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES
from cab_core.errors import DataError, UsageError
from cab_core.report.facts import DetailFacts

_WHERE = "--detail"


@attrs.frozen(eq=False, slots=True)
class Details:
    """Finer candles to walk by.

    Attributes:
        files: the files with their symbols, by symbol and time.
        by_symbol: the candles, of the symbols that have some.
    """

    files: tuple[tuple[str, CandleFile], ...]
    by_symbol: Mapping[str, Detail]

    @property
    def sha256(self) -> str:
        """The hash of all finer candles with their symbols."""
        lines = "".join(f"{symbol} {file.sha256}\n" for symbol, file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()

    def facts(self, histories: Histories, span: tuple[int, int] | None) -> DetailFacts:
        """Describe the files, and count the candles of the traded span that have no complete detail."""
        candles = whole = 0
        for symbol, series in histories.series.items():
            stamps = series.bars.ts_ms[~series.bars.synthetic]
            if span is not None:
                stamps = stamps[(stamps >= span[0]) & (stamps <= span[1])]
            detail = self.by_symbol.get(symbol)
            candles += len(stamps)
            whole += len(stamps) if detail is None else int((~detail.complete(stamps)).sum())
        return DetailFacts(tuple(described(*each) for each in self.files), candles, whole)


def read_details(named: Sequence[NamedFile], histories: Histories) -> Details:
    """Read the finer candles of symbols that are traded; several files of one symbol are joined.

    Raises:
        DataError: a file cannot be used: not finer than 15m, of another time, of another market.
        UsageError: a file's symbol is unknown or not traded.
    """
    by_symbol: dict[str, list[CandleFile]] = {}
    for each in named:
        file = read_candles(each.path)
        if TIMEFRAMES[file.timeframe] >= TF_MS:
            raise DataError(
                f"detail must be finer than 15m, these are {file.timeframe} candles",
                where=f"{_WHERE} {file.path}",
                fix="give 1m or 5m candles of the same symbol",
            )
        by_symbol.setdefault(_symbol(each, file, histories), []).append(file)
    details = {symbol: _detail(symbol, files, histories) for symbol, files in by_symbol.items()}
    return Details(tuple((s, file) for s, files in by_symbol.items() for file in files), details)


def _symbol(each: NamedFile, file: CandleFile, histories: Histories) -> str:
    traded = ", ".join(histories.series)
    symbol = each.symbol or file.symbol
    if symbol is None and len(histories.series) == 1:
        return traded
    if symbol is None:
        fix = f"write {_WHERE} SYMBOL={file.path}"
        raise UsageError(f"the file name {file.path.name} does not tell the symbol", where=_WHERE, fix=fix)
    if symbol not in histories.series:
        raise UsageError(
            f"{file.path} holds candles of {symbol}, which is not traded here",
            where=_WHERE,
            fix=f"give finer candles of {traded}, or write {_WHERE} SYMBOL=FILE",
        )
    return symbol


def _detail(symbol: str, files: list[CandleFile], histories: Histories) -> Detail:
    timeframes = sorted({file.timeframe for file in files})
    if len(timeframes) > 1:
        raise DataError(
            f"the detail of {symbol} is of {' and '.join(timeframes)} candles",
            where=_WHERE,
            fix="give one timeframe a symbol",
        )
    detail = Detail(joined(symbol, files), TIMEFRAMES[timeframes[0]])
    where = f"{_WHERE} {files[0].path}"
    bars = histories.series[symbol].bars
    bars = bars.take(~bars.synthetic)
    bars = bars.take(detail.complete(bars.ts_ms))
    if not len(bars):
        raise DataError(
            f"no 15m candle of {symbol} is complete in it: it reaches {_reach(detail.bars)}, "
            f"the data {_reach(histories.series[symbol].bars)}",
            where=where,
            fix="give finer candles of the same time",
        )
    _check_market(symbol, bars, detail, where)
    return detail


def _check_market(symbol: str, bars: Bars, detail: Detail, where: str) -> None:
    """Refuse prices that lie wholly outside of the candle they are to make up: they are of something else."""
    lows, highs = detail.extremes(bars.ts_ms)
    apart = (lows > bars.high) | (highs < bars.low)
    if apart.any():
        row = int(apart.argmax())
        raise DataError(
            f"the candle of {symbol} at {minute(int(bars.ts_ms[row]))} UTC lies between {bars.low[row]:g} "
            f"and {bars.high[row]:g}, its detail between {lows[row]:g} and {highs[row]:g}",
            where=where,
            fix=f"give finer candles of {symbol} from the same market",
        )


def _reach(bars: Bars) -> str:
    return f"from {minute(int(bars.ts_ms[0]))} to {minute(int(bars.ts_ms[-1]))} UTC"
