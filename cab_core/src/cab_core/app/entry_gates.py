"""What stands between a decision to buy and its order, beside the risk rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from cab_core.clock import Clock
from cab_core.cycle.reconcile import Reconciler
from cab_core.cycle.trader import Trader
from cab_core.domain.orders import Intent
from cab_core.domain.regime import RegimeState

#: The regime at a time; None while it is unknown or too old.
RegimeAt = Callable[[int], RegimeState | None]

#: Says why a symbol takes no entry now, None if it does.
Check = Callable[[str], str | None]


def no_entry_of(trader: Trader, reconciler: Reconciler | None, more: Sequence[Check]) -> Check:
    """Return what says why a symbol takes no entry now, beside the orders of its past."""
    checks: list[Check] = [partial(_not_tradable, trader), *more]
    if reconciler is not None:
        checks.append(reconciler.blocks)

    def no_entry(symbol: str) -> str | None:
        return next((reason for check in checks if (reason := check(symbol)) is not None), None)

    return no_entry


def _not_tradable(trader: Trader, symbol: str) -> str | None:
    instrument = trader.config.instruments[symbol]
    return None if instrument.buyable and instrument.delisting_ms is None else "not_tradable"


def gate_of(regime_at: RegimeAt, trader: Trader, clock: Clock) -> Callable[[Intent], str | None]:
    """Return the second enforcement of regime and halts, right before a buy is sent."""

    def gate(_: Intent) -> str | None:
        now_ms = clock.now_ms()
        regime = regime_at(now_ms)
        if regime is None:
            return "regime_stale"
        if not regime.state.entries_allowed:
            return f"regime_{regime.state}"
        return next((f"risk_{halt.rule}" for halt in trader.halts.active(now_ms)), None)

    return gate
