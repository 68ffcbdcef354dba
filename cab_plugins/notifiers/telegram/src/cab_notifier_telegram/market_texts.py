"""Texts about the market and the decisions: regime, signals, and why a cycle did what it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cab_core.sdk import figures
from cab_notifier_telegram.html import bold, code, escape, table
from cab_notifier_telegram.words import clock

Document = Mapping[str, Any]

_REGIMES = {"risk_on": "🟢", "neutral": "🟡", "risk_off": "🔴"}
_ACTIONS = {"buy": "🟢", "sell": "🔴", "hold": "⚪"}


def regime(document: Document) -> str:
    """Return the market regime and what it comes from."""
    state = document["state"]
    if document["source"] != "macro":
        return f"⚪ {bold('no source: always risk on')}"
    score = "" if document["score"] is None else f" (score {figures.signed_number(document['score'])})"
    entries = "entries allowed" if document["entries_allowed"] else "no entries"
    lines = [f"{_REGIMES.get(state, '⚪')} {bold(state or 'unknown')}{score}, {entries}"]
    if document["since_ms"]:
        lines.append(f"since {clock(document['since_ms'])} UTC")
    for each in document["sources"]:
        penalty = "" if each["penalty"] is None else f", takes {figures.number(each['penalty'])}"
        stale = " ⚠️ stale" if each["stale"] else ""
        lines.append(f"• {escape(each['name'])}: {escape(each['text'])}{penalty}{stale}")
    return "\n".join(lines)


def signals(document: Document, symbol: str | None) -> str:
    """Return what each strategy said last, of one symbol or all."""
    rows = [row for row in document["rows"] if symbol in (None, row["symbol"])]
    lines = [f"📡 {bold('Signals')} · mode {escape(document['mode'])}"]
    for name in dict.fromkeys(row["symbol"] for row in rows):
        own = [row for row in rows if row["symbol"] == name]
        lines.append(f"{bold(name)} at {clock(own[0]['candle_ts_ms'])} UTC")
        lines.append(table([_vote(row) for row in own]))
    return "\n".join(lines) if rows else f"{lines[0]}\nNo candle has been evaluated yet."


def _vote(row: Document) -> tuple[str, ...]:
    if row["warming"]:
        return row["strategy"], "warms up", ""
    stopped = f"({row['stopped_by']})" if row["stopped_by"] else ""
    return row["strategy"], row["action"], stopped or figures.number(row["confidence"])


def why(trace: Document) -> str:
    """Return the chain of one cycle step by step, as it ran."""
    action, by_hand = trace["action"], trace["by_hand"]
    said = escape(by_hand or trace["reason"])
    at = f"candle {clock(trace['candle_ts_ms'])} UTC"
    return "\n".join(
        [
            f"{_ACTIONS.get(action, '⚪')} {bold(trace['symbol'])} {bold(action)}: {said}",
            at if by_hand else f"{at}, close {figures.price(trace['close'])}",
            *_steps(trace),
            f"trace {code(trace['trace_id'])}",
        ]
    )


def _steps(trace: Document) -> Iterator[str]:
    if trace["thinned"]:
        yield "the details of this hold are no longer kept, its reason is"
        return
    if trace["by_hand"] is None:
        yield from _decided(trace)
    for order in trace["orders"]:
        yield f"7 {escape(order['side'])} {escape(order['state'])} {code(order['client_id'])}"
    yield from _outcome(trace["position"])


def _decided(trace: Document) -> Iterator[str]:
    if trace["strategies"]:
        yield "1 strategies"
        yield table([_said(each) for each in trace["strategies"]])
    ratio = trace["volume_ratio"]
    volume = "" if ratio is None else f", volume ×{figures.number(ratio)}"
    score = figures.signed_number(trace["trend"]["score"])
    yield f"2 trend {escape(trace['trend']['state'])} ({score}){volume}"
    if trace["aggregate"] is not None:
        decided = trace["aggregate"]
        yield (
            f"3 together {escape(decided['action'])}, confidence {figures.number(decided['confidence'])}: "
            f"{escape(decided['reason'])}"
        )
    if trace["regime"] is not None:
        score = figures.signed_number(trace["regime"]["score"])
        yield f"4 regime {escape(trace['regime']['state'])} ({score})"
    blocking = [each for each in trace["risk"] if each["kind"] not in ("allow", "note")]
    if trace["risk"]:
        said = ", ".join(f"{escape(each['rule'])} {escape(each['reason'])}" for each in blocking)
        yield f"5 risk {said or 'every rule allows it'}"
    if trace["size"] is not None:
        quote = figures.quote_of(trace["symbol"])
        yield f"6 size {figures.money(trace['size']['amount'], quote)} {escape(quote)}"


def _said(each: Document) -> tuple[str, str, str]:
    stopped = f"({each['stopped_by']})" if each["stopped_by"] else each["reason"]
    return each["name"], each["action"], stopped


def _outcome(position: Document | None) -> Iterator[str]:
    if position is None:
        return
    yield f"8 held {figures.quantity(position['quantity'])} @ {figures.price(position['entry_price'])}"
    for sale in position["exits"]:
        when = f"{clock(sale['ts_ms'])} UTC"
        yield f"  sold at {figures.price(sale['price'])}, {when}: {escape(sale['by_hand'] or sale['reason'])}"
