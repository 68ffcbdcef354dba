"""The chain of one cycle as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from cab_core.app.times import minute, second
from cab_core.cli.output import red
from cab_core.domain.currencies import quote_of
from cab_core.domain.figures import (
    fees,
    money,
    number,
    percent,
    price,
    quantity,
    reading,
    signed_money,
    signed_number,
)
from cab_core.domain.timeframes import TF_MS


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the whole chain, from the candle to what became of the position."""
    if told["by_hand"] is not None:
        yield from _closed(told)
        return
    open_ms = told["candle_ts_ms"]
    origin = f"backtest {told['run_id']}" if told["run_id"] else "recorded run"
    yield f"{told['symbol']}  {minute(open_ms)} to {minute(open_ms + TF_MS)} UTC, {origin}"
    yield f"trace {told['trace_id']}"
    for alarm in told.get("alarms", ()):
        yield red(f"do not believe this run: {alarm}")
    yield ""
    yield from _labelled(_steps(told))
    yield ""
    yield f"=> {told['action']}: {told['reason']}"


def _closed(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['symbol']}  {second(told['orders'][0]['created_ms'])} UTC, by hand"
    yield f"trace {told['trace_id']}"
    yield ""
    yield from _labelled(_outcome(told))
    yield ""
    yield f"=> {told['by_hand']}"


def _labelled(steps: Iterable[tuple[str, list[str]]]) -> Iterator[str]:
    for label, texts in steps:
        for place, text in enumerate(texts):
            yield f"{label if place == 0 else '':<12}  {text}"


