"""How a browser comes in: a token or a printed code for a session cookie."""

from __future__ import annotations

from urllib.parse import parse_qs

import attrs
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery

from cab_core.api.gate import whoever
from cab_core.api.routes.shared import AnyRequest, Given, may
from cab_core.api.service import Service
from cab_core.api.sessions import SESSION_S
from cab_core.api.web.render import login_page
from cab_core.app.desk.commands import Role


@attrs.frozen(slots=True, kw_only=True)
class SessionView:
    """Who asks. ``csrf`` goes into the header X-CSRF-Token of changing requests; null for tokens."""

    name: str
    role: str
    csrf: str | None


@get("/login", media_type="text/html", include_in_schema=False)
async def login_form(
    service: Given,
    request: AnyRequest,
    code: FromQuery[str] = "",
) -> Response[str]:
    """Show the form; with a code, as the bot prints it, log in at once."""
    if code:
        return await _enter(service, request, "", code)
    return Response(login_page(), media_type="text/html")


@post("/login", status_code=200, media_type="text/html", include_in_schema=False)
async def login(service: Given, request: AnyRequest) -> Response[str]:
    """Exchange the token or code of the form for a session cookie."""
    form = parse_qs((await request.body()).decode("utf-8", errors="replace"))
    given = {name: values[0].strip() for name, values in form.items()}
    return await _enter(service, request, given.get("token", ""), given.get("code", ""))


@post("/logout", status_code=200, include_in_schema=False)
async def logout(service: Given, request: AnyRequest) -> Response[str]:
    """End the session."""
    service.auth.sessions.end(request.cookies.get(service.auth.cookie, ""))
    service.hub.ask_again()
    gone = Cookie(key=service.auth.cookie, value="", max_age=0, path="/", httponly=True, samesite="strict")
    return Response("", status_code=303, headers={"location": "/login"}, cookies=[gone])


@get("/api/v1/session", summary="Who I am", tags=["Login"], **may(Role.VIEWER))
async def session(request: AnyRequest) -> SessionView:
    """Return name and role of who asks."""
    identity = whoever(request.scope)
    return SessionView(name=identity.actor.name, role=identity.actor.role.label, csrf=identity.csrf)


async def _enter(service: Service, request: AnyRequest, token: str, code: str) -> Response[str]:
    address = request.client.host if request.client else "unknown"
    secret = await service.door.enter(token, code, address)
    if secret is None:
        what = "the code is wrong, used or expired" if code else "the token is wrong or revoked"
        return Response(login_page(what), status_code=401, media_type="text/html")
    cookie = Cookie(
        key=service.auth.cookie,
        value=secret,
        max_age=int(SESSION_S),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return Response("", status_code=303, headers={"location": "/"}, cookies=[cookie], media_type="text/html")


HANDLERS = (login_form, login, logout, session)
