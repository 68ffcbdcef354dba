"""The second step of commands that change something: one button, one person, one minute."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

import attrs

#: Seconds a confirmation waits for its button.
EXPIRY_S = 60.0
_PREFIX = "confirm:"


@attrs.frozen
class Pending:
    """A command that waits for its confirmation.

    Attributes:
        nonce: names it; goes out with the button.
        user: the only one who may press it.
        until_s: epoch seconds after which it is void.
        pressed: the update that confirmed it, None before. Kept before the command is carried out, so that
            the same update still finds its confirmation valid after a restart.
    """

    nonce: str
    action: str
    symbol: str | None
    user: int
    until_s: float
    pressed: int | None = None

    @property
    def key(self) -> str:
        """The name it is kept under."""
        return f"{_PREFIX}{self.nonce}"

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps(attrs.asdict(self))

    def holds(self, update_id: int, now_s: float) -> bool:
        """Say whether a press still counts."""
        return self.pressed == update_id if self.pressed is not None else now_s <= self.until_s


def ask_for(action: str, symbol: str | None, user: int, now_s: float) -> Pending:
    """Return a new confirmation."""
    return Pending(secrets.token_urlsafe(9), action, symbol, user, now_s + EXPIRY_S)


def find(kept: Mapping[str, str], nonce: str) -> Pending | None:
    """Return the confirmation of that name, None if there is none."""
    text = kept.get(f"{_PREFIX}{nonce}")
    return None if text is None else Pending(**json.loads(text))


def expired(kept: Mapping[str, str], now_s: float) -> dict[str, None]:
    """Return the keys of confirmations that are void, to be forgotten."""
    found = {key: Pending(**json.loads(text)) for key, text in kept.items() if key.startswith(_PREFIX)}
    return {key: None for key, each in found.items() if each.until_s + EXPIRY_S < now_s}
