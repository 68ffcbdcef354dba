"""The menu of faults: what may happen in a rehearsal, each as steps for the exchange, the relay or a hand.

An episode starts at a time of the exchange and is over some time later. Rules wait for the first request that
they meet, so an order fault hits the next order after its start, whenever that comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

from cab_core.domain.timeframes import HOUR_MS, MINUTE_MS

Level: TypeAlias = Literal["none", "light", "heavy"]
Target: TypeAlias = Literal["rule", "conditions", "pair", "relay", "hand"]

#: New orders and stops.
ORDERS = "/spot/(orders|price_orders)$"


@attrs.frozen
class Act:
    """One thing that is done.

    Attributes:
        target: a fault rule, conditions of the exchange or of a pair, an order to the relay, or a hand.
        what: of it; for a hand the name of what it does. ``pair``: where it concerns one.
    """

    target: Target
    what: Any
    pair: str = ""


@attrs.frozen
class Episode:
    """Something that goes wrong for a while.

    Attributes:
        kind: name under which it is counted.
        at_ms, until_ms: exchange time of start and end.
        begin, end: what is done then.
    """

    kind: str
    at_ms: int
    until_ms: int
    begin: tuple[Act, ...]
    end: tuple[Act, ...] = ()


@attrs.frozen
class Dish:
    """One kind of episode.

    Attributes:
        lasts: longest and shortest time in minutes.
        make: returns what begins and what ends it for a pair.
        heavy: only served when faults are heavy. ``weight``: how often, against the others.
    """

    kind: str
    lasts: tuple[int, int]
    make: Callable[[Random, str], tuple[Sequence[Act], Sequence[Act]]]
    heavy: bool = False
    weight: int = 1

    def serve(self, draw: Random, at_ms: int, pair: str) -> Episode:
        """Return an episode of this kind."""
        begin, end = self.make(draw, pair)
        until_ms = at_ms + draw.randint(*self.lasts) * MINUTE_MS
        return Episode(self.kind, at_ms, until_ms, tuple(begin), tuple(end))


def _rule(stage: str, *kinds: str, path: str = ORDERS, method: str = "POST", **more: Any) -> Any:
    def make(draw: Random, pair: str) -> tuple[Sequence[Act], Sequence[Act]]:
        del pair
        settings = {"times": 1, **more}
        rule = {"stage": stage, "kind": draw.choice(kinds), "path": path, "method": method, **settings}
        return [Act("rule", rule)], []

    return make


def _condition(on: dict[str, Any], off: dict[str, Any]) -> Any:
    return lambda _, __: ([Act("conditions", on)], [Act("conditions", off)])


def _pair(on: dict[str, Any], off: dict[str, Any]) -> Any:
    def make(draw: Random, pair: str) -> tuple[Sequence[Act], Sequence[Act]]:
        del draw
        return [Act("pair", on, pair)], [Act("pair", off, pair)]

    return make


def _hand(name: str) -> Any:
    return lambda _, pair: ([Act("hand", name, pair)], [])


def _relay(action: str, match: str, amount: float = 0.0) -> Any:
    fault = {"action": action, "amount": amount, "match": match}
    return lambda _, __: ([Act("relay", {"do": "next", "faults": [fault]})], [])


def _refused_for_a_while(draw: Random, pair: str) -> tuple[Sequence[Act], Sequence[Act]]:
    del draw, pair
    return [Act("relay", {"do": "refuse"})], [Act("relay", {"do": "open"})]


def _skewed(draw: Random, pair: str) -> tuple[Sequence[Act], Sequence[Act]]:
    del pair
    skew_ms = draw.choice((-90_000, -20_000, 8_000, 90_000))
    return [Act("conditions", {"clock_skew_ms": skew_ms})], [Act("conditions", {"clock_skew_ms": 0})]


_GARBLED = ("html_200", "empty_201", "null", "no_id", "wrong_id", "wrong_text", "accepted_202", "truncated")
_ERRORS = ("page_500", "page_502", "page_503", "internal", "too_busy", "server_error")
_STEPS = {"rules": {"amount_step": "0.00001", "price_tick": "0.01"}}
_FINE = {"rules": {"amount_step": "0.000001", "price_tick": "0.00000001"}}


def _pair_set(**values: tuple[Any, Any]) -> Any:
    """Set conditions of a pair, each to its first value and then back to its second."""
    on, off = ({"conditions": {name: each[i] for name, each in values.items()}} for i in (0, 1))
    return _pair(on, off)


MENU: tuple[Dish, ...] = (
    Dish("answer_lost", (30, 240), _rule("after_accept", "cut"), weight=3),
    Dish("answer_garbled", (30, 240), _rule("after_accept", *_GARBLED), weight=3),
    Dish("error_after_accept", (30, 240), _rule("after_accept", *_ERRORS), weight=2),
    Dish("error_before_accept", (30, 240), _rule("before_accept", *_ERRORS, "cut"), weight=2),
    Dish("order_delivered_late", (30, 240), _rule("before_accept", "late", seconds=3), weight=1),
    Dish("timeout_after_accept", (30, 240), _rule("after_accept", "hang"), heavy=True),
    Dish("too_many_requests", (20, 120), _rule("before_accept", "too_many_requests", times=4), weight=2),
    Dish(
        "listing_fails",
        (10, 60),
        _rule("before_accept", "page_502", path="my_trades|status=finished", method="GET", times=6),
        weight=2,
    ),
    Dish("reset_after_order", (30, 240), _relay("reset_after", "^POST .*orders"), weight=2),
    Dish("reset_before_order", (30, 240), _relay("reset_before", "^POST .*orders")),
    Dish("reset_any", (5, 30), _relay("reset_after", "^GET "), weight=1),
    Dish("cut_answer", (30, 240), _relay("cut", "^POST .*orders", 40)),
    Dish("connection_refused", (1, 20), _refused_for_a_while, weight=2),
    Dish("outage_of_an_hour", (60, 60), _refused_for_a_while, heavy=True),
    Dish("clock_skew", (5, 40), _skewed),
    Dish("maintenance", (20, 120), _condition({"maintenance": True}, {"maintenance": False}), heavy=True),
    Dish(
        "balance_visible_late",
        (60, 240),
        _condition({"balance_delay_ms": 60_000}, {"balance_delay_ms": 0}),
    ),
    Dish("trades_visible_late", (60, 300), _pair_set(trade_delay_ms=(90_000, 0)), weight=2),
    Dish("orders_visible_late", (60, 300), _pair_set(order_delay_ms=(60_000, 0)), weight=2),
    Dish("trades_twice", (120, 360), _pair_set(doubled_trades=(True, False))),
    Dish("trades_unordered", (120, 360), _pair_set(unordered_trades=(True, False))),
    Dish(
        "partial_fills",
        (60, 300),
        _pair_set(fill_part=("0.4", None), finish_as=("depth_not_enough", "")),
        weight=2,
    ),
    Dish("stale_prices", (10, 40), _pair_set(stale_ms=(600_000, 0)), heavy=True),
    Dish("coarser_precision", (180, 480), _pair(_STEPS, _FINE), heavy=True),
    Dish("sell_only", (30, 120), _pair_set(trade_status=("sellable", "tradable"))),
    Dish("stop_cancelled_by_hand", (1, 1), _hand("cancel_stop"), weight=2),
    Dish("deposit", (1, 1), _hand("deposit")),
    Dish("foreign_order", (1, 1), _hand("foreign_order")),
    Dish("sold_by_hand", (1, 1), _hand("sell"), heavy=True),
    Dish("key_refused", (3, 20), _condition({"read_only": True}, {"read_only": False}), heavy=True),
)  # fmt: skip

#: What takes every fault of the menu back.
RELIEF = (
    Act("relay", {"do": "clear"}),
    Act("relay", {"do": "open"}),
    Act("conditions", {"clock_skew_ms": 0, "maintenance": False, "balance_delay_ms": 0, "read_only": False}),
)
PAIR_RELIEF: dict[str, Any] = {
    **_FINE,
    "conditions": {
        "trade_status": "tradable",
        "order_delay_ms": 0,
        "trade_delay_ms": 0,
        "doubled_trades": False,
        "unordered_trades": False,
        "fill_part": None,
        "finish_as": "",
        "stale_ms": 0,
    },
}

_PER_DAY = {"none": 0, "light": 10, "heavy": 30}


def episodes(
    level: Level, seed: int, start_ms: int, end_ms: int, pairs: Sequence[str]
) -> tuple[Episode, ...]:
    """Draw the faults of a rehearsal, ordered by their start; none lasts beyond the end.

    Args:
        level: how many and which.
        seed: of the draws.
        start_ms: exchange time from which.
        end_ms: exchange time until which.
        pairs: as the exchange writes them.
    """
    draw = Random(f"faults {seed} {level}")  # noqa: S311 - a schedule that the seed gives again
    dishes = [dish for dish in MENU if level == "heavy" or not dish.heavy]
    count = round(_PER_DAY[level] * (end_ms - start_ms) / (24 * HOUR_MS)) if level != "none" else 0
    times = sorted(draw.randint(start_ms, end_ms) for _ in range(count))
    plenty = [dish for dish in dishes for _ in range(dish.weight)]
    order: list[Dish] = []
    while len(order) < count:
        order += draw.sample(plenty, len(plenty))
    found = [dish.serve(draw, at_ms, draw.choice(pairs)) for at_ms, dish in zip(times, order, strict=False)]
    return tuple(attrs.evolve(each, until_ms=min(each.until_ms, end_ms)) for each in found)
