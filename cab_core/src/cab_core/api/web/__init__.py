"""The dashboard: pages rendered from the desk, in the same application as the API."""

from __future__ import annotations

from litestar import Response, Router
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from cab_core.api.problems import ApiError
from cab_core.api.web import about, now, past
from cab_core.api.web.access import AnyRequest, visitor_of
from cab_core.api.web.errors import on_api_error, on_cab_error, on_http_error
from cab_core.api.web.render import login_page
from cab_core.api.web.static_files import static
from cab_core.app.desk.commands import Role
from cab_core.errors import CabError

__all__ = ["login_page", "web_router"]

#: Pages that viewers do not see, as in the API.
_OPERATORS_ONLY = ("/config", "/logs")


def web_router() -> Router:
    """Return everything of the dashboard except logging in; ``app.state.cab`` must be the service."""
    pages = Router(
        "/",
        route_handlers=[*now.HANDLERS, *past.HANDLERS, *about.HANDLERS],
        before_request=_let_in,
        exception_handlers={
            ApiError: on_api_error,
            CabError: on_cab_error,
            HTTPException: on_http_error,
        },
    )
    return Router("/", route_handlers=[pages, static])


async def _let_in(request: AnyRequest) -> Response[str] | None:
    """Send those we do not know to the login, and refuse what a role may not see."""
    visitor = visitor_of(request)
    if visitor.role is None:
        return Redirect("/login", status_code=303)
    if request.url.path in _OPERATORS_ONLY and visitor.role < Role.OPERATOR:
        raise ApiError(
            403, "this page needs the role operator; you are viewer", fix="log in with another token"
        )
    return None
