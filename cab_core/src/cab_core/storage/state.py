"""Everything a start needs to continue where the last one stopped."""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa

from cab_core.storage.intents import StoredIntent, intents_open
from cab_core.storage.meta import current_epoch, get_meta
from cab_core.storage.positions import AccountRow, load_account, load_positions
from cab_core.storage.regime import RegimeRow, load_regime
from cab_core.storage.risk import Counter, Halt, load_counters, load_halts, peak_reset_due
from cab_core.storage.traces import last_candles


@attrs.frozen(slots=True, kw_only=True)
class SavedState:
    """The durable state of an account, read in one snapshot.

    Attributes:
        account_name: what `bind_account` tied the database to, None before that.
        account: None before the first start saved it.
        positions: saved state by symbol.
        open_intents: intents in a non-terminal state, oldest first; to be resolved before any entry.
        last_candles: open time of the last evaluated candle by symbol.
        peak_reset_ms: see `peak_reset_due`.
    """

    epoch: int
    account_name: str | None
    account: AccountRow | None
    positions: dict[str, dict[str, Any]]
    open_intents: list[StoredIntent]
    halts: list[Halt]
    counters: list[Counter]
    last_candles: dict[str, int]
    regime: RegimeRow | None
    peak_reset_ms: int | None


def load_state(conn: sa.Connection) -> SavedState:
    """Return the durable state."""
    return SavedState(
        epoch=current_epoch(conn),
        account_name=get_meta(conn, "account"),
        account=load_account(conn),
        positions=load_positions(conn),
        open_intents=intents_open(conn),
        halts=load_halts(conn),
        counters=load_counters(conn),
        last_candles=last_candles(conn),
        regime=load_regime(conn),
        peak_reset_ms=peak_reset_due(conn),
    )
