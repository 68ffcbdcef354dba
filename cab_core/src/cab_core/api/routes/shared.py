"""What the routes share: who may, what comes back, how errors are described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

import attrs
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter, SkipValidation
from litestar.types import Serializer

from cab_core.api.gate import passed
from cab_core.api.problems import MEDIA_TYPE, ApiError, Problem
from cab_core.api.service import Service
from cab_core.app.desk.commands import Role
from cab_core.app.desk.desk import PAGE
from cab_core.app.desk.plain import plain

T = TypeVar("T")

AnyRequest = Request[Any, Any, State]

#: The service as routes get it.
Given: TypeAlias = NamedDependency[SkipValidation[Service]]

#: Where an application keeps the service.
STATE = "cab"

#: Epoch milliseconds fit here, and so do all the database's numbers.
MOST_MS = 2**53

#: Most characters of a parameter's value.
LONGEST_WORD = 100

_TEXTS: Mapping[int, str] = {
    400: "The request is wrong; `errors` or `where` says what.",
    401: "The token is missing, wrong or revoked.",
    403: "The role does not allow it, or no token is configured.",
    404: "No such symbol, trace or run.",
    405: "Not with this method.",
    409: "It does not fit the present state.",
    413: "The body is too large.",
    415: "The body is not of this kind.",
    429: "Too many requests.",
    503: "The bot, its database or the server cannot answer now.",
}


@attrs.frozen(slots=True, kw_only=True)
class Page(Generic[T]):
    """A page of a list, newest first; ``next`` is the ``after`` of the following page, null at the end."""

    items: Sequence[T]
    next: str | None


class Views(Response[Any]):
    """An answer of views: money as exact texts."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer | None = None) -> bytes:
        """Return the body."""
        told = content if isinstance(content, str | bytes) else plain(content)
        return (
            super().render(told, media_type)
            if enc_hook is None
            else super().render(told, media_type, enc_hook)
        )


def faults(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the descriptions of problems an operation may answer with, besides those that all have."""
    return {
        status: ResponseSpec(
            Problem, description=_TEXTS[status], media_type=MEDIA_TYPE, generate_examples=False
        )
        for status in sorted({*statuses, 400, 429, 503})
    }


def may(role: Role, *more: int, needed: Role | None = None) -> dict[str, Any]:
    """Return what a handler needs so that only this role may use it, and the problems that come of it.

    Args:
        role: the least that the route lets pass.
        more: statuses of problems besides those that all have.
        needed: the least that is needed in the end, where the desk decides.
    """
    told = (needed or role).label
    return {
        "guards": [guard(role)],
        "responses": faults(401, 403, *more),
        "security": [{"token": [told]}, {"session": [told]}],
    }


def anybody(*more: int) -> dict[str, Any]:
    """Return what a handler needs that anybody may use."""
    return {"responses": faults(*more), "security": [{}]}


def guard(role: Role) -> Any:
    """Return a guard that lets only this role pass."""

    async def check(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await require(connection, role)

    return check


def service_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Service:
    """Return the bot that is served."""
    service: Service = connection.app.state[STATE]
    return service


async def require(connection: ASGIConnection[Any, Any, Any, Any], role: Role) -> None:
    """Refuse a request whose sender may not do what needs a role.

    Raises:
        ApiError: nobody known, or not with this role.
    """
    found = passed(connection.scope)
    if found.identity is None:
        if not await service_of(connection).auth.configured():
            raise ApiError(
                403,
                "no token is configured, so nobody is let in",
                code="api_token_not_configured",
                fix="set API_TOKEN, or run: cab token new NAME",
            )
        what = "the token is wrong or revoked" if found.presented else "a token is needed"
        raise ApiError(401, what, fix="send Authorization: Bearer TOKEN; new ones: cab token new NAME")
    if found.identity.actor.role < role:
        mine = found.identity.actor.role.label
        raise ApiError(
            403, f"this needs the role {role.label}, the token has {mine}", fix="use another token"
        )


Symbol: TypeAlias = Annotated[
    str | None,
    QueryParameter(max_length=LONGEST_WORD, description="Only this symbol, e.g. `BTC/USDT`."),
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=PAGE, description="Rows of the page, at most.")]
After: TypeAlias = Annotated[
    str, QueryParameter(description="The `next` of the page before.", max_length=400, format="cursor")
]
Since: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=MOST_MS, description="From then on: epoch milliseconds, UTC; 0 for all.")
]
Until: TypeAlias = Annotated[
    int, QueryParameter(ge=0, le=MOST_MS, description="Before then: epoch milliseconds, UTC.")
]
Level: TypeAlias = Annotated[
    Literal["debug", "info", "warning", "error", "critical"] | None,
    QueryParameter(description="Only lines of this level or above."),
]
Word: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=LONGEST_WORD, description="Only rows with this value.")
]
Text: TypeAlias = Annotated[
    str, QueryParameter(max_length=200, description="Only rows that contain this text.")
]


def page_of(found: tuple[Sequence[T], str | None]) -> Page[T]:
    """Return what a list of the desk answered as a page."""
    return Page(items=found[0], next=found[1])
