"""What the pages need of the app around them: the bot's desk, and who looks at it."""

from __future__ import annotations

from typing import Any

import attrs
from litestar import Request

from cab_core.api.gate import passed
from cab_core.api.service import Service
from cab_core.app.desk.commands import REQUIRED, Action, Role
from cab_core.app.desk.desk import Desk

AnyRequest = Request[Any, Any, Any]


@attrs.frozen(slots=True, kw_only=True)
class Visitor:
    """Somebody at the pages.

    Attributes:
        csrf: what the page's changing requests must repeat; empty for nobody and for programs.
    """

    name: str
    role: Role | None
    csrf: str = attrs.field(default="", repr=False)

    def may(self, action: str) -> bool:
        """Say whether a command is theirs to give."""
        return self.role is not None and self.role >= REQUIRED[Action(action)]


def desk_of(request: AnyRequest) -> Desk:
    """Return the desk of the bot that is shown."""
    service: Service = request.app.state.cab
    return service.desk


def visitor_of(request: AnyRequest) -> Visitor:
    """Return who asks; without a role if it is nobody we know."""
    identity = passed(request.scope).identity
    if identity is None:
        return Visitor(name="", role=None)
    return Visitor(name=identity.actor.name, role=identity.actor.role, csrf=identity.csrf or "")
