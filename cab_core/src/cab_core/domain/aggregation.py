"""From many strategies' decisions to one: first, vote or weighted (spec 5)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import BoolArray, FloatArray
from cab_core.domain.signals import ActionArray

#: Differences of weighted sums up to this count as a tie.
TIE = 1e-12


class Mode(StrEnum):
    """``first`` qualifying strategy in order, majority ``vote``, or ``weighted`` sum of confidences."""

    FIRST = "first"
    VOTE = "vote"
    WEIGHTED = "weighted"


def _weights_match(settings: AggregationSettings, _: object, weights: tuple[float, ...]) -> None:
    if len(weights) != len(settings.names):
        raise ValueError(f"{len(weights)} weights for {len(settings.names)} strategies")
    for name, weight in zip(settings.names, weights, strict=True):
        if not 0 <= weight < np.inf:
            raise ValueError(f"weight of {name} is {weight}, must be >= 0 and finite")


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _weights(weights: Iterable[float]) -> tuple[float, ...]:
    return tuple(weights)


def _equal_weights(settings: AggregationSettings) -> tuple[float, ...]:
    return (1.0,) * len(settings.names)


@attrs.frozen(slots=True)
class AggregationSettings:
    """How the set of strategies becomes one decision.

    Attributes:
        names: the strategies in set order; row ``s`` of every matrix belongs to ``names[s]``.
        min_confidence: least fused confidence of a qualifying decision, inclusive.
        weights: one per name, >= 0; 0 takes the vote away in every mode. Default 1.0 each.

    Raises:
        ValueError: a value is out of range, or there are not as many weights as names.
    """

    names: tuple[str, ...] = attrs.field(converter=_names)
    mode: Mode = attrs.field(default=Mode.FIRST, converter=Mode)
    min_confidence: float = attrs.field(
        default=0.0, validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0)]
    )
    weights: tuple[float, ...] = attrs.field(
        default=attrs.Factory(_equal_weights, takes_self=True), converter=_weights, validator=_weights_match
    )


class Outcome(IntEnum):
    """What kind of reason an aggregate has; the low byte of the reason code."""

    ALL_HOLD = 0
    NO_VOTES = 1
    VOTE_TIE = 2
    WEIGHTED_TIE = 3
    WEIGHTED = 4
    FIRST = 5
    VOTE = 6


@attrs.frozen(eq=False, slots=True)
class Aggregate:
    """One decision per bar, as aligned columns of length N.

    Attributes:
        action: int8, -1 sell, 0 hold, +1 buy.
        confidence: float64, 0.0 where the action is hold.
        code: int32: an `Outcome` in the low byte, above it the strategy's index (first) or the number of
            sells and, 12 bits further up, of buys (vote).
        names: the strategies in set order.
    """

    action: ActionArray
    confidence: FloatArray
    code: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.action)

    def reason(self, k: int) -> str:
        """Return the reason of bar ``k``, e.g. ``first:ema_atr``, ``vote:5-2`` or ``all_hold``."""
        code = int(self.code[k])
        outcome, detail = Outcome(code & 0xFF), code >> 8
        if outcome is Outcome.FIRST:
            return f"first:{self.names[detail]}"
        if outcome is Outcome.VOTE:
            return f"vote:{detail >> 12}-{detail & 0xFFF}"
        return outcome.name.lower()


def aggregate(action: ActionArray, confidence: FloatArray, settings: AggregationSettings) -> Aggregate:
    """Turn the decisions of S strategies at N bars into one decision per bar.

    Sums run over the strategies in set order, so one bar and a block of bars agree bit for bit.

    Args:
        action: int8, shape [S, N], after the buy filters.
        confidence: float64, shape [S, N], fused.
        settings: set, mode, minimum and weights.

    Raises:
        ValueError: the matrices do not have one row per name.
    """
    if action.shape != confidence.shape or action.shape[0] != len(settings.names):
        raise ValueError(
            f"{len(settings.names)} strategies, but shapes {action.shape} and {confidence.shape}"
        )
    by_mode = {Mode.FIRST: _first, Mode.VOTE: _vote, Mode.WEIGHTED: _weighted}
    return by_mode[settings.mode](action, confidence, settings)


def qualified(confidence: FloatArray, settings: AggregationSettings) -> BoolArray:
    """Return, shape [S, N], where a strategy is sure enough and has a vote at all."""
    sure: BoolArray = confidence >= settings.min_confidence
    for s, weight in enumerate(settings.weights):
        if weight == 0:
            sure[s] = False
    return sure


def _qualifying(
    action: ActionArray, confidence: FloatArray, settings: AggregationSettings
) -> list[tuple[int, float, BoolArray, BoolArray]]:
    """Return (row, weight, buys, sells) of every strategy that has a vote."""
    rows = []
    for s, weight in enumerate(settings.weights):
        if weight > 0:
            sure = confidence[s] >= settings.min_confidence
            rows.append((s, weight, sure & (action[s] > 0), sure & (action[s] < 0)))
    return rows


def _first(action: ActionArray, confidence: FloatArray, settings: AggregationSettings) -> Aggregate:
    n = action.shape[1]
    chosen, sureness = np.zeros(n, np.int8), np.zeros(n)
    code = np.full(n, Outcome.ALL_HOLD, np.int32)
    for s, _, buys, sells in reversed(_qualifying(action, confidence, settings)):
        mask = buys | sells
        np.copyto(chosen, action[s], where=mask)
        np.copyto(sureness, confidence[s], where=mask)
        np.copyto(code, np.int32(Outcome.FIRST | s << 8), where=mask)
    return Aggregate(chosen, sureness, code, settings.names)


def _vote(action: ActionArray, confidence: FloatArray, settings: AggregationSettings) -> Aggregate:
    n = action.shape[1]
    cast = action * qualified(confidence, settings)
    buys = (cast > 0).sum(axis=0, dtype=np.int32)
    sells = (cast < 0).sum(axis=0, dtype=np.int32)
    votes = buys + sells
    chosen = np.sign(buys - sells).astype(np.int8)
    winning = _sum_in_order(confidence * (cast == chosen))
    sureness = np.zeros(n)
    np.divide(winning, votes, out=sureness, where=chosen != 0)
    code = Outcome.VOTE.value | (sells | buys << 12) << 8
    code[chosen == 0] = Outcome.VOTE_TIE.value
    code[votes == 0] = Outcome.NO_VOTES.value
    return Aggregate(chosen, sureness, code, settings.names)


def _sum_in_order(rows: FloatArray) -> FloatArray:
    """Sum the rows one after the other; `numpy.sum` adds a single column in another order than many."""
    total: FloatArray = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total


def _weighted(action: ActionArray, confidence: FloatArray, settings: AggregationSettings) -> Aggregate:
    n = action.shape[1]
    buy_sum, sell_sum, total = np.zeros(n), np.zeros(n), np.zeros(n)
    for s, weight, buys, sells in _qualifying(action, confidence, settings):
        force = weight * confidence[s]
        np.add(buy_sum, force, out=buy_sum, where=buys)
        np.add(sell_sum, force, out=sell_sum, where=sells)
        total += weight * (buys | sells)
    lead = buy_sum - sell_sum
    decided = np.abs(lead) > TIE
    chosen = np.where(decided, np.sign(lead), 0).astype(np.int8)
    sureness = np.zeros(n)
    np.divide(np.abs(lead), total, out=sureness, where=decided)
    code = np.where(
        decided, Outcome.WEIGHTED, np.where(total > 0, Outcome.WEIGHTED_TIE, Outcome.NO_VOTES)
    ).astype(np.int32)
    return Aggregate(chosen, sureness, code, settings.names)
