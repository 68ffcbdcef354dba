"""Tokens of the HTTP API: only their hashes are stored."""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from cab_core.storage.schema import api_tokens
from cab_core.storage.sql import affected, update


@attrs.frozen(slots=True, kw_only=True)
class ApiToken:
    """A token as it is stored.

    Attributes:
        id: public short id, as lists show it.
        name: what its owner calls it.
        role: ``viewer``, ``operator`` or ``admin``.
        hash: of the secret part, in hexadecimal.
        created_by: actor. ``revoked_ms``, ``last_used_ms``: None for never.
    """

    id: str
    name: str
    role: str
    hash: str = attrs.field(repr=False)
    created_ms: int
    created_by: str
    revoked_ms: int | None = None
    last_used_ms: int | None = None


def add_token(conn: sa.Connection, token: ApiToken) -> None:
    """Store a new token.

    Raises:
        sqlalchemy.exc.IntegrityError: its id or hash exists.
    """
    conn.execute(api_tokens.insert().values(attrs.asdict(token)))


def load_tokens(conn: sa.Connection) -> list[ApiToken]:
    """Return every token ever made, oldest first, revoked ones included."""
    query = sa.select(api_tokens).order_by(api_tokens.c.created_ms, api_tokens.c.id)
    return [ApiToken(**row) for row in conn.execute(query).mappings()]


def find_token(conn: sa.Connection, token_hash: str) -> ApiToken | None:
    """Return the token with this hash, revoked or not; None if there is none."""
    row = conn.execute(sa.select(api_tokens).where(api_tokens.c.hash == token_hash)).mappings().first()
    return None if row is None else ApiToken(**row)


def revoke_token(conn: sa.Connection, token_id: str, now_ms: int) -> bool:
    """Revoke a token; False if there is none with this id, or it is revoked already."""
    same = (api_tokens.c.id == token_id, api_tokens.c.revoked_ms.is_(None))
    return affected(conn.execute(api_tokens.update().where(*same).values(revoked_ms=now_ms))) > 0


def touch_token(conn: sa.Connection, token_id: str, now_ms: int) -> None:
    """Note when a token was last used."""
    update(conn, api_tokens, {"id": token_id}, {"last_used_ms": now_ms})
