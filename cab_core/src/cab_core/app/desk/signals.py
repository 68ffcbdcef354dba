"""What every strategy said at the newest candle of each symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cab_core.app.desk.views import SignalsView, StrategyVote
from cab_core.domain.aggregation import Mode
from cab_core.domain.signals import NOT_ENOUGH_BARS
from cab_core.settings.schema import Settings
from cab_core.storage import Connection, TraceRow
from cab_core.storage.pages import newest_traces


def signals_view(
    conn: Connection, settings: Settings, symbols: Sequence[str], warmups: Mapping[str, int]
) -> SignalsView:
    """Return the table of strategies; ``warmups`` are the bars each needs, by name."""
    rows = [vote for trace in newest_traces(conn, symbols) for vote in _votes(trace, settings, warmups)]
    return SignalsView(
        mode=settings.strategy_mode, min_confidence=settings.strategy_min_confidence, rows=rows
    )


def _votes(trace: TraceRow, settings: Settings, warmups: Mapping[str, int]) -> list[StrategyVote]:
    told: Sequence[Mapping[str, Any]] = trace.payload.get("strategies", ())
    weights = {name.lower(): weight for name, weight in settings.strategy_weights.items()}
    forces = [_force(row, weights, settings) for row in told]
    total = sum(forces)
    shared = Mode(settings.strategy_mode) is not Mode.FIRST
    return [
        StrategyVote(
            symbol=trace.symbol,
            strategy=row["name"],
            version=row["version"],
            candle_ts_ms=trace.candle_ts_ms,
            action=row["action"],
            confidence=row["confidence_fused"],
            weight=weights.get(row["name"], 1.0),
            contribution=(force / total if total else 0.0) if shared else None,
            reason=row["reason"],
            stopped_by=row["stopped_by"],
            warmup_bars=warmups.get(row["name"], 0),
            warming=row["reason"] == NOT_ENOUGH_BARS,
            data=row["data"],
        )
        for row, force in zip(told, forces, strict=True)
    ]


def _force(row: Mapping[str, Any], weights: Mapping[str, float], settings: Settings) -> float:
    """Return with how much force a strategy voted: one vote each, or weight times confidence."""
    weight, confidence = weights.get(row["name"], 1.0), row["confidence_fused"]
    silent = row["action"] == "hold" or row["stopped_by"] is not None
    if silent or not weight or confidence < settings.strategy_min_confidence:
        return 0.0
    return 1.0 if Mode(settings.strategy_mode) is Mode.VOTE else float(weight * confidence)
