"""Turns what the orchestrator did into events of the registry; nothing waits for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.cycle.trader import Planned, Ruling
from cab_core.domain.book import Book
from cab_core.domain.booking import Applied, LeftDust
from cab_core.domain.currencies import quote_of
from cab_core.domain.equity import Equity
from cab_core.domain.figures import fee, money, quantity
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Fill, Intent, OrderState, Side, fee_texts
from cab_core.domain.position import Position
from cab_core.domain.regime import RegimeState
from cab_core.domain.risk import RISK_ERROR, Assessment, RuleFailed, Verdict, VerdictKind
from cab_core.domain.slippage import average_price, realized_slippage_pct
from cab_core.domain.timeframes import utc_day
from cab_core.ports import Cycle, EventBus

#: A loop that failed so often in a row is told of.
FAILING = 3

#: What a halt comes to that no person has to release.
PAUSED = "entries are paused until midnight UTC"


@attrs.define(eq=False)
class Announcer:
    """Publishes to the bus.

    Attributes:
        bus: where events go.
        book: the account the events are about.
        max_slippage_pct: a fill that slipped farther is warned of.
        last_equity: the newest snapshot, for status and metrics.
    """

    bus: EventBus
    book: Book
    max_slippage_pct: Decimal = Decimal(1)
    last_equity: Equity | None = attrs.field(default=None, init=False)
    _unsaved: Equity | None = attrs.field(default=None, init=False)
    _warned: set[tuple[str, int]] = attrs.field(factory=set, init=False)

    def cycle(self, cycle: Cycle, duration_ms: float) -> None:
        """A candle was evaluated."""
        payload = {
            "symbol": cycle.symbol,
            "candle_ts_ms": cycle.candle_ts_ms,
            "action": cycle.action,
            "reason": cycle.reason,
            "order_key": cycle.order_key,
            "duration_ms": duration_ms,
        }
        self.bus.publish("cycle.completed", payload, cycle.trace_id)

    def near_limits(self, ruling: Ruling, now_ms: int, trace_id: str) -> None:
        """Warn of each limit that is nearly reached, once per UTC day and rule."""
        for rule, verdict in () if ruling.assessment is None else ruling.assessment.verdicts:
            day = (rule, utc_day(now_ms))
            if isinstance(verdict, Verdict) and verdict.kind is VerdictKind.NOTE and day not in self._warned:
                self._warned = {known for known in self._warned if known[1] == day[1]} | {day}
                note = {"rule": rule, "reason": verdict.reason, **_limits(verdict)}
                self.bus.publish("risk.warning", note, trace_id)

    def blocked(self, symbol: str, ruling: Ruling, trace_id: str) -> None:
        """An entry was stopped; where a risk rule did it, say which and why."""
        if ruling.assessment is None or ruling.assessment.blocked is None:
            return
        rule = ruling.assessment.blocked.removeprefix("risk_")
        verdicts = ruling.assessment.verdicts
        failed = next((name for name, v in verdicts if isinstance(v, RuleFailed)), rule)
        rule = failed if ruling.assessment.blocked == RISK_ERROR else rule
        verdict = next((v for name, v in verdicts if name == rule), None)
        limits = _limits(verdict)
        reason = verdict.reason if isinstance(verdict, Verdict) else getattr(verdict, "error", "halted")
        payload = {"symbol": symbol, "rule": rule, "reason": reason, **limits}
        self.bus.publish("risk.blocked", payload, trace_id)
        self.halted(ruling.assessment, trace_id)

    def halted(self, assessment: Assessment, trace_id: str) -> None:
        """Halts began: say which rule, and what it measured. One that ends by itself is a pause."""
        for halt in assessment.trips:
            verdict = next((v for name, v in assessment.verdicts if name == halt.rule), None)
            paused = halt.until_ms is not None
            reason = PAUSED if paused else halt.reason
            payload = {"rule": halt.rule, "reason": reason, **_limits(verdict)}
            self.bus.publish("risk.warning" if paused else "emergency.stop", payload, trace_id)

    def changed(self, intent: Intent, to: OrderState, message: str) -> None:
        """An attempt of an intent went to another state."""
        payload = {**_order(intent), "state": str(to), "message": message}
        self.bus.publish("order.changed", payload, intent.trace_id)

    def settled(self, planned: Planned, fills: Sequence[Fill], *, ended: bool) -> None:
        """Own trades were booked; ``ended`` if all of the order is."""
        intent = planned.intent
        for fill in fills:
            payload = {
                "symbol": fill.symbol,
                "client_id": fill.client_id,
                "trade_id": fill.trade_id,
                "side": str(fill.side),
                "quantity": fill.quantity,
                "price": fill.price,
                "fee": fill.fee,
                "fee_currency": fill.fee_currency,
                "further_fees": fee_texts(fill.further_fees),
            }
            self.bus.publish("trade.settled", payload, intent.trace_id)
        if fills:
            self._slipped(intent, fills)
            self._position(planned)
        quantity = sum((fill.quantity for fill in fills), ZERO)
        value = sum((fill.value for fill in fills), ZERO)
        if ended and fills:
            completed = {**_order(intent), "side": str(intent.side), "quantity": quantity, "value": value}
            self.bus.publish("trade.completed", completed, intent.trace_id)
        elif fills:
            whole, done = (intent.cost, value) if intent.cost is not None else (intent.quantity, quantity)
            remaining = (whole or ZERO) - done
            payload = {**_order(intent), "filled": quantity, "remaining": remaining}
            self.bus.publish("order.partially.filled", payload, intent.trace_id)

    def stuck(self, intent: Intent, text: str) -> None:
        """An order needs a person."""
        what = f"{intent.side} {intent.symbol} ({intent.client_id}): {text}"
        self.alert(
            "critical", "order_stuck", what, intent.trace_id, symbol=intent.symbol, ts_ms=intent.created_ms
        )

    def dust(self, left: LeftDust, trace_id: str, *, refused: bool) -> None:
        """What is left of a position cannot be sold; more than the rounding of a sale is an alert, too."""
        payload = {
            "symbol": left.symbol,
            "quantity": left.quantity,
            "cost": left.cost,
            "value": left.value,
            "loss": left.loss,
        }
        self.bus.publish("position.dust", payload, trace_id)
        if left.sold and left.quantity < self.book.instruments[left.symbol].amount_step:
            return
        held = f"{'the rest' if left.sold else 'all'} of the position, {quantity(left.quantity)},"
        what = f"{held} is too small to sell"
        quote = quote_of(left.symbol)
        worth, cost = money(left.value, quote), money(left.cost, quote)
        worth = f"worth {worth} of {cost} {quote}, and goes with the next sale"
        text = f"{left.symbol}: {what}; it stays as dust, {worth}"
        severity = "critical" if refused or not left.sold else "important"
        self.alert(severity, "position_dust", text, trace_id, symbol=left.symbol, ts_ms=left.ts_ms)

    def booked(self, fill: Fill, applied: Applied, trace_id: str) -> None:
        """A trade entered the book; say so where it does not fit there."""
        if applied.unmatched:
            text = (
                f"trade {fill.trade_id} sold {quantity(fill.quantity)} of {fill.symbol}, "
                f"{quantity(applied.unmatched)} more"
                " than the book held: coins that are not the bot's may have been sold"
            )
            self.alert("critical", "oversold", text, trace_id, symbol=fill.symbol, ts_ms=fill.ts_ms)
        if applied.fee_unpriced:
            taken = " and ".join(fee(amount, currency) for currency, amount in fill.fees)
            text = (
                f"the fee of trade {fill.trade_id}, {taken}, has no price and counts"
                " as nothing: profits are shown too high by it"
            )
            self.alert("important", "fee_unpriced", text, trace_id, symbol=fill.symbol, ts_ms=fill.ts_ms)

    def overdue(self, intent: Intent, age_s: int) -> None:
        """A market order did not end in time and is being canceled."""
        self.bus.publish("trade.settlement.timeout", {**_order(intent), "age_s": age_s}, intent.trace_id)
        self.stuck(intent, f"it has not ended after {age_s} s and is canceled")

    def failing(self, symbol: str, loop: str, error: BaseException, in_a_row: int, trace_id: str) -> None:
        """A loop failed, so often in a row by now: worth a word if that goes on."""
        if in_a_row < FAILING:
            return
        text = f"loop {loop} of {symbol} has failed {in_a_row} times in a row: {error}"
        severity = "critical" if loop == "exits" else "important"
        self.alert(severity, "loop_failing", text, trace_id, symbol=symbol)

    def _slipped(self, intent: Intent, fills: Sequence[Fill]) -> None:
        """Warn where the price of a fill is beyond the cap (spec 8.5); the books stay as they are."""
        average = average_price((fill.price, fill.quantity) for fill in fills)
        if average is None or not intent.reference:
            return
        slipped = realized_slippage_pct(average, intent.reference)
        if slipped > self.max_slippage_pct:
            limit = {"value": float(slipped), "threshold": float(self.max_slippage_pct)}
            note = {"rule": "slippage", "reason": "slipped", **limit}
            self.bus.publish("risk.warning", note, intent.trace_id)

    def protection(self, symbol: str, position: Position, trace_id: str) -> None:
        """The stop of a position moved without a sale."""
        p = position.protection
        if p is not None:
            payload = {"symbol": symbol, "stage": p.stage, "stop": p.stop, "kind": p.kind}
            self.bus.publish("protection.changed", payload, trace_id)

    def equity(self, equity: Equity) -> None:
        """The equity was valued."""
        self.last_equity = self._unsaved = equity

    def take_equity(self) -> Equity | None:
        """Return the newest snapshot once, to be stored along with something else; then None."""
        taken, self._unsaved = self._unsaved, None
        return taken

    def regime(self, old: RegimeState | None, new: RegimeState, trace_id: str) -> None:
        """The regime changed its state."""
        payload = {
            "old": None if old is None else str(old.state),
            "new": str(new.state),
            "score": new.score,
            "parts": dict(new.parts),
        }
        self.bus.publish("regime.changed", payload, trace_id)

    def state(self, symbol: str, old: str, new: str, reason: str, trace_id: str) -> None:
        """A symbol's loops changed their state."""
        payload = {"symbol": symbol, "old": old, "new": new, "reason": reason}
        self.bus.publish("orchestrator.state", payload, trace_id)

    def alert(
        self, severity: str, kind: str, text: str, trace_id: str, *, symbol: str = "", ts_ms: int = 0
    ) -> None:
        """Tell the operator."""
        payload = {
            "severity": severity,
            "kind": kind,
            "text": text,
            "symbol": symbol,
            "rule": "",
            "ts_ms": ts_ms,
        }
        self.bus.publish("alert", payload, trace_id)

    def _position(self, planned: Planned) -> None:
        intent, book = planned.intent, self.book
        position = book.positions.get(intent.symbol)
        if intent.side is Side.BUY and position is not None:
            payload: Mapping[str, Any] = {
                "symbol": intent.symbol,
                "quantity": position.quantity,
                "cost": position.cost,
                "reason": intent.reason,
            }
            self.bus.publish("position.opened", payload, intent.trace_id)
        elif intent.side is Side.SELL and position is None:
            pnl: Decimal = book.round_trips[-1].pnl if book.round_trips else ZERO
            payload = {"symbol": intent.symbol, "pnl": pnl, "reason": planned.context.reason}
            self.bus.publish("position.closed", payload, intent.trace_id)


def _limits(verdict: Verdict | RuleFailed | None) -> dict[str, float | None]:
    if isinstance(verdict, Verdict) and verdict.kind is not VerdictKind.ALLOW:
        return {"value": verdict.value, "threshold": verdict.threshold}
    return {"value": None, "threshold": None}


def _order(intent: Intent) -> dict[str, str]:
    return {"symbol": intent.symbol, "key": intent.key, "client_id": intent.client_id}
