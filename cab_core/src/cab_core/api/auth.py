"""Who asks: bearer tokens of programs, session cookies of browsers."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Protocol

import attrs

from cab_core.api.sessions import Sessions
from cab_core.app.desk.commands import Actor, Role
from cab_core.app.tokens import Presented, parse_token
from cab_core.secret import Secret
from cab_core.storage.tokens import ApiToken

#: Names and surfaces of those who need no stored token.
SETTING, LOCAL, CODE = "API_TOKEN", "local", "login-code"

COOKIE = "cab_session"

_ROLES = {role.label: role for role in Role}


class TokenBook(Protocol):
    """The stored tokens."""

    async def find(self, presented: Presented) -> ApiToken | None:
        """Return the stored token that was presented, unless it is revoked, and note its use."""

    async def valid(self, token_id: str) -> bool:
        """Say whether a token has not been revoked."""

    async def any(self) -> bool:
        """Say whether there is any that is not revoked."""


@attrs.frozen(slots=True, kw_only=True)
class Identity:
    """Who asks.

    Attributes:
        actor: for the audit.
        client: whose rate limit it counts for.
        csrf: text a browser must repeat in changing requests, None for programs.
        token_id: the stored token, empty for others.
    """

    actor: Actor
    client: str
    csrf: str | None = attrs.field(default=None, repr=False)
    token_id: str = ""


@attrs.frozen(slots=True)
class Credentials:
    """What a request brings along: a bearer token or a cookie's secret, empty where it has none."""

    bearer: str = attrs.field(default="", repr=False)
    cookie: str = attrs.field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.bearer or self.cookie)


@attrs.define(eq=False, kw_only=True)
class Authenticator:
    """Tells who asks.

    Attributes:
        tokens: the stored ones.
        setting: API_TOKEN, which is an admin's.
        local: token of this run for commands on this machine, which is an admin's.
        cookie: name of the session cookie; browsers share cookies between ports, so it has the port in it.
    """

    tokens: TokenBook
    setting: Secret
    local: Secret
    sessions: Sessions = attrs.field(factory=lambda: Sessions(time.monotonic))
    cookie: str = COOKIE

    def credentials(self, headers: Mapping[str, str]) -> Credentials:
        """Read a request's credentials; a bearer token goes before a cookie."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return Credentials(bearer=token.strip())
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return Credentials()
        return Credentials(cookie=found.value) if found is not None else Credentials()

    async def identify(self, given: Credentials) -> Identity | None:
        """Return who has these credentials, None for nobody."""
        if not given.bearer:
            return await self.browser(given.cookie)
        return await self.random(given.bearer) or self.chosen(given.bearer)

    async def configured(self) -> bool:
        """Say whether there is any token somebody outside of this machine may have."""
        return bool(self.setting) or await self.tokens.any()

    def chosen(self, text: str) -> Identity | None:
        """Return who has the token of the settings, which a person may have chosen; None for nobody."""
        if self.setting and _same(text, self.setting.reveal()):
            return _identity(SETTING, Role.ADMIN, "api")
        return None

    async def random(self, text: str) -> Identity | None:
        """Return who has this token, of those made at random that nobody can guess; None for nobody."""
        if self.local and _same(text, self.local.reveal()):
            return _identity(LOCAL, Role.ADMIN, "cli")
        presented = parse_token(text)
        stored = None if presented is None else await self.tokens.find(presented)
        if stored is None:
            return None
        return _identity(f"token:{stored.name}", _ROLES[stored.role], "api", token_id=stored.id)

    def invited(self, code: str) -> Identity | None:
        """Return whom a printed code lets in, once; None for nobody."""
        role = self.sessions.redeem(code)
        return None if role is None else _identity(CODE, role, "web")

    async def browser(self, secret: str) -> Identity | None:
        """Return who has the cookie with this secret, None for nobody."""
        session = self.sessions.find(secret) if secret else None
        if session is None:
            return None
        if session.token_id and not await self.tokens.valid(session.token_id):
            self.sessions.end(secret)
            return None
        client = "session:" + hashlib.sha256(secret.encode()).hexdigest()[:16]
        made = _identity(session.name, session.role, "web", token_id=session.token_id)
        return attrs.evolve(made, client=client, csrf=session.csrf)


def _identity(name: str, role: Role, surface: str, token_id: str = "") -> Identity:
    actor = Actor(name=name, role=role, surface=surface)
    return Identity(actor=actor, client=f"{surface}:{token_id or name}", token_id=token_id)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


@attrs.define(eq=False)
class NoTokens:
    """A book without tokens, where there is no database."""

    async def find(self, presented: Presented) -> ApiToken | None:  # noqa: ARG002 - as the protocol has it
        """Return None."""
        return None

    async def valid(self, token_id: str) -> bool:  # noqa: ARG002 - as the protocol has it
        """Return False."""
        return False

    async def any(self) -> bool:
        """Return False."""
        return False


NowMs = Callable[[], int]
