"""What a desk answers, in small: documents of the shapes of the HTTP API."""

from __future__ import annotations

from typing import Any

from cab_core.testing.series import START_MS, TF_MS

#: The trace all of them name.
TRACE_ID = "0123456789abcdef"
_POSITION = {
    "symbol": "BTC/USDT",
    "quantity": "0.00083",
    "cost": "49.90",
    "entry_price": "60120.48",
    "opened_ms": START_MS + 90 * TF_MS,
    "entry_reason": "vote 5/9",
    "entry_trace_id": TRACE_ID,
    "votes": ["ema_cross", "supertrend"],
    "bid": "60480.10",
    "value": "50.20",
    "realized": "0",
    "unrealized": "0.30",
    "unrealized_pct": 0.6,
    "fees_quote": "0.10",
    "stage": 0,
    "stop": "57114.46",
    "stop_kind": "stop_loss",
    "take_profit_1": "61322.89",
    "take_profit_2": "63126.50",
    "resting_stop": None,
    "watched": True,
}
_DECISION = {
    "trace_id": TRACE_ID,
    "symbol": "BTC/USDT",
    "candle_ts_ms": START_MS + 99 * TF_MS,
    "close": "60480.10",
    "action": "hold",
    "reason": "already_long",
    "order_key": None,
}
_LIMIT = {
    "rule": "daily_loss",
    "value": "12.5",
    "limit": "100",
    "unit": "USDT",
    "used_pct": 12.5,
    "halted": False,
    "resets_ms": START_MS + 96 * TF_MS,
}
_REGIME = {
    "state": "risk_on",
    "score": 0.71,
    "multiplier": "1",
    "entries_allowed": True,
    "since_ms": START_MS,
    "updated_ms": START_MS + 90 * TF_MS,
    "source": "macro",
    "sources": [
        {
            "name": "dxy",
            "penalty": 0.1,
            "text": "+0.12 %",
            "observed_ms": START_MS,
            "fetched_ms": START_MS,
            "stale": False,
        }
    ],
}
_COUNT = 60


def _candles() -> dict[str, Any]:
    closes = [60_000 + 40 * (k % 13) + 8 * k for k in range(_COUNT)]
    opens = [closes[0], *closes[:-1]]
    stamps = [START_MS + (40 + k) * TF_MS for k in range(_COUNT)]
    buy = {"ts_ms": stamps[50], "price": str(closes[50]), "kind": "buy", "text": "vote", "trace_id": TRACE_ID}
    stop = {"name": "stop_loss", "price": "59600", "from_ms": stamps[50], "to_ms": None}
    return {
        "symbol": "BTC/USDT",
        "timeframe": "15m",
        "ts_ms": stamps,
        "open": [float(price) for price in opens],
        "high": [max(pair) + 20.0 for pair in zip(opens, closes, strict=True)],
        "low": [min(pair) - 20.0 for pair in zip(opens, closes, strict=True)],
        "close": [float(price) for price in closes],
        "volume": [3.0 + k % 5 for k in range(_COUNT)],
        "markers": [buy],
        "lines": [stop],
    }


def _equity() -> list[dict[str, Any]]:
    return [
        {"ts_ms": START_MS + k * TF_MS, "equity": f"{10_000 + k % 7}", "peak": "10010", "drawdown_pct": "0.1"}
        for k in range(100)
    ]


