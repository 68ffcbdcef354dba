"""A folder of 15-minute candle files, one per symbol."""

from __future__ import annotations

from pathlib import Path

import attrs

from cab_core.data.checks import missing_bars
from cab_core.data.files import CandleFile, read_candles, read_market, write_candles
from cab_core.data.symbols import known, parse_symbol
from cab_core.domain.resample import traded
from cab_core.domain.timeframes import TF_MS, TIMEFRAMES
from cab_core.errors import CabError, DataError, NotFoundError, RefusedError, UsageError

TIMEFRAME = "15m"


@attrs.frozen(slots=True)
class Stored:
    """One file of the folder.

    Attributes:
        first_ms: open time of the first candle; ``last_ms`` of the last.
        missing: candles that are missing in between.
        left_out: import only: source candles before the first and after the last complete 15-minute candle.
        thin: import only: 15-minute candles made of fewer source candles than fit into them.
        problem: why the file cannot be used, empty if it can; all numbers are 0 then.
    """

    symbol: str
    path: Path
    bars: int = 0
    first_ms: int = 0
    last_ms: int = 0
    missing: int = 0
    left_out: int = 0
    thin: int = 0
    problem: str = ""


@attrs.frozen(slots=True)
class CandleStore:
    """The folder ``<data folder>/candles``; it is made with the first import."""

    folder: Path

    def path(self, symbol: str) -> Path:
        """Return where the candles of ``symbol`` are kept."""
        return self.folder / f"{symbol.replace('/', '-')}_{TIMEFRAME}.csv.gz"

    def read(self, symbol: str) -> CandleFile:
        """Read the stored candles of ``symbol``.

        Raises:
            NotFoundError: none are stored.
            DataError: the stored file is damaged.
        """
        path = self.path(symbol)
        if not path.exists():
            fix = f"run: cab data import FILE --symbol {symbol}"
            raise NotFoundError(f"no candles of {symbol} are stored", where=str(self.folder), fix=fix)
        return read_market(path)

    def add(
        self, source: Path, *, symbol: str | None = None, to: str | None = None, replace: bool = False
    ) -> Stored:
        """Import a candle file; nothing is merged.

        Args:
            source: any legal candle file.
            symbol: ``BASE/QUOTE``; without it the file name must tell.
            to: ``15m`` builds 15-minute candles from shorter ones. A missing source candle is one in which
                nothing traded, so a candle is made of what did; the first and the last are left out where
                the file begins or ends inside them.
            replace: whether candles already stored for the symbol are replaced.

        Raises:
            DataError: the file cannot be used.
            RefusedError: the symbol has candles already.
            UsageError: the symbol or ``to`` is missing or wrong.
        """
        file = read_market(source) if to is None else _read_finer(source, to)
        name = parse_symbol(symbol) if symbol else known(file.symbol, source)
        target = self.path(name)
        if target.exists() and not replace:
            raise RefusedError(
                f"candles of {name} are already stored",
                where=str(target),
                fix="use --replace to replace them; candles are never merged",
            )
        built = traded(file.bars, file.timeframe, TIMEFRAME)
        if len(built.bars) == 0:
            raise DataError(
                f"{len(file.bars)} {file.timeframe} candles make no complete 15m candle",
                where=str(source),
                fix="give a longer file",
            )
        write_candles(target, built.bars)
        left_out = len(file.bars) - int(built.children.sum())
        thin = int((~built.complete).sum())
        return attrs.evolve(_described(name, target, read_market(target)), left_out=left_out, thin=thin)

    def list(self) -> list[Stored]:
        """Return all stored files in the order of their names; damaged ones with their problem."""
        if not self.folder.is_dir():
            return []
        return [_look(path) for path in sorted(self.folder.glob(f"*_{TIMEFRAME}.csv.gz"))]


def _read_finer(source: Path, to: str) -> CandleFile:
    if to != TIMEFRAME:
        raise UsageError(f"cannot import to {to!r}", where="--to", fix=f"the only choice is {TIMEFRAME}")
    file = read_candles(source)
    if TF_MS % TIMEFRAMES[file.timeframe]:
        raise DataError(
            f"15m candles cannot be made from {file.timeframe} candles",
            where=str(source),
            fix="give a file of 1m, 5m or 15m candles",
        )
    return file


def _look(path: Path) -> Stored:
    symbol = path.name.removesuffix(f"_{TIMEFRAME}.csv.gz").replace("-", "/")
    try:
        return _described(symbol, path, read_market(path))
    except CabError as error:
        return Stored(symbol, path, problem=error.what)


def _described(symbol: str, path: Path, file: CandleFile) -> Stored:
    stamps = file.bars.ts_ms
    return Stored(symbol, path, len(stamps), int(stamps[0]), int(stamps[-1]), missing_bars(file.holes))
