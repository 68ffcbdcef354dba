"""What operators may do, from wherever they sit."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

import attrs

from cab_core.errors import CabError, ExitCode, UsageError


class Role(IntEnum):
    """What an actor may do; a higher role may do all a lower one may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """Its name in texts and settings."""
        return self.name.lower()


class Action(StrEnum):
    """The commands."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    RELEASE = "release"


#: The least role each command needs.
REQUIRED: Mapping[Action, Role] = {
    Action.START: Role.OPERATOR,
    Action.PAUSE: Role.OPERATOR,
    Action.RESUME: Role.OPERATOR,
    Action.STOP: Role.ADMIN,
    Action.RELEASE: Role.ADMIN,
}


@attrs.frozen(slots=True, kw_only=True)
class Actor:
    """Who commands. ``name`` goes into the audit; ``surface``: api, web, telegram or cli."""

    name: str
    role: Role
    surface: str


@attrs.frozen(slots=True, kw_only=True)
class Command:
    """One order of an operator.

    Attributes:
        symbol: what it is about; None for all symbols.
        rule: for ``release``: the halt to release, None for all.
        reason: the actor's words, for the audit.
        key: idempotency key: the same key never has a second effect; empty without one.
    """

    action: Action
    actor: Actor
    symbol: str | None = None
    rule: str | None = None
    reason: str = ""
    key: str = ""


@attrs.frozen(slots=True, kw_only=True)
class Done:
    """What a command came to.

    Attributes:
        states: state by symbol after it.
        changed: False if everything already was as asked.
        released: rules whose halts it released.
        trace_id: finds it in journal and log.
        audit_seq: its row in the journal.
    """

    action: str
    states: Mapping[str, str]
    changed: bool
    released: tuple[str, ...] = ()
    trace_id: str
    audit_seq: int


class ForbiddenError(CabError):
    """The actor's role does not allow the command."""

    code = "CAB-E610"
    exit_code = ExitCode.REFUSED


class TransitionError(CabError):
    """The command does not fit the present state."""

    code = "CAB-E611"
    exit_code = ExitCode.PROBLEMS


class KeyReusedError(UsageError):
    """An idempotency key was used before, for another command."""

    code = "CAB-E612"
