"""A command on its way: its place in log and audit, and its answer under its idempotency key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

from cab_core.app.desk.commands import (
    REQUIRED,
    Command,
    Done,
    ForbiddenError,
    KeyReusedError,
    TransitionError,
)
from cab_core.app.desk.plain import plain
from cab_core.app.desk.structured import structured
from cab_core.errors import CabError, NotFoundError
from cab_core.storage import AuditEntry, Connection, Store, write_audit
from cab_core.storage.commands import StoredCommand, claim_command, find_command, finish_command

#: What a command is refused with; each of them is written to the audit.
REFUSALS = (ForbiddenError, KeyReusedError, NotFoundError, TransitionError)


@attrs.frozen(slots=True, kw_only=True)
class Task:
    """A command on its way, with its place in log and audit."""

    command: Command
    trace_id: str
    now_ms: int

    @property
    def by(self) -> str:
        """Who and why, for events and log."""
        reason = f": {self.command.reason}" if self.command.reason else ""
        return f"{self.command.action} by {self.command.actor.name}{reason}"

    @property
    def target(self) -> str:
        """What it is about, for the audit."""
        command = self.command
        order = "" if command.verdict is None else command.verdict.order
        return order or command.symbol or command.rule or ""

    def entry(self, before: Any, after: Any, outcome: str = "ok") -> AuditEntry:
        """Return its row of the audit."""
        actor, reason = self.command.actor, self.command.reason
        return AuditEntry(
            actor=actor.name,
            role=actor.role.label,
            surface=actor.surface,
            action=f"desk.{self.command.action}",
            target=self.target,
            before=before,
            after={**after, **({"reason": reason} if reason else {})} if isinstance(after, dict) else after,
            outcome=outcome,
            trace_id=self.trace_id,
        )


def require_role(command: Command) -> None:
    """Refuse a command that the actor may not give.

    Raises:
        ForbiddenError: naming the role it needs.
    """
    needed, actor = REQUIRED[command.action], command.actor
    if actor.role < needed:
        what = f"{actor.name} may not {command.action}: it needs {needed.label}, not {actor.role.label}"
        raise ForbiddenError(what, where=command.action, fix=f"ask an {needed.label}")


async def write_refusal(store: Store, task: Task, states: Mapping[str, str], error: CabError) -> None:
    """Write to the audit that a command was refused in these states."""
    entry = task.entry(states, states, f"refused: {error.what}")
    await store.transact(lambda conn: write_audit(conn, entry, task.now_ms))


def own_key(command: Command) -> str:
    """Return the key as it is stored: each actor's on each surface are his own.

    In one space anybody could use the key that somebody else's command will have, and have it refused.
    """
    return f"{command.actor.surface}:{command.actor.name}|{command.key}"


async def known(store: Store, command: Command) -> Done | None:
    """Return what a command was answered that was sent before under the same key.

    Raises:
        KeyReusedError: the key belongs to another command.
    """
    if not command.key:
        return None
    stored = await store.transact(lambda conn: find_command(conn, own_key(command)))
    if stored is None or stored.result is None:
        return None
    if stored.body_hash != _body_hash(command):
        raise KeyReusedError(
            "the idempotency key was used for another command", where=command.key, fix="use a new key"
        )
    return structured(stored.result, Done)


def kept(conn: Connection, task: Task, done: Done) -> Done:
    """Keep the answer under the command's key, in the same transaction."""
    command = task.command
    if command.key:
        stored = StoredCommand(
            key=own_key(command),
            actor=command.actor.name,
            action=str(command.action),
            body_hash=_body_hash(command),
            ts_ms=task.now_ms,
        )
        claim_command(conn, stored)
        finish_command(conn, own_key(command), plain(done))
    return done


def _body_hash(command: Command) -> str:
    actor, verdict = command.actor, command.verdict
    body = [command.action, command.symbol, command.rule, command.reason, actor.name, actor.surface]
    if verdict is not None:
        body += [verdict.order, verdict.fate, f"{verdict.quantity}", f"{verdict.price}"]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()
