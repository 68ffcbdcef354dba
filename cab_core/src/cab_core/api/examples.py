"""Examples of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRACE = "4f1c09ab52e87d36"

EXAMPLES: Mapping[str, Any] = {
    "Problem": {
        "type": "/schema#CAB-E201",
        "title": "Not Found",
        "status": 404,
        "detail": "no symbol 'BTC/USD'",
        "code": "CAB-E201",
        "trace_id": _TRACE,
        "where": "symbol",
        "fix": "did you mean BTC/USDT?",
        "errors": [],
        "docs": "/schema#CAB-E201",
    },
    "Done": {
        "action": "pause",
        "states": {"BTC/USDT": "paused"},
        "changed": True,
        "positions": [],
        "closings": [],
        "released": [],
        "order": None,
        "order_state": None,
        "booked": [],
        "planned": None,
        "trace_id": _TRACE,
        "audit_seq": 1204,
    },
    "Wish": {"symbol": "BTC/USDT", "rule": None, "reason": "exchange maintenance"},
    "Ready": {"ready": False, "waiting_for": ["reconcile"]},
    "Decision": {
        "trace_id": _TRACE,
        "symbol": "BTC/USDT",
        "candle_ts_ms": 1_714_564_800_000,
        "close": "63120.5",
        "action": "hold",
        "reason": "no_signal",
        "order_key": None,
    },
    "EquityPointView": {
        "ts_ms": 1_714_564_800_000,
        "equity": "10120.31",
        "peak": "10150",
        "drawdown_pct": "0.29",
    },
    "FillView": {
        "exchange": "paper",
        "symbol": "BTC/USDT",
        "trade_id": "7-1",
        "client_id": "cab-1f0c-1",
        "side": "buy",
        "quantity": "0.0158",
        "price": "63120.5",
        "value": "997.3039",
        "fee": "0.0000316",
        "fee_currency": "BTC",
        "ts_ms": 1_714_564_800_000,
    },
    "Notification": {
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "CabDown", "severity": "critical"},
                "annotations": {"summary": "the bot does not answer"},
            }
        ]
    },
    "SessionView": {"name": "token:anna", "role": "operator", "csrf": None},
}
