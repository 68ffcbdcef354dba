"""The generic dialect: what all venues of ccxt share, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_broker_ccxt.amounts import number, plain
from cab_broker_ccxt.any_reads import AnyReads
from cab_broker_ccxt.any_rows import ack_of, bought_base, client_text
from cab_broker_ccxt.api import Api
from cab_broker_ccxt.bodies import amount_of
from cab_broker_ccxt.errors import VenueError, no_keys
from cab_broker_ccxt.labels import NOT_FOUND
from cab_broker_ccxt.memory import BEFORE_MS, Memory, deadline_ms, is_stop
from cab_broker_ccxt.reply import Reply, failed_send
from cab_core.sdk import (
    Account,
    Ack,
    Balance,
    Bars,
    BrokerCaps,
    Fill,
    Found,
    Instrument,
    Intent,
    Outcome,
    Quote,
    Rejected,
    Resolution,
    Side,
    Undetermined,
    Unknown,
    VenueOrder,
)


class AnyBroker:
    """An account at any venue of ccxt.

    Two things the unified methods cannot do, so the kernel does without: no stop rests at the venue (they do
    not tell what a fired stop has become), and an order that is not found is never proven absent (they send
    no expiry): its symbol takes no entry until an operator has looked.
    """

    def __init__(self, account: Account, api: Api, client: Any) -> None:
        self._api = api
        self._client = client
        self._memory = Memory()
        self._reads = AnyReads(account, api, client)

    def caps(self) -> BrokerCaps:
        """Return what can be relied on."""
        return BrokerCaps(client_id_max=28, client_id_lookup="none", candle_limit=self._reads.candle_limit)

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the rules of all configured symbols."""
        return await self._reads.instruments()

    async def server_time_ms(self) -> int:
        """Return the venue's clock, measured now."""
        await self._api.measure()
        return self._api.server.now_ms()

    async def candles(self, symbol: str, timeframe: str, limit: int) -> Bars:
        """Return the newest ``limit`` closed candles, oldest first."""
        return await self._reads.candles.newest(symbol, timeframe, limit)

    async def quote(self, symbol: str) -> Quote:
        """Return the best prices of the order book."""
        return await self._reads.quote(symbol)

    async def balances(self) -> Mapping[str, Balance]:
        """Return what is held by currency."""
        answer = await self._api.row("fetch_balance", {})
        held = {
            currency: Balance(number(answer["free"].get(currency)), number(answer["used"].get(currency)))
            for currency in answer.get("total") or {}
        }
        return {currency: balance for currency, balance in held.items() if balance.total}

    async def submit(self, intent: Intent) -> Outcome:
        """Send one market order, once."""
        if not self._api.keyed:
            return Rejected("credentials", str(no_keys(self._api.where)))
        if intent.client_id in self._memory.sent:
            return Unknown(f"{intent.client_id} was sent before and is not sent again")
        if is_stop(intent):
            return Rejected("bad_order", "no stop can rest at this venue")
        try:
            await self._api.sync()
            request = await self._request(intent)
        except VenueError as error:
            return Rejected("not_sent", str(error), transient=True)
        if isinstance(request, Rejected):
            return request
        await self._api.limiter.acquire(urgent=intent.side is Side.SELL, market=intent.symbol)
        if self._api.clock.now_ms() >= deadline_ms(intent):
            return Rejected("not_sent", "its time was over before it could be sent", transient=True)
        self._memory.sent.add(intent.client_id)
        reply = await self._api.send(*request)
        return self._accepted(intent, reply) if reply.answered else failed_send(reply)

    async def resolve(self, intent: Intent) -> Resolution:
        """Look for the order by id, or by its client id in every listing; never `Absent`."""
        self._api.require_keys()
        try:
            found = await self._standing(intent)
        except VenueError as error:
            return Undetermined(str(error))
        return Undetermined("not listed, which proves nothing here") if found is None else Found(found)

    async def cancel(self, intent: Intent) -> Outcome:
        """Cancel an open order by the venue's id, and confirm it."""
        self._api.require_keys()
        try:
            before = await self._standing(intent)
            if before is None or before.final:
                return Rejected("not_open", f"no order of {intent.client_id} is open")
            params = {"id": before.order_id, "symbol": intent.symbol}
            reply = await self._api.delete("cancel_order", params)
            after = await self._standing(attrs.evolve(intent, order_id=before.order_id))
        except VenueError as error:
            return Unknown(str(error))
        if after is None or not after.final:
            return Unknown(f"order {before.order_id} may still be open: {reply.text()}")
        return Ack(before.order_id)

    async def orders(self, symbol: str, since_ms: int) -> Sequence[VenueOrder]:
        """Return open orders and those that ended since ``since_ms``."""
        return await self._reads.orders(symbol, since_ms)

    async def fills_of(self, intent: Intent) -> Sequence[Fill]:
        """Return the own trades of this attempt, oldest first."""
        order_id = self._memory.order_id(intent)
        if order_id is None:
            return []
        fills = await self._reads.fills(
            intent.symbol, intent.created_ms - BEFORE_MS, {order_id: intent.client_id}
        )
        return [attrs.evolve(f, reference=intent.reference) for f in fills if f.client_id == intent.client_id]

    async def fills_since(self, symbol: str, since_ms: int) -> Sequence[Fill]:
        """Return own trades at or after ``since_ms``, oldest first; foreign ones have no client id."""
        return await self._reads.fills(symbol, since_ms, self._memory.owners)

    async def close(self) -> None:
        """Release connections."""
        await self._api.client.close()

    async def _request(self, intent: Intent) -> tuple[str, dict[str, Any]] | Rejected:
        rules = (await self._reads.instruments()).get(intent.symbol)
        if rules is None:
            return Rejected("unknown_symbol", f"{intent.symbol} is not among the configured symbols")
        if not (rules.buyable and rules.sellable):
            return Rejected("not_tradable", f"{intent.symbol} cannot be traded now")
        amount = amount_of(intent, rules)
        if isinstance(amount, Rejected):
            return amount
        text = client_text(intent.client_id, self._client.id)
        shared = {"symbol": intent.symbol, "params": {"clientOrderId": text}}
        if intent.side is Side.BUY and self._by_cost:
            return "create_market_buy_order_with_cost", {**shared, "cost": plain(amount)}
        if intent.side is Side.BUY:
            base = await self._base(intent.symbol, amount, rules)
            if base is None or base < rules.min_amount or base <= 0:
                return Rejected("no_quote", "there is no ask to size the buy by", transient=True)
            amount = base
        market = {"type": "market", "side": intent.side.value, "amount": plain(amount)}
        return "create_order", {**shared, **market}

    async def _base(self, symbol: str, cost: Decimal, rules: Instrument) -> Decimal | None:
        ask = (await self._reads.quote(symbol)).ask
        return None if ask is None else bought_base(cost, ask, rules)

    def _accepted(self, intent: Intent, reply: Reply) -> Ack | Unknown:
        order = reply.data
        if not isinstance(order, dict) or not order.get("id"):
            return Unknown(f"{reply.text()} without an order")
        told = order.get("clientOrderId")
        if told is not None and told != client_text(intent.client_id, self._client.id):
            return Unknown(f"the answer is about {told!r} and not about {intent.client_id}")
        ack = ack_of(order, sized_in_quote=self._sized_in_quote(intent))
        self._memory.learn(intent.client_id, ack.order_id)
        return ack

    async def _standing(self, intent: Intent) -> Ack | None:
        """Return how the order stands, None if no listing has it. Raises `VenueError`."""
        await self._api.sync()
        order_id = self._memory.order_id(intent)
        if order_id is not None and self._client.has.get("fetchOrder") is True:
            try:
                order = await self._api.row("fetch_order", {"id": order_id, "symbol": intent.symbol})
                return ack_of(order, sized_in_quote=self._sized_in_quote(intent))
            except VenueError as error:
                if error.label not in NOT_FOUND:
                    raise
        text = client_text(intent.client_id, self._client.id)
        order_row = await self._reads.listed(intent.symbol, intent.created_ms - BEFORE_MS, order_id, text)
        if order_row is None:
            return None
        found = ack_of(order_row, sized_in_quote=self._sized_in_quote(intent))
        self._memory.learn(intent.client_id, found.order_id)
        return found

    @property
    def _by_cost(self) -> bool:
        return self._client.has.get("createMarketBuyOrderWithCost") is True

    def _sized_in_quote(self, intent: Intent) -> bool:
        return intent.side is Side.BUY and self._by_cost
