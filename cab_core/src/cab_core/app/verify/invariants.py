"""The invariants by number: what must hold, and what can show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs

from cab_core.app.verify import holdings, orders, protection, records
from cab_core.app.verify.evidence import Evidence
from cab_core.app.verify.results import Found

#: Who can show an invariant: a database alone, a database and the venue, a running process, or only tests.
Shown: TypeAlias = Literal["database", "exchange", "process", "tests"]


@attrs.frozen(slots=True)
class Invariant:
    """One thing that must always hold.

    Attributes:
        name: ``I1`` to ``I26``.
        text: what must hold.
        shown_by: the least that is needed to show it.
        check: its check on a database; None where no database can show it.
        proof: file of the tests that prove it where the database cannot.
    """

    name: str
    text: str
    shown_by: Shown
    check: Callable[[Evidence], Found] | None = None
    proof: str = ""


INVARIANTS: tuple[Invariant, ...] = (
    Invariant("I1", "An intent becomes at most one order.", "database", orders.one_order_per_intent),
    Invariant(
        "I2",
        "An order of ours was on disk before it was sent.",
        "database",
        orders.journalled_before_the_send,
    ),
    Invariant(
        "I3",
        "A position is exactly what its fills bought less fees and sales; what is held without one is dust.",
        "database",
        holdings.positions_are_their_fills,
    ),
    Invariant(
        "I4",
        "At rest the exchange holds what the bot believes it owns.",
        "exchange",
        proof="tests/integration/test_verify_exchange.py",
    ),
    Invariant("I5", "Never more is sold, or on sale, than is held.", "database", holdings.never_oversold),
    Invariant(
        "I6",
        "One entry per closed candle, only while flat, within its size.",
        "database",
        orders.one_entry_at_a_time,
    ),
    Invariant("I7", "The recorded end of an order is what became of it.", "database", orders.states_are_true),
    Invariant(
        "I8", "An unknown outcome is found out while the exchange answers.", "database", orders.unknown_ends
    ),
    Invariant(
        "I9",
        "Nothing that blocks entries blocks an exit.",
        "tests",
        proof="tests/integration/test_paper_control.py",
    ),
    Invariant(
        "I10",
        "A stop never falls, and is at break-even after the first take profit.",
        "database",
        protection.stop_never_fell,
    ),
    Invariant("I11", "An open position is protected.", "database", protection.positions_are_protected),
    Invariant(
        "I12",
        "Weights add up to one; scores stay within their bounds.",
        "tests",
        proof="cab_core/tests/signals/test_trend.py",
    ),
    Invariant(
        "I13",
        "Profit and cash are what a second, independent ledger computes.",
        "database",
        holdings.profits_are_right,
    ),
    Invariant(
        "I14",
        "A crash without downtime changes nothing in the end.",
        "tests",
        proof="tests/integration/test_paper_cycle.py",
    ),
    Invariant(
        "I15", "A trade counts once, however often it is reported.", "database", records.fills_applied_once
    ),
    Invariant("I16", "The journal is complete and unchanged.", "database", records.journal_is_whole),
    Invariant(
        "I17", "One instance writes; each start outranks the one before.", "database", records.epochs_rise
    ),
    Invariant(
        "I18",
        "Secrets appear in no log, file, answer or message.",
        "tests",
        proof="cab_core/tests/observability/test_logs.py",
    ),
    Invariant(
        "I19",
        "Whoever changes something is known and allowed to.",
        "tests",
        proof="cab_core/tests/storage/test_halts.py",
    ),
    Invariant(
        "I20",
        "Stopping always works; starting again needs a fresh, deliberate order.",
        "tests",
        proof="cab_core/tests/storage/test_halts.py",
    ),
    Invariant(
        "I21",
        "Each closed candle is decided once, in order, after its close.",
        "database",
        records.candles_once,
    ),
    Invariant("I22", "Only exact, finite numbers enter the books.", "database", records.numbers_are_exact),
    Invariant(
        "I23",
        "Everything that grows, waits or repeats has a bound.",
        "tests",
        proof="cab_core/tests/bus/test_memory.py",
    ),
    Invariant("I24", "Stamps are UTC milliseconds.", "database", records.stamps_are_utc),
    Invariant("I25", "Risk counters follow from the journal.", "database", holdings.counters_follow),
    Invariant("I26", "The dead man's switch acts once per incident.", "database", orders.dead_man_acts_once),
)

BY_NAME = {invariant.name: invariant for invariant in INVARIANTS}

_HEAD = """\
# Invariants

What always holds, whenever a run is stopped. `cab verify` checks what a database can show, also while
a bot runs; `cab verify --exchange` asks the exchange too; the rest is proved by the tests named. Made from
`cab_core.app.verify` by `python tools/reference.py`: change it there. The failures they are checked against:
[failures.md](failures.md).

| Invariant | What holds | Shown by |
| --- | --- | --- |
"""

_SHOWN = {"database": "`cab verify`", "exchange": "`cab verify --exchange`"}


def invariants_markdown() -> str:
    """Return the page of all invariants."""
    return _HEAD + "".join(f"| {i.name} | {i.text} | {_shown(i)} |\n" for i in INVARIANTS)


def _shown(invariant: Invariant) -> str:
    tests = f"[{invariant.proof}](../../{invariant.proof})" if invariant.proof else ""
    return ", ".join(part for part in (_SHOWN.get(invariant.shown_by, ""), tests) if part)
