"""The replay shell: a whole history through the one core, synchronously, jumping from event to event.

Nothing happens to a flat symbol until a bar wants to buy, nor to an open position until a bar may touch one
of its levels or wants to sell; such quiet bars are skipped. What remains is played in the order of time:
walks one millisecond before their candle's close, then evaluations a grace period after it, symbols in
settings order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import IntEnum
from math import inf

import attrs

from cab_core.cycle.config import CycleConfig
from cab_core.cycle.detail import Detail
from cab_core.cycle.fills import fill_orders
from cab_core.cycle.market import bid_candle, open_at
from cab_core.cycle.marks import Grid
from cab_core.cycle.reasons import Reasons
from cab_core.cycle.records import Holding, OrderRecord
from cab_core.cycle.tape import Tape, cycle_id
from cab_core.cycle.trader import Planned, Ruling, Trader
from cab_core.domain.booking import AppliedTo
from cab_core.domain.exits import quiet_band
from cab_core.domain.market import Candle, Quote
from cab_core.domain.money import ZERO, floor_step, to_decimal
from cab_core.domain.orders import Fill, Intent, Purpose
from cab_core.domain.regime import RegimeState


class Step(IntEnum):
    """What happens first at equal times."""

    WALK = 0
    EVALUATE = 1


class Replay:
    """Plays prepared tapes through a trader.

    Args:
        config: the pure settings.
        tapes: one per symbol, in settings order, their decisions evaluated.
        trader: decides and books.
        regime_at: the regime at a time.
        reasons: encodes final reasons into the tapes' columns.
        run: six hexadecimal characters that begin every trace id of the run.
        watch: keep the rulings of these (symbol index, row) cycles, to explain them.
        details: finer candles by symbol, to walk by.
    """

    def __init__(
        self,
        config: CycleConfig,
        tapes: list[Tape],
        trader: Trader,
        regime_at: Callable[[int], RegimeState],
        reasons: Reasons,
        run: str,
        watch: frozenset[tuple[int, int]] = frozenset(),
        details: Mapping[str, Detail] | None = None,
    ) -> None:
        self._config = config
        self._tapes = tapes
        self._trader = trader
        self._regime_at = regime_at
        self._reasons = reasons
        self._run = run
        self._watch = watch
        self._details = details or {}
        self.grid = Grid(tapes, config.costs)
        self._queue: list[tuple[int, Step, int, int]] = []
        self._spreads: tuple[float, ...] = ()
        self._waiting: dict[int, Planned] = {}
        self.orders: list[OrderRecord] = []
        self.holdings: list[Holding] = []
        self.rulings: dict[tuple[int, int], Ruling] = {}

    def run(self) -> None:
        """Play everything to the end of the tapes."""
        for tape in self._tapes:
            self._await_entry(tape, tape.first)
        while self._queue:
            now_ms, step, index, row = heapq.heappop(self._queue)
            tape = self._tapes[index]
            self.grid.advance(self._trader, now_ms)
            if step is Step.WALK:
                self._walk(tape, row, now_ms)
            else:
                self._evaluate(tape, row, now_ms)
        for tape in self._tapes:
            if tape.symbol in self._trader.book.positions:
                self._close_span(tape, tape.stop)
        self.grid.advance(self._trader, self.grid.end_ms)
        self.grid.mark_at_close(self._trader.book)

    def trace_id(self, index: int, row: int) -> str:
        """Return the trace id of one cycle of this run."""
        return cycle_id(self._run, index, row)

    # What comes next for a symbol.

    def _await_entry(self, tape: Tape, from_row: int) -> None:
        row = tape.next_buy(from_row)
        if row is not None:
            self._push_evaluation(tape, row)

    def _await_exit(self, tape: Tape, walk_from: int, evaluate_from: int) -> None:
        protection = self._trader.book.positions[tape.symbol].protection
        sell = tape.next_sell(evaluate_from)
        limit = tape.stop if sell is None else sell + 1
        touched = None
        if self._config.emergency_flatten or tape.index in self._waiting:  # no bar is quiet
            touched = tape.next_touch(walk_from, limit, inf, -inf)
        elif protection is not None:
            low, high = quiet_band(protection, self._config.exits)
            touched = tape.next_touch(walk_from, limit, low, high)
        if touched is not None:
            close_ms = tape.close_ms(touched)
            heapq.heappush(self._queue, (close_ms - 1, Step.WALK, tape.index, touched))
        elif sell is not None:
            self._push_evaluation(tape, sell)

    def _push_evaluation(self, tape: Tape, row: int, at_ms: int | None = None) -> None:
        due = tape.close_ms(row) + self._config.grace_ms if at_ms is None else at_ms
        heapq.heappush(self._queue, (due, Step.EVALUATE, tape.index, row))

    # What happens.

    def _walk(self, tape: Tape, row: int, now_ms: int) -> None:
        book = self._trader.book
        self.grid.mark_during_walk(book, tape.index, tape.close_ms(row))
        trace_id = self.trace_id(tape.index, row)
        candle = bid_candle(tape.bars, row, self._config.costs)
        self._sell_rest(tape, candle.open, now_ms)
        for part in self._detailed(tape, candle):
            for planned in self._trader.walk(tape.symbol, part, trace_id, now_ms):
                bid = planned.intent.reference
                if bid is not None:
                    ask = self._config.costs.ask_of_bid(bid)
                    self._execute(tape, planned, Quote(bid, ask, now_ms), now_ms)
        if tape.symbol in book.positions:
            self._await_exit(tape, row + 1, row)
        else:
            self._close_span(tape, row)
            self._await_entry(tape, row)

    def _detailed(self, tape: Tape, candle: Candle) -> list[Candle]:
        """Return the finer candles that a candle is walked by, or itself where they are not all there."""
        detail = self._details.get(tape.symbol)
        rows = range(0) if detail is None else detail.rows(candle.ts_ms)
        if detail is None or not rows:
            return [candle]
        return [bid_candle(detail.bars, row, self._config.costs) for row in rows]

    def _sell_rest(self, tape: Tape, bid: Decimal, now_ms: int) -> None:
        """Make what of a signal exit has waited where a candle opens, before that candle is judged."""
        planned = self._waiting.pop(tape.index, None)
        position = self._trader.book.positions.get(tape.symbol)
        if planned is None or position is None:
            return
        intent = attrs.evolve(planned.intent, reference=bid)
        held = floor_step(position.quantity, self._config.instruments[tape.symbol].amount_step)
        if intent.quantity is not None and held < intent.quantity:
            intent = attrs.evolve(intent, attempt=intent.attempt + 1, quantity=held)
        if held:
            quote = Quote(bid, self._config.costs.ask_of_bid(bid), now_ms)
            self._execute(tape, attrs.evolve(planned, intent=intent), quote, now_ms)

    def _evaluate(self, tape: Tape, row: int, now_ms: int) -> None:
        price = open_at(tape.bars, now_ms)
        quote = Quote(None, None, now_ms)
        if price is not None:
            quote = self._config.costs.quote(to_decimal(price), now_ms)
        self.grid.mark_after_close(self._trader.book, tape.close_ms(row))
        if tape.symbol in self._trader.book.positions:
            self._sell(tape, row, quote, now_ms)
        else:
            self._buy(tape, row, quote, now_ms)

    def _sell(self, tape: Tape, row: int, quote: Quote, now_ms: int) -> None:
        if tape.index in self._waiting:  # what the exit before has left is made at the next walk
            tape.final[row] = self._reasons.code("already_exiting")
            self._await_exit(tape, row + 1, row + 1)
            return
        reason = self._reasons.text(int(tape.columns.reason[row]))
        planned = self._trader.signal_sell(tape.symbol, quote, reason, self.trace_id(tape.index, row), now_ms)
        if planned is not None and quote.bid is None:  # nothing fills in a hole
            self._waiting[tape.index] = planned.through_hole()
        elif planned is not None:
            self._execute(tape, planned, quote, now_ms)
        tape.final[row] = tape.columns.reason[row] if planned else self._reasons.code("dust")
        tape.ordered[row] = -1 if planned else 0
        if tape.symbol in self._trader.book.positions:  # filled in part: the rest is still protected
            self._await_exit(tape, row + 1, row + 1)
            return
        self._close_span(tape, row)
        self._await_entry(tape, row + 1)

    def _buy(self, tape: Tape, row: int, quote: Quote, now_ms: int) -> None:
        ruling = self._trader.rule_on_buy(
            tape.symbol, quote, self._regime_at(now_ms), now_ms, self._spreads_before(tape, row, quote)
        )
        if (tape.index, row) in self._watch:
            self.rulings[tape.index, row] = ruling
        if ruling.reason is None:
            self._enter(tape, row, ruling, quote, now_ms)
            return
        retry_ms = now_ms + self._config.retry_ms
        if ruling.delayed and retry_ms < tape.close_ms(row) + self._config.ttl_ms:
            self._push_evaluation(tape, row, retry_ms)
            return
        tape.final[row] = self._reasons.code(ruling.reason)
        self._await_entry(tape, row + 1)

    def _enter(self, tape: Tape, row: int, ruling: Ruling, quote: Quote, now_ms: int) -> None:
        reason = self._reasons.text(int(tape.columns.reason[row]))
        context = AppliedTo(
            Purpose.ENTRY,
            reason,
            self.trace_id(tape.index, row),
            rules=self._config.exits,
            votes=tape.voters(row, self._config.aggregation.names),
        )
        candle_ts_ms = int(tape.bars.ts_ms[row])
        planned = self._trader.entry(tape.symbol, ruling, quote, candle_ts_ms, now_ms, context)
        refused = self._execute(tape, planned, quote, now_ms)
        tape.final[row] = tape.columns.reason[row] if refused is None else self._reasons.code(refused)
        if tape.symbol not in self._trader.book.positions:
            self._await_entry(tape, row + 1)
            return
        tape.ordered[row] = 1
        tape.open_from = row + 1
        self._await_exit(tape, row + 1, row + 1)

    def _execute(self, tape: Tape, planned: Planned, quote: Quote, now_ms: int) -> str | None:
        """Fill an order at the quote and book it; return why it was refused, if it was."""
        book = self._trader.book
        if quote.bid is not None:
            book.mark(tape.symbol, quote.bid)
        refused = None
        for intent, fills, refusal in fill_orders(planned.intent, quote, self._config, now_ms):
            self.orders.append(OrderRecord(intent, fills))
            refused = refusal
            for fill in fills:
                self._trader.settle(fill, planned.context)
                self._hold(tape, now_ms)
                self._keep_rest(tape, planned, intent, fill)
            if fills and tape.symbol not in book.positions:
                break  # what is left is dust
        if refused is not None and self._trader.leave_small(tape.symbol, now_ms):
            self._hold(tape, now_ms)
        return refused

    def _keep_rest(self, tape: Tape, planned: Planned, sent: Intent, fill: Fill) -> None:
        """Keep what a signal exit has not sold: a signal comes once, so its rest is made at the next walk."""
        if sent.purpose is not Purpose.SIGNAL_SELL:
            return
        rest = ZERO if sent.quantity is None else sent.quantity - fill.quantity
        self._waiting.pop(tape.index, None)
        if rest > 0 and tape.symbol in self._trader.book.positions:
            again = attrs.evolve(sent, attempt=sent.attempt + 1, quantity=rest)
            waiting = attrs.evolve(planned, intent=again)
            through_hole = open_at(tape.bars, fill.ts_ms + 1) is None
            self._waiting[tape.index] = waiting.through_hole() if through_hole else waiting

    def _hold(self, tape: Tape, now_ms: int) -> None:
        """Keep what is held now, for the equity curve."""
        book = self._trader.book
        quantity, cost = book.ledger.held(tape.symbol)
        is_open = tape.symbol in book.positions
        self.holdings.append(Holding(now_ms, tape.index, quantity, cost, book.realized, is_open))

    def _close_span(self, tape: Tape, until_row: int) -> None:
        """The position is closed: buys wanted in between were stopped because it was open.

        No rest of an exit may sell what is bought next.
        """
        self._waiting.pop(tape.index, None)
        tape.mark_already_long(until_row, self._reasons.code("already_long"))

    def _spreads_before(self, tape: Tape, row: int, quote: Quote) -> tuple[float, ...]:
        """Earlier spread observations: one per cycle that had a price, all alike on a recorded market."""
        if not self._spreads and quote.spread_pct is not None:
            self._spreads = (float(quote.spread_pct),) * 100
        return self._spreads[: min(100, tape.quoted_before(row))]
