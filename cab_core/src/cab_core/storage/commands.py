"""Commands by idempotency key: one that is sent twice is done once and answered twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.schema import commands
from cab_core.storage.sql import insert_new, update


@attrs.frozen(slots=True, kw_only=True)
class StoredCommand:
    """A command as it was first sent.

    Attributes:
        key: idempotency key.
        body_hash: of the request's body; the same key with another body is a mistake of the client.
        result: what was answered (JSON), None while it is being done.
    """

    key: str
    actor: str
    action: str
    body_hash: str
    result: Mapping[str, Any] | None = None
    ts_ms: int


def claim_command(conn: sa.Connection, command: StoredCommand) -> StoredCommand | None:
    """Store a new command and return None; or return the one stored under its key, and change nothing."""
    if insert_new(conn, commands, ("key",), attrs.asdict(command, recurse=False)):
        return None
    return find_command(conn, command.key)


def find_command(conn: sa.Connection, key: str) -> StoredCommand | None:
    """Return the command stored under a key, None if there is none."""
    row = conn.execute(sa.select(commands).where(commands.c.key == key)).mappings().first()
    return None if row is None else StoredCommand(**row)


def finish_command(conn: sa.Connection, key: str, result: Mapping[str, Any]) -> None:
    """Store what a command was answered.

    Raises:
        KeyError: no such command.
    """
    if not update(conn, commands, {"key": key}, {"result": result}):
        raise KeyError(f"no command {key}")
