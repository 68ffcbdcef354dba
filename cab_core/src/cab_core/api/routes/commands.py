"""Commands: each is carried out once per idempotency key, and written to the audit."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import attrs
from litestar import post
from litestar.params import FromPath, HeaderParameter, JSONBody

from cab_core.api.gate import whoever
from cab_core.api.problems import ApiError
from cab_core.api.routes.shared import AnyRequest, Given, may
from cab_core.api.service import Service
from cab_core.app.desk.commands import Action, Command, Done, Role, verdict_of
from cab_core.app.desk.task import require_role
from cab_core.domain.verdict import Verdict
from cab_core.errors import UsageError

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
        confirm: of ``close``, in live: the symbol once more, or ``ALL``.
        order: of ``settle``: client id of an order whose outcome is unknown.
        outcome: of ``settle``: ``absent`` or ``filled``.
        quantity: of ``settle``: base it traded, as exact text; booked where the exchange shows no trade.
        price: the same: quote per base.
    """

    symbol: str | None = None
    rule: str | None = None
    reason: str = ""
    confirm: str = ""
    order: str | None = None
    outcome: str | None = None
    quantity: str | None = None
    price: str | None = None


@attrs.frozen(slots=True, kw_only=True)
class Confirmation:
    """What a close says besides its symbol.

    Attributes:
        confirm: in live: the symbol once more, or ``ALL``.
        reason: your words, for the audit.
    """

    confirm: str = ""
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
    """Start, pause, resume or stop, close what is open, release a halt, or settle an order.

    ``stop``, ``close``, ``release`` and ``settle`` need an admin.
    """
    verdict = _verdict(request, data) if action is Action.SETTLE else None
    return await carry_out(
        service,
        request,
        action,
        symbol=data.symbol,
        rule=data.rule,
        verdict=verdict,
        reason=data.reason,
        confirm=data.confirm,
        key=idempotency_key,
    )


def _verdict(request: AnyRequest, data: Wish) -> Verdict:
    try:
        return verdict_of(data.order or "", data.outcome or "", data.quantity, data.price)
    except UsageError:  # who may not settle at all is told that, not how to write it
        require_role(Command(action=Action.SETTLE, actor=whoever(request.scope).actor))
        raise


async def carry_out(
    service: Service,
    request: AnyRequest,
    action: Action,
    *,
    symbol: str | None = None,
    rule: str | None = None,
    verdict: Verdict | None = None,
    reason: str = "",
    confirm: str = "",
    key: str = "",
) -> Done:
    """Carry out a command of who sent the request."""
    if len(reason) > _LONGEST:
        raise ApiError(400, f"the reason has more than {_LONGEST} characters", code="validation_failed")
    order = Command(
        action=action,
        actor=whoever(request.scope).actor,
        symbol=symbol,
        rule=rule,
        verdict=verdict,
        reason=reason,
        confirm=confirm,
        key=key,
    )
    return await service.desk.do(order)


HANDLERS = (command,)
