"""The database: sync functions over a `Connection`, composed by the caller into one transaction of a `Store`.

Example::

    store = await Store.open("data/trader.sqlite3")
    await store.transact(lambda c: (save_fill(c, "paper", fill), save_position(c, fill.symbol, state, now)))
"""

from sqlalchemy import Connection

from cab_core.storage.audit import stored_epoch, stored_rows
from cab_core.storage.audit_trail import AuditEntry, AuditRow, load_audit, write_audit
from cab_core.storage.fills import load_fills, save_fill
from cab_core.storage.health import damage
from cab_core.storage.intents import (
    StoredIntent,
    find_intent,
    intents_open,
    intents_since,
    plan_intent,
    set_intent_state,
)
from cab_core.storage.journal import JournalRow
from cab_core.storage.journal import append as journal
from cab_core.storage.journal import rows as journal_rows
from cab_core.storage.journal import verify as verify_journal
from cab_core.storage.kv import PaperState, kv_load, kv_save
from cab_core.storage.meta import VenueAccount, bind_account, save_venue_account, venue_account
from cab_core.storage.positions import (
    AccountRow,
    EquityPoint,
    last_equity,
    load_account,
    load_positions,
    save_account,
    save_equity,
    save_position,
)
from cab_core.storage.problems import DatabaseFailedError
from cab_core.storage.reconciliations import (
    ReconciliationRow,
    known_orders,
    load_reconciliations,
    save_reconciliation,
)
from cab_core.storage.regime import (
    RegimeRow,
    load_regime,
    save_regime,
)
from cab_core.storage.risk import (
    Counter,
    Halt,
    Release,
    active_halts,
    load_counters,
    load_halts,
    peak_reset_due,
    release_halt,
    releases,
    save_halt,
    set_counter,
)
from cab_core.storage.state import SavedState, load_state
from cab_core.storage.store import Store
from cab_core.storage.traces import (
    TraceRow,
    find_trace,
    get_trace,
    last_candles,
    load_traces,
    save_trace,
    update_trace,
)
from cab_core.storage.visit import NoDatabaseError, open_sync, visit

__all__ = [
    "AccountRow",
    "AuditEntry",
    "AuditRow",
    "Connection",
    "Counter",
    "DatabaseFailedError",
    "EquityPoint",
    "Halt",
    "JournalRow",
    "NoDatabaseError",
    "PaperState",
    "ReconciliationRow",
    "RegimeRow",
    "Release",
    "SavedState",
    "Store",
    "StoredIntent",
    "TraceRow",
    "VenueAccount",
    "active_halts",
    "bind_account",
    "damage",
    "find_intent",
    "find_trace",
    "get_trace",
    "intents_open",
    "intents_since",
    "journal",
    "journal_rows",
    "known_orders",
    "kv_load",
    "kv_save",
    "last_candles",
    "last_equity",
    "load_account",
    "load_audit",
    "load_counters",
    "load_fills",
    "load_halts",
    "load_positions",
    "load_reconciliations",
    "load_regime",
    "load_state",
    "load_traces",
    "open_sync",
    "peak_reset_due",
    "plan_intent",
    "release_halt",
    "releases",
    "save_account",
    "save_equity",
    "save_fill",
    "save_halt",
    "save_position",
    "save_reconciliation",
    "save_regime",
    "save_trace",
    "save_venue_account",
    "set_counter",
    "set_intent_state",
    "stored_epoch",
    "stored_rows",
    "update_trace",
    "venue_account",
    "verify_journal",
    "visit",
    "write_audit",
]
