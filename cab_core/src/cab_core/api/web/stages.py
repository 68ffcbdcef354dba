"""The steps of one cycle, from the votes to the exits, as the page of a trace shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs

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

#: ``go``: it let the trade pass; ``stop``: it ended here; ``info``: it only tells; ``skip``: not reached.
Outcome = Literal["go", "stop", "info", "skip"]

_NOT_REACHED = "not reached"

#: Why a buy is stopped, by the filter that does it.
_STOPPED_BY = {
    "trend": ("against_trend", "trend_not_up", "trend_insufficient_history"),
    "volume": ("low_volume",),
}


@attrs.frozen(slots=True, kw_only=True)
class Stage:
    """One step: what it came to in a line, and a table with the details."""

    name: str
    outcome: Outcome
    text: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def stages(told: Mapping[str, Any]) -> list[Stage]:
    """Return the steps of a trace (`cab_core.app.explain_paper`) in order, none once it was thinned."""
    if told["thinned"]:
        return []
    if told["by_hand"] is not None:
        return [_orders(told), _exits(told)]
    return [
        _votes(told),
        _filter(told, "trend", _trend_text(told)),
        _filter(told, "volume", _volume_text(told)),
        _aggregate(told),
        _regime(told),
        _risk(told),
        _size(told),
        _orders(told),
        _exits(told),
    ]


def _votes(told: Mapping[str, Any]) -> Stage:
    votes = told["strategies"]
    acting = [vote for vote in votes if vote["action"] != "hold"]
    sides = [f"{sum(v['action'] == side for v in acting)} {side}" for side in ("buy", "sell")]
    text = f"{', '.join(sides)}, {len(votes) - len(acting)} hold" if votes else "no strategy is asked"
    return Stage(
        name="votes",
        outcome="go" if acting else "stop",
        text=text,
        head=("strategy", "action", "confidence", "reason", "stopped by", "numbers"),
        rows=[
            (
                vote["name"],
                vote["action"],
                "" if vote["action"] == "hold" else number(vote["confidence_fused"]),
                _words(vote["reason"]),
                _words(vote["stopped_by"] or ""),
                ", ".join(f"{name} {reading(value)}" for name, value in vote["data"].items()),
            )
            for vote in votes
        ],
    )


def _filter(told: Mapping[str, Any], name: str, text: str) -> Stage:
    stopped = [v["name"] for v in told["strategies"] if v["stopped_by"] in _STOPPED_BY[name]]
    buys = any(vote["action"] == "buy" for vote in told["strategies"])
    if stopped:
        text = f"{text}: stops the buy of {', '.join(stopped)}"
    frames = told["trend"]["timeframes"] if name == "trend" else {}
    return Stage(
        name=name,
        outcome="stop" if stopped else "go" if buys else "info",
        text=text,
        head=("timeframe", "score", "weight") if frames else (),
        rows=[(tf, signed_number(part["score"]), number(part["weight"])) for tf, part in frames.items()],
    )


def _trend_text(told: Mapping[str, Any]) -> str:
    trend = told["trend"]
    score, coverage = signed_number(trend["score"]), percent(100 * trend["coverage"], 0)
    return f"{trend['state']}, score {score}, coverage {coverage}"


def _volume_text(told: Mapping[str, Any]) -> str:
    ratio = told["volume_ratio"]
    return "unknown" if ratio is None else f"{number(ratio)} × the mean of the 20 bars before"


def _aggregate(told: Mapping[str, Any]) -> Stage:
    decided = told["aggregate"]
    if decided is None:
        return Stage(name="aggregate", outcome="skip", text=_NOT_REACHED)
    text = f"{decided['action']} with confidence {number(decided['confidence'])}: {_words(decided['reason'])}"
    held = " · a position was open before" if told["held_before"] else ""
    return Stage(
        name="aggregate", outcome="stop" if decided["action"] == "hold" else "go", text=f"{text}{held}"
    )


def _regime(told: Mapping[str, Any]) -> Stage:
    regime = told["regime"]
    if regime is None:
        return Stage(name="regime", outcome="skip", text=_NOT_REACHED)
    allowed = regime["state"] in ("risk_on", "risk_small")
    score = signed_number(regime["score"])
    return Stage(
        name="regime",
        outcome="go" if allowed else "stop",
        text=f"{_words(regime['state'])}, score {score}: size × {number(regime['multiplier'])}",
        head=("source", "takes off") if regime["parts"] else (),
        rows=[(name, number(part)) for name, part in regime["parts"].items()],
    )


def _risk(told: Mapping[str, Any]) -> Stage:
    verdicts = told["risk"]
    if not verdicts:
        return Stage(name="risk", outcome="skip", text=_NOT_REACHED)
    against = [v["rule"] for v in verdicts if v["kind"] in ("halt", "delay", "failed")]
    shrunk = [v["rule"] for v in verdicts if v["kind"] == "reduce"]
    text = f"stopped by {', '.join(against)}" if against else f"all {len(verdicts)} rules let it pass"
    if shrunk and not against:
        text += f", {', '.join(shrunk)} made it smaller"
    return Stage(
        name="risk",
        outcome="stop" if against else "go",
        text=text,
        head=("rule", "verdict", "reason", "value", "limit"),
        rows=[
            (
                verdict["rule"],
                verdict["kind"],
                _words(verdict["reason"] or ""),
                reading(verdict["value"]) if verdict.get("value") is not None else "",
                reading(verdict["threshold"]) if verdict.get("threshold") is not None else "",
            )
            for verdict in verdicts
        ],
    )


def _size(told: Mapping[str, Any]) -> Stage:
    size = told["size"]
    if size is None:
        return Stage(name="size", outcome="skip", text=_NOT_REACHED)
    quote = quote_of(told["symbol"])
    parts = [f"{money(size['amount'], quote)} {quote}"]
    if size["factor"] is not None:
        parts.append(f"risk factor {number(size['factor'])}")
    if size["slippage_pct"] is not None:
        parts.append(f"expected slippage {percent(size['slippage_pct'])}")
    return Stage(name="size", outcome="go" if told["order"] else "stop", text=", ".join(parts))


def _orders(told: Mapping[str, Any]) -> Stage:
    orders = told["orders"]
    if not orders:
        return Stage(name="order", outcome="skip", text="none")
    fills = [(order, fill) for order in orders for fill in order["fills"]]
    ways = [f"{o['side']} {o['purpose']}, {_words(o.get('state', 'filled'))}" for o in orders]
    return Stage(
        name="order",
        outcome="go" if fills else "info",
        text="; ".join(ways),
        head=("filled at", "side", "quantity", "price", "fee", "client id"),
        rows=[
            (
                f"@{fill['ts_ms']}",
                order["side"],
                quantity(fill["quantity"]),
                price(fill["price"]),
                " + ".join(fees(fill["fee"], fill["fee_currency"], fill["further_fees"])),
                order["client_id"],
            )
            for order, fill in fills
        ],
    )


def _exits(told: Mapping[str, Any]) -> Stage:
    position = told["position"]
    if position is None:
        return Stage(name="exits", outcome="skip", text="no position")
    levels, quote = position["levels"] or {}, quote_of(told["symbol"])
    guarded = ", ".join(f"{_words(name)} {price(level)}" for name, level in levels.items() if level)
    sold = position["exits"]
    text = f"entry at {price(position['entry_price'])}"
    return Stage(
        name="exits",
        outcome="info",
        text=f"{text}; {guarded}" if guarded else text,
        head=("sold at", "quantity", "price", "reason", "profit") if sold else (),
        rows=[
            (
                f"@{sale['ts_ms']}",
                quantity(sale["quantity"]),
                price(sale["price"]),
                sale["by_hand"] or _words(sale["reason"]),
                "" if sale["pnl_quote"] is None else signed_money(sale["pnl_quote"], quote),
            )
            for sale in sold
        ],
    )


def stopped_at(steps: Sequence[Stage]) -> Stage | None:
    """Return the step that ended the cycle without an order, None if none did."""
    return next(_stops(steps), None)


def _stops(steps: Sequence[Stage]) -> Iterator[Stage]:
    return (step for step in steps if step.outcome == "stop")


def _words(text: str) -> str:
    return text.replace("_", " ")
