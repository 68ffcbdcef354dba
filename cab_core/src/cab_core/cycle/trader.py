"""The trader: position rule, regime, risk, size and protective exits over one book (stages 7 to 12).

Both shells drive this one object. It decides and books; it never sends, waits, reads a clock or stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

import attrs

from cab_core.cycle.config import CycleConfig
from cab_core.domain.book import Book
from cab_core.domain.booking import Applied, AppliedTo
from cab_core.domain.exits import GAP, STOP_PURPOSES, ExitSale, Protection, on_candle, on_price
from cab_core.domain.market import Candle, Instrument, Quote
from cab_core.domain.money import ZERO, floor_step
from cab_core.domain.monitoring import ACTIVITY_RULE, Activity, activity_verdict
from cab_core.domain.orders import Fill, Intent, Purpose, Side, intent_key
from cab_core.domain.position import Position
from cab_core.domain.regime import RegimeState
from cab_core.domain.risk import (
    UNKNOWN_ORDERS,
    Assessment,
    BookView,
    Entry,
    Halt,
    Halts,
    HourlyReturns,
    Judgment,
    VerdictKind,
    assess,
)
from cab_core.domain.sellable import sellable
from cab_core.domain.sizing import size_entry, unsellable
from cab_core.domain.slippage import expected_slippage_pct

#: Asks every active risk rule about one entry, in check order.
Judge = Callable[[Entry, BookView], Sequence[tuple[str, Judgment]]]


@runtime_checkable
class AccountJudge(Protocol):
    """A judge that can also be asked about the account as it stands, without an entry to be made."""

    def watch(self, entry: Entry, book: BookView) -> Sequence[tuple[str, Judgment]]:
        """Ask the critical rules; ``entry`` is of nothing: amount and price are 0."""


@attrs.frozen(slots=True)
class Planned:
    """An order to send, and what its fills will belong to."""

    intent: Intent
    context: AppliedTo

    def through_hole(self) -> Planned:
        """Return it as an exit that has to wait for the next candle: its reason says so."""
        reason = self.context.reason
        if reason.endswith(GAP):
            return self
        return attrs.evolve(self, context=attrs.evolve(self.context, reason=reason + GAP))


@attrs.frozen(slots=True)
class Ruling:
    """What regime, risk, size and slippage said of one buy.

    Attributes:
        reason: None to go ahead, else the one machine-readable reason.
        amount: quote to spend; 0 if blocked before the size was known.
        regime: None if it is not known or too old.
        assessment: the risk rules' verdicts, None if the regime blocked first.
        slippage_pct: expected slippage, None if not reached.
        delayed: the entry may be tried again while its signal lives.
    """

    reason: str | None
    regime: RegimeState | None
    amount: Decimal = Decimal(0)
    assessment: Assessment | None = None
    slippage_pct: Decimal | None = None
    delayed: bool = attrs.field(default=False, kw_only=True)


class Trader:
    """Decides over one account.

    Args:
        config: the pure settings.
        book: the account; only `settle` and `walk` change it.
        judge: asks the risk rules.
        hourly_returns: returns of a symbol's closed 1h candles known at a time.
        halts: halts in force at the start.
    """

    def __init__(
        self,
        config: CycleConfig,
        book: Book,
        judge: Judge,
        hourly_returns: Callable[[str, int], HourlyReturns | None],
        halts: Halts | None = None,
    ) -> None:
        self.config = config
        self.book = book
        self.halts = halts or Halts()
        self._judge = judge
        watcher: object = judge
        self._watch = watcher.watch if isinstance(watcher, AccountJudge) else None
        self._hourly_returns = hourly_returns

    def use(self, instruments: Mapping[str, Instrument]) -> None:
        """Follow the venue's rules as they are now."""
        self.config = attrs.evolve(self.config, instruments={**self.config.instruments, **instruments})
        self.book.instruments.update(instruments)

    @property
    def watches(self) -> bool:
        """Whether `judge_account` can say anything."""
        return self._watch is not None

    def judge_account(self, now_ms: int) -> Assessment | None:
        """Ask the critical rules at a snapshot of the equity: a loss halts although nothing is to be bought.

        New halts are latched here and named in the assessment; None where no rule can be asked.
        """
        self.halts = self.halts.expire(now_ms)
        assessment = self.assess_account(now_ms)
        if assessment is not None:
            self._latch(assessment)
        return assessment

    def harmless_peak(self, now_ms: int) -> Decimal | None:
        """Return up to which peak no critical rule halts before the next fill, None if one might.

        Asked about an account whose holdings had doubled in worth and then lost all of it, on a day without
        a profit.
        """
        if self._watch is None:
            return None
        view, cost = self._view(now_ms, ()), self.book.cost_held()
        equity = view.equity - view.unrealized - cost
        today, peak = min(ZERO, view.realized_today), view.peak + cost
        worst = attrs.evolve(view, unrealized=-cost, equity=equity, peak=peak, realized_today=today)
        halting = {rule for rule, _ in self._watch(self._nothing(now_ms), worst)}
        if halting:  # what halts already, and would without any loss, has nothing to do with prices
            calm = attrs.evolve(view, unrealized=ZERO, equity=peak, peak=peak, realized_today=ZERO)
            standing = {halt.rule for halt in self.halts.active(now_ms)}
            halting -= standing & {rule for rule, _ in self._watch(self._nothing(now_ms), calm)}
        return None if halting else peak

    def assess_account(self, now_ms: int) -> Assessment | None:
        """Return what `judge_account` would say, and latch nothing."""
        if self._watch is None:
            return None
        return assess(self._watch(self._nothing(now_ms), self._view(now_ms, ())), self.halts, now_ms)

    def rule_on_buy(
        self,
        symbol: str,
        quote: Quote,
        regime: RegimeState,
        now_ms: int,
        spreads: Sequence[float],
        underway: int = 0,
    ) -> Ruling:
        """Judge a buy of a flat symbol. New halts are latched here and named in the ruling's assessment.

        Args:
            symbol: what is to be bought.
            quote: its prices.
            regime: the regime now.
            now_ms: the time.
            spreads: earlier spreads of the symbol in percent, oldest first.
            underway: entries of other symbols that may be filled yet.
        """
        if not regime.state.entries_allowed:
            return Ruling(f"regime_{regime.state}", regime)
        if len(self.book.positions) + underway >= self.config.max_positions:
            return Ruling("max_positions", regime)
        if quote.mid is None or quote.ask is None:
            return Ruling("stale_data", regime, delayed=True)
        config = self.config
        wanted = config.fixed_amount * regime.state.multiplier
        entry = Entry(symbol, wanted, quote.ask, quote, now_ms)
        self.halts = self.halts.expire(now_ms)
        verdicts = self._verdicts(entry, now_ms, spreads)
        assessment = assess(verdicts, self.halts, now_ms)
        self._latch(assessment)
        if assessment.blocked is not None:
            delayed = assessment.kind is VerdictKind.DELAY
            return Ruling(assessment.blocked, regime, assessment=assessment, delayed=delayed)
        sized = size_entry(
            config.fixed_amount,
            regime.state.multiplier,
            assessment.factor,
            config.instruments[symbol],
            self.book.quote_free,
            config.costs.fee,
        )
        if sized.reason is not None:
            return Ruling(sized.reason, regime, sized.amount, assessment)
        price = quote.ask * (1 + config.costs.slippage)
        instrument = config.instruments[symbol]
        stuck = unsellable(sized.amount, price, instrument, config.exits, config.stop_offset)
        if stuck is not None:
            return Ruling(stuck, regime, sized.amount, assessment)
        slippage = expected_slippage_pct(quote, sized.amount, quote.asks)
        capped = slippage > config.max_slippage_pct
        reason = "slippage_cap" if capped else None
        return Ruling(reason, regime, sized.amount, assessment, slippage, delayed=capped)

    def entry(
        self, symbol: str, ruling: Ruling, quote: Quote, candle_ts_ms: int, now_ms: int, why: AppliedTo
    ) -> Planned:
        """Return the order of an entry that was let through; ``why`` names reason, trace and votes."""
        if quote.bid is not None:
            self.book.mark(symbol, quote.bid)
        intent = Intent(
            intent_key(symbol, Side.BUY, Purpose.ENTRY, str(candle_ts_ms)),
            symbol,
            Side.BUY,
            Purpose.ENTRY,
            why.reason,
            why.trace_id,
            now_ms,
            cost=ruling.amount,
            reference=quote.mid,
        )
        return Planned(intent, why)

    def signal_sell(
        self, symbol: str, quote: Quote, reason: str, trace_id: str, now_ms: int
    ) -> Planned | None:
        """Return the order that closes the whole position, None if only dust is left (it is then closed)."""
        position = self.book.positions[symbol]
        quantity = floor_step(position.quantity, self.config.instruments[symbol].amount_step)
        if not quantity:
            self.book.leave_dust(symbol, now_ms)
            return None
        intent = self.exit_of(position, Purpose.SIGNAL_SELL, quantity, reason, trace_id, now_ms, quote.bid)
        return Planned(intent, AppliedTo(Purpose.SIGNAL_SELL, "signal_sell", trace_id))

    def walk(self, symbol: str, move: Candle | Decimal, trace_id: str, now_ms: int) -> list[Planned]:
        """Judge protective exits along a walk of bids (recorded candle) or at one observed bid.

        A peak or stop that rose without a sale is stored at once; a sale's protection comes with its fill.
        Where a halt is to sell everything, it does so here, before any level: at the first price of the move.
        """
        position = self.book.positions.get(symbol)
        if position is not None and self.flattening(now_ms):
            return self._flattened(position, move, trace_id, now_ms)
        if position is None or position.protection is None:
            return []
        p, instrument, rules = position.protection, self.config.instruments[symbol], self.config.exits
        if isinstance(move, Candle):
            following, sales = on_candle(p, move, instrument, rules, self.config.best_fills)
        else:
            following, sales = on_price(p, move, instrument, rules)
        if not sales:
            if following is not p:
                self.book.guard(symbol, following)
            return []
        return [self._sale(position, sale, following, trace_id, now_ms) for sale in sales]

    def flattening(self, now_ms: int) -> tuple[Halt, ...]:
        """Return the halts in force that are to sell every position, the oldest first: of critical rules."""
        halts = self.halts.active(now_ms) if self.config.emergency_flatten else ()
        return tuple(halt for halt in halts if halt.rule != UNKNOWN_ORDERS)

    def is_due(self, symbol: str, bid: Decimal, now_ms: int) -> bool:
        """Say whether the whole position is to be sold at a bid: by its stop, or because of a halt."""
        position = self.book.positions.get(symbol)
        if position is None:
            return False
        p = position.protection
        return bool(self.flattening(now_ms)) or (p is not None and bid <= p.stop)

    def stop_out(self, symbol: str, trace_id: str, now_ms: int) -> Planned | None:
        """Return the order that sells a whole position whose stop is due; None if nothing can be sold."""
        position = self.book.positions.get(symbol)
        if position is None or position.protection is None:
            return None
        p = position.protection
        quantity = floor_step(position.quantity, self.config.instruments[symbol].amount_step)
        if not quantity:
            return None
        price = self.book.marks.get(symbol, p.stop)
        sale = ExitSale(quantity, price, p.kind, gap=True, purpose=STOP_PURPOSES[p.kind])
        return self._sale(position, sale, p, trace_id, now_ms)

    def settle(self, fill: Fill, context: AppliedTo, *, final: bool = True) -> Applied:
        """Book one fill and take the equity's snapshot at its price; a known fill changes nothing.

        Args:
            fill: one own trade.
            context: what it belongs to.
            final: no more fills will come of what the order set out to do; only then is a small rest dust.
        """
        applied = self.book.apply(fill, context if final else attrs.evolve(context, final=False))
        if not applied.duplicate:
            self.book.raise_peak()
        return applied

    def leave_small(self, symbol: str, now_ms: int) -> bool:
        """Close the position of a symbol if no order can sell it by the venue's rules at the last bid.

        It stays in the ledger as dust. What a venue says of the size of an order decides nothing here.

        Returns:
            False, with nothing changed, where there is no position or it can be sold.
        """
        position = self.book.positions.get(symbol)
        if position is None:
            return False
        bid = self.book.marks.get(symbol, position.entry_price)
        if sellable(position.quantity, bid, self.config.instruments[symbol]):
            return False
        self.book.leave_dust(symbol, now_ms)
        return True

    def _verdicts(self, entry: Entry, now_ms: int, spreads: Sequence[float]) -> list[tuple[str, Judgment]]:
        view = self._view(now_ms, spreads)
        verdicts = list(self._judge(entry, view))
        activity = activity_verdict(Activity(view.orders_5m, view.turnover_5m), self.config.activity)
        if activity.kind is not VerdictKind.ALLOW:
            verdicts.append((ACTIVITY_RULE, activity))
        return verdicts

    def _view(self, now_ms: int, spreads: Sequence[float]) -> BookView:
        return self.book.view(
            now_ms,
            spreads=spreads,
            released_ms=dict(self.halts.released_at),
            hourly_returns=lambda symbol: self._hourly_returns(symbol, now_ms),
        )

    def _nothing(self, now_ms: int) -> Entry:
        return Entry(self.config.symbols[0], ZERO, ZERO, Quote(None, None, now_ms), now_ms)

    def _latch(self, assessment: Assessment) -> None:
        for halt in assessment.trips:
            self.halts = self.halts.trip(halt)

    def _flattened(
        self, position: Position, move: Candle | Decimal, trace_id: str, now_ms: int
    ) -> list[Planned]:
        """Return the order that sells a whole position because of a halt; none if it is less than a step."""
        purpose, reason = Purpose.EMERGENCY, "emergency_flatten"
        if isinstance(move, Candle):
            halted_ms = self.flattening(now_ms)[0].since_ms
            bid, reason = move.open, reason + GAP if move.after_hole and halted_ms < move.ts_ms else reason
        else:
            bid = move
        step = self.config.instruments[position.symbol].amount_step
        quantity = floor_step(position.quantity, step)
        if not quantity:
            return []
        intent = self.exit_of(position, purpose, quantity, reason, trace_id, now_ms, bid)
        return [Planned(intent, AppliedTo(purpose, reason, trace_id))]

    def _sale(
        self, position: Position, sale: ExitSale, following: Protection, trace_id: str, now_ms: int
    ) -> Planned:
        intent = self.exit_of(
            position, sale.purpose, sale.quantity, sale.reason, trace_id, now_ms, sale.price
        )
        context = AppliedTo(
            sale.purpose, sale.reason, trace_id, rules=self.config.exits, protection=following
        )
        return Planned(intent, context)

    def exit_of(
        self,
        position: Position,
        purpose: Purpose,
        quantity: Decimal,
        reason: str,
        trace_id: str,
        now_ms: int,
        reference: Decimal | None,
    ) -> Intent:
        """Return the order of an exit; the same one for the same state of the position."""
        stage = 0 if position.protection is None else position.protection.stage
        # A position sold in part may be sold again for the same reason, but not twice from one state.
        ref = f"{position.id}#{stage}.{len(position.exits)}"
        return Intent(
            intent_key(position.symbol, Side.SELL, purpose, ref),
            position.symbol,
            Side.SELL,
            purpose,
            reason,
            trace_id,
            now_ms,
            quantity=quantity,
            reference=reference,
        )
