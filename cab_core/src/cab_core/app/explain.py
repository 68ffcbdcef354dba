"""Why a cycle of a backtest did what it did: the same run again, with one bar watched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from itertools import chain
from typing import Any

import attrs

from cab_core.app.research import Prepared
from cab_core.app.runs import DECIDED, RunRecord
from cab_core.app.standing import Standing, standing_of_run
from cab_core.app.times import minute
from cab_core.cycle.backtest import Finished
from cab_core.cycle.records import OrderRecord
from cab_core.cycle.tape import Tape, cycle_id
from cab_core.cycle.trace import TraceHead, trace_of
from cab_core.domain.exits import Levels
from cab_core.domain.orders import Fill, Intent, fee_texts
from cab_core.domain.position import ExitFill, Position, TradeRecord
from cab_core.domain.signals import Action
from cab_core.domain.timeframes import TF_MS
from cab_core.errors import NotFoundError

Explanation = dict[str, Any]


@attrs.frozen(eq=False)
class Explainer:
    """Explains cycles of one recorded run.

    Attributes:
        record: the run.
        prepared: the run laid out again.
        progress: told the number of bars just evaluated.
    """

    record: RunRecord
    prepared: Prepared
    progress: Callable[[int], None] | None = None

    def by_id(self, trace_id: str) -> Explanation:
        """Explain the cycle that a trace id of this run names."""
        index, row = int(trace_id[6:8], 16), int(trace_id[8:], 16)
        symbols = self.record.symbols
        if index >= len(symbols) or row >= len(self.prepared.histories.series[symbols[index]]):
            raise self._missing(f"no cycle {trace_id}", "take an id from the run's trades or orders")
        return self._explain(index, row)

    def at(self, symbol: str | None, at_ms: int) -> Explanation:
        """Explain the cycle whose candle is open at ``at_ms``, or closes then."""
        if symbol is None and len(self.record.symbols) > 1:
            raise self._missing(
                "several symbols", f"name one with --symbol: {', '.join(self.record.symbols)}"
            )
        symbol = self._known(symbol) or self.record.symbols[0]
        open_ms = candle_at(at_ms)
        stamps = self.prepared.histories.series[symbol].bars.ts_ms
        row = int(stamps.searchsorted(open_ms))
        if row == len(stamps) or int(stamps[row]) != open_ms:
            reach = f"the data reaches from {minute(int(stamps[0]))} to {minute(int(stamps[-1]) + TF_MS)} UTC"
            raise self._missing(f"no candle of {symbol} at {minute(open_ms)} UTC", reach)
        return self._explain(self.record.symbols.index(symbol), row)

    def last_ordered(self, symbol: str | None) -> Explanation:
        """Explain the newest cycle that decided an order."""
        symbol = self._known(symbol)
        for traded, trace_id in self.record.last_ordered.items():
            if symbol in (None, traded):
                return self.by_id(trace_id)
        raise self._missing("no cycle with an order", "name a time with --at")

    def standing(self, symbol: str | None) -> list[Standing]:
        """Return where each symbol stood at the end of the run."""
        known = self._known(symbol)
        finished = self._run(frozenset())
        return standing_of_run(
            finished, self.record.run_id, self.record.symbols if known is None else (known,)
        )

    def _known(self, symbol: str | None) -> str | None:
        if symbol is not None and symbol not in self.record.symbols:
            raise self._missing(f"no symbol {symbol}", f"it has {', '.join(self.record.symbols)}")
        return symbol

    def _explain(self, index: int, row: int) -> Explanation:
        finished = self._run(frozenset({(index, row)}))
        tape = finished.tapes[index]
        if not tape.decided_rows()[row]:
            synthetic = bool(tape.bars.synthetic[row])
            why = "is missing in the data" if synthetic else "only warmed up: it is outside --from and --to"
            open_ms = int(tape.bars.ts_ms[row])
            raise self._missing(
                f"the candle of {tape.symbol} at {minute(open_ms)} UTC {why}", "choose another"
            )
        explained = explain_cycle(self.prepared, finished, tape, row)
        return {**explained, "alarms": self.record.summary.get("alarms", [])}

    def _run(self, watch: frozenset[tuple[int, int]]) -> Finished:
        finished, _ = self.prepared.run(watch=watch, progress=self.progress, recheck=False)
        self.record.check_decisions(finished.result.decisions_sha256)
        return finished

    def _missing(self, what: str, fix: str) -> NotFoundError:
        return NotFoundError(what, where=f"run {self.record.run_id}", fix=fix)


def explain_cycle(prepared: Prepared, finished: Finished, tape: Tape, row: int) -> Explanation:
    """Return the whole chain of one watched cycle, JSON-safe."""
    run, bars = prepared.facts.run_id, tape.bars
    trace_id = cycle_id(run, tape.index, row)
    evaluated = finished.evaluated[tape.symbol]
    votes, k = evaluated.votes.get(row, (None, 0))
    orders = [order for order in finished.result.orders if order.intent.trace_id == trace_id]
    decided = next((order.intent for order in orders if order.intent.purpose in DECIDED), None)
    trace = trace_of(
        TraceHead(
            trace_id=trace_id,
            symbol=tape.symbol,
            candle_ts_ms=int(bars.ts_ms[row]),
            candle=bars.candle(row),
            versions=prepared.versions,
        ),
        votes,
        k,
        evaluated.around.trend,
        row,
        float(evaluated.around.volume.ratio[row]),
        finished.rulings.get((tape.index, row)),
        (Action(int(tape.ordered[row])).label, finished.reasons.text(int(tape.final[row]))),
        None if decided is None else decided.client_id,
    )
    now_ms = tape.close_ms(row) + prepared.backtest.config.grace_ms
    result = finished.result
    positions = Positions([*result.trades, *result.open_positions], tape.symbol)
    position = positions.of_cycle(trace_id, now_ms, {fill.ts_ms for order in orders for fill in order.fills})
    return {
        "source": "backtest",
        "run_id": run,
        "thinned": False,
        "by_hand": None,
        **trace,
        "held_before": position is not None and is_held(position, now_ms),
        "orders": [order_json(order) for order in orders],
        "position": None if position is None else position_json(position),
    }


def candle_at(at_ms: int) -> int:
    """Return the open time of the candle that is open at ``at_ms`` or closes then."""
    return -(-at_ms // TF_MS) * TF_MS - TF_MS


@attrs.frozen(eq=False)
class Positions:
    """The round trips and open positions of an account, as seen by the cycles of one symbol."""

    known: Iterable[TradeRecord | Position]
    symbol: str

    def of_cycle(
        self, trace_id: str, now_ms: int, filled_ms: Collection[int]
    ) -> TradeRecord | Position | None:
        """Return the position that a cycle opened, found open or closed.

        Args:
            trace_id: the cycle's.
            now_ms: when it decided.
            filled_ms: the times of its own fills; a protective exit within the candle is among them.
        """
        own = [each for each in self.known if each.symbol == self.symbol]
        opened = (each for each in own if each.trace_id == trace_id)
        found = (each for each in own if is_held(each, now_ms))
        closed = (each for each in own if any(sale.ts_ms in filled_ms for sale in each.exits))
        return next(chain(opened, found, closed), None)


def is_held(each: TradeRecord | Position, now_ms: int) -> bool:
    """Say whether a position was open before a time."""
    closed_ms = each.closed_ms if isinstance(each, TradeRecord) else now_ms
    return each.opened_ms < now_ms <= closed_ms


def order_json(order: OrderRecord) -> dict[str, Any]:
    """Return one order and its fills, JSON-safe."""
    return {**intent_json(order.intent), "fills": [fill_json(fill) for fill in order.fills]}


def intent_json(intent: Intent) -> dict[str, Any]:
    """Return one intent, JSON-safe."""
    return {
        "client_id": intent.client_id,
        "side": intent.side.value,
        "purpose": intent.purpose.value,
        "reason": intent.reason,
        "created_ms": intent.created_ms,
        "cost": money(intent.cost),
        "quantity": money(intent.quantity),
        "reference": money(intent.reference),
    }


def fill_json(fill: Fill) -> dict[str, Any]:
    """Return one fill, JSON-safe."""
    return {
        "ts_ms": fill.ts_ms,
        "quantity": money(fill.quantity),
        "price": money(fill.price),
        "fee": money(fill.fee),
        "fee_currency": fill.fee_currency,
        "further_fees": list(fee_texts(fill.further_fees)),
    }


def position_json(each: TradeRecord | Position) -> dict[str, Any]:
    """Return a closed or open position, JSON-safe."""
    if isinstance(each, TradeRecord):
        outcome = {
            "closed_ms": each.closed_ms,
            "quantity": money(each.quantity),
            "pnl_quote": money(each.pnl),
        }
        levels: Levels | None = each.levels
    else:
        outcome = {"closed_ms": None, "quantity": money(each.bought), "pnl_quote": money(each.realized)}
        levels = None if each.protection is None else each.protection.levels
    return {
        "symbol": each.symbol,
        "opened_ms": each.opened_ms,
        "entry_price": money(each.entry_price),
        "entry_reason": each.entry_reason,
        "entry_trace_id": each.trace_id,
        "votes": list(each.votes),
        "levels": levels_json(levels),
        "exits": [_exit_json(sale) for sale in each.exits],
        "fees_quote": money(each.fees_quote),
        **outcome,
    }


def levels_json(levels: Levels | None) -> dict[str, str | None] | None:
    """Return the prices that protect an entry, JSON-safe."""
    if levels is None:
        return None
    return {
        "stop_loss": money(levels.sl),
        "take_profit_1": money(levels.tp1),
        "take_profit_2": money(levels.tp2),
        "breakeven": money(levels.breakeven),
    }


def money(amount: Decimal | None) -> str | None:
    """Return an amount as plain text."""
    return None if amount is None else f"{amount:f}"


def _exit_json(sale: ExitFill) -> dict[str, Any]:
    return {
        "ts_ms": sale.ts_ms,
        "quantity": money(sale.quantity),
        "price": money(sale.price),
        "reason": sale.reason,
        "pnl_quote": money(sale.pnl),
        "by_hand": None,
    }