def answers() -> dict[str, Any]:
    """Return a small, true-to-shape answer to every question of the desk."""
    return {
        "health": {
            "status": "healthy",
            "mode": "paper",
            "version": "0.1.0",
            "uptime_s": 3725.0,
            "components": {"db": {"ok": True, "detail": "", "latency_ms": 0.4}},
            "orchestrators": {"BTC/USDT": "running"},
        },
        "ready": {"ready": True, "waiting_for": []},
        "status": {
            "mode": "paper",
            "market": "sample",
            "exchange": "gateio",
            "version": "0.1.0",
            "started_ms": START_MS,
            "now_ms": START_MS + 100 * TF_MS,
            "running": True,
            "symbols": [
                {
                    "symbol": "BTC/USDT",
                    "state": "running",
                    "blocked_by": None,
                    "bid": "60480.10",
                    "last_decision": _DECISION,
                    "position": _POSITION,
                    "loops": [{"name": "evaluate", "failures": 0}],
                }
            ],
            "account": {
                "quote": "USDT",
                "equity": "10000.30",
                "baseline": "10000",
                "peak": "10010",
                "drawdown_pct": "0.1",
                "realized": "0",
                "unrealized": "0.30",
                "quote_free": "9950.10",
                "invested": "50.20",
            },
            "halts": [],
            "limits": [_LIMIT],
            "regime": _REGIME,
            "unfinished_orders": 0,
            "silent_pid": None,
            "troubles": [],
        },
        "pnl": {
            "account": "paper:sample",
            "quote": "USDT",
            "period": "today",
            "from_ms": START_MS,
            "to_ms": START_MS + 100 * TF_MS,
            "now_ms": START_MS + 100 * TF_MS,
            "now_is": "this machine's time",
            "realized": "1.20",
            "fees": {"USDT": "0.20"},
            "fills": 3,
            "turnover": "150.0",
            "round_trips": 1,
            "wins": 1,
            "losses": 0,
            "win_rate": 1.0,
            "profit_factor": None,
            "average_win": "1.20",
            "average_loss": None,
            "best": "1.20",
            "worst": "1.20",
            "by_symbol": {"BTC/USDT": {"count": 1, "wins": 1, "pnl": "1.20", "share": 1.0}},
            "by_strategy": {"ema_cross": {"count": 1, "wins": 1, "pnl": "1.20", "share": 1.0}},
            "current_streak": 1,
            "unrealized": "0.30",
            "equity": "10001.50",
            "baseline": "10000",
            "max_drawdown_pct": "0.1",
            "current_drawdown_pct": "0.1",
            "open_positions": ["BTC/USDT"],
            "exits_by_reason": {"take_profit_1": {"count": 1, "wins": 1, "pnl": "1.20", "share": 1.0}},
            "blocked_by_reason": {"wide_spread": 2},
            "regime_minutes": {"risk_on": 1500},
        },
        "positions": [_POSITION],
        "orders": {"items": [], "next": None},
        "fills": {"items": [], "next": None},
        "trades": {"items": [], "next": None},
        "decisions": {"items": [_DECISION], "next": None},
        "audit": {"items": [], "next": None},
        "trace": _trace(),
        "latest_trace": _trace(),
        "signals": {
            "mode": "vote",
            "min_confidence": 0.0,
            "rows": [
                {
                    "symbol": "BTC/USDT",
                    "strategy": "ema_cross",
                    "version": "0.1.0",
                    "candle_ts_ms": START_MS + 99 * TF_MS,
                    "action": "buy",
                    "confidence": 0.62,
                    "weight": 1.0,
                    "contribution": 0.2,
                    "reason": "cross_up",
                    "stopped_by": None,
                    "warmup_bars": 27,
                    "warming": False,
                    "data": {"ema_short": 60_100.5},
                }
            ],
        },
        "candles": _candles(),
        "equity": _equity(),
        "risk": {
            "entries_allowed": True,
            "blocked_by": {},
            "limits": [_LIMIT],
            "halts": [],
            "blocked_today": {"wide_spread": 2},
            "orders_5m": 1,
            "turnover_5m": "50",
        },
        "regime": _REGIME,
        "plugins": [],
    }


def _trace() -> dict[str, Any]:
    return {
        "source": "database",
        "run_id": None,
        "thinned": False,
        "by_hand": None,
        "trace_id": TRACE_ID,
        "symbol": "BTC/USDT",
        "candle_ts_ms": START_MS + 89 * TF_MS,
        "close": 60_120.48,
        "trend": {"state": "up", "score": 0.71, "coverage": 1.0, "timeframes": {}},
        "volume_ratio": 1.3,
        "strategies": [
            {
                "name": "ema_cross",
                "version": "0.1.0",
                "action": "buy",
                "confidence_raw": 0.6,
                "confidence_fused": 0.62,
                "reason": "cross_up",
                "stopped_by": None,
                "data": {},
            }
        ],
        "ai_probability": None,
        "aggregate": {"action": "buy", "confidence": 0.62, "reason": "vote 5/9"},
        "regime": {
            "state": "risk_on",
            "score": 0.71,
            "multiplier": "1",
            "parts": {"dxy": 0.1},
            "source": "macro",
        },
        "risk": [
            {
                "rule": "spread_cap",
                "kind": "allow",
                "factor": 1.0,
                "reason": "",
                "value": 0.02,
                "threshold": 0.5,
                "until_ms": None,
            }
        ],
        "size": {"amount": "50", "factor": "1", "slippage_pct": "0.05"},
        "action": "buy",
        "reason": "vote 5/9",
        "order": "cab-1",
        "candle": None,
        "held_before": False,
        "orders": [],
        "position": None,
    }
