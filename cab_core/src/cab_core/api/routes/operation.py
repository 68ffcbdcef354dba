"""The routes of the seed, to the letter: health, metrics, the orchestrator, today's profit.

Whether a role may give a command is said by the desk, not by the route: what it refuses is in the audit, too.
"""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import JSONBody

from cab_core.api.routes.commands import Confirmation, Key, carry_out
from cab_core.api.routes.shared import AnyRequest, Given, Symbol, Views, anybody, may
from cab_core.app.desk.commands import Action, Done, Role
from cab_core.app.desk.views import Health, Ready, Status

_TAG = ["Operation"]


@get("/health", summary="Whether the bot and its parts work", tags=_TAG, **anybody())
async def health(service: Given) -> Health:
    """Answer 200 always: what is wrong stands in ``status`` and ``components``."""
    return await service.desk.health()


@get("/ready", summary="Whether the start is complete", tags=_TAG, **anybody())
async def ready(service: Given) -> Response[Ready]:
    """Answer 503 with what is missing until it is."""
    found = await service.desk.ready()
    return Views(found, status_code=200 if found.ready else 503)


@get("/metrics", summary="Metrics for Prometheus", tags=_TAG, media_type="text/plain", **anybody())
async def metrics(service: Given, request: AnyRequest) -> Response[str]:
    """Return the classic text format, or OpenMetrics if the ``Accept`` header asks for it."""
    body, kind = service.measures.scrape(request.headers.get("accept", "*/*"))
    return Response(body.decode(), media_type=kind)


@get("/orchestrator/status", summary="Everything at a glance", tags=_TAG, **may(Role.VIEWER, 404))
async def orchestrator_status(service: Given, symbol: Symbol = None) -> Status:
    """Return state, loops, last decision, position, exits, halts, regime and use of the limits."""
    return await service.desk.status(symbol)


@get("/pnl/today", summary="Profit and loss of the present UTC day", tags=_TAG, **may(Role.VIEWER, 404))
async def pnl_today(service: Given, symbol: Symbol = None) -> dict[str, Any]:
    """Return the report of today, as ``cab perf`` has it."""
    return await service.desk.pnl("today", symbol)


@post(
    "/orchestrator/start",
    status_code=200,
    summary="Start trading",
    tags=_TAG,
    **may(Role.VIEWER, 404, 409, needed=Role.OPERATOR),
)
async def start(
    service: Given, request: AnyRequest, symbol: Symbol = None, idempotency_key: Key = ""
) -> Done:
    """Start a symbol or all that are stopped or idle; what is paused is resumed, not started."""
    return await carry_out(service, request, Action.START, symbol=symbol, key=idempotency_key)


@post(
    "/orchestrator/pause",
    status_code=200,
    summary="Pause entries",
    tags=_TAG,
    **may(Role.VIEWER, 404, 409, needed=Role.OPERATOR),
)
async def pause(
    service: Given, request: AnyRequest, symbol: Symbol = None, idempotency_key: Key = ""
) -> Done:
    """Let no new position be opened; exits and protection go on."""
    return await carry_out(service, request, Action.PAUSE, symbol=symbol, key=idempotency_key)


@post(
    "/orchestrator/resume",
    status_code=200,
    summary="Resume entries",
    tags=_TAG,
    **may(Role.VIEWER, 404, 409, needed=Role.OPERATOR),
)
async def resume(
    service: Given, request: AnyRequest, symbol: Symbol = None, idempotency_key: Key = ""
) -> Done:
    """Allow entries again after a pause."""
    return await carry_out(service, request, Action.RESUME, symbol=symbol, key=idempotency_key)


@post(
    "/orchestrator/stop",
    status_code=200,
    summary="Stop trading",
    tags=_TAG,
    **may(Role.VIEWER, 404, 409, needed=Role.ADMIN),
)
async def stop(service: Given, request: AnyRequest, symbol: Symbol = None, idempotency_key: Key = "") -> Done:
    """Decide nothing more about a symbol or all: nothing is sold, exits are watched on, the process stays."""
    return await carry_out(service, request, Action.STOP, symbol=symbol, key=idempotency_key)


@post(
    "/orchestrator/close",
    status_code=200,
    summary="Close positions",
    tags=_TAG,
    **may(Role.VIEWER, 404, 409, 413, 415, needed=Role.ADMIN),
)
async def close(
    service: Given,
    request: AnyRequest,
    data: JSONBody[Confirmation],
    symbol: Symbol = None,
    idempotency_key: Key = "",
) -> Done:
    """Sell the position of a symbol, or all, at market, in every state; what rests is canceled first."""
    return await carry_out(
        service,
        request,
        Action.CLOSE,
        symbol=symbol,
        reason=data.reason,
        confirm=data.confirm,
        key=idempotency_key,
    )


HANDLERS = (health, ready, metrics, orchestrator_status, pnl_today, start, pause, resume, stop, close)
