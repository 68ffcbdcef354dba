"""A simulated venue's account: balances, idempotent orders, resting stops, own trades. Synchronous and pure.

Prices come from outside with every call, so the same core serves the paper broker and simulated exchanges.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from cab_core.domain.codec import money_converter
from cab_core.domain.figures import quantity
from cab_core.domain.market import Costs, Instrument, Quote
from cab_core.domain.matching import (
    Match,
    bad_precision,
    below_minimum,
    fill_of,
    filled_part,
    match_market,
    off_step,
    sell_at,
    trade_id,
    triggered,
)
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Ack, Fill, Intent, OrderType, Rejected, Side

#: Orders and trades a venue's account remembers: far more than any look back needs.
REMEMBERED = 1024


@attrs.frozen(slots=True)
class RestingStop:
    """A stop-limit sell that waits. ``fired`` once its trigger was reached; then it is a limit order."""

    client_id: str
    symbol: str
    quantity: Decimal
    trigger: Decimal
    limit: Decimal
    reference: Decimal | None = None
    fired: bool = False


@attrs.frozen(slots=True)
class Answer:
    """The remembered answer to a client id: accepted and done, or refused for good; numbered by age."""

    rejected: Rejected | None = None
    number: int = 0


class Matcher:
    """One simulated account.

    Args:
        instruments: precision and minimums by symbol.
        costs: fee and slippage.
        balances: free amounts by currency at the start.
        seed: seed of partial fills. ``partial_fill_prob``: how often a market order fills only in part.
        stops_lock_funds: resting stops lock what they would sell.
        tracked: keep account of what changed, for `changes`.

    Attributes:
        free: balances that can be spent. ``locked``: held by resting stops.
    """

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        costs: Costs,
        balances: Mapping[str, Decimal],
        *,
        seed: int = 0,
        partial_fill_prob: float = 0.0,
        stops_lock_funds: bool = True,
        tracked: bool = False,
    ) -> None:
        self.free = dict(balances)
        self.locked: dict[str, Decimal] = {}
        self._instruments = dict(instruments)
        self._costs = costs
        self._seed = seed
        self._probability = partial_fill_prob
        self._locking = stops_lock_funds
        self._tracked = tracked
        self._answers: dict[str, Answer] = {}
        self._resting: dict[str, RestingStop] = {}
        self._fills: dict[int, Fill] = {}
        self._counted = 0
        self._changed: dict[str, None] = {}

    def submit(
        self, intent: Intent, quote: Quote, ts_ms: int, *, last: Decimal | None = None
    ) -> Ack | Rejected:
        """Take one order at the prices of ``quote``.

        A client id that was accepted or refused for good gets the same answer again and does nothing more;
        a transient refusal (no price) is forgotten.
        """
        client_id = intent.client_id
        known = self._answers.get(client_id)
        if known is not None:
            return known.rejected or self._ack(client_id)
        instrument = self._instruments.get(intent.symbol)
        if instrument is None:
            return Rejected("unknown_symbol", f"{intent.symbol} is not traded here")
        if intent.type is OrderType.STOP_LIMIT:
            refused = self._rest(intent, client_id, quote, instrument)
        else:
            refused = self._market(intent, client_id, quote, instrument, ts_ms, last)
        if refused is not None and refused.transient:
            return refused
        self._answers[client_id] = Answer(refused, self._number())
        self._touch(f"order/{client_id}")
        self._forget()
        return refused or self._ack(client_id)

    def observe(self, symbol: str, quote: Quote, ts_ms: int) -> list[Fill]:
        """Show a price to the resting stops of the symbol and return the fills it caused.

        A stop fires at a bid at or below its trigger, then fills at the first bid at or above its limit.
        """
        bid = quote.bid
        if bid is None or not self._resting:
            return []
        fills = []
        for stop in [stop for stop in self._resting.values() if stop.symbol == symbol]:
            fired = stop.fired or triggered(stop.trigger, bid)
            if fired and bid >= stop.limit:
                fills.extend(self._fire(stop, bid, ts_ms))
            elif fired != stop.fired:
                self._resting[stop.client_id] = attrs.evolve(stop, fired=True)
                self._touch(f"stop/{stop.client_id}")
        return fills

    def cancel(self, client_id: str) -> Ack | Rejected:
        """Cancel a resting stop; `Rejected` if there is none of that id."""
        if client_id not in self._resting:
            return Rejected("not_open", f"no open order {client_id}")
        self._unrest(self._resting[client_id])
        return self._ack(client_id)

    def find(self, client_id: str) -> Ack | None:
        """Return the answer of an accepted order, None if the venue never took it."""
        known = self._answers.get(client_id)
        return None if known is None or known.rejected is not None else self._ack(client_id)

    def open_orders(self, symbol: str) -> list[str]:
        """Return the client ids of resting stops of the symbol."""
        return [stop.client_id for stop in self.resting(symbol)]

    def resting(self, symbol: str) -> list[RestingStop]:
        """Return the resting stops of the symbol."""
        return [stop for stop in self._resting.values() if stop.symbol == symbol]

    def fills_of(self, client_id: str) -> list[Fill]:
        """Return the own trades of one order, oldest first."""
        return [fill for fill in self._fills.values() if fill.client_id == client_id]

    def fills_since(self, symbol: str, since_ms: int) -> list[Fill]:
        """Return own trades of the symbol at or after ``since_ms``, oldest first."""
        return [fill for fill in self._fills.values() if fill.symbol == symbol and fill.ts_ms >= since_ms]

    def balances(self) -> dict[str, Decimal]:
        """Return free plus locked amounts by currency."""
        return {currency: self.free[currency] + self.locked.get(currency, ZERO) for currency in self.free}

    def changes(self) -> dict[str, str | None]:
        """Return what changed since the last call as texts by key, and regard it as saved.

        None stands for a key that is to be forgotten. Give it back to `unsaved` if saving fails.
        """
        changed, self._changed = self._changed, {}
        return {key: self._text(key) for key in changed}

    def unsaved(self, keys: Iterable[str]) -> None:
        """Regard ``keys`` as changed again."""
        for key in keys:
            self._touch(key)

    def restore(self, values: Mapping[str, str]) -> None:
        """Continue from everything that `changes` has ever returned, the newest text of each key."""
        structure = money_converter().structure
        rows = {key: json.loads(text) for key, text in values.items()}
        if "balances" in rows:
            self.free = {currency: Decimal(text) for currency, text in rows["balances"]["free"].items()}
            self.locked = {currency: Decimal(text) for currency, text in rows["balances"]["locked"].items()}
        answers: dict[str, Answer] = {}
        fills: dict[int, Fill] = {}
        for key, row in rows.items():
            kind, _, name = key.partition("/")
            if kind == "order":
                answers[name] = structure(row, Answer)
            elif kind == "stop" and row is None:  # what earlier versions left of a stop that is gone
                self._touch(key)
            elif kind == "stop":
                self._resting[name] = structure(row, RestingStop)
            elif kind == "fill":
                fills[int(name)] = structure(row, Fill)
        self._answers = dict(sorted(answers.items(), key=lambda item: item[1].number))
        self._fills = dict(sorted(fills.items()))
        self._counted = max([*self._fills, *(answer.number for answer in answers.values()), 0])
        self._forget()

    def _market(
        self,
        intent: Intent,
        client_id: str,
        quote: Quote,
        instrument: Instrument,
        ts_ms: int,
        last: Decimal | None,
    ) -> Rejected | None:
        part = filled_part(self._seed, client_id, self._probability)
        match = match_market(intent, quote, instrument, self._costs, last=last, part=part)
        if isinstance(match, Rejected):
            return match
        if intent.side is Side.BUY:
            spent, currency = intent.cost or ZERO, instrument.quote
        else:
            spent, currency = intent.quantity or ZERO, instrument.base
        refused = self._unaffordable(spent, currency)
        if refused is None:
            self._book(fill_of(match, intent, 1, ts_ms), instrument)
        return refused

    def _rest(self, intent: Intent, client_id: str, quote: Quote, instrument: Instrument) -> Rejected | None:
        """Let a stop-limit sell wait, unless it is malformed, unaffordable or already through its trigger."""
        quantity, trigger, limit = intent.quantity, intent.trigger, intent.limit
        if intent.side is not Side.SELL or quantity is None or trigger is None or limit is None:
            return Rejected("bad_order", "a stop-limit order sells a quantity with a trigger and a limit")
        steps = (("quantity", quantity, instrument.amount_step),)
        ticks = (("trigger", trigger, instrument.price_tick), ("limit", limit, instrument.price_tick))
        for what, value, step in steps + ticks:
            if off_step(value, step):
                return bad_precision(what, value, step)
        if quantity * limit < instrument.min_notional:
            return below_minimum(quantity * limit, instrument)
        if quote.bid is not None and triggered(trigger, quote.bid):
            return Rejected("trigger_reached", f"the bid {quote.bid} is at or below the trigger {trigger}")
        base = instrument.base
        refused = self._unaffordable(quantity, base)
        if refused is not None:
            return refused
        if self._locking:
            self._lock(base, quantity)
        self._resting[client_id] = RestingStop(
            client_id, intent.symbol, quantity, trigger, limit, intent.reference
        )
        self._touch(f"stop/{client_id}")
        return None

    def _fire(self, stop: RestingStop, bid: Decimal, ts_ms: int) -> list[Fill]:
        instrument = self._instruments[stop.symbol]
        self._unrest(stop)
        if self._unaffordable(stop.quantity, instrument.base) is not None:
            return []
        fill = self._stop_fill(stop, sell_at(stop.quantity, bid, instrument, self._costs), ts_ms)
        self._book(fill, instrument)
        return [fill]

    def _stop_fill(self, stop: RestingStop, match: Match, ts_ms: int) -> Fill:
        return Fill(
            trade_id(stop.client_id, 1),
            stop.client_id,
            stop.symbol,
            Side.SELL,
            match.quantity,
            match.price,
            match.fee,
            match.fee_currency,
            ts_ms,
            stop.reference,
        )

    def _book(self, fill: Fill, instrument: Instrument) -> None:
        base, quote = instrument.base, instrument.quote
        sign = 1 if fill.side is Side.BUY else -1
        free = self.free
        free[base] = free.get(base, ZERO) + sign * fill.quantity
        free[quote] = free.get(quote, ZERO) - sign * fill.value
        free[fill.fee_currency] -= fill.fee
        self._touch("balances")
        number = self._number()
        self._fills[number] = fill
        self._touch(f"fill/{number}")
        self._forget()

    def _unaffordable(self, amount: Decimal, currency: str) -> Rejected | None:
        free = self.free.get(currency, ZERO)
        if amount <= free:
            return None
        return Rejected("insufficient_funds", f"{quantity(amount)} {currency} wanted, {quantity(free)} free")

    def _lock(self, currency: str, amount: Decimal) -> None:
        self.free[currency] -= amount
        self.locked[currency] = self.locked.get(currency, ZERO) + amount
        self._touch("balances")

    def _unrest(self, stop: RestingStop) -> None:
        del self._resting[stop.client_id]
        if self._locking:
            self._lock(self._instruments[stop.symbol].base, -stop.quantity)
        self._touch(f"stop/{stop.client_id}")

    def _ack(self, client_id: str) -> Ack:
        filled = sum((fill.quantity for fill in self.fills_of(client_id)), ZERO)
        return Ack(client_id, final=client_id not in self._resting, filled=filled)

    def _number(self) -> int:
        self._counted += 1
        return self._counted

    def _forget(self) -> None:
        """Let go of the oldest answers and trades; a stop that rests is not old."""
        while len(self._fills) > REMEMBERED:
            number = next(iter(self._fills))
            del self._fills[number]
            self._touch(f"fill/{number}")
        while len(self._answers) - len(self._resting) > REMEMBERED:
            client_id = next(each for each in self._answers if each not in self._resting)
            del self._answers[client_id]
            self._touch(f"order/{client_id}")

    def _touch(self, key: str) -> None:
        if self._tracked:
            self._changed[key] = None

    def _text(self, key: str) -> str | None:
        kind, _, name = key.partition("/")
        data: Any
        if kind == "balances":
            data = {"free": self.free, "locked": self.locked}
        elif kind == "order":
            data = self._answers.get(name)
        elif kind == "stop":
            data = self._resting.get(name)
        else:
            data = self._fills.get(int(name))
        if data is None:
            return None
        return json.dumps(money_converter().unstructure(data), separators=(",", ":"))
