"""Who comes in: guesses are limited before they are compared, and whoever comes or fails to is on record."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs

from cab_core.api.auth import CODE, Authenticator, Credentials, Identity
from cab_core.api.limits import RateLimiter
from cab_core.api.problems import ApiError
from cab_core.app.desk.commands import Role
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

        A stored token has 256 random bits: it is compared always, so that nobody who guesses can shut its
        owner out. API_TOKEN may be what a person chose: it is not compared where too much has been guessed.

        Raises:
            ApiError: too many wrong ones.
        """
        if not given.bearer:
            return await self.auth.browser(given.cookie)
        identity = await self.auth.random(given.bearer)
        if identity is None:
            self._ask(address)
            identity = self.auth.chosen(given.bearer)
        if identity is None:
            await self._wrong(address, "api", "token")
        return identity

    async def enter(self, token: str, code: str, address: str) -> str | None:
        """Begin a session for who has this token or code; return its secret, None for nobody.

        Raises:
            ApiError: too many wrong ones.
        """
        sessions = self.auth.sessions
        if code:
            role = sessions.redeem(code)
            name, token_id = CODE, ""
        else:
            identity = await self.auth.random(token)
            if identity is None:
                self._ask(address)
                identity = self.auth.chosen(token)
            role = None if identity is None else identity.actor.role
            name, token_id = ("", "") if identity is None else (identity.actor.name, identity.token_id)
        if role is None:
            self._ask(address)
            await self._wrong(address, "web", "code" if code else "token")
            return None
        self.on_login(OK)
        log.info("%s logged in from %s as %s", name, address, role.label)
        await self.record(_entry(name, role, "web", address, "ok"))
        return sessions.begin(name, role, token_id)[0]

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
        await self.record(_entry("nobody", Role.VIEWER, surface, address, f"refused: wrong {what}"))


def _entry(name: str, role: Role, surface: str, address: str, outcome: str) -> AuditEntry:
    label = "" if name == "nobody" else role.label
    return AuditEntry(
        actor=name, role=label, surface=surface, action="login", target=address, outcome=outcome
    )
