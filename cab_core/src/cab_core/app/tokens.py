"""Tokens of the HTTP API: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import attrs

from cab_core.app.desk.commands import Role
from cab_core.errors import NotFoundError
from cab_core.secret import Secret
from cab_core.storage import Connection
from cab_core.storage.audit_trail import AuditEntry, write_audit
from cab_core.storage.tokens import ApiToken, add_token, load_tokens, revoke_token

#: First part of every token: ``cab_<id>_<secret>``.
PREFIX = "cab"

_SECRET_BYTES = 32


@attrs.frozen(slots=True)
class Minted:
    """A new token: its text, which is shown once, and what is stored of it."""

    text: Secret
    stored: ApiToken


@attrs.frozen(slots=True)
class Presented:
    """A token as a client sends it."""

    id: str
    secret: str = attrs.field(repr=False)

    @property
    def hash(self) -> str:
        """What a stored token keeps of the secret."""
        return hash_of(self.secret)

    def is_of(self, token: ApiToken) -> bool:
        """Say whether this is that token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(self.hash, token.hash) and hmac.compare_digest(
            self.id.encode(), token.id.encode()
        )


def hash_of(secret: str) -> str:
    """Return the SHA-256 of a secret in hexadecimal: enough for 256 random bits, which nobody can guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def mint(name: str, role: Role, created_by: str, now_ms: int) -> Minted:
    """Make a token of 256 random bits."""
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(_SECRET_BYTES)
    stored = ApiToken(
        id=token_id,
        name=name,
        role=role.label,
        hash=hash_of(secret),
        created_ms=now_ms,
        created_by=created_by,
    )
    return Minted(Secret(f"{PREFIX}_{token_id}_{secret}"), stored)


def parse_token(text: str) -> Presented | None:
    """Return the parts of a token, None if the text is none of ours."""
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    return Presented(token_id, secret) if prefix == PREFIX and token_id and secret else None


def issue_token(conn: Connection, minted: Minted, actor: str, now_ms: int) -> None:
    """Store a new token and write it to the audit."""
    add_token(conn, minted.stored)
    write_audit(conn, _entry("token.new", actor, minted.stored, before=None, revoked=False), now_ms)


def withdraw_token(conn: Connection, token_id: str, actor: str, now_ms: int) -> ApiToken:
    """Revoke a token and write it to the audit; return it as it was.

    Raises:
        NotFoundError: there is none with this id, or it is revoked already.
    """
    known = {token.id: token for token in load_tokens(conn) if token.revoked_ms is None}
    token = known.get(token_id)
    if token is None or not revoke_token(conn, token_id, now_ms):
        raise NotFoundError(f"no valid token {token_id!r}", where="ID", fix="see them: cab token list")
    write_audit(conn, _entry("token.revoke", actor, token, before={"revoked": False}, revoked=True), now_ms)
    return token


def _entry(
    action: str, actor: str, token: ApiToken, *, before: dict[str, bool] | None, revoked: bool
) -> AuditEntry:
    return AuditEntry(
        actor=actor,
        role=Role.ADMIN.label,
        surface="cli",
        action=action,
        target=token.id,
        before=before,
        after={"name": token.name, "role": token.role, "revoked": revoked},
    )
