"""What a served exchange offers: which candles, from when, at which costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal

import attrs

from cab_core.data.files import read_market
from cab_core.data.generator import generate
from cab_core.data.symbols import NamedFile, known
from cab_core.domain.bars import Bars
from cab_core.domain.market import Costs
from cab_core.domain.timeframes import DAY_MS, TF_MS, WEEK_MS
from cab_core.errors import DataError, UsageError
from cab_exchange_sim.engine import Exchange, VenueSettings


@attrs.frozen(slots=True, kw_only=True)
class Offer:
    """A market to be served.

    Attributes:
        files: candle files; without any, candles of ``symbols`` are made up from ``seed`` for ``days`` days.
        open_ms: when the exchange opens, on the candles' dates; after a third of them if None.
        to_present: move the candles by whole weeks, so that the exchange opens now.
        balance: quote currency of the account ``main``.
    """

    files: tuple[NamedFile, ...] = ()
    symbols: tuple[str, ...] = ("BTC/USDT",)
    days: int = 60
    seed: int = 7
    open_ms: int | None = None
    to_present: bool = False
    costs: Costs = attrs.field(factory=Costs)
    balance: Decimal = Decimal(10_000)

    def exchange(self) -> Exchange:
        """Return the exchange, opened.

        Raises:
            CabError: the candles cannot be used, or are not there at the opening.
        """
        markets = self._markets()
        if not markets:
            raise UsageError("no symbols", where="--symbol", fix="give at least one, e.g. BTC/USDT")
        first_ms = max(int(bars.ts_ms[0]) for bars in markets.values())
        end_ms = min(int(bars.ts_ms[-1]) for bars in markets.values()) + TF_MS
        open_ms = (
            first_ms + (end_ms - first_ms) // 3 // TF_MS * TF_MS if self.open_ms is None else self.open_ms
        )
        if self.to_present:
            now_ms = time.time_ns() // 1_000_000
            # By whole weeks, so that weekly candles stay theirs; a market too short for that, by whole days.
            step_ms = WEEK_MS if end_ms - open_ms > WEEK_MS else DAY_MS
            by_ms = (now_ms - open_ms) // step_ms * step_ms
            markets = {symbol: moved(bars, by_ms) for symbol, bars in markets.items()}
            first_ms, end_ms, open_ms = first_ms + by_ms, end_ms + by_ms, now_ms
        if not first_ms < open_ms < end_ms:
            raise UsageError(
                "no candles at the opening",
                where="--open",
                fix="choose a day with candles before and after it",
            )
        return Exchange(
            markets,
            settings=VenueSettings(costs=self.costs, seed=self.seed),
            balances={"main": {market.partition("/")[2]: self.balance for market in markets}},
            start_ms=open_ms,
        )

    def _markets(self) -> Mapping[str, Bars]:
        if not self.files:
            return {symbol: generate(symbol, self.days, self.seed) for symbol in self.symbols}
        markets: dict[str, Bars] = {}
        for each in self.files:
            file = read_market(each.path)
            symbol = known(each.symbol or file.symbol, each.path)
            if symbol in markets:
                fix = "give one file per symbol, or name it: --data SYMBOL=FILE"
                raise DataError(f"a second file of {symbol}", where=str(file.path), fix=fix)
            markets[symbol] = file.bars
        return markets


def moved(bars: Bars, by_ms: int) -> Bars:
    """Return the same candles at other times."""
    return Bars.of(
        bars.ts_ms + by_ms, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.synthetic
    )
