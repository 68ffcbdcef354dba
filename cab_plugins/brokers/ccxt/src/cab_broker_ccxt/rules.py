"""Instruments as Gate describes them, reloaded every few hours: ccxt never does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_broker_ccxt.amounts import maybe, number
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.errors import VenueError
from cab_core.sdk import Instrument

#: Age at which rules are read again; less than the hour after which the kernel asks for them.
RELOAD_S = 1800.0
CENT = Decimal("0.01")


def pair_of(symbol: str) -> str:
    """Return Gate's name of a symbol."""
    return symbol.replace("/", "_")


def instrument_of(symbol: str, row: Mapping[str, Any], *, server_offset_ms: int = 0) -> Instrument:
    """Read one row of ``/spot/currency_pairs``. Precisions are numbers of decimal places."""
    tick = _step(row.get("precision"))
    status = str(row.get("trade_status") or "")
    delisting_s = number(row.get("delisting_time"))
    return Instrument(
        symbol,
        amount_step=_step(row.get("amount_precision")),
        price_tick=tick,
        # Gate cuts costs at the price's precision; finer than cents is of no use.
        cost_step=max(tick, CENT),
        min_notional=number(row.get("min_quote_amount")),
        min_amount=number(row.get("min_base_amount")),
        buyable=status in ("tradable", "buyable"),
        sellable=status in ("tradable", "sellable"),
        delisting_ms=int(delisting_s * 1000) - server_offset_ms if delisting_s > 0 else None,
    )


def _step(places: Any) -> Decimal:
    found = maybe(places)
    return Decimal(1).scaleb(-int(found)) if found is not None else Decimal(1)


class Rules:
    """The instruments of the configured symbols.

    A symbol that the venue no longer knows can be neither bought nor sold; the others are not concerned.

    Args:
        api: the road to the venue.
        symbols: the symbols to trade.
        given: what is assumed of a symbol that the venue does not know.
    """

    def __init__(self, api: Api, symbols: Sequence[str], given: Mapping[str, Instrument]) -> None:
        self._api = api
        self._symbols = tuple(symbols)
        self._known = dict(given)
        self._loaded_at_s: float | None = None
        self._read: set[str] = set()
        #: Symbols the venue said it does not know.
        self.unknown: set[str] = set()

    async def all(self) -> Mapping[str, Instrument]:
        """Return the rules of all symbols, loading them when they are old.

        Raises:
            VenueError: they were never loaded and the venue does not answer.
        """
        now_s = self._api.clock.monotonic()
        if self._loaded_at_s is None or now_s - self._loaded_at_s >= RELOAD_S:
            await self._load()
            self._loaded_at_s = now_s
        return {symbol: self._known[symbol] for symbol in self._symbols}

    async def of(self, symbol: str) -> Instrument | None:
        """Return the rules of one symbol, None if it is not configured.

        Rules that were read before do while they cannot be read again: no exit waits for that.

        Raises:
            VenueError: they were never read.
        """
        try:
            return (await self.all()).get(symbol)
        except VenueError:
            if symbol not in self._read:
                raise
            return self._known[symbol]

    def forget(self) -> None:
        """Load them anew at the next use: the venue disagreed about a precision or a minimum."""
        self._loaded_at_s = None

    async def _load(self) -> None:
        await self._api.sync()
        for symbol in self._symbols:
            self._known[symbol] = await self._fetch(symbol)

    async def _fetch(self, symbol: str) -> Instrument:
        try:
            row = await self._api.row(
                "publicSpotGetCurrencyPairsCurrencyPair", {"currency_pair": pair_of(symbol)}
            )
        except VenueError as error:
            if not error.label:
                raise
            self.unknown.add(symbol)
            known = self._known.get(symbol) or Instrument(symbol)
            return attrs.evolve(known, buyable=False, sellable=False)
        if any(maybe(row.get(name)) is None for name in ("precision", "amount_precision")):
            raise VenueError(f"the rules of {symbol} name no precision", where=self._api.where)
        self.unknown.discard(symbol)
        self._read.add(symbol)
        return instrument_of(symbol, row, server_offset_ms=self._api.server.offset_ms)