def _steps(told: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    quote = quote_of(told["symbol"])
    yield "candle", [_candle(told)]
    if told["thinned"]:
        yield "details", ["gone: those of a hold are kept for TRACE_KEEP_DAYS, its reason for ever"]
        return
    yield "trend", list(_trend(told["trend"]))
    ratio = told["volume_ratio"]
    yield "volume", ["unknown" if ratio is None else f"{number(ratio)} times the mean of the 20 bars before"]
    yield "strategies", [_vote(vote) for vote in told["strategies"]] or ["none is asked"]
    stopped = [vote for vote in told["strategies"] if vote["stopped_by"]]
    names = ", ".join(vote["name"] for vote in stopped)
    yield (
        "filters",
        [f"{stopped[0]['stopped_by']} stops the buy of {names}" if stopped else "nothing stopped"],
    )
    yield "fusion", [_fusion(told)]
    if (aggregate := told["aggregate"]) is not None:
        yield "aggregate", [f"{aggregate['action']} {number(aggregate['confidence'])}  {aggregate['reason']}"]
    yield "position", ["open" if told["held_before"] else "flat"]
    if (regime := told["regime"]) is not None:
        yield "regime", [_regime(regime)]
    if told["risk"]:
        yield "risk", [_verdict(verdict) for verdict in told["risk"]]
    if (size := told["size"]) is not None:
        yield "size", [_size(size, quote)]
    yield from _outcome(told)


def _outcome(told: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    quote = quote_of(told["symbol"])
    for order in told["orders"]:
        yield "order", list(_order(order, quote))
    if (position := told["position"]) is not None:
        yield from _position(position, quote)


def _candle(told: Mapping[str, Any]) -> str:
    candle = told["candle"]
    if candle is None:
        return f"close {price(told['close'])}"
    prices = [f"{name} {price(candle[name])}" for name in ("open", "high", "low", "close")]
    return ", ".join([*prices, f"volume {reading(candle['volume'])}"])


def _trend(trend: Mapping[str, Any]) -> Iterator[str]:
    yield f"{trend['state']}, score {signed_number(trend['score'])}, coverage {number(trend['coverage'])}"
    parts = [
        f"{tf} {signed_number(part['score'])} × {number(part['weight'])}"
        for tf, part in sorted(trend["timeframes"].items())
    ]
    if parts:
        yield ", ".join(parts)


def _vote(vote: Mapping[str, Any]) -> str:
    confidence = "" if vote["action"] == "hold" else number(vote["confidence_raw"])
    numbers = ", ".join(f"{name} {reading(value)}" for name, value in sorted(vote["data"].items()))
    shown = f"{vote['name']:<18} {vote['action']:<4} {confidence:<6}  {vote['reason']}"
    shown = f"{shown}  ({numbers})" if numbers else shown
    return f"{shown}  {vote['error']}" if vote.get("error") else shown


def _fusion(told: Mapping[str, Any]) -> str:
    if told["ai_probability"] is None:
        return "technical only: no model"
    fused = ", ".join(f"{vote['name']} {number(vote['confidence_fused'])}" for vote in told["strategies"])
    return f"P(up) {number(told['ai_probability'])}: {fused}"


def _regime(regime: Mapping[str, Any]) -> str:
    size = f"size × {number(regime['multiplier'])}"
    return f"{regime['state']}, score {signed_number(regime['score'])}, {size} ({regime['source']})"


def _verdict(verdict: Mapping[str, Any]) -> str:
    facts = [
        f"{name} {reading(verdict[name])}" for name in ("value", "threshold") if verdict.get(name) is not None
    ]
    factor = verdict.get("factor")
    if factor is not None and Decimal(str(factor)) != 1:
        facts.insert(0, f"factor {number(factor)}")
    said = " ".join(part for part in (verdict["reason"], verdict.get("error")) if part)
    text = f"{verdict['rule']:<18} {verdict['kind']:<6} {said}".rstrip()
    return f"{text}  ({', '.join(facts)})" if facts else text


def _size(size: Mapping[str, Any], quote: str) -> str:
    parts = [f"{money(size['amount'], quote)} {quote}"]
    if size["factor"] is not None:
        parts.append(f"risk factor {number(size['factor'])}")
    if size["slippage_pct"] is not None:
        parts.append(f"expected slippage {percent(size['slippage_pct'])}")
    return ", ".join(parts)


def _order(order: Mapping[str, Any], quote: str) -> Iterator[str]:
    cost = order["cost"]
    what = f"of {quantity(order['quantity'])} base" if cost is None else f"for {money(cost, quote)} {quote}"
    yield f"{order['side']} {what} ({order['purpose']}: {order['reason']}), {order['client_id']}"
    if not order["fills"]:
        yield "not filled"
    for fill in order["fills"]:
        paid = " + ".join(fees(fill["fee"], fill["fee_currency"], fill["further_fees"]))
        yield (
            f"filled {quantity(fill['quantity'])} at {price(fill['price'])}, "
            f"fee {paid}, {second(fill['ts_ms'])} UTC"
        )


def _position(position: Mapping[str, Any], quote: str) -> Iterator[tuple[str, list[str]]]:
    entry = f"{quantity(position['quantity'])} at {price(position['entry_price'])}"
    when = f"{second(position['opened_ms'])} UTC"
    yield "entry", [f"{entry}, {when}, {position['entry_reason']} (cab why {position['entry_trace_id']})"]
    if (levels := position["levels"]) is not None:
        yield "protection", [", ".join(f"{name} {price(level)}" for name, level in levels.items())]
    yield "later", list(_later(position, position["exits"], quote))


def _later(position: Mapping[str, Any], exits: Sequence[Mapping[str, Any]], quote: str) -> Iterator[str]:
    for sale in exits:
        pnl = "" if sale["pnl_quote"] is None else f", {signed_money(sale['pnl_quote'], quote)}"
        yield (
            f"sold {quantity(sale['quantity'])} at {price(sale['price'])}, {second(sale['ts_ms'])} UTC: "
            f"{sale['by_hand'] or sale['reason']}{pnl}"
        )
    if position["closed_ms"] is not None:
        gain, fees = signed_money(position["pnl_quote"], quote), money(position["fees_quote"], quote)
        yield f"closed with {gain} {quote} after {fees} of fees"
    elif not exits:
        yield "not sold yet"
