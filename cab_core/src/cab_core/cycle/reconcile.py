"""Reconciliation (spec 12): the book against the venue, evidence before correction.

A correction is made from own trades and complete listings only. A reading verb that raises, an order under
way, or a book that moved meanwhile mean that there is no verdict this time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock
from cab_core.contracts import Broker
from cab_core.cycle.adjust import Adjuster
from cab_core.cycle.announce import Announcer
from cab_core.cycle.execute_trade import Execution
from cab_core.cycle.observe import Observer
from cab_core.cycle.trader import Trader
from cab_core.cycle.unknown_orders import UnknownOrders
from cab_core.domain.comparison import BALANCE_LAG_MS, LocalView, VenueView, undecided
from cab_core.domain.corrections import TOLERATED_CYCLES, Allowed, Streak, corrections, follow
from cab_core.domain.reconcile import Finding, Kind, findings
from cab_core.domain.timeframes import MINUTE_MS
from cab_core.errors import CabError, StorageError
from cab_core.ports import Changes, Reconciled, Storage

log = logging.getLogger("cab.reconcile")

#: How far listings reach back behind the last verdict: trades and balances may show up late.
OVERLAP_MS = 15 * MINUTE_MS

#: Two looks that confirm each other lie at least this far apart.
APART_MS = 30_000

#: Where it is remembered, by symbol, up to when everything was compared; epoch milliseconds.
COMPARED_KEY = "compared:"

#: A comparison that takes longer is worth a warning.
SLOW_MS = 10_000


@attrs.frozen(slots=True, kw_only=True)
class Reconciliation:
    """One comparison of a symbol.

    Attributes:
        trace_id: its own, in all it told and wrote down.
        findings: what differed before anything was corrected.
        corrected: what was done, one text each.
        skipped: why there is no verdict, None if there is one.
    """

    symbol: str
    ts_ms: int
    trace_id: str
    duration_ms: int = 0
    findings: tuple[Finding, ...] = ()
    corrected: tuple[str, ...] = ()
    skipped: str | None = None

    @property
    def mismatches(self) -> tuple[Finding, ...]:
        """The findings in which book and venue contradict each other."""
        return tuple(finding for finding in self.findings if finding.mismatch)

    @property
    def clean(self) -> bool:
        """Whether book and venue agree."""
        return self.skipped is None and not self.mismatches


@attrs.define(eq=False, kw_only=True)
class Reconciler:
    """Compares the symbols of one account with the venue.

    Attributes:
        broker: only its reading verbs are called; orders go through ``execution``.
        trace_id: makes the trace id of a comparison.
        since_ms: when an account was last written that was never compared; its first listings begin before.
        covered_ms: by symbol, up to when trades were compared: what could not be since is looked at yet,
            also after a restart.
        interval_ms: pause between the comparisons of `run`.
        stop_offset: how far limits of resting stops lie below their triggers; None where no stops rest.
        turn: held while something is corrected, so that no decision is made on a book that moves.
        latest: the last comparison of each symbol, for status pages.
        unknown: deals with what no record knows.
    """

    trader: Trader
    broker: Broker
    execution: Execution
    storage: Storage
    clock: Clock
    announcer: Announcer
    trace_id: Callable[[], str]
    since_ms: int
    covered_ms: dict[str, int] = attrs.field(factory=dict)
    interval_ms: int = MINUTE_MS
    stop_offset: Decimal | None = None
    turn: AbstractAsyncContextManager[Any] = attrs.field(factory=nullcontext)
    latest: dict[str, Reconciliation] = attrs.field(factory=dict, init=False)
    unknown: UnknownOrders = attrs.field(init=False)
    _seen: Observer = attrs.field(init=False)
    _agreed: dict[str, bool] = attrs.field(factory=dict, init=False)
    _short: dict[str, tuple[Finding, int]] = attrs.field(factory=dict, init=False)
    _failures: dict[str, int] = attrs.field(factory=dict, init=False)
    _streaks: dict[str, dict[Kind, Streak]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.unknown = UnknownOrders(
            execution=self.execution,
            broker=self.broker,
            storage=self.storage,
            clock=self.clock,
            announcer=self.announcer,
            offset=self.stop_offset,
        )
        self._seen = Observer(self.trader, self.broker, self.execution, self.storage, self.stop_offset)

    async def run(self) -> None:
        """Compare all symbols again and again; a venue that does not answer is asked again next time."""
        while True:
            for symbol in self.trader.config.symbols:
                try:
                    await self.run_once(symbol, fix=True)
                except StorageError:
                    raise
                except CabError as error:
                    self._failed(symbol, error)
            await self.clock.sleep_until(self.clock.now_ms() + self.interval_ms)

    def _failed(self, symbol: str, error: CabError) -> None:
        """Tell of a symbol that cannot be compared again and again: what differs there is not seen."""
        log.warning("%s could not be reconciled: %s", symbol, error)
        self._failures[symbol] = self._failures.get(symbol, 0) + 1
        if self._failures[symbol] > TOLERATED_CYCLES:
            text = f"{symbol} could not be compared with the venue {self._failures[symbol]} times: {error}"
            now_ms = self.clock.now_ms()
            self.announcer.alert(
                "important", "reconciliation.completed", text, self.trace_id(), symbol=symbol, ts_ms=now_ms
            )

    def blocks(self, symbol: str) -> str | None:
        """Say why the symbol takes no entry: it has not been found in agreement with the venue last."""
        return None if self._agreed.get(symbol, False) else "reconcile_mismatch"

    async def run_once(
        self, symbol: str, *, fix: bool, force: bool = False, adopt: bool = False
    ) -> Reconciliation:
        """Compare one symbol, and correct what evidence allows.

        Args:
            symbol: which.
            fix: make corrections and keep the result; without it nothing is written at all.
            force: shrink a position at the first sight of a shortfall, not at the second.
            adopt: take over base that the bot did not buy.

        Raises:
            CabError: the venue or the database did not answer: there is no verdict.
        """
        began, trace_id = self.clock.monotonic(), self.trace_id()
        started_ms = self.clock.now_ms()
        if self._seen.busy(symbol):
            return Reconciliation(symbol=symbol, ts_ms=started_ms, trace_id=trace_id, skipped="busy")
        if fix:
            async with self.turn:
                await self.execution.settle(symbol)
        before = self._seen.standing(symbol)
        venue = await self._seen.venue(symbol, self.covered_ms.get(symbol, self.since_ms) - OVERLAP_MS)
        local = await self._seen.local(symbol, venue)
        if self._seen.busy(symbol) or self._seen.standing(symbol) != before:
            return Reconciliation(symbol=symbol, ts_ms=started_ms, trace_id=trace_id, skipped="moved")
        found = findings(local, venue, self.trader.book.instruments[symbol])
        open_question = undecided(local, venue)
        corrected: tuple[str, ...] = ()
        if fix:
            allowed = Allowed(shrink=force or self._confirmed(symbol, found, started_ms), take_over=adopt)
            corrected = await self._correct(symbol, found, local, venue, allowed, trace_id)
        result = Reconciliation(
            symbol=symbol,
            ts_ms=started_ms,
            trace_id=trace_id,
            duration_ms=round(1000 * (self.clock.monotonic() - began)),
            findings=found,
            corrected=corrected,
        )
        self._remember(result, open_question=open_question)
        if fix:
            await self._record(result)
        return result

    # What is done about it.

    def _confirmed(self, symbol: str, found: Sequence[Finding], now_ms: int) -> bool:
        """Say whether the very same shortfall was there before, and balances show the last trade by now."""
        before, first_ms = self._short.get(symbol, (None, now_ms))
        traded_ms = self.trader.book.last_fill_ms.get(symbol, 0)
        settled = now_ms - first_ms >= APART_MS and now_ms - traded_ms >= BALANCE_LAG_MS
        return settled and before is not None and before == _shortfall(found)

    async def _correct(
        self,
        symbol: str,
        found: Sequence[Finding],
        local: LocalView,
        venue: VenueView,
        allowed: Allowed,
        trace_id: str,
    ) -> tuple[str, ...]:
        now_ms = self.clock.now_ms()
        todo = corrections(found, local, venue, self.trader.book.instruments[symbol], allowed, now_ms)
        before = self._seen.standing(symbol)
        async with self.turn:
            if self._seen.standing(symbol) != before:
                return ()
            done = await Adjuster(self.trader, self.execution, self.announcer, self.unknown).make(
                symbol, todo, now_ms, trace_id
            )
            unknown = await self.unknown.look_at(
                symbol, venue.orders, local.known, [local.managed], venue.base_total, trace_id
            )
            return (*done, *unknown)

    def _remember(self, result: Reconciliation, *, open_question: bool) -> None:
        symbol = result.symbol
        self.latest[symbol] = result
        self._agreed[symbol] = result.clean
        self._failures.pop(symbol, None)
        if not open_question:
            self.covered_ms[symbol] = result.ts_ms
        short = _shortfall(result.findings)
        if short is None:
            self._short.pop(symbol, None)
        elif symbol not in self._short or self._short[symbol][0] != short:
            self._short[symbol] = short, result.ts_ms
        kinds = {finding.kind for finding in result.mismatches}
        undecided_kinds = {Kind.POSITION_SHORT} if open_question else set()
        streaks, due = follow(self._streaks.get(symbol, {}), kinds, undecided_kinds, result.ts_ms)
        self._streaks[symbol] = streaks
        for kind in due:
            self._alert(result, kind, streaks[kind].count)

    def _alert(self, result: Reconciliation, kind: Kind, count: int) -> None:
        one = next(finding for finding in result.findings if finding.kind is kind)
        text = (
            f"{kind} in {count} reconciliations in a row: {result.symbol} {one.ref}".rstrip()
            + f", expected {one.expected}, found {one.actual}; correction: {one.correction}"
        )
        self._tell(one.severity, text, result)

    def _tell(self, severity: str, text: str, result: Reconciliation) -> None:
        self.announcer.alert(
            str(severity),
            "reconciliation.completed",
            text,
            result.trace_id,
            symbol=result.symbol,
            ts_ms=result.ts_ms,
        )

    async def _record(self, result: Reconciliation) -> None:
        told = [as_data(finding) for finding in result.findings]
        done = Reconciled(
            symbol=result.symbol,
            duration_ms=result.duration_ms,
            findings=told,
            corrected=result.corrected,
        )
        of = result.symbol
        values = {f"{COMPARED_KEY}{of}": str(self.covered_ms[of])} if of in self.covered_ms else {}
        await self.storage.commit(
            Changes(ts_ms=result.ts_ms, trace_id=result.trace_id, reconciled=done, values=values)
        )
        payload = {
            "symbol": result.symbol,
            "mismatches": [as_data(finding) for finding in result.mismatches],
            "duration_ms": result.duration_ms,
        }
        self.announcer.bus.publish("reconciliation.completed", payload, result.trace_id)
        if result.duration_ms > SLOW_MS:
            where = {"trace_id": result.trace_id, "symbol": result.symbol}
            log.warning("the reconciliation of %s took %d ms", result.symbol, result.duration_ms, extra=where)


def covered(values: Mapping[str, str]) -> dict[str, int]:
    """Return up to when each symbol was compared, from the durable memory."""
    return {
        key.removeprefix(COMPARED_KEY): int(text)
        for key, text in values.items()
        if key.startswith(COMPARED_KEY)
    }


def as_data(finding: Finding) -> Mapping[str, str]:
    """Return a finding as plain data."""
    return {field.name: str(getattr(finding, field.name)) for field in attrs.fields(Finding)}


def _shortfall(found: Sequence[Finding]) -> Finding | None:
    return next((finding for finding in found if finding.kind is Kind.POSITION_SHORT), None)
