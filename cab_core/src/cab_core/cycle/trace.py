"""The trace of one cycle as data: which strategy said what, which gate stopped it, why this size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from cab_core.cycle.evaluate import Votes
from cab_core.cycle.trader import Ruling
from cab_core.domain.regime import RegimeState
from cab_core.domain.risk import Judgment, RuleFailed
from cab_core.domain.signals import Action
from cab_core.domain.trend import Trend, TrendRows
from cab_core.plugins.strategies import Spoiled


@attrs.frozen(slots=True, kw_only=True)
class TraceHead:
    """What a trace begins with."""

    trace_id: str
    symbol: str
    candle_ts_ms: int
    candle: Mapping[str, float]
    versions: Sequence[tuple[str, str]]


def trace_of(
    head: TraceHead,
    votes: Votes | None,
    k: int,
    trend: TrendRows,
    trend_k: int,
    volume_ratio: float,
    ruling: Ruling | None,
    final: tuple[str, str],
    order: str | None,
) -> dict[str, Any]:
    """Build the trace, JSON-safe.

    Args:
        head: ids, candle, and (name, version) of each strategy in set order.
        votes: stages 3 to 6, None with strategies disabled; row ``k`` is the decision bar's.
        k: the row in ``votes``.
        trend: the trend; row ``trend_k``.
        trend_k: the row in ``trend``.
        volume_ratio: relative volume, NaN if unknown.
        ruling: regime, risk, size and slippage, None if no buy came that far.
        final: final action and reason.
        order: client order id, None without an order.
    """
    action, reason = final
    return {
        "trace_id": head.trace_id,
        "symbol": head.symbol,
        "candle_ts_ms": head.candle_ts_ms,
        "close": head.candle["close"],
        "candle": dict(head.candle),
        "trend": {
            "state": Trend(int(trend.state[trend_k])).label,
            "score": float(trend.score[trend_k]),
            "coverage": float(trend.coverage[trend_k]),
            "timeframes": trend.explain(trend_k),
        },
        "volume_ratio": None if np.isnan(volume_ratio) else volume_ratio,
        "strategies": [] if votes is None else _strategies(head, votes, k),
        "ai_probability": None,
        "aggregate": None if votes is None else _aggregate(votes, k),
        "regime": None if ruling is None or ruling.regime is None else _regime(ruling.regime),
        "risk": [] if ruling is None else _risk(ruling),
        "size": None if ruling is None else _size(ruling),
        "action": action,
        "reason": reason,
        "order": order,
    }


def _strategies(head: TraceHead, votes: Votes, k: int) -> list[dict[str, Any]]:
    rows = []
    for s, (name, version) in enumerate(head.versions):
        decision = votes.signals[s].row(k)
        filtered = int(votes.filtered.action[s, k])
        stopped = decision.action == "buy" and filtered == Action.HOLD
        answer = votes.signals[s]
        error = answer.errors[k] if isinstance(answer, Spoiled) else ""
        rows.append(
            {
                "name": name,
                "version": version,
                "action": decision.action,
                "confidence_raw": decision.confidence,
                "confidence_fused": float(votes.fused[s, k]),
                "reason": decision.reason,
                "stopped_by": votes.stop_reason(k) if stopped else None,
                "data": dict(decision.data),
                **({"error": error} if error else {}),
            }
        )
    return rows


def _aggregate(votes: Votes, k: int) -> dict[str, Any]:
    decided = votes.aggregate
    return {
        "action": Action(int(decided.action[k])).label,
        "confidence": float(decided.confidence[k]),
        "reason": decided.reason(k),
    }


def _regime(state: RegimeState) -> dict[str, Any]:
    return {
        "state": str(state.state),
        "score": state.score,
        "multiplier": str(state.state.multiplier),
        "parts": dict(state.parts),
        "source": state.source,
    }


def _risk(ruling: Ruling) -> list[dict[str, Any]]:
    if ruling.assessment is None:
        return []
    return [{"rule": name, **_verdict(verdict)} for name, verdict in ruling.assessment.verdicts]


def _verdict(verdict: Judgment) -> dict[str, Any]:
    if isinstance(verdict, RuleFailed):
        return {"kind": "failed", "reason": verdict.error, "error": verdict.message}
    return {
        "kind": str(verdict.kind),
        "factor": verdict.factor,
        "reason": verdict.reason,
        "value": verdict.value,
        "threshold": verdict.threshold,
        "until_ms": verdict.until_ms,
    }


def _size(ruling: Ruling) -> dict[str, Any]:
    assessment = ruling.assessment
    return {
        "amount": str(ruling.amount),
        "factor": None if assessment is None else str(assessment.factor),
        "slippage_pct": None if ruling.slippage_pct is None else str(ruling.slippage_pct),
    }
