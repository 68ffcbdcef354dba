"""The private endpoints of orders."""

from __future__ import annotations

from typing import Any, cast

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cab_core.domain.orders import Side
from cab_exchange_sim.engine import OrderRequest, Refused
from cab_exchange_sim.engine.values import OrderKind, TimeInForce
from cab_exchange_sim.web.gateway import Admitted, Call
from cab_exchange_sim.web.reading import Fields
from cab_exchange_sim.web.rendering import Row, order_row

_MAX_BATCH = 10
_MAX_CANCELS = 20

#: What an answer of ``action_mode=ACK`` holds.
_ACK = ("id", "text", "amend_text", "create_time", "create_time_ms", "currency_pair", "account")


@post("/spot/orders", sync_to_thread=False)
def place(private: Admitted) -> Row:
    """Place an order."""
    fields = private.fields()
    row = _placed(private, fields)
    return {name: row[name] for name in _ACK} if fields.text("action_mode") == "ACK" else row


@post("/spot/batch_orders", status_code=200, sync_to_thread=False)
def place_many(private: Admitted) -> list[Row]:
    """Place several orders; each succeeds or fails on its own."""
    return [_tried(_placed, private, fields) for fields in _rows(private, _MAX_BATCH)]


@get("/spot/orders", sync_to_thread=False)
def orders(private: Admitted) -> list[Row]:
    """Return open or finished orders of a pair, newest first."""
    query, exchange = private.query, private.exchange
    _check_account(query)
    status = query.choice("status", ("open", "finished"))
    page = query.page(100, 100 if status == "open" else 1000)
    pair = query.text("currency_pair", None if status == "open" else "")
    if status == "open":
        found = exchange.open_orders(private.account, pair)[::-1]
    else:
        pairs = [pair] if pair else list(exchange.markets)
        first, last = query.seconds("from"), query.seconds("to")
        upto = None if last is None else last + 999
        found = [
            order for name in pairs for order in exchange.finished_orders(private.account, name, first, upto)
        ]
        found.sort(key=lambda order: order.updated_ms, reverse=True)
    if side := query.text("side"):
        found = [order for order in found if order.side.value == side]
    return [order_row(order, exchange.market(order.pair)) for order in found[page]]


@get("/spot/open_orders", sync_to_thread=False)
def open_orders(private: Admitted) -> list[Row]:
    """Return open orders grouped by pair."""
    exchange = private.exchange
    _check_account(private.query)
    page = private.query.page(100, 100)
    grouped = {pair: exchange.open_orders(private.account, pair)[::-1] for pair in exchange.markets}
    return [
        {
            "currency_pair": pair,
            "total": len(found),
            "orders": [order_row(order, exchange.market(pair)) for order in found[page]],
        }
        for pair, found in grouped.items()
        if found
    ]


@get("/spot/orders/{key:str}", sync_to_thread=False)
def order(private: Admitted, key: FromPath[str]) -> Row:
    """Return one order by id or text."""
    _check_account(private.query)
    pair = private.query.text("currency_pair", None)
    found = private.exchange.order(private.account, key, pair)
    return order_row(found, private.exchange.market(pair))


@patch("/spot/orders/{key:str}", sync_to_thread=False)
def amend(private: Admitted, key: FromPath[str]) -> Row:
    """Change amount or price of an open order."""
    fields = private.fields()
    pair = private.query.text("currency_pair") or fields.text("currency_pair", None)
    changed = private.exchange.amend(
        private.account,
        key,
        pair,
        amount=fields.number("amount"),
        price=fields.number("price"),
        expires_ms=private.expires_ms,
    )
    return order_row(changed, private.exchange.market(pair))


@delete("/spot/orders/{key:str}", status_code=200, sync_to_thread=False)
def cancel(private: Admitted, key: FromPath[str]) -> Row:
    """Cancel one order by id or text."""
    _check_account(private.query)
    pair = private.query.text("currency_pair", None)
    ended = private.exchange.cancel(private.account, key, pair, expires_ms=private.expires_ms)
    return order_row(ended, private.exchange.market(pair))


@delete("/spot/orders", status_code=200, sync_to_thread=False)
def cancel_all(private: Admitted) -> list[Row]:
    """Cancel all open orders of a pair, or of all pairs."""
    query = private.query
    _check_account(query)
    side = Side(query.choice("side", ("buy", "sell"))) if query.text("side") else None
    ended = private.exchange.cancel_all(private.account, query.text("currency_pair") or None, side)
    return [order_row(order, private.exchange.market(order.pair)) for order in ended]


@post("/spot/cancel_batch_orders", status_code=200, sync_to_thread=False)
def cancel_many(private: Admitted) -> list[Row]:
    """Cancel several orders; each succeeds or fails on its own."""
    return [_tried(_cancelled, private, fields) for fields in _rows(private, _MAX_CANCELS)]


@post("/spot/countdown_cancel_all", status_code=200, sync_to_thread=False)
def countdown(private: Admitted) -> Row:
    """Arm, renew or disarm (0) the countdown that cancels all orders."""
    fields = private.fields()
    timeout = fields.whole("timeout")
    if timeout is None:
        raise Refused("MISSING_REQUIRED_PARAM", "Missing required parameter: timeout")
    at_ms = private.exchange.countdown(private.account, timeout, fields.text("currency_pair") or None)
    return {"triggerTime": at_ms}


def _placed(call: Call, fields: Fields) -> Row:
    _check_account(fields)
    kind = fields.choice("type", ("limit", "market"), "limit")
    tif = fields.choice("time_in_force", ("gtc", "ioc", "poc", "fok"), "gtc" if kind == "limit" else "ioc")
    request = OrderRequest(
        pair=fields.text("currency_pair", None),
        side=fields.side(),
        type=cast("OrderKind", kind),
        amount=fields.required_number("amount"),
        price=fields.number("price"),
        tif=cast("TimeInForce", tif),
        text=fields.text("text"),
        request_id=call.request_id,
        expires_ms=call.expires_ms,
    )
    order = call.exchange.place(call.account, request)
    return order_row(order, call.exchange.market(order.pair))


def _cancelled(call: Call, fields: Fields) -> Row:
    pair, key = fields.text("currency_pair", None), fields.text("id", None)
    call.exchange.cancel(call.account, key, pair, expires_ms=call.expires_ms)
    return {"currency_pair": pair, "id": key, "account": "spot"}


def _tried(action: Any, call: Call, fields: Fields) -> Row:
    """Return the row of an action that went well or was refused."""
    try:
        row: Row = action(call, fields)
    except Refused as refused:
        given = {name: fields.text(name) for name in ("currency_pair", "id", "text") if fields.text(name)}
        return {**given, "succeeded": False, "label": refused.label, "message": refused.message}
    return {**row, "succeeded": True, "label": "", "message": ""}


def _rows(call: Call, most: int) -> list[Fields]:
    rows = call.json()
    if not isinstance(rows, list) or not 1 <= len(rows) <= most:
        raise Refused("INVALID_PARAM_VALUE", f"a list of 1 to {most} orders is expected")
    return [Fields.of(row) for row in rows]


def _check_account(fields: Fields) -> None:
    fields.choice("account", ("spot", "normal"), "spot")


HANDLERS: list[HTTPRouteHandler] = [
    place,
    place_many,
    orders,
    open_orders,
    order,
    amend,
    cancel,
    cancel_all,
    cancel_many,
    countdown,
]
