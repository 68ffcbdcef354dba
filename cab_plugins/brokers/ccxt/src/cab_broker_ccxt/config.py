"""What a dialect is opened with."""

from __future__ import annotations

import attrs


@attrs.frozen(slots=True, kw_only=True)
class Config:
    """The options of a broker plugin.

    Attributes:
        where: the broker's id in messages, e.g. ``broker:gateio``.
        exchange_id: ccxt's name of the venue.
        base_url: only URLs below it are ever asked; empty: those that ccxt knows (generic dialect).
    """

    where: str
    exchange_id: str
    base_url: str
    timeout_s: float = 10.0
    absence_margin_s: int = 60
    stop_ttl_s: int = 7 * 86_400
    unified_account: bool = False
    rate_rps: float = 8.0
    rate_burst: int = 16

    @property
    def account_type(self) -> str:
        """Gate's name of the account that orders belong to."""
        return "unified" if self.unified_account else "spot"


_ALIASES = {"gateio": "gate", "gate.io": "gate"}


def ccxt_id(name: str) -> str:
    """Return ccxt's name of a venue; it has dropped ``gateio`` in a patch release."""
    return _ALIASES.get(name, name)
