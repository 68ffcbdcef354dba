"""Browsers that have logged in, and the codes to log in with; all end with the process."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import attrs

from cab_core.app.desk.commands import Role

#: Seconds a session lasts, and a login code.
SESSION_S = 12 * 3600.0
CODE_S = 60.0

#: Most of each that are kept; the oldest goes first.
MOST = 256

#: Most sessions of one name: who logs in without end throws out himself, not the others.
EACH = 32

_BYTES = 32


@attrs.frozen(slots=True, kw_only=True)
class Session:
    """One browser.

    Attributes:
        name: who logged in. ``token_id``: the stored token it was done with, empty for others.
        csrf: text that each of its changing requests must repeat.
        ends_s: monotonic.
    """

    name: str
    role: Role
    token_id: str
    csrf: str = attrs.field(repr=False)
    ends_s: float


@attrs.define(eq=False)
class Sessions:
    """Sessions by their secret.

    Args:
        now_s: monotonic seconds.
    """

    now_s: Callable[[], float]
    _sessions: dict[str, Session] = attrs.field(factory=dict, init=False, repr=False)
    _codes: dict[str, tuple[Role, float]] = attrs.field(factory=dict, init=False, repr=False)

    def begin(self, name: str, role: Role, token_id: str = "") -> tuple[str, Session]:
        """Start a session; return its secret for the cookie."""
        secret, csrf = secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES)
        self._forget_expired()
        own = [each for each, session in self._sessions.items() if session.name == name]
        for oldest in own[: max(0, len(own) - EACH + 1)]:
            del self._sessions[oldest]
        made = Session(name=name, role=role, token_id=token_id, csrf=csrf, ends_s=self.now_s() + SESSION_S)
        self._sessions[secret] = made
        while len(self._sessions) > MOST:
            self._sessions.pop(next(iter(self._sessions)))
        return secret, made

    def find(self, secret: str) -> Session | None:
        """Return the session of a cookie, None if there is none or it is over."""
        found = self._sessions.get(secret)
        return found if found is not None and found.ends_s > self.now_s() else None

    def end(self, secret: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(secret, None)

    def new_code(self, role: Role) -> str:
        """Return a code that logs one browser in, once and soon."""
        code = secrets.token_urlsafe(_BYTES)
        self._codes[code] = (role, self.now_s() + CODE_S)
        while len(self._codes) > MOST:
            self._codes.pop(next(iter(self._codes)))
        return code

    def redeem(self, code: str) -> Role | None:
        """Return the role a code stands for and forget it; None if it is unknown, used or too old."""
        role, ends_s = self._codes.pop(code, (None, 0.0))
        return role if ends_s > self.now_s() else None

    def _forget_expired(self) -> None:
        now_s = self.now_s()
        self._sessions = {k: v for k, v in self._sessions.items() if v.ends_s > now_s}
        self._codes = {k: v for k, v in self._codes.items() if v[1] > now_s}
