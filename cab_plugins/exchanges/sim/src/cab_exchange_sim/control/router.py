"""The routes of the control plane: behind a token of their own and apart from the API of the exchange."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from cab_core.errors import CabError, NotFoundError
from cab_exchange_sim.control.plane import Control, Json
from cab_exchange_sim.engine import Refused

PREFIX = "/__sim"

_Plain = Request[Any, Any, State]


def control_router(control: Control, token: str) -> Router:
    """Return the control plane of an exchange, to be mounted beside its API.

    Args:
        control: what it controls.
        token: sent by clients as ``Authorization: Bearer TOKEN``.

    Raises:
        ValueError: an empty token.
    """
    if not token:
        raise ValueError("the control plane needs a token")

    def admit(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        given = connection.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise NotAuthorizedException("the control token is missing or wrong")

    return Router(
        path=PREFIX,
        route_handlers=_time(control) + _state(control) + _orders(control) + _faults(control),
        guards=[admit],
        exception_handlers={CabError: _wrong, Refused: _refused},
        include_in_schema=False,
    )


def _time(control: Control) -> list[Any]:
    @get("/clock", sync_to_thread=False)
    def read() -> Json:
        return control.time()

    @post("/clock", status_code=200, sync_to_thread=False)
    def write(data: JSONBody[Json]) -> Json:
        return control.set_time(data)

    @post("/quit", status_code=202, sync_to_thread=False)
    def leave() -> None:
        control.faults.stop()
        control.leave()

    return [read, write, leave]


def _state(control: Control) -> list[Any]:
    @get("/conditions", sync_to_thread=False)
    def conditions() -> Json:
        return control.conditions()

    @post("/conditions", status_code=200, sync_to_thread=False)
    def set_conditions(data: JSONBody[Json]) -> Json:
        return control.set_conditions(data)

    @get("/pairs/{pair:str}", sync_to_thread=False)
    def pair(pair: FromPath[str]) -> Json:
        return control.pair(pair)

    @post("/pairs/{pair:str}", status_code=200, sync_to_thread=False)
    def set_pair(pair: FromPath[str], data: JSONBody[Json]) -> Json:
        return control.set_pair(pair, data)

    @get("/balances", sync_to_thread=False)
    def balances() -> Json:
        return control.balances()

    @post("/balances", status_code=200, sync_to_thread=False)
    def adjust(data: JSONBody[Json]) -> Json:
        return control.adjust(data)

    return [conditions, set_conditions, pair, set_pair, balances, adjust]


def _orders(control: Control) -> list[Any]:
    @get("/orders", sync_to_thread=False)
    def orders() -> Json:
        return control.orders()

    @post("/orders", sync_to_thread=False)
    def phantom(data: JSONBody[Json]) -> Json:
        return control.phantom(data)

    @delete("/orders/{order_id:str}", status_code=200, sync_to_thread=False)
    def cancel_order(order_id: FromPath[str]) -> Json:
        return control.cancel_order(order_id)

    @delete("/stops/{stop_id:str}", status_code=200, sync_to_thread=False)
    def cancel_stop(stop_id: FromPath[str]) -> Json:
        return control.cancel_stop(stop_id)

    @get("/ledger", sync_to_thread=False)
    def ledger(since: FromQuery[int] = 0) -> Json:
        return control.ledger(since)

    @get("/counters", sync_to_thread=False)
    def counters() -> Mapping[str, int]:
        return control.counters()

    return [orders, phantom, cancel_order, cancel_stop, ledger, counters]


def _faults(control: Control) -> list[Any]:
    @get("/faults", sync_to_thread=False)
    def report() -> Json:
        return control.faults.report()

    @post("/faults", sync_to_thread=False)
    def add(data: JSONBody[Json]) -> Json:
        return control.add_fault(data)

    @delete("/faults", sync_to_thread=False)
    def clear() -> None:
        control.faults.clear()

    @delete("/faults/{number:int}", sync_to_thread=False)
    def remove(number: FromPath[int]) -> None:
        control.remove_fault(number)

    return [report, add, clear, remove]


def _wrong(_: _Plain, error: CabError) -> Response[Json]:
    status = 404 if isinstance(error, NotFoundError) else 400
    return Response({"error": str(error), "fix": error.fix}, status_code=status)


def _refused(_: _Plain, refused: Refused) -> Response[Json]:
    return Response({"label": refused.label, "message": refused.message}, status_code=refused.status)
