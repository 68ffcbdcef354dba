"""The private endpoints of price orders (stops)."""

from __future__ import annotations

from typing import Literal, cast

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cab_exchange_sim.engine import Refused, StopRequest
from cab_exchange_sim.engine.values import OrderKind, TimeInForce
from cab_exchange_sim.web.gateway import Admitted
from cab_exchange_sim.web.rendering import Row, stop_row

_DAY_S = 86_400


@post("/spot/price_orders", sync_to_thread=False)
def place(private: Admitted) -> Row:
    """Place a stop; the answer holds its id alone."""
    fields = private.fields()
    trigger, put = fields.part("trigger"), fields.part("put")
    put.choice("account", ("normal", "spot"), "normal")
    ttl_s = trigger.whole("expiration")
    request = StopRequest(
        pair=fields.text("market", None),
        trigger=trigger.required_number("price"),
        rule=cast("Literal['<=', '>=']", trigger.choice("rule", ("<=", ">="))),
        ttl_s=_DAY_S if ttl_s is None else ttl_s,
        side=put.side(),
        amount=put.required_number("amount"),
        price=put.number("price"),
        type=cast("OrderKind", put.choice("type", ("limit", "market"), "limit")),
        tif=cast("TimeInForce", put.choice("time_in_force", ("gtc", "ioc"), "gtc")),
        text=put.text("text"),
        request_id=private.request_id,
        expires_ms=private.expires_ms,
    )
    return {"id": int(private.exchange.place_stop(private.account, request).stop_id)}


@get("/spot/price_orders", sync_to_thread=False)
def stops(private: Admitted) -> list[Row]:
    """Return waiting or ended stops, newest first."""
    query = private.query
    waiting = query.choice("status", ("open", "finished")) == "open"
    limit, offset = query.whole("limit"), query.whole("offset") or 0
    limit = 100 if limit is None else limit
    if not 1 <= limit <= 1000 or offset < 0:
        raise Refused("INVALID_PARAM_VALUE", f"invalid limit {limit} or offset {offset}")
    found = private.exchange.stops(private.account, query.text("market") or None, waiting=waiting)
    return [stop_row(stop) for stop in found[offset : offset + limit]]


@get("/spot/price_orders/{stop_id:str}", sync_to_thread=False)
def stop(private: Admitted, stop_id: FromPath[str]) -> Row:
    """Return one stop."""
    return stop_row(private.exchange.stop(private.account, stop_id))


@delete("/spot/price_orders/{stop_id:str}", status_code=200, sync_to_thread=False)
def cancel(private: Admitted, stop_id: FromPath[str]) -> Row:
    """Cancel one stop."""
    return stop_row(private.exchange.cancel_stop(private.account, stop_id, expires_ms=private.expires_ms))


@delete("/spot/price_orders", status_code=200, sync_to_thread=False)
def cancel_all(private: Admitted) -> list[Row]:
    """Cancel all stops, of one pair or of all."""
    ended = private.exchange.cancel_stops(private.account, private.query.text("market") or None)
    return [stop_row(stop) for stop in ended]


HANDLERS: list[HTTPRouteHandler] = [place, stops, stop, cancel, cancel_all]
