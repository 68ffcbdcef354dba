"""Which symbol candles are of: as the user names it, or as a file's name suggests."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from cab_core.errors import UsageError

#: What pairs are quoted in. A file name tells a symbol only by one of these.
QUOTES = {
    *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USD", "EUR", "GBP", "CHF", "JPY", "TRY", "BRL", "AUD"),
    *("CAD", "KRW", "IDR", "MXN", "PLN", "UAH", "ZAR", "BTC", "ETH", "BNB"),
}

#: Those that also end a pair written in one word: ``BTCUSDT``.
_SUFFIXES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "EUR", "TRY", "BTC")

#: Words of file names that are no currency.
_NO_BASE = {
    *("BINANCE", "BYBIT", "GATE", "GATEIO", "OKX", "KRAKEN", "KUCOIN", "COINBASE", "BITSTAMP", "BITFINEX"),
    *("HUOBI", "HTX", "MEXC", "BITGET", "SPOT", "OHLCV", "CANDLES", "KLINES", "DATA"),
}

_BASE = re.compile(r"(?=.*[A-Z])[A-Z0-9]{2,15}")
_SEPARATED = re.compile(r"[^A-Za-z0-9]+")


@attrs.frozen(slots=True)
class NamedFile:
    """A candle file as a command names it: ``FILE`` or ``SYMBOL=FILE``.

    Attributes:
        symbol: ``BASE/QUOTE``, None where the file's name or ``--symbol`` has to tell.
    """

    path: Path
    symbol: str | None = None

    @classmethod
    def parse(cls, text: str, where: str = "--data") -> NamedFile:
        """Read ``[SYMBOL=]FILE``. A name with an equals sign that is no symbol's is a path.

        Raises:
            UsageError: nothing is named.
        """
        before, equals, after = text.partition("=")
        if equals and before.count("/") == 1 and not Path(text).exists():
            if not after:
                raise UsageError(f"{text!r} names no file", where=where, fix=f"write {before}=FILE")
            return cls(Path(after), parse_symbol(before, where))
        return cls(Path(text))

    def __str__(self) -> str:
        return f"{self.symbol}={self.path}" if self.symbol else str(self.path)


def parse_symbol(text: str, where: str = "--symbol") -> str:
    """Return ``BASE/QUOTE`` in capitals.

    Raises:
        UsageError: the text is no symbol.
    """
    base, slash, quote = text.strip().upper().partition("/")
    if not (slash and base.isalnum() and quote.isalnum() and base != quote):
        raise UsageError(f"{text!r} is no symbol", where=where, fix="write BASE/QUOTE, e.g. BTC/USDT")
    return f"{base}/{quote}"


def guessed(path: Path) -> str | None:
    """Guess the symbol from a name like ``binance_BTC-USDT_15m_2023.csv.gz`` or ``BTCUSDT-15m.csv``.

    Two words next to each other are a pair if the second is a known quote currency and the first may be a
    base; a pair joined by a dash goes before one joined otherwise. None where no or more than one remains.
    """
    words = _SEPARATED.split(path.name.upper())
    joints = _SEPARATED.findall(path.name)
    if words and not words[0]:
        words, joints = words[1:], joints[1:]
    pairs = [
        (joint, f"{base}/{quote}")
        for base, joint, quote in zip(words, joints, words[1:], strict=False)
        if quote in QUOTES and _may_be_base(base) and base != quote
    ]
    dashed = {pair for joint, pair in pairs if joint == "-"}
    found = dashed or {pair for _, pair in pairs} or {pair for word in words if (pair := _in_one_word(word))}
    return found.pop() if len(found) == 1 else None


def known(symbol: str | None, path: Path) -> str:
    """Return the symbol, or refuse a file that does not tell its own.

    Raises:
        UsageError: it is unknown.
    """
    if symbol is None:
        raise UsageError(
            f"the file name {path.name} does not tell the symbol",
            where="--symbol",
            fix=f"name it, e.g. --symbol BTC/USDT, or --data BTC/USDT={path}",
        )
    return symbol


def _may_be_base(word: str) -> bool:
    return word not in _NO_BASE and _BASE.fullmatch(word) is not None


def _in_one_word(word: str) -> str | None:
    for quote in _SUFFIXES:
        base = word.removesuffix(quote)
        if base != word and _may_be_base(base):
            return f"{base}/{quote}"
    return None
