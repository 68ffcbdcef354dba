"""The chain of one cycle as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from cab_core.app.times import minute, second
from cab_core.domain.timeframes import TF_MS


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the whole chain, from the candle to what became of the position."""
    open_ms = told["candle_ts_ms"]
    origin = f"backtest {told['run_id']}" if told["run_id"] else "recorded run"
    yield f"{told['symbol']}  {minute(open_ms)} to {minute(open_ms + TF_MS)} UTC, {origin}"
    yield f"trace {told['trace_id']}"
    yield ""
    for label, texts in _steps(told):
        for place, text in enumerate(texts):
            yield f"{label if place == 0 else '':<12}  {text}"
    yield ""
    yield f"=> {told['action']}: {told['reason']}"


def _steps(told: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield "candle", [_candle(told)]
    if told["thinned"]:
        yield "details", ["gone: those of a hold are kept for TRACE_KEEP_DAYS, its reason for ever"]
        return
    yield "trend", list(_trend(told["trend"]))
    ratio = told["volume_ratio"]
    yield "volume", ["unknown" if ratio is None else f"{ratio:.2f} times the mean of the 20 bars before"]
    yield "strategies", [_vote(vote) for vote in told["strategies"]] or ["none is asked"]
    stopped = [vote for vote in told["strategies"] if vote["stopped_by"]]
    names = ", ".join(vote["name"] for vote in stopped)
    yield (
        "filters",
        [f"{stopped[0]['stopped_by']} stops the buy of {names}" if stopped else "nothing stopped"],
    )
    yield "fusion", [_fusion(told)]
    if (aggregate := told["aggregate"]) is not None:
        yield "aggregate", [f"{aggregate['action']} {aggregate['confidence']:.4f}  {aggregate['reason']}"]
    yield "position", ["open" if told["held_before"] else "flat"]
    if (regime := told["regime"]) is not None:
        yield "regime", [_regime(regime)]
    if told["risk"]:
        yield "risk", [_verdict(verdict) for verdict in told["risk"]]
    if (size := told["size"]) is not None:
        yield "size", [_size(size)]
    for order in told["orders"]:
        yield "order", list(_order(order))
    if (position := told["position"]) is not None:
        yield from _position(position)


def _candle(told: Mapping[str, Any]) -> str:
    candle = told["candle"]
    if candle is None:
        return f"close {told['close']}"
    return ", ".join(f"{name} {candle[name]}" for name in ("open", "high", "low", "close", "volume"))


def _trend(trend: Mapping[str, Any]) -> Iterator[str]:
    yield f"{trend['state']}, score {trend['score']:+.4f}, coverage {trend['coverage']:.2f}"
    parts = [
        f"{tf} {part['score']:+.3f} × {part['weight']:.3f}"
        for tf, part in sorted(trend["timeframes"].items())
    ]
    if parts:
        yield ", ".join(parts)


def _vote(vote: Mapping[str, Any]) -> str:
    confidence = "" if vote["action"] == "hold" else f"{vote['confidence_raw']:.4f}"
    numbers = ", ".join(f"{name} {value:.6g}" for name, value in sorted(vote["data"].items()))
    shown = f"{vote['name']:<18} {vote['action']:<4} {confidence:<6}  {vote['reason']}"
    shown = f"{shown}  ({numbers})" if numbers else shown
    return f"{shown}  {vote['error']}" if vote.get("error") else shown


def _fusion(told: Mapping[str, Any]) -> str:
    if told["ai_probability"] is None:
        return "technical only: no model"
    fused = ", ".join(f"{vote['name']} {vote['confidence_fused']:.4f}" for vote in told["strategies"])
    return f"P(up) {told['ai_probability']:.4f}: {fused}"


def _regime(regime: Mapping[str, Any]) -> str:
    size = f"size × {regime['multiplier']}"
    return f"{regime['state']}, score {regime['score']}, {size} ({regime['source']})"


def _verdict(verdict: Mapping[str, Any]) -> str:
    facts = [f"{name} {verdict[name]}" for name in ("value", "threshold") if verdict.get(name) is not None]
    factor = verdict.get("factor")
    if factor is not None and Decimal(str(factor)) != 1:
        facts.insert(0, f"factor {factor}")
    said = " ".join(part for part in (verdict["reason"], verdict.get("error")) if part)
    text = f"{verdict['rule']:<18} {verdict['kind']:<6} {said}".rstrip()
    return f"{text}  ({', '.join(facts)})" if facts else text


def _size(size: Mapping[str, Any]) -> str:
    text = f"{size['amount']} quote"
    if size["factor"] is not None:
        text += f", risk factor {size['factor']}"
    return (
        text
        if size["slippage_pct"] is None
        else f"{text}, expected slippage {_short(size['slippage_pct'])} %"
    )


def _order(order: Mapping[str, Any]) -> Iterator[str]:
    what = f"for {order['cost']} quote" if order["cost"] is not None else f"of {order['quantity']} base"
    yield f"{order['side']} {what} ({order['purpose']}: {order['reason']}), {order['client_id']}"
    if not order["fills"]:
        yield "not filled"
    for fill in order["fills"]:
        first = f"{_short(fill['fee'])} {fill['fee_currency']}"
        yield (
            f"filled {_short(fill['quantity'])} at {_short(fill['price'])}, "
            f"fee {' + '.join([first, *fill['further_fees']])}, {second(fill['ts_ms'])} UTC"
        )


def _position(position: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    entry = f"{_short(position['quantity'])} at {_short(position['entry_price'])}"
    when = f"{second(position['opened_ms'])} UTC"
    yield "entry", [f"{entry}, {when}, {position['entry_reason']} (cab why {position['entry_trace_id']})"]
    if (levels := position["levels"]) is not None:
        yield "protection", [", ".join(f"{name} {_short(price)}" for name, price in levels.items())]
    yield "later", list(_later(position, position["exits"]))


def _later(position: Mapping[str, Any], exits: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for sale in exits:
        pnl = "" if sale["pnl_quote"] is None else f", {Decimal(sale['pnl_quote']):+.4f}"
        yield (
            f"sold {_short(sale['quantity'])} at {_short(sale['price'])}, {second(sale['ts_ms'])} UTC: "
            f"{sale['reason']}{pnl}"
        )
    if position["closed_ms"] is not None:
        fees = Decimal(position["fees_quote"])
        yield f"closed with {Decimal(position['pnl_quote']):+.4f} after {fees:.4f} of fees"
    elif not exits:
        yield "not sold yet"


def _short(amount: str) -> str:
    """Return an amount with at most ten significant digits."""
    return f"{float(amount):.10g}"
