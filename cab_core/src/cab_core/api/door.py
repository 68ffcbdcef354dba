"""Who comes in: guesses are limited before they are compared, and whoever comes or fails to is on record."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs

from cab_core.api.auth import Authenticator, Credentials, Identity
from cab_core.api.limits import RateLimiter
from cab_core.api.problems import ApiError
from cab_core.storage.audit_trail import AuditEntry

log = logging.getLogger("cab.api")

#: How many times what one address may guess all of them may together, of what a person chose.
ALL_FACTOR = 6

#: What becomes of an attempt: the values of the metric's label.
OK, WRONG, LIMITED = "ok", "wrong", "limited"

Record = Callable[[AuditEntry], Awaitable[None]]


@attrs.frozen(eq=False)
class Door:
    """Lets people and programs in.

    Attributes:
        auth: tells who has what credentials.
        failures: what each address, and all together, may still guess.
        record: writes an attempt to the audit.
        on_login: told what became of each attempt.
    """

    auth: Authenticator
    failures: RateLimiter
    record: Record
    on_login: Callable[[str], None]

    async def identify(self, given: Credentials, address: str) -> Identity | None:
        """Return who asks, None for nobody that is known; each wrong token counts.

        Raises:
            ApiError: too many wrong ones.
        """
        if not given.bearer:
            return await self.auth.browser(given.cookie)
        identity = await self._holder(given.bearer, address)
        if identity is None:
            await self._wrong(address, "api", "token")
        return identity

    async def enter(self, token: str, code: str, address: str) -> str | None:
        """Begin a session for who has this token or code; return its secret, None for nobody.

        Raises:
            ApiError: too many wrong ones.
        """
        identity = self._invited(code, address) if code else await self._holder(token, address)
        if identity is None:
            await self._wrong(address, "web", "code" if code else "token")
            return None
        name, role = identity.actor.name, identity.actor.role
        self.on_login(OK)
        log.info("%s logged in from %s as %s", name, address, role.label)
        await self.record(_entry(name, role.label, "web", address, "ok"))
        return self.auth.sessions.begin(name, role, identity.token_id)[0]

    async def _holder(self, token: str, address: str) -> Identity | None:
        """Return who has a token, None for nobody.

        A stored token has 256 random bits: it is compared always, so that nobody who guesses can shut its
        owner out. API_TOKEN may be what a person chose: it is not compared where too much has been guessed.
        """
        identity = await self.auth.random(token)
        if identity is None:
            self._ask(address)
            identity = self.auth.chosen(token)
        return identity

    def _invited(self, code: str, address: str) -> Identity | None:
        """Return whom a printed code lets in, None for nobody; it is as random as a stored token."""
        identity = self.auth.invited(code)
        if identity is None:
            self._ask(address)
        return identity

    def _ask(self, address: str) -> None:
        waits = (self.failures.wait_s(f"address:{address}"), self.failures.wait_s("all", ALL_FACTOR))
        wait_s = max((each for each in waits if each is not None), default=None)
        if wait_s is not None:
            self.on_login(LIMITED)
            raise ApiError(429, "too many wrong tokens or codes", retry_after_s=wait_s)

    async def _wrong(self, address: str, surface: str, what: str) -> None:
        self.failures.take(f"address:{address}")
        self.failures.take("all", ALL_FACTOR)
        self.on_login(WRONG)
        log.warning("a wrong %s from %s", what, address)
        await self.record(_entry("nobody", "", surface, address, f"refused: wrong {what}"))


def _entry(name: str, role: str, surface: str, address: str, outcome: str) -> AuditEntry:
    return AuditEntry(actor=name, role=role, surface=surface, action="login", target=address, outcome=outcome)
