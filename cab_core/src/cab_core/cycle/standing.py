"""Orders that have not ended, and when each is looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import attrs

from cab_core.cycle import context as contexts
from cab_core.cycle.trader import Planned
from cab_core.domain.money import ZERO
from cab_core.domain.orders import Ack, Intent, OrderState, OrderType, Purpose
from cab_core.ports import OpenIntent

#: Pauses between looks at an order that is unknown or not settled, milliseconds; the last one repeats.
LOOK_PAUSES_MS = (500, 1_000, 2_000, 4_000, 8_000)

#: An unknown outcome older than this calls for a person.
STUCK_MS = 10 * 60_000

_UNKNOWN = frozenset({OrderState.SENT, OrderState.UNKNOWN})


@attrs.define(eq=False)
class Standing:
    """One attempt of an intent that has not ended.

    Attributes:
        planned: the intent with ``sent_ms`` and ``order_id`` as far as they are known, and its context.
        ack: how the venue last said it stands.
        recorded_id: the venue's id as the journal has it.
        due_ms: when it is looked at next. ``looks``: how often it was.
        since_ms: when it came into its state.
        reported: a person was told that it is stuck in its state.
        filled: base that its own trades add up to, what had to be estimated included.
        final_ms: when the venue first called it final.
        proof: when the account was looked at for it, and the base that was missing then.
        odd: own trades of it that cannot be booked, by id.
        lost_ms: since when the venue, which had taken it, knows it no more.
    """

    planned: Planned
    state: OrderState
    since_ms: int
    ack: Ack | None = None
    recorded_id: str | None = None
    due_ms: int = 0
    looks: int = 0
    reported: bool = False
    filled: Decimal = ZERO
    final_ms: int | None = None
    proof: tuple[int, Decimal] | None = None
    odd: set[str] = attrs.field(factory=set)
    lost_ms: int | None = None

    @classmethod
    def left_open(cls, found: OpenIntent, now_ms: int) -> Standing:
        """Return the order as a former run left it.

        What is unknown, and what the trades of a market order lack, has been so since it was sent: restarts
        do not begin the wait anew.
        """
        planned, sent_ms = Planned(found.intent, contexts.from_json(found.context)), found.intent.sent_ms
        since_ms = sent_ms if found.state in _UNKNOWN and sent_ms is not None else now_ms
        final_ms = None if found.intent.type is OrderType.STOP_LIMIT else sent_ms
        return cls(planned, found.state, since_ms, recorded_id=found.intent.order_id, final_ms=final_ms)

    @property
    def intent(self) -> Intent:
        """The attempt."""
        return self.planned.intent

    @property
    def is_stop(self) -> bool:
        """Whether it rests at the venue on purpose."""
        return self.intent.type is OrderType.STOP_LIMIT

    @property
    def unknown(self) -> bool:
        """Whether the venue may or may not have it."""
        return self.state in _UNKNOWN

    def take(self, ack: Ack, now_ms: int) -> None:
        """Take note of how the venue says it stands, and of its id."""
        self.planned = attrs.evolve(self.planned, intent=attrs.evolve(self.intent, order_id=ack.order_id))
        self.ack = ack
        if ack.final and self.final_ms is None:
            self.final_ms = now_ms

    def enter(self, state: OrderState, now_ms: int) -> None:
        """Come into another state; it is due at once."""
        if state is not self.state:
            self.state, self.since_ms, self.looks, self.due_ms = state, now_ms, 0, now_ms
            self.reported = False

    def looked(self, now_ms: int, resting_ms: int) -> None:
        """Set when to look again: soon while something is open, every ``resting_ms`` at a quiet stop."""
        fired = self.ack is not None and self.ack.fired_ms is not None
        if self.is_stop and self.state is OrderState.ACKED and not fired:
            pause_ms = resting_ms
        else:
            pause_ms = LOOK_PAUSES_MS[min(self.looks, len(LOOK_PAUSES_MS) - 1)]
        self.looks += 1
        self.due_ms = now_ms + pause_ms


@attrs.define(eq=False)
class Standings:
    """All orders of the account that have not ended, by client id.

    Attributes:
        lifted: symbols whose resting stop the bot canceled itself since it was placed last.
    """

    lifted: set[str] = attrs.field(factory=set, init=False)
    _by_id: dict[str, Standing] = attrs.field(factory=dict, init=False)

    def add(self, standing: Standing) -> Standing:
        """Take one in, or return the one of this client id that is there."""
        return self._by_id.setdefault(standing.intent.client_id, standing)

    def find(self, client_id: str) -> Standing | None:
        """Return the order with this client id."""
        return self._by_id.get(client_id)

    def end(self, standing: Standing) -> None:
        """Forget an order that has ended."""
        self._by_id.pop(standing.intent.client_id, None)

    def of(self, symbol: str) -> list[Standing]:
        """Return the symbol's orders, oldest first."""
        return [standing for standing in self._by_id.values() if standing.intent.symbol == symbol]

    def each(self, symbol: str | None = None) -> Iterator[Standing]:
        """Yield the orders of a symbol, or all, that are there now; none that ends in the course of it."""
        for standing in [*self._by_id.values()] if symbol is None else self.of(symbol):
            if self._by_id.get(standing.intent.client_id) is standing:
                yield standing

    def __iter__(self) -> Iterator[Standing]:
        return iter([*self._by_id.values()])

    def stop(self, symbol: str) -> Standing | None:
        """Return the symbol's resting stop, sent and not ended."""
        stops = [s for s in self.of(symbol) if s.is_stop and s.state is not OrderState.PLANNED]
        return stops[-1] if stops else None

    def unknown(self, symbol: str) -> bool:
        """Say whether the outcome of an order of the symbol is unknown."""
        return any(standing.unknown for standing in self.of(symbol))

    def selling(self, symbol: str) -> bool:
        """Say whether a market sell of the symbol has not ended: nothing else may be sold meanwhile."""
        return any(
            not s.is_stop and s.intent.quantity is not None and s.state is not OrderState.PLANNED
            for s in self.of(symbol)
        )

    def leaving(self, symbol: str) -> bool:
        """Say whether a signal's exit of the symbol has not ended: what it has left is sold by itself."""
        return any(s.intent.purpose is Purpose.SIGNAL_SELL for s in self.of(symbol))

    def in_flight(self, symbol: str, now_ms: int, within_ms: int) -> bool:
        """Say whether a younger order than ``within_ms`` is on its way or being settled."""
        return any(
            now_ms - s.since_ms < within_ms
            for s in self.of(symbol)
            if s.unknown or (s.state is OrderState.ACKED and not s.is_stop)
        )
