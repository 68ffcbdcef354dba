"""The account's cash: what own trades make of it against what the venue says it is.

A difference that lasts is a deposit, a withdrawal, or what somebody else bought or sold: neither gain nor
loss of the bot's. The book follows it, so that what is shown and sized is what is there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.cycle.reconcile import APART_MS, Reconciler, as_data
from cab_core.domain.book_state import account_state
from cab_core.domain.comparison import BALANCE_LAG_MS
from cab_core.domain.figures import money
from cab_core.domain.market import Instrument
from cab_core.domain.money import ZERO
from cab_core.domain.orders import OrderType
from cab_core.domain.reconcile import Finding, cash_finding
from cab_core.errors import CabError, StorageError
from cab_core.ports import Changes, Note, Reconciled

log = logging.getLogger("cab.reconcile")


@attrs.frozen(slots=True, kw_only=True)
class CashLook:
    """One look.

    Attributes:
        finding: the difference, None where there is none, or where nothing can be said now.
        corrected: what was done about it.
    """

    finding: Finding | None = None
    corrected: tuple[str, ...] = ()


NOTHING_SAID = CashLook()


@attrs.define(eq=False, kw_only=True)
class CashWatch:
    """Compares the account's cash with the venue.

    Attributes:
        reconciler: of the same account. It says whether the symbols agree: as long as one does not, its
            trades may explain the cash.
        fixed: the settings say how much of the account is the bot's: only what is missing of it counts, what
            lies beside it is the owner's.
    """

    reconciler: Reconciler
    fixed: bool = False
    _seen: tuple[Decimal, int] | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Look again and again; a venue that does not answer is asked again next time."""
        while True:
            clock = self.reconciler.clock
            await clock.sleep_until(clock.now_ms() + self.reconciler.interval_ms)
            await self.try_look()

    async def try_look(self) -> None:
        """Look, and correct; a venue that does not answer is asked again next time."""
        try:
            await self.look(fix=True)
        except StorageError:
            raise
        except CabError as error:
            log.warning("the account's cash could not be compared: %s", error)

    async def look(self, *, fix: bool, force: bool = False) -> CashLook:
        """Compare, and let the book follow a difference that lasts.

        Args:
            fix: let it; without it nothing is written.
            force: at the first sight.

        Raises:
            CabError: the venue or the database did not answer.
        """
        before = self._standing()
        if before is None:
            return NOTHING_SAID
        reconciler, book = self.reconciler, self.reconciler.trader.book
        balances = await reconciler.broker.balances()
        if self._standing() != before:
            return NOTHING_SAID
        any_of_them = next(iter(book.instruments.values()))
        currency = any_of_them.quote
        there = balances[currency].total if currency in balances else ZERO
        finding = cash_finding(any_of_them, book.quote_free, there, fixed=self.fixed)
        if finding is None:
            self._seen = None
            return NOTHING_SAID
        moved, now_ms = there - book.quote_free, reconciler.clock.now_ms()
        trace_id = reconciler.trace_id()
        lasting = force or self._lasts(moved, now_ms)
        corrected: tuple[str, ...] = ()
        if fix and lasting:
            corrected = await self._follow(any_of_them, moved, now_ms, before, trace_id)
        if fix:
            done = Reconciled(
                symbol=currency, duration_ms=0, findings=[as_data(finding)], corrected=corrected
            )
            await reconciler.storage.commit(Changes(ts_ms=now_ms, trace_id=trace_id, reconciled=done))
        return CashLook(finding=finding, corrected=corrected)

    def _standing(self) -> tuple[Any, ...] | None:
        """Return what must not move during a look; None while trades on their way may explain anything."""
        reconciler, book = self.reconciler, self.reconciler.trader.book
        symbols = reconciler.trader.config.symbols
        latest = [reconciler.latest.get(symbol) for symbol in symbols]
        if any(one is None or not one.clean for one in latest):
            return None
        waiting = [intent for symbol in symbols for intent in reconciler.execution.open_intents(symbol)]
        if any(planned.intent.type is not OrderType.STOP_LIMIT for planned in waiting):
            return None
        return book.quote_free, tuple(book.last_fill_ms.get(symbol) for symbol in symbols)

    def _lasts(self, moved: Decimal, now_ms: int) -> bool:
        """Say whether the same difference was there before, and nothing else explains it.

        Balances show the last trade by now, and every symbol has been found in agreement since: what was sold
        by hand shows as cash first, and is missing from the position then.
        """
        known, first_ms = self._seen or (moved, now_ms)
        if known != moved:
            known, first_ms = moved, now_ms
        self._seen = known, first_ms
        reconciler = self.reconciler
        traded_ms = max(reconciler.trader.book.last_fill_ms.values(), default=0)
        compared_ms = min(reconciler.latest[symbol].ts_ms for symbol in reconciler.trader.config.symbols)
        late = now_ms - first_ms >= APART_MS and now_ms - traded_ms >= BALANCE_LAG_MS
        return late and compared_ms > first_ms

    async def _follow(
        self, instrument: Instrument, moved: Decimal, now_ms: int, before: Sequence[Any], trace_id: str
    ) -> tuple[str, ...]:
        reconciler, book = self.reconciler, self.reconciler.trader.book
        async with reconciler.turn:
            if self._standing() != before:
                return ()
            was, currency = book.quote_free, instrument.quote
            book.deposit(moved)
            facts = {"currency": currency, "moved": str(moved), "quote_free": str(book.quote_free)}
            await reconciler.storage.commit(
                Changes(
                    ts_ms=now_ms,
                    trace_id=trace_id,
                    account=account_state(book),
                    equity=reconciler.announcer.take_equity(),
                    notes=(Note("cash.adjusted", currency, facts),),
                )
            )
        self._seen = None
        text = _told(instrument, moved, was)
        log.warning("%s", text, extra={"trace_id": trace_id})
        reconciler.announcer.alert("important", "reconciliation.completed", text, trace_id, ts_ms=now_ms)
        return (text,)


def _told(instrument: Instrument, moved: Decimal, was: Decimal) -> str:
    currency = instrument.quote
    by, now, before = (f"{money(each, currency)} {currency}" for each in (abs(moved), was + moved, was))
    way = "came into" if moved > 0 else "left"
    return (
        f"{by} {way} the account without a trade of this bot: its cash is {now}, not {before}. "
        "Profit and drawdown are measured on what is there"
    )
