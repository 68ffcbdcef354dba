"""The HTTP application of an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from litestar import Litestar, Response, Router
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.types import Message, Middleware, Scope

from cab_exchange_sim.control import Control, control_router
from cab_exchange_sim.engine import Exchange, Refused
from cab_exchange_sim.faults import FaultMiddleware, Faults
from cab_exchange_sim.keys import ApiKey
from cab_exchange_sim.market_clock import MarketClock
from cab_exchange_sim.web import market_data, order_entry, price_orders, wallet
from cab_exchange_sim.web.gateway import PREFIX, AnyRequest, Call, Gateway, raw_path

#: Real seconds between two looks at the clock while nobody asks.
TICK_S = 0.05

_LABELS = {401: "INVALID_KEY", 403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


def make_app(
    exchange: Exchange,
    *,
    keys: Iterable[ApiKey],
    clock: MarketClock,
    control_token: str | None = None,
    middleware: Sequence[Middleware] = (),
    faults: Faults | None = None,
    leave: Callable[[], None] = lambda: None,
) -> Litestar:
    """Return the application: ``/api/v4/...`` as Gate has it, and the control plane if it has a token.

    Args:
        exchange: what is served. While the application runs, only its event loop may touch it.
        keys: who may trade for which account.
        clock: where time comes from; in a running mode stops fire without any request.
        control_token: token of ``/__sim``; without one there is no control plane.
        middleware: wrapped around everything but the faults.
        faults: faults on purpose; none but those of the control plane unless given.
        leave: ends the server, for the control plane.
    """
    gateway = Gateway.of(exchange, clock, keys)
    faults = faults or Faults(clock.now_ms, seed=exchange.settings.seed)
    plane = []
    if control_token is not None:
        control = Control(exchange, clock, faults, lambda: gateway.counters, leave)
        plane.append(control_router(control, control_token))
    api = Router(
        PREFIX,
        route_handlers=[
            *market_data.HANDLERS,
            *order_entry.HANDLERS,
            *price_orders.HANDLERS,
            *wallet.HANDLERS,
        ],
        dependencies=_admission(gateway),
        before_request=_refuse_stray_delete(gateway),
    )
    return Litestar(
        [api, *plane],
        middleware=[DefineMiddleware(FaultMiddleware, faults=faults), *middleware],
        lifespan=[lambda _: _ticking(gateway)],
        exception_handlers={
            Refused: _refused(gateway),
            HTTPException: _http_error,
            Exception: _broken(gateway),
        },
        before_send=[_with_headers(gateway)],
        openapi_config=None,
        logging_config=None,
    )


@asynccontextmanager
async def _ticking(gateway: Gateway) -> AsyncIterator[None]:
    """Play the market while nobody asks."""
    task = asyncio.create_task(_tick(gateway))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tick(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        gateway.catch_up()


def _admission(gateway: Gateway) -> dict[str, Provide]:
    """Return what admits requests; functions, as routers copy whatever else they are given."""

    async def public(request: AnyRequest) -> Call:
        return await gateway.public(request)

    async def private(request: AnyRequest) -> Call:
        return await gateway.private(request)

    return {"public": Provide(public), "private": Provide(private)}


def _refuse_stray_delete(gateway: Gateway) -> Any:
    """Refuse ``DELETE /spot/orders/``: the router would read an empty order id as cancel-all."""

    async def check(request: AnyRequest) -> None:
        path = raw_path(request)
        if request.method == "DELETE" and path.endswith("/"):
            gateway.counters["stray_delete"] += 1
            raise Refused("INVALID_PARAM_VALUE", f"no order id in {path}")

    return check


def _with_headers(gateway: Gateway) -> Any:
    """Give every answer of the API the headers of the venue."""

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start" or not scope["path"].startswith(PREFIX):
            return
        now_us = str(gateway.exchange.server_ms * 1000)
        headers = MutableScopeHeaders(message)
        headers["X-In-Time"] = headers["X-Out-Time"] = now_us
        headers["X-Gate-Trace-Id"] = f"{gateway.requests:032x}"
        if request_id := Headers.from_scope(scope).get("X-Client-Request-Id"):
            headers["X-Client-Request-Id"] = request_id
        headers.update(scope.get("state", {}).get("rate_headers", {}))

    return add


def _refused(gateway: Gateway) -> Callable[[AnyRequest, Refused], Response[Any]]:
    def answer(_: AnyRequest, refused: Refused) -> Response[Any]:
        gateway.counters[refused.label] += 1
        content = {"label": refused.label, "message": refused.message}
        return Response(content, status_code=refused.status)

    return answer


def _broken(gateway: Gateway) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """Answer a defect of ours as the venue answers its own, and count it: a test can ask for none."""

    def answer(_: AnyRequest, error: Exception) -> Response[Any]:
        gateway.counters["INTERNAL"] += 1
        return Response({"label": "INTERNAL", "message": repr(error)}, status_code=500)

    return answer


def _http_error(_: AnyRequest, error: HTTPException) -> Response[Any]:
    label = _LABELS.get(error.status_code, "BAD_REQUEST" if error.status_code < 500 else "INTERNAL")
    content = {"label": label, "message": error.detail}
    return Response(content, status_code=error.status_code)
