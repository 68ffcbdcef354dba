"""Parsers of settings that hold several values: symbols, plugin names, weights, ids, hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cab_core.settings.parse import Kind, TextError, real

_SYMBOL = re.compile(r"[A-Z0-9]+/[A-Z0-9]+")
_RUN_TOGETHER = re.compile(r"([A-Z0-9]+?)[-_:]?(USDT|USDC|USD|EUR|BTC|ETH)")

#: A single file, with the name of a class if it holds several plugins.
_FILE = re.compile(r".+\.py(:\w+)?")

_weight = real(ge=0)


def items(value: str) -> tuple[str, ...]:
    """Split a comma list; blanks around and empty items are dropped."""
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise TextError(f"names {', '.join(twice)} twice", "name each once")
    return values


def names(rule: str, *, empty: bool = True) -> Kind[tuple[str, ...]]:
    """Return the kind of comma lists of plugin names, lower-cased; paths of single files stay as they are."""

    def parse(value: str) -> tuple[str, ...]:
        found = _unique(
            tuple(item if _FILE.fullmatch(item) else item.lower().replace("-", "_") for item in items(value))
        )
        if not found and not empty:
            raise TextError("names nothing")
        return found

    return Kind(parse, rule, empty=empty)


def hosts() -> Kind[tuple[str, ...]]:
    """Return the kind of comma lists of host names."""
    return Kind(lambda value: _unique(items(value.lower())), "a comma list of host names", empty=True)


def integers(rule: str) -> Kind[tuple[int, ...]]:
    """Return the kind of comma lists of whole numbers, as Telegram's numeric user ids."""

    def parse(value: str) -> tuple[int, ...]:
        wrong = [item for item in items(value) if not re.fullmatch(r"-?\d{1,18}", item)]
        if wrong:
            raise TextError(
                f"{', '.join(map(repr, wrong))} is not a whole number", "use numeric ids, not names"
            )
        return tuple(int(item) for item in _unique(items(value)))

    return Kind(parse, rule, empty=True)


def symbols() -> Kind[tuple[str, ...]]:
    """Return the kind of symbol lists: ``BTC/USDT,ETH/USDT``, unique, all with the same quote currency."""
    return Kind(_parse_symbols, "a comma list of BASE/QUOTE, unique, all with the same quote currency")


def _parse_symbols(value: str) -> tuple[str, ...]:
    found = items(value.upper())
    for symbol in found:
        if not _SYMBOL.fullmatch(symbol):
            together = _RUN_TOGETHER.fullmatch(symbol)
            fix = f"write {together[1]}/{together[2]}" if together else "write it like BTC/USDT"
            raise TextError(f"{symbol!r} is not BASE/QUOTE", fix)
        base, _, quote = symbol.partition("/")
        if base == quote:
            raise TextError(f"{symbol!r} has the same base and quote")
    quotes = sorted({symbol.partition("/")[2] for symbol in found})
    if len(quotes) > 1:
        raise TextError(f"mixes the quote currencies {', '.join(quotes)}", "run one bot per quote currency")
    if not found:
        raise TextError("names no symbol", "write for example BTC/USDT")
    return _unique(found)


def weights() -> Kind[Mapping[str, float]]:
    """Return the kind of ``name:weight`` lists, weights >= 0; ``=`` also separates."""

    def parse(value: str) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for item in items(value):
            name, separator, number = item.replace("=", ":").rpartition(":")
            if not separator or not name.strip():
                raise TextError(
                    f"{item!r} is not name:weight", "write for example ema_atr:1.0,supertrend:0.5"
                )
            key = name.strip().lower().replace("-", "_")
            if key in found:
                raise TextError(f"names {key} twice", "name each once")
            found[key] = _weight.parse(number.strip())
        return found

    return Kind(parse, "a comma list of name:weight, weights >= 0; 1.0 where silent", empty=True)


def corr_groups() -> Kind[str]:
    """Return the kind of correlation groups: symbols joined by ``|``, groups by ``;``."""

    def parse(value: str) -> str:
        for symbol in re.split(r"[|;]", value.upper()):
            if symbol.strip() and not _SYMBOL.fullmatch(symbol.strip()):
                raise TextError(
                    f"{symbol.strip()!r} is not BASE/QUOTE", "write for example BTC/USDT|ETH/USDT"
                )
        return value.upper()

    return Kind(parse, "groups of symbols: BTC/USDT|ETH/USDT;SOL/USDT|AVAX/USDT", empty=True)
