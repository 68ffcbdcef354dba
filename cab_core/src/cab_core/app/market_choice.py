"""Where a run's candles come from: ``exchange``, ``sample[:SEED]`` or ``file:PATH``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from cab_core.data.files import SUFFIXES, read_market
from cab_core.data.generator import START_MS, generate
from cab_core.data.symbols import NamedFile
from cab_core.domain.candles import Series, prepare
from cab_core.domain.timeframes import DAY_MS
from cab_core.errors import CabError, ConfigError, DataError, NotFoundError, UsageError
from cab_core.nearest import nearest

#: The sample market has this much history before the first candle it is traded on, so that all filters know
#: the past, and this much to trade on.
SAMPLE_HISTORY_DAYS = 60
SAMPLE_DAYS = 365
SAMPLE_SEED = 7

_WHERE = "--market"


@attrs.frozen(slots=True)
class MarketChoice:
    """A market as the command line names it.

    Attributes:
        kind: ``exchange``, ``sample`` or ``file``.
        seed: of the sample market.
        files: candle files and folders of them, with their symbols where those are named.
    """

    kind: str
    seed: int = SAMPLE_SEED
    files: tuple[NamedFile, ...] = ()

    @property
    def label(self) -> str:
        """The market's name on record: a database stays with one market."""
        return f"sample:{self.seed}" if self.kind == "sample" else self.kind


@attrs.frozen(eq=False, slots=True)
class RecordedSeries:
    """Recorded candles to trade on.

    Attributes:
        series: prepared candles by symbol, in the order of the settings.
        trade_from_ms: open time of the first candle that is traded on at a first start; None for all.
    """

    series: Mapping[str, Series]
    trade_from_ms: int | None = None


def parse_market(texts: Sequence[str]) -> MarketChoice:
    """Parse the values of ``--market``; ``file:`` may be given several times.

    Raises:
        UsageError: a value is none of the three forms, or they contradict each other.
    """
    if not texts:
        return MarketChoice("exchange")
    choices = [_parse(text) for text in texts]
    kinds = {choice.kind for choice in choices}
    if len(choices) > 1 and kinds != {"file"}:
        raise UsageError(
            f"one market at a time, not {' and '.join(texts)}",
            where=_WHERE,
            fix="only file:PATH may be repeated",
        )
    return attrs.evolve(choices[0], files=tuple(file for choice in choices for file in choice.files))


def _parse(text: str) -> MarketChoice:
    kind, colon, rest = text.partition(":")
    if text == "exchange":
        return MarketChoice("exchange")
    if kind == "sample" and (not colon or rest.isdecimal()):
        return MarketChoice("sample", int(rest) if colon else SAMPLE_SEED)
    if kind == "file" and rest:
        named = NamedFile.parse(rest)
        return MarketChoice("file", files=(attrs.evolve(named, path=named.path.expanduser()),))
    if text.endswith(SUFFIXES):
        raise UsageError(f"{text!r} is no market", where=_WHERE, fix=f"write --market file:{text}")
    raise UsageError(
        f"{text!r} is no market",
        where=_WHERE,
        fix="write exchange, sample, sample:SEED or file:[SYMBOL=]PATH",
    )


def load_market(choice: MarketChoice, symbols: Sequence[str], leaving: Sequence[str] = ()) -> RecordedSeries:
    """Return the candles of every symbol.

    Args:
        choice: the market.
        symbols: what is traded.
        leaving: what is still held beside it.

    Raises:
        ConfigError: the market is the exchange, and no plugin for its data is installed.
        NotFoundError: a symbol has no candles, or there is no such file.
        DataError: a file cannot be used.
    """
    if choice.kind == "exchange":
        raise ConfigError([_no_exchange()])
    if choice.kind == "sample":
        return sample_market((*symbols, *leaving), choice.seed)
    return RecordedSeries(_from_files(choice.files, symbols, leaving))


def sample_market(symbols: Sequence[str], seed: int, days: int = SAMPLE_DAYS) -> RecordedSeries:
    """Return a generated market of the symbols, the same for the same seed."""
    whole = SAMPLE_HISTORY_DAYS + days
    series = {symbol: prepare(generate(symbol, whole, seed)) for symbol in symbols}
    return RecordedSeries(series, START_MS + SAMPLE_HISTORY_DAYS * DAY_MS)


def _from_files(
    named: Sequence[NamedFile], symbols: Sequence[str], leaving: Sequence[str]
) -> Mapping[str, Series]:
    found: dict[str, Series] = {}
    for path, told in _files(named):
        file = read_market(path)
        symbol = told or file.symbol
        if symbol is None and len(symbols) == 1 and not leaving:
            symbol = symbols[0]
        if symbol is None:
            raise DataError(
                "the file name does not tell the symbol",
                where=str(path),
                fix=f"name it: --market file:BTC/USDT={path}",
            )
        if symbol in found:
            raise DataError(f"a second file of {symbol}", where=str(path), fix="give one file per symbol")
        found[symbol] = prepare(file.bars)
    missing = [symbol for symbol in symbols if symbol not in found]
    if missing:
        raise _no_candles(missing, found)
    if stuck := [symbol for symbol in leaving if symbol not in found]:
        raise _nowhere_to_sell(stuck)
    return {symbol: found[symbol] for symbol in (*symbols, *leaving)}


def _files(named: Sequence[NamedFile]) -> list[tuple[Path, str | None]]:
    files: list[tuple[Path, str | None]] = []
    for each in named:
        path = each.path
        if not path.is_dir():
            files.append((path, each.symbol))
            continue
        inside = sorted(each for each in path.iterdir() if each.name.endswith(SUFFIXES))
        if not inside:
            raise NotFoundError(
                "there is no candle file in this folder", where=str(path), fix="give .csv or .csv.gz files"
            )
        files += [(file, None) for file in inside]
    return files


def _no_candles(missing: Sequence[str], found: Mapping[str, Series]) -> NotFoundError:
    known = ", ".join(found) or "none"
    near = nearest(missing[0], found)
    fix = f"set SYMBOLS={','.join(found)}" if found else "give files named like BTC-USDT_15m.csv.gz"
    hint = f"did you mean {near}? " if near else ""
    return NotFoundError(
        f"no candles of {', '.join(missing)}; the files hold {known}", where="SYMBOLS", fix=f"{hint}{fix}"
    )


def _nowhere_to_sell(held: Sequence[str]) -> NotFoundError:
    return NotFoundError(
        f"no candles of {', '.join(held)}, of which a position or an order is open",
        where=_WHERE,
        fix="give its candles, too, until it is sold; or begin a new account: set DB_PATH to a new file",
    )


def _no_exchange() -> CabError:
    return CabError(
        "no installed plugin reads an exchange's market data (cab-broker-ccxt is not installed)",
        where=_WHERE,
        fix="run: cab run --market sample, or --market file:PATH with recorded candles",
    )
