"""The API as a Litestar plugin, for an application of one's own; `make_app` is the one `cab run` serves."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Response, Router
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.plugins import InitPlugin

from cab_core.api import schema_pages
from cab_core.api.gate import Gate, Passed
from cab_core.api.openapi import ExactNumbers, components, openapi_config
from cab_core.api.problems import MEDIA_TYPE, ApiError, Fault, problem_of
from cab_core.api.routes import alertmanager, commands, live, login, operation, reads
from cab_core.api.routes.shared import STATE, AnyRequest, Views, guard
from cab_core.api.service import Service
from cab_core.api.web.errors import on_http_error
from cab_core.app.desk.commands import Role
from cab_core.errors import CabError

log = logging.getLogger("cab.api")

PREFIX = "/api/v1"

#: The parameter in a text of Litestar's.
_NAMED = re.compile(r"parameter '([\w-]+)'")


class CabPlugin(InitPlugin):
    """Adds the routes of a bot to an application; each request passes the gate of `cab_core.api.gate`.

    Args:
        service: the bot.
        prefix: path below which all routes lie.
        gated: whether the routes bring their own gate; not where one stands around the application.
    """

    def __init__(self, service: Service, prefix: str = "", *, gated: bool = True) -> None:
        self._service = service
        self._prefix = prefix
        self._gated = gated

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the routes."""
        service = self._service
        gate: list[Any] = [lambda app: Gate(app, service)] if self._gated else []
        below = Router(
            PREFIX,
            route_handlers=[*reads.HANDLERS, *live.HANDLERS, *commands.HANDLERS, *alertmanager.HANDLERS],
        )
        router = Router(
            self._prefix or "/",
            route_handlers=[*operation.HANDLERS, *login.HANDLERS, below],
            dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
            exception_handlers=HANDLERS,
            response_class=Views,
            middleware=gate,
        )
        app_config.route_handlers.append(router)
        app_config.state[STATE] = service
        app_config.plugins.append(ExactNumbers())
        if app_config.openapi_config is not None and self._gated:
            mine = app_config.openapi_config.components
            app_config.openapi_config.components = [
                *(mine if isinstance(mine, list) else [mine]),
                components(),
            ]
        return app_config


def make_app(service: Service, pages: Sequence[Any] = ()) -> Gate:
    """Return the application of one bot.

    Args:
        service: the bot.
        pages: further route handlers, e.g. of the dashboard.
    """
    return Gate(litestar_app(service, pages), service)  # type: ignore[arg-type]  # Litestar's own names of the ASGI types


def litestar_app(service: Service, pages: Sequence[Any] = ()) -> Litestar:
    """Return what lies behind the gate."""
    schema = Router("/schema", route_handlers=[], guards=[guard(Role.VIEWER)], include_in_schema=False)
    return Litestar(
        list(pages),
        plugins=[CabPlugin(service, gated=False)],
        openapi_config=openapi_config(schema, schema_pages.PLUGINS),
        exception_handlers=HANDLERS,
        logging_config=None,
    )


def _problem(request: AnyRequest, error: ApiError | CabError) -> Response[bytes]:
    found = request.scope.get("state", {}).get(STATE)
    trace_id = found.trace_id if isinstance(found, Passed) else "-"
    problem = problem_of(error, trace_id)
    headers = error.headers() if isinstance(error, ApiError) else {}
    if problem.status >= 500 and isinstance(error, CabError):
        log.warning("%s %s: %s", request.method, request.url.path, error)
    return Response(problem.encode(), media_type=MEDIA_TYPE, status_code=problem.status, headers=headers)


def _refused(request: AnyRequest, error: HTTPException) -> Response[bytes] | Response[str]:
    """Answer what Litestar itself refuses: a browser with a page, a program with a problem."""
    if "text/html" in request.headers.get("accept", "") and STATE in request.scope.get("state", {}):
        return on_http_error(request, error)
    told = ApiError(error.status_code, error.detail)
    if isinstance(error, ValidationException):
        what = "the request does not fit the path"
        told = ApiError(error.status_code, what, code="validation_failed", errors=_faults(error))
    answer = _problem(request, told)
    answer.headers.update(error.headers or {})
    return answer


def _faults(error: ValidationException) -> list[Fault]:
    if isinstance(error.extra, list) and error.extra:
        return [
            Fault(name=str(each.get("key", "body")), reason=str(each.get("message", "")))
            for each in error.extra
            if isinstance(each, dict)
        ]
    named = _NAMED.search(error.detail)
    return [Fault(name=named.group(1) if named else "body", reason=error.detail)]


def _broken(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer a defect of ours, and keep its traceback in the log."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _problem(request, ApiError(500, "a defect of cab; the log has more under this trace id"))


HANDLERS: dict[Any, Any] = {
    ApiError: _problem,
    CabError: _problem,
    HTTPException: _refused,
    Exception: _broken,
}
