"""Plans the attempts of orders: the first, and those that follow a refusal or a part that was filled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import attrs

from cab_core.clock import Clock, TurnLock
from cab_core.cycle import context as contexts
from cab_core.cycle.fills import EXIT_ATTEMPTS
from cab_core.cycle.market import RecordedMarket
from cab_core.cycle.records import Executed
from cab_core.cycle.refusals import Refusals
from cab_core.cycle.settlement import Settlement, plain, rest_of
from cab_core.cycle.standing import Standing
from cab_core.cycle.trader import Planned
from cab_core.domain.figures import quantity
from cab_core.domain.orders import RETRIED, TERMINAL, Intent, OrderState, Purpose, Side
from cab_core.ports import Changes, Committed, Storage

#: Pauses before a transiently refused order is sent again, seconds, each varied by up to 20 %: three sends.
RETRY_PAUSES_S = (1, 2)

#: An exit that is not done after all its sends is told of, and what a signal asked for tried again, so often.
AGAIN_MS = 60_000

#: What is decided once: nothing asks for these exits again, so they are kept until they are made.
KEPT = frozenset({Purpose.SIGNAL_SELL, Purpose.MANUAL})


def following(planned: Planned, quantity: Decimal | None = None) -> Planned:
    """Return the attempt after this one, of the same quantity if none is given."""
    intent = plain(planned.intent)
    again = attrs.evolve(intent, attempt=intent.attempt + 1, quantity=quantity or intent.quantity)
    return attrs.evolve(planned, intent=again)


@attrs.frozen(eq=False)
class Attempts:
    """Writes down what is to be sent, and when.

    Attributes:
        jitter: returns a number between -1 and 1 that varies pauses.
        lock: of the account; given away while a refused order waits, if its caller holds it.
        recorded: the recorded market that orders fill at, None where prices are observed.
    """

    storage: Storage
    clock: Clock
    settlement: Settlement
    refusals: Refusals
    lock: TurnLock
    jitter: Callable[[], float]
    recorded: RecordedMarket | None

    async def plan(self, planned: Sequence[Planned], **changes: Any) -> Committed:
        """Write intents durably, with further `Changes`; or nothing, and say why: one is a duplicate."""
        now_ms = self.clock.now_ms()
        planned = [self._made_at(each, now_ms) for each in planned]
        intents = tuple((p.intent, contexts.to_json(p.context)) for p in planned)
        trace_id = planned[0].intent.trace_id
        written = await self.storage.commit(
            Changes(ts_ms=now_ms, trace_id=trace_id, planned=intents, **changes)
        )
        if written:
            for each in planned:
                self.settlement.standings.add(Standing(each, OrderState.PLANNED, now_ms))
        return written

    async def again(self, wanted: Sequence[Planned]) -> list[Planned]:
        """Return what may be tried once more, as the next attempt, and what was not tried yet."""
        ready = []
        for each in wanted:
            last = await self.storage.last_attempt(each.intent.key)
            if last is None:
                ready.append(each)
                continue
            attempt, state = last
            if state in TERMINAL and self.refusals.pauses.over(each.intent.key, self.clock.now_ms()):
                ready.append(attrs.evolve(each, intent=attrs.evolve(each.intent, attempt=attempt + 1)))
        return ready

    async def renewed(self, wanted: Planned) -> Planned | None:
        """Return the attempt of an exit that is asked for again; None while the last one has not ended."""
        last = await self.storage.last_attempt(wanted.intent.key)
        if last is None:
            return wanted
        attempt, state = last
        again = attrs.evolve(wanted, intent=attrs.evolve(wanted.intent, attempt=attempt + 1))
        return again if state in TERMINAL else None

    async def after(self, planned: Planned, done: Executed, parts: int, refusals: int) -> Planned | None:
        """Plan the attempt that follows: the rest of a partial exit, or a refused order once more.

        Returns:
            What is to be sent now; None if nothing is, or not yet.
        """
        intent = planned.intent
        if left := rest_of(intent, done.fills):
            held = intent.symbol in self.settlement.trader.book.positions
            if not held or self.settlement.standings.find(intent.client_id) is not None:
                return None  # what is left is dust, or not known yet
            if parts < EXIT_ATTEMPTS:
                return await self.later(following(planned, left))
            self._tell(intent, f"{quantity(left)} of it is not sold after {parts} orders that filled in part")
            if intent.purpose in KEPT:
                await self.later(following(planned, left), AGAIN_MS)
            return None
        if done.refused is None:
            return None
        if done.refused in RETRIED and done.transient and refusals <= len(RETRY_PAUSES_S):
            pause_s = RETRY_PAUSES_S[refusals - 1] * (1 + 0.2 * self.jitter())
            return await self._pause(following(planned), round(1000 * pause_s))
        # What was too small is dust, or told of.
        held = intent.symbol in self.settlement.trader.book.positions
        if intent.side is Side.SELL and held:
            if done.refused != "below_min_notional":
                self._tell(intent, f"it is refused ({done.why}); it is tried again")
            if intent.purpose in KEPT:
                await self.later(following(planned))
        return None

    async def later(self, again: Planned, pause_ms: int = 0) -> Planned | None:
        """Plan an attempt, to be made after a pause: what was decided once is on disk until it is made."""
        again = self._made_at(again, self.clock.now_ms() + pause_ms)
        if not await self.plan([again]):
            return None
        standing = self.settlement.standings.find(again.intent.client_id)
        if standing is not None:
            standing.due_ms = self.clock.now_ms() + pause_ms
        return again

    def closed(self, symbol: str, at_ms: int) -> bool:
        """Say whether a recorded market has no candle at a time: nothing fills then."""
        return self.recorded is not None and self.recorded.closed(symbol, at_ms)

    async def _pause(self, again: Planned, pause_ms: int) -> Planned | None:
        """Plan an attempt and wait until it may be made; the account is free for others meanwhile."""
        planned = await self.later(again, pause_ms)
        async with self.lock.given_away():
            await self.clock.sleep_until(self.clock.now_ms() + pause_ms)
        return planned

    def _made_at(self, planned: Planned, at_ms: int) -> Planned:
        """Return an order as it is made at a time: in a hole of a recorded market an exit has to wait."""
        intent = planned.intent
        waits = intent.side is Side.SELL and self.closed(intent.symbol, at_ms)
        return planned.through_hole() if waits else planned

    def _tell(self, intent: Intent, text: str) -> None:
        """Tell a person of an exit that is not made, once a minute and symbol."""
        if self.refusals.untold(intent.symbol, self.clock.now_ms()):
            self.settlement.events.stuck(intent, text)
