"""The stored tokens of the API, read from the bot's database without waiting for its writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import attrs

from cab_core.app.tokens import Presented
from cab_core.storage import Connection
from cab_core.storage.tokens import ApiToken, find_token, load_tokens, touch_token

T = TypeVar("T")

#: How exactly the last use of a token is kept.
_TOUCH_MS = 60_000


class Database(Protocol):
    """What of `cab_core.storage.Store` is needed."""

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Call ``fn`` on a read-only connection."""

    async def transact(self, fn: Callable[[Connection], T]) -> T:
        """Call ``fn`` in a transaction."""


@attrs.define(eq=False)
class StoredTokens:
    """`cab_core.api.auth.TokenBook` on a database. Each request reads, so a revoked token is out at once."""

    database: Database
    now_ms: Callable[[], int]

    async def find(self, presented: Presented) -> ApiToken | None:
        """Return the stored token that was presented, unless it is revoked, and note its use."""
        found = await self.database.read(lambda conn: find_token(conn, presented.hash))
        if found is None or found.revoked_ms is not None or not presented.is_of(found):
            return None
        now_ms = self.now_ms()
        if now_ms - (found.last_used_ms or 0) >= _TOUCH_MS:
            await self.database.transact(lambda conn: touch_token(conn, found.id, now_ms))
        return found

    async def valid(self, token_id: str) -> bool:
        """Say whether a token has not been revoked."""
        return token_id in {token.id for token in await self._active()}

    async def any(self) -> bool:
        """Say whether there is any that is not revoked."""
        return bool(await self._active())

    async def _active(self) -> list[ApiToken]:
        return [token for token in await self.database.read(load_tokens) if token.revoked_ms is None]
