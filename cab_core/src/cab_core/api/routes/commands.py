"""Commands: each is carried out once per idempotency key, and written to the audit."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import attrs
from litestar import post
from litestar.params import FromPath, HeaderParameter, JSONBody

from cab_core.api.gate import passed
from cab_core.api.problems import ApiError
from cab_core.api.routes.shared import AnyRequest, Given, may
from cab_core.api.service import Service
from cab_core.app.desk.commands import Action, Command, Done, Role

#: Most characters of a reason.
_LONGEST = 500

_KEY = r"^[A-Za-z0-9._:-]{0,200}$"

Key: TypeAlias = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        pattern=_KEY,
        description="A text of your choice: the same one never has a second effect.",
    ),
]


@attrs.frozen(slots=True, kw_only=True)
class Wish:
    """What a command is about.

    Attributes:
        symbol: null for all.
        rule: of ``release``: the halt to release, null for all.
        reason: your words, for the audit.
    """

    symbol: str | None = None
    rule: str | None = None
    reason: str = ""


@post(
    "/commands/{action:str}",
    status_code=200,
    summary="Carry out a command",
    tags=["Commands"],
    **may(Role.VIEWER, 404, 409, 413, 415, needed=Role.OPERATOR),
)
async def command(
    service: Given,
    request: AnyRequest,
    action: FromPath[Action],
    data: JSONBody[Wish],
    idempotency_key: Key = "",
) -> Done:
    """Start, pause, resume or stop trading, or release a halt; ``stop`` and ``release`` need an admin."""
    if len(data.reason) > _LONGEST:
        raise ApiError(400, f"the reason has more than {_LONGEST} characters", code="validation_failed")
    return await carry_out(
        service, request, action, symbol=data.symbol, rule=data.rule, reason=data.reason, key=idempotency_key
    )


async def carry_out(
    service: Service,
    request: AnyRequest,
    action: Action,
    *,
    symbol: str | None = None,
    rule: str | None = None,
    reason: str = "",
    key: str = "",
) -> Done:
    """Carry out a command of who sent the request."""
    identity = passed(request.scope).identity
    if identity is None:
        raise ApiError(401, "a token is needed")
    order = Command(action=action, actor=identity.actor, symbol=symbol, rule=rule, reason=reason, key=key)
    return await service.desk.do(order)


HANDLERS = (command,)
