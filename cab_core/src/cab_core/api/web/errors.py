"""Errors as pages: what went wrong, where, and what to do."""

from __future__ import annotations

from http import HTTPStatus

from litestar import Response
from litestar.exceptions import HTTPException

from cab_core.api.gate import passed
from cab_core.api.problems import ApiError, problem_of
from cab_core.api.web.access import AnyRequest, visitor_of
from cab_core.api.web.render import html
from cab_core.errors import CabError


def on_cab_error(request: AnyRequest, error: CabError) -> Response[str]:
    """Show an error of the bot."""
    problem = problem_of(error, passed(request.scope).trace_id)
    return _page(request, problem.status, error.what, error.where, error.fix)


def on_api_error(request: AnyRequest, error: ApiError) -> Response[str]:
    """Show a refusal."""
    return _page(request, error.status, error.detail, "", error.fix)


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[str]:
    """Show what the framework refused, e.g. a parameter out of bounds."""
    return _page(request, error.status_code, error.detail or HTTPStatus(error.status_code).phrase, "", "")


def _page(request: AnyRequest, status: int, what: str, where: str, fix: str) -> Response[str]:
    return html(
        "error",
        status,
        layout="bare.html.j2",
        visitor=visitor_of(request),
        code=status,
        title=HTTPStatus(status).phrase,
        what=what,
        where=where,
        fix=fix,
        trace_id=passed(request.scope).trace_id,
    )
