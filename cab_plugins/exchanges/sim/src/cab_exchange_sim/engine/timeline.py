"""What the market's path does to waiting orders between two instants, in exact order."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs

from cab_core.domain.market import Quote
from cab_core.domain.orders import Side
from cab_exchange_sim.engine.core import Core
from cab_exchange_sim.engine.execution import Execution
from cab_exchange_sim.engine.path import Instant
from cab_exchange_sim.engine.stops import Stops
from cab_exchange_sim.engine.values import Order, Refused, Stop


@attrs.frozen(slots=True)
class _Countdown:
    """An armed countdown: orders of the account (and pair) are cancelled when it has run down."""

    account: str
    pair: str | None


@attrs.frozen(slots=True)
class _Event:
    """Something that happens at ``at``; at equal times the lower ``rank`` and the older id go first."""

    at: Instant
    rank: int
    number: int
    what: Order | Stop | _Countdown
    quote: Quote | None = None

    @property
    def key(self) -> tuple[Instant, int, int]:
        return (self.at, self.rank, self.number)


class Timeline:
    """Plays the market. However the way to an instant is cut into steps, the same happens."""

    def __init__(self, core: Core, execution: Execution, stops: Stops) -> None:
        self._core = core
        self._execution = execution
        self._stops = stops
        self._countdowns: dict[_Countdown, int] = {}
        self._cursor: Instant = core.now_ms

    def countdown(self, account: str, pair: str | None, at_ms: int | None) -> None:
        """Arm the countdown of an account or one pair of it; None disarms."""
        self._countdowns.pop(_Countdown(account, pair), None)
        if at_ms is not None:
            self._countdowns[_Countdown(account, pair)] = at_ms

    def play(self, to_ms: int) -> None:
        """Let everything happen that happens until ``to_ms``."""
        core = self._core
        while (event := min(self._events(to_ms), key=lambda event: event.key, default=None)) is not None:
            self._cursor = event.at
            core.now_ms = max(core.now_ms, math.ceil(event.at))
            self._happen(event)
        self._cursor = to_ms
        core.now_ms = to_ms

    def _events(self, to_ms: int) -> Iterator[_Event]:
        """Yield for everything that waits what may happen to it first."""
        for number, (countdown, at_ms) in enumerate(self._countdowns.items()):
            if at_ms <= to_ms:
                yield _Event(at_ms, 0, number, countdown)
        for stop in self._stops.open():
            yield from self._stop_events(stop, to_ms)
        for order in self._execution.orders.open():
            yield from self._order_events(order, to_ms)

    def _stop_events(self, stop: Stop, to_ms: int) -> Iterator[_Event]:
        number = int(stop.stop_id)
        if stop.expires_ms <= to_ms:
            yield _Event(stop.expires_ms, 1, number, stop)
        market = self._core.market(stop.pair)
        if market.conditions.frozen:
            return
        request = stop.request
        touch = market.reach_trigger(request.rule, request.trigger, self._cursor, to_ms)
        if touch is not None:
            quote = market.quote_at_trigger(touch, math.ceil(touch.at))
            yield _Event(touch.at, 2, number, stop, quote)

    def _order_events(self, order: Order, to_ms: int) -> Iterator[_Event]:
        market = self._core.market(order.pair)
        conditions = market.conditions
        if conditions.frozen or conditions.book is not None or order.price is None:
            return
        try:
            market.check_open(order.side, self._core.now_ms)
        except Refused:
            return
        since = max(self._cursor, self._execution.resting_until(order.order_id))
        touch = market.reach_limit(order.side, order.price, since, to_ms)
        if touch is not None:
            at_ms = math.ceil(touch.at)
            buys = order.side is Side.BUY
            quote = Quote(None if buys else touch.price, touch.price if buys else None, at_ms)
            yield _Event(touch.at, 3, int(order.order_id), order, quote)

    def _happen(self, event: _Event) -> None:
        what = event.what
        if isinstance(what, _Countdown):
            del self._countdowns[what]
            for order in self._execution.orders.open(what.account, what.pair):
                self._execution.end(order, "cancelled")
        elif isinstance(what, Order):
            if event.quote is not None:
                self._execution.rematch(what, event.quote)
        elif event.quote is not None:
            self._stops.fire(what, event.quote)
        else:
            self._stops.expire(what)
