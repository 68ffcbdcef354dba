"""What a seed prescribes: how often each fault strikes, when whole dependencies fail, what others do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal, TypeAlias

import attrs
from tests.sim.draws import stream

from cab_core.domain.timeframes import DAY_MS, HOUR_MS, MINUTE_MS

#: What may become of one request that places an order.
SEND_FAULTS = (
    "refused",
    "dns",
    "lost_request",
    "late_delivery",
    "lost_response",
    "timeout_after_accept",
    "5xx_before",
    "5xx_after",
    "429",
    "html_200",
    "no_id_before",
    "truncated",
)

#: What may become of any other request.
READ_FAULTS = ("read_failed", "read_timeout")

#: Whole dependencies that fail for a while, with the shortest and the longest time in minutes.
WINDOWS: Mapping[str, tuple[int, int]] = {
    "outage": (1, 45),
    "listings_down": (1, 30),
    "maintenance": (5, 180),
    "late_listings": (10, 240),
    "doubled_trades": (30, 400),
    "unordered_trades": (30, 400),
    "partial_fills": (30, 400),
    "nothing_fills": (5, 60),
    "stop_fails": (30, 300),
    "stop_fills_in_part": (30, 300),
    "stale_quote": (2, 30),
    "skew": (10, 300),
    "precision": (60, 400),
    "late_candles": (10, 120),
    "missing_candle": (15, 60),
    "doubled_candle": (15, 60),
    "unfinished_as_closed": (15, 240),
    "untradable": (10, 90),
    "buys_closed": (10, 200),
}

#: What people and other programs do to the account.
HANDS = ("cancel_stop", "sell_by_hand", "deposit", "foreign_order", "phantom_order", "quote_drift")

#: How long the bot stays down after a kill, seconds, with weights.
DOWNTIMES_S = (0, 1, 5, 30, 600, 3 * 3600, 10 * 86_400)
_DOWNTIME_WEIGHTS = (30, 15, 15, 20, 12, 4, 0.4)

Intensity: TypeAlias = Literal[0, 1, 3, 10]


@attrs.frozen(slots=True)
class Window:
    """A dependency that fails from ``from_ms`` until ``to_ms``, on the exchange's true clock."""

    kind: str
    symbol: str
    from_ms: int
    to_ms: int
    number: int


@attrs.frozen(slots=True)
class Hand:
    """Something somebody else does at ``at_ms``; ``size`` in (0, 1) says how much."""

    kind: str
    symbol: str
    at_ms: int
    size: float


@attrs.frozen(kw_only=True)
class Plan:
    """Everything that goes wrong in the run of one seed.

    Attributes:
        sends: probability of each fault of one send. ``reads``: the same of any other request.
        windows, hands: in the order of their times.
        kill_scale: factor on the chance of being killed at a checkpoint.
    """

    seed: int
    symbols: tuple[str, ...]
    sends: Mapping[str, float] = attrs.field(factory=dict)
    reads: Mapping[str, float] = attrs.field(factory=dict)
    windows: Sequence[Window] = ()
    hands: Sequence[Hand] = ()
    kill_scale: float = 0.0

    def told(self) -> dict[str, Any]:
        """Return the schedule as plain data, for the report of a violation."""
        return {
            "sends": {kind: round(p, 3) for kind, p in self.sends.items() if p},
            "reads": {kind: round(p, 4) for kind, p in self.reads.items() if p},
            "windows": [f"{w.kind} {w.symbol} {w.from_ms}..{w.to_ms}" for w in self.windows],
            "hands": [f"{h.kind} {h.symbol} {h.at_ms}" for h in self.hands],
            "kill_scale": self.kill_scale,
        }


def quiet(seed: int, symbols: tuple[str, ...]) -> Plan:
    """Return a plan in which nothing goes wrong."""
    return Plan(seed=seed, symbols=symbols)


def drawn(seed: int, symbols: tuple[str, ...], start_ms: int, days: int) -> Plan:
    """Draw the plan of a seed: the intensity of each fault first, 0 included, then when it strikes."""
    draw = stream("plan", seed)
    sends = {kind: 0.02 * _intensity(draw) for kind in SEND_FAULTS}
    total = sum(sends.values())
    scale = 0.6 / total if total > 0.6 else 1.0
    windows = [w for kind in WINDOWS for w in _windows(draw, kind, symbols, start_ms, days)]
    hands = [h for kind in HANDS for h in _hands(draw, kind, symbols, start_ms, days)]
    return Plan(
        seed=seed,
        symbols=symbols,
        sends={kind: p * scale for kind, p in sends.items()},
        reads={kind: 0.004 * _intensity(draw) for kind in READ_FAULTS},
        windows=sorted(windows, key=lambda w: (w.from_ms, w.number)),
        hands=sorted(hands, key=lambda h: (h.at_ms, h.kind)),
        kill_scale=draw.choice((0.0, 0.5, 1.0, 1.0, 2.0)),
    )


def downtime_s(draw: Random) -> int:
    """Draw how long the bot stays down."""
    return draw.choices(DOWNTIMES_S, _DOWNTIME_WEIGHTS)[0]


def _intensity(draw: Random) -> Intensity:
    levels: tuple[Intensity, ...] = (0, 0, 0, 1, 3, 10)
    return draw.choice(levels)


def _windows(draw: Random, kind: str, symbols: Sequence[str], start_ms: int, days: int) -> list[Window]:
    shortest, longest = WINDOWS[kind]
    found = []
    for number in range(days * draw.choice((0, 0, 1, 2))):
        from_ms = start_ms + draw.randrange(days * DAY_MS)
        length_ms = draw.randint(shortest, longest) * MINUTE_MS
        found.append(Window(kind, draw.choice(symbols), from_ms, from_ms + length_ms, number))
    return found


def _hands(draw: Random, kind: str, symbols: Sequence[str], start_ms: int, days: int) -> list[Hand]:
    number = days * draw.choice((0, 0, 0, 1, 2))
    return [
        Hand(kind, draw.choice(symbols), start_ms + draw.randrange(HOUR_MS, days * DAY_MS), draw.random())
        for _ in range(number)
    ]
