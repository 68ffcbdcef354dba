"""Which attempt of an order follows the one before."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from cab_core.clock import Clock
from cab_core.cycle.pauses import Pauses
from cab_core.cycle.settlement import plain
from cab_core.cycle.trader import Planned
from cab_core.domain.orders import TERMINAL
from cab_core.ports import Storage


def following(planned: Planned, quantity: Decimal | None = None) -> Planned:
    """Return the attempt after this one, of the same quantity if none is given."""
    intent = plain(planned.intent)
    again = attrs.evolve(intent, attempt=intent.attempt + 1, quantity=quantity or intent.quantity)
    return attrs.evolve(planned, intent=again)


@attrs.frozen(eq=False)
class Attempts:
    """Finds the attempts of orders that were tried before, and whose turn has come."""

    storage: Storage
    pauses: Pauses
    clock: Clock

    async def again(self, wanted: Sequence[Planned]) -> list[Planned]:
        """Return what may be tried once more, as the next attempt, and what was not tried yet."""
        ready = []
        for each in wanted:
            last = await self.storage.last_attempt(each.intent.key)
            if last is None:
                ready.append(each)
                continue
            attempt, state = last
            if state in TERMINAL and self.pauses.over(each.intent.key, self.clock.now_ms()):
                ready.append(attrs.evolve(each, intent=attrs.evolve(each.intent, attempt=attempt + 1)))
        return ready
