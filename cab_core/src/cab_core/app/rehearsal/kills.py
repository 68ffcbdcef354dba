"""When and where the bot is killed: drawn from the seed, delivered at instants that nothing can foresee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

from cab_core.domain.timeframes import HOUR_MS

#: ``instant``: wherever it is. ``sending``: while an order's bytes are leaving, before the exchange has it.
#: ``in_transit``: likewise, but the order arrives a moment after the bot's death. ``accepted``: the exchange
#: has taken an order, the answer has not come. ``recovering``: soon after the start that follows a kill.
Moment: TypeAlias = Literal["instant", "sending", "in_transit", "accepted", "recovering"]

DOWNTIMES_MS: Sequence[int] = (0, 1_000, 5_000, 30_000, 600_000, 2 * HOUR_MS)
_OFTEN = (8, 8, 8, 6, 3, 1)

_MOMENTS: Sequence[Moment] = ("instant", "sending", "in_transit", "accepted", "recovering")
_SHARES = (40, 8, 8, 19, 25)

#: Requests that place an order or a stop, and the fault that holds one of them.
HELD: Mapping[str, Mapping[str, Any]] = {
    "sending": {"stage": "before_accept", "kind": "hang"},
    "in_transit": {"stage": "before_accept", "kind": "late", "seconds": 1},
    "accepted": {"stage": "after_accept", "kind": "hang"},
}


@attrs.frozen
class Kill:
    """One SIGKILL.

    Attributes:
        at_ms: not before this exchange time.
        moment: what the bot shall be doing.
        delay_s: real seconds to wait before.
        down_ms: exchange time until the next start.
    """

    at_ms: int
    moment: Moment
    delay_s: float
    down_ms: int


def kills(count: int, seed: int, start_ms: int, end_ms: int) -> tuple[Kill, ...]:
    """Draw the kills of a rehearsal in order; the first is never one during recovery.

    Args:
        count: how many.
        seed: of the draws.
        start_ms: exchange time from which.
        end_ms: exchange time until which.
    """
    draw = Random(f"kills {seed}")  # noqa: S311 - a schedule that the seed gives again
    times = sorted(draw.randint(start_ms, end_ms) for _ in range(count))
    found: list[Kill] = []
    for number, at_ms in enumerate(times):
        moment = draw.choices(_MOMENTS, _SHARES)[0]
        if number == 0 and moment == "recovering":
            moment = "instant"
        down_ms = draw.choices(DOWNTIMES_MS, _OFTEN)[0]
        if moment == "recovering":
            at_ms = found[-1].at_ms
        found.append(Kill(at_ms, moment, draw.uniform(0.0, 0.6 if moment == "recovering" else 0.2), down_ms))
    return tuple(found)
