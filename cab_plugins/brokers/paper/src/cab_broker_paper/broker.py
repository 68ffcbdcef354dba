"""A simulated account that survives restarts, on the kernel's one matching core."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from cab_core.sdk import (
    Absent,
    Account,
    Ack,
    Balance,
    Bars,
    BrokerCaps,
    CabError,
    Fill,
    Found,
    Instrument,
    Intent,
    Market,
    Matcher,
    Outcome,
    Quote,
    Rejected,
    Resolution,
    Side,
    Undetermined,
    Unknown,
    VenueOrder,
    to_decimal,
)

_CAPS = BrokerCaps(client_id_lookup="always", native_stop="limit", stop_locks_funds=True, fee_on_buy="base")


class PaperBroker:
    """The verbs of `cab_core.sdk.Broker` over simulated fills.

    Nothing is answered before it is saved to ``account.state``, so a restart continues where it was and an
    order that was never answered was never taken.

    Args:
        account: symbols, costs, clock, start balance and durable state.
        market: where prices come from.
        partial_fill_prob: how often a market order fills only in part.
        latency_ms: time between sending an order and its fill.
    """

    def __init__(
        self, account: Account, market: Market, *, partial_fill_prob: float = 0.0, latency_ms: int = 0
    ) -> None:
        self._market = market
        self._clock = account.clock
        self._state = account.state
        self._latency_ms = latency_ms
        self._instruments = {
            symbol: account.instruments.get(symbol) or Instrument(symbol) for symbol in account.symbols
        }
        quotes = {instrument.quote for instrument in self._instruments.values()}
        self._matcher = Matcher(
            self._instruments,
            account.costs,
            dict.fromkeys(quotes, account.initial_quote),
            seed=account.seed,
            partial_fill_prob=partial_fill_prob,
            tracked=account.state is not None,
        )
        self._loaded = account.state is None
        self._saving = asyncio.Lock()
        self._underway: set[str] = set()

    def caps(self) -> BrokerCaps:
        """Return what the venue can do."""
        return _CAPS

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the rules of all configured symbols."""
        return self._instruments

    async def server_time_ms(self) -> int:
        """Return the injected clock's time."""
        return self._clock.now_ms()

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` closed candles of the market, oldest first."""
        return await self._market.candles(symbol, timeframe, limit)

    async def quote(self, symbol: str) -> Quote:
        """Return the market's best bid and ask, which resting stops see too."""
        quote = await self._market.quote(symbol)
        matcher = await self._account()
        if matcher.observe(symbol, quote, self._clock.now_ms()):
            await self._save()
        return quote

    async def balances(self) -> Mapping[str, Balance]:
        """Return what is held by currency."""
        matcher = await self._account()
        return {
            currency: Balance(free, matcher.locked.get(currency, Decimal(0)))
            for currency, free in matcher.free.items()
        }

    async def submit(self, intent: Intent) -> Outcome:
        """Fill a market order at the quote after the latency, or let a stop-limit order rest."""
        matcher = await self._account()
        client_id = intent.client_id
        self._underway.add(client_id)
        try:
            if self._latency_ms:
                await self._clock.sleep_until(self._clock.now_ms() + self._latency_ms)
            quote, last = await self._prices(intent.symbol)
            answer = matcher.submit(intent, quote, self._clock.now_ms(), last=last)
        except CabError as error:
            return Rejected("no_quote", str(error), transient=True)
        finally:
            self._underway.discard(client_id)
        return await self._saved(answer)

    async def resolve(self, intent: Intent) -> Resolution:
        """Say whether the account has the order; undetermined while it is on its way."""
        matcher = await self._account()
        client_id = intent.client_id
        if client_id in self._underway:
            return Undetermined("the order is on its way")
        ack = matcher.find(client_id)
        return Absent() if ack is None else Found(ack)

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel a resting stop; `Rejected` if it is no longer there."""
        return await self._saved((await self._account()).cancel(intent.order_id or intent.client_id))

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return resting stops, after showing them the price of now; what ended is not kept as orders."""
        await self._show_price(symbol)
        return [
            VenueOrder(
                order_id=stop.client_id,
                client_id=stop.client_id,
                symbol=symbol,
                side=Side.SELL,
                stop=not stop.fired,
                open=True,
                quantity=stop.quantity,
                filled=Decimal(0),
                created_ms=since_ms,
                trigger=stop.trigger,
                limit=stop.limit,
            )
            for stop in (await self._account()).resting(symbol)
        ]

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Return the own trades of this attempt, oldest first."""
        await self._show_price(intent.symbol)
        return (await self._account()).fills_of(intent.client_id)

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return own trades at or after ``since_ms``, oldest first, resting stops included."""
        await self._show_price(symbol)
        return (await self._account()).fills_since(symbol, since_ms)

    async def close(self) -> None:
        """Save what is still unsaved."""
        await self._save()

    async def _account(self) -> Matcher:
        if not self._loaded and self._state is not None:
            async with self._saving:
                if not self._loaded:
                    self._matcher.restore(await self._state.load())
                    self._loaded = True
        return self._matcher

    async def _prices(self, symbol: str) -> tuple[Quote, Decimal | None]:
        """Return the quote and, only where it lacks a side, the last closed price."""
        quote = await self._market.quote(symbol)
        if quote.bid is not None and quote.ask is not None:
            return quote, None
        bars = await self._market.candles(symbol, "15m", 1)
        return quote, to_decimal(bars.close[-1]) if len(bars) else None

    async def _show_price(self, symbol: str) -> None:
        if (await self._account()).open_orders(symbol):
            await self.quote(symbol)

    async def _saved(self, answer: Ack | Rejected) -> Outcome:
        try:
            await self._save()
        except CabError as error:
            return Unknown(f"the answer could not be saved: {error}")
        return answer

    async def _save(self) -> None:
        """Save what changed; one at a time, so that an older text never replaces a newer one."""
        if self._state is None:
            return
        async with self._saving:
            changes = self._matcher.changes()
            saved = False
            try:
                if changes:
                    await self._state.save(changes)
                saved = True
            finally:
                if not saved:
                    self._matcher.unsaved(changes)
