"""What operators may do, from wherever they sit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import IntEnum, StrEnum

import attrs

from cab_core.domain.verdict import Fate, Verdict
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
    CLOSE = "close"
    RELEASE = "release"
    SETTLE = "settle"


#: The least role each command needs.
REQUIRED: Mapping[Action, Role] = {
    Action.START: Role.OPERATOR,
    Action.PAUSE: Role.OPERATOR,
    Action.RESUME: Role.OPERATOR,
    Action.STOP: Role.ADMIN,
    Action.CLOSE: Role.ADMIN,
    Action.RELEASE: Role.ADMIN,
    Action.SETTLE: Role.ADMIN,
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
        verdict: for ``settle``: which order, and what became of it.
        reason: the actor's words, for the audit.
        confirm: for ``close``: the symbol once more, or ``ALL``; in live nothing is closed without it.
        key: idempotency key: the same key never has a second effect; empty without one.
    """

    action: Action
    actor: Actor
    symbol: str | None = None
    rule: str | None = None
    verdict: Verdict | None = None
    reason: str = ""
    confirm: str = ""
    key: str = ""


@attrs.frozen(slots=True, kw_only=True)
class Open:
    """What is open of one symbol; no command but ``close`` sells it.

    Attributes:
        quantity: base that is held.
        stop: the price at which the bot sells it, None where it has none.
        resting_stop: the exchange's order id of the stop that rests there, None without one.
        watched: the bot itself looks at its exits in time.
    """

    symbol: str
    quantity: Decimal
    stop: Decimal | None
    resting_stop: str | None
    watched: bool


@attrs.frozen(slots=True, kw_only=True)
class Closing:
    """What a close came to for one symbol.

    Attributes:
        order: client id of the order that sells it, None where none can.
        state: ``sold``; ``under_way`` where an exit is not settled yet, or waits to be sent again;
            ``too_small`` or ``refused``, where nothing more is sent by itself. ``detail`` says why.
        sold: base that was sold by now. ``left``: base that is left, dust included.
        earlier: the exit was under way before, and was not doubled.
    """

    symbol: str
    order: str | None
    state: str
    sold: Decimal
    left: Decimal
    detail: str = ""
    earlier: bool = False


@attrs.frozen(slots=True, kw_only=True)
class Done:
    """What a command came to.

    Attributes:
        states: state by symbol after it.
        changed: False if everything already was as asked.
        positions: what is open after it, of the symbols it is about.
        closings: what a close came to, by symbol.
        released: rules whose halts it released.
        order: client id of the order it settled. ``order_state``: what that order ended as.
        booked: ids of the trades that were booked for it; one that is estimated says so.
        planned: client id of the exit that follows it, None if none does by itself.
        trace_id: finds it in journal and log.
        audit_seq: its row in the journal.
    """

    action: str
    states: Mapping[str, str]
    changed: bool
    positions: tuple[Open, ...] = ()
    closings: tuple[Closing, ...] = ()
    released: tuple[str, ...] = ()
    order: str | None = None
    order_state: str | None = None
    booked: tuple[str, ...] = ()
    planned: str | None = None
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


def required_verdict(command: Command) -> Verdict:
    """Return what a command to settle an order says of it.

    Raises:
        UsageError: nothing.
    """
    if command.verdict is None:
        raise UsageError("no order is named", where="order", fix="name one of: cab orders list")
    return command.verdict


def verdict_of(order: str, outcome: str, quantity: str | None, price: str | None) -> Verdict:
    """Return the verdict that a request spells out.

    Raises:
        UsageError: it is none; naming what is wrong.
    """
    if not order:
        raise UsageError("no order is named", where="order", fix="name one of: cab orders list")
    if outcome not in list(Fate):
        raise UsageError(f"{outcome!r} is no outcome", where="outcome", fix="use absent or filled")
    amounts = [_amount("quantity", quantity), _amount("price", price)]
    if amounts.count(None) == 1:
        raise UsageError("quantity and price belong together", where="quantity", fix="give both, or none")
    fate = Fate(outcome)
    if fate is Fate.ABSENT and amounts[0] is not None:
        raise UsageError("what is absent has no quantity", where="quantity", fix="leave it out")
    return Verdict(order=order, fate=fate, quantity=amounts[0], price=amounts[1])


def _amount(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"{text!r} is no amount above 0", where=name, fix="write it like 0.25")
    return amount
