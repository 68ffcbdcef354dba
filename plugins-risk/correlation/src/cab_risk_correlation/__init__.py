"""Shrinks entries correlated with open positions."""

from __future__ import annotations

from cab_core.sdk import (
    ALLOW,
    BookView,
    Entry,
    RiskRule,
    Verdict,
    VerdictKind,
    hookimpl,
    option,
    plugin,
)
from cab_risk_correlation.pearson import pearson

__all__ = ["Correlation"]

#: Part of the size that is taken away at a correlation of one.
STEEPNESS = 0.75


@plugin
class Correlation(RiskRule):
    """Shrinks an entry that would move together with an open position, down to a quarter of its size."""

    threshold: float = option(0.70, help="Correlation up to which an entry keeps its size.", ge=0, lt=1)
    min_returns: int = option(48, help="Common 1h returns needed to tell.", ge=3, le=1000)
    lookback: int = option(168, help="Latest common 1h returns that count.", ge=3, le=1000)
    groups: str = option("", help="Symbols that count as one, e.g. BTC/USDT|ETH/USDT;SOL/USDT|AVAX/USDT.")

    def __attrs_post_init__(self) -> None:
        self._groups = _parse(self.groups)
        if self.lookback < self.min_returns:
            raise ValueError(f"lookback = {self.lookback} is below min_returns = {self.min_returns}")

    @hookimpl
    def check(self, entry: Entry, book: BookView) -> Verdict:
        """Take the largest correlation between the candidate and any other open position."""
        others = [symbol for symbol in book.positions if symbol != entry.symbol]
        if not others:
            return ALLOW
        known = [rho for rho in (self._rho(entry.symbol, other, book) for other in others) if rho is not None]
        rho = max(known, default=0.0)
        if rho > self.threshold:
            factor = 1.0 - STEEPNESS * (rho - self.threshold) / (1.0 - self.threshold)
            return Verdict(VerdictKind.REDUCE, factor, "correlated", rho, self.threshold)
        if len(known) < len(others):
            return Verdict(VerdictKind.NOTE, 1.0, "corr_unknown", None, self.threshold)
        return Verdict(VerdictKind.ALLOW, 1.0, "", rho, self.threshold)

    def _rho(self, symbol: str, other: str, book: BookView) -> float | None:
        same_base = symbol.partition("/")[0] == other.partition("/")[0]
        if same_base or any(symbol in group and other in group for group in self._groups):
            return 1.0
        ours, theirs = book.hourly_returns(symbol), book.hourly_returns(other)
        if ours is None or theirs is None:
            return None
        return pearson(ours, theirs, self.lookback, self.min_returns)


def _parse(text: str) -> tuple[frozenset[str], ...]:
    groups = tuple(
        frozenset(symbol.strip().upper() for symbol in group.split("|"))
        for group in text.split(";")
        if group.strip()
    )
    for group in groups:
        for symbol in group:
            base, _, quote = symbol.partition("/")
            if not base or not quote:
                raise ValueError(f"groups = {text!r}: {symbol!r} is not a symbol like BTC/USDT")
    return groups
