"""Complete listings of one symbol's orders, stops and own trades."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from cab_broker_ccxt.amounts import millis
from cab_broker_ccxt.api import Api, objects
from cab_broker_ccxt.errors import VenueError
from cab_broker_ccxt.order_rows import Row, id_of, trade_order
from cab_broker_ccxt.rules import pair_of

ORDERS_PAGE = 100
TRADES_PAGE = 1000
MAX_STOP_PAGES = 200
#: Own trades are listed over at most 30 days at once; a second less keeps both ends inside.
SLICE_S = 30 * 86_400 - 1
#: How far back own trades are looked for.
LOOK_BACK_DAYS = 365


@attrs.frozen(eq=False)
class Listings:
    """What the account has at the venue. A listing is complete or an error; a part is evidence of nothing.

    Attributes:
        api: the road to the venue.
        account_type: ``spot`` or ``unified``.
    """

    api: Api
    account_type: str

    def common(self, symbol: str) -> dict[str, str]:
        """Return the parameters that all questions about orders share."""
        return {"currency_pair": pair_of(symbol), "account": self.account_type}

    async def order(self, symbol: str, order_id: str) -> Row:
        """Return one order by the venue's id. Raises `VenueError`, also where it is not found."""
        return await self.api.row(
            "privateSpotGetOrdersOrderId", {**self.common(symbol), "order_id": order_id}
        )

    async def open_orders(self, symbol: str) -> list[Row]:
        """Return the open orders."""
        params = {**self.common(symbol), "status": "open"}
        return await self._orders(params)

    async def finished_orders(self, symbol: str, since_ms: int) -> list[Row]:
        """Return the orders that ended at or after ``since_ms`` (the bot's clock)."""
        params = {**self.common(symbol), "status": "finished", "from": self._server_s(since_ms)}
        return await self._orders(params)

    async def trades(self, symbol: str, since_ms: int, order_id: str | None = None) -> list[Row]:
        """Return own trades since ``since_ms`` (the bot's clock), ordered by time and id, each once.

        They are looked for over a year at most, in slices: the venue shows seven days unless told otherwise.
        """
        await self.api.sync()
        filters = {} if order_id is None else {"order_id": order_id}
        now_s = self.api.server.now_ms() // 1000 + 1
        first_s = max(self._server_s(since_ms), now_s - LOOK_BACK_DAYS * 86_400)
        found: dict[str, Row] = {}
        for start_s in range(min(first_s, now_s), now_s + 1, SLICE_S + 1):
            span = {"from": start_s, "to": min(start_s + SLICE_S, now_s)}
            params = {**self.common(symbol), **filters, **span}
            for row in await self.api.listing("privateSpotGetMyTrades", params, TRADES_PAGE):
                found[id_of(row)] = row
        return sorted(found.values(), key=trade_order)

    async def stop(self, order_id: str) -> Row:
        """Return one stop by the venue's id. Raises `VenueError`, also where it is not found."""
        return await self.api.row("privateSpotGetPriceOrdersOrderId", {"order_id": order_id})

    async def stops(self, symbol: str, since_ms: int) -> list[Row]:
        """Return the waiting stops, and the ended ones that were made at or after ``since_ms``.

        The listing of ended stops knows no times; it is newest first.
        """
        common = {"market": pair_of(symbol), "account": self._stop_account()}
        params = {**common, "status": "open"}
        waiting = await self.api.listing("privateSpotGetPriceOrders", params, ORDERS_PAGE, offset=True)
        ended = await self._ended_stops({**common, "status": "finished"}, since_ms)
        return list({id_of(row): row for row in (*waiting, *ended)}.values())

    async def _ended_stops(self, params: Mapping[str, str], since_ms: int) -> list[Row]:
        earliest_ms = self._server_s(since_ms) * 1000
        found: list[Row] = []
        for number_of_page in range(MAX_STOP_PAGES):
            at = {"limit": ORDERS_PAGE, "offset": number_of_page * ORDERS_PAGE}
            page = objects(await self.api.rows("privateSpotGetPriceOrders", {**params, **at}))
            recent = [row for row in page if millis(row, "ctime") >= earliest_ms]
            found += recent
            if len(page) < ORDERS_PAGE or not recent:
                return found
        raise VenueError("the listing of ended stops has no end", where=self.api.where)

    async def _orders(self, params: Mapping[str, object]) -> list[Row]:
        rows = await self.api.listing("privateSpotGetOrders", params, ORDERS_PAGE)
        return list({id_of(row): row for row in objects(rows)}.values())

    def _server_s(self, bot_ms: int) -> int:
        return max((bot_ms + self.api.server.offset_ms) // 1000, 0)

    def _stop_account(self) -> str:
        return "normal" if self.account_type == "spot" else self.account_type
