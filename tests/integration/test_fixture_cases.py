"""Cases kept as data: market regimes, risk scenarios, lives of orders, comparisons with the exchange."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from cab_core.domain.book import Book
from cab_core.domain.booking import AppliedTo
from cab_core.domain.comparison import LocalView, VenueView
from cab_core.domain.market import Instrument
from cab_core.domain.orders import (
    TERMINAL,
    Fill,
    Intent,
    OrderState,
    OrderType,
    Purpose,
    Side,
    VenueOrder,
    advance,
    client_order_id,
)
from cab_core.domain.reconcile import findings
from cab_core.domain.regime import (
    Reading,
    ReadingKind,
    Regime,
    RegimeSettings,
    RegimeState,
    SourceMemory,
    evaluate,
    remember,
)
from cab_core.domain.resting import DesiredStop
from cab_core.domain.risk import Halts, assess, check_order
from cab_core.domain.sizing import size_entry
from cab_core.testing import book, entry, position, quote, round_trip

FIXTURES = Path(__file__).parents[1] / "fixtures"
HOUR_MS = 3_600_000
NOW_MS = entry().now_ms
SYMBOL = "BTC/USDT"
RULES = ("max_drawdown", "daily_loss", "loss_streak", "cooldown", "spread_cap", "correlation")

Case = dict[str, Any]


def cases(name: str) -> list[Any]:
    found: list[Case] = json.loads((FIXTURES / name).read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in found]


def memory(told: Case | None) -> SourceMemory | None:
    if told is None:
        return None
    if "change_pct" in told:
        reading = Reading(ReadingKind.CHANGE, told["change_pct"])
    else:
        events = tuple(NOW_MS + hours * HOUR_MS for hours in told["events_in_hours"])
        reading = Reading(ReadingKind.EVENTS, events_ms=events)
    return remember(None, reading, NOW_MS)


@pytest.mark.parametrize("case", cases("regime_states.json"))
@pytest.mark.regime
def test_regime_states(case: Case) -> None:
    before = case["before"] and RegimeState(Regime(case["before"]), 0.0, {}, "macro", 0, 0)
    sources = {name: memory(told) for name, told in case["readings"].items()}
    found = evaluate(sources, before, NOW_MS, RegimeSettings())
    assert (str(found.state), found.score) == (case["state"], case["score"])
    sized = size_entry(
        Decimal(50), found.state.multiplier, Decimal(1), Instrument(SYMBOL), Decimal(100), Decimal("0.002")
    )
    assert f"{sized.amount:.2f}" == case["size"]


def account(told: Case) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: Decimal(told[name])
        for name in ("equity", "peak", "realized_today", "unrealized")
        if name in told
    }
    if "round_trips" in told:
        fields["round_trips"] = tuple(round_trip(pnl) for pnl in told["round_trips"])
    if "last_fill_s_ago" in told:
        fields["last_fill_ms"] = {SYMBOL: NOW_MS - 1000 * told["last_fill_s_ago"]}
    if "spreads" in told:
        fields["spreads"] = (told["spreads"],) * 30
    if "positions" in told:
        fields["positions"] = {symbol: position(symbol) for symbol in told["positions"]}
    return fields


@pytest.mark.parametrize("case", cases("risk_scenarios.json"))
@pytest.mark.risk
def test_risk_scenarios(case: Case) -> None:
    points = {point.name: point for point in entry_points(group="cab.risk_rules")}
    rules = {name: points[name].load()() for name in RULES}
    asked = check_order({name: rule.critical for name, rule in rules.items()})
    candidate = entry(quote=quote(case.get("bid", "99.99"), case.get("ask", "100.01")))
    snapshot = book(**account(case["book"]))
    found = assess([(name, rules[name].check(candidate, snapshot)) for name in asked], Halts(), NOW_MS)
    assert (found.blocked, str(found.kind)) == (case["blocked"], case["kind"])
    assert found.factor == Decimal(case["factor"])


@pytest.mark.parametrize("case", cases("orders.json"))
@pytest.mark.idempotency
def test_orders(case: Case) -> None:
    path = [OrderState(name) for name in case["path"]]
    state = path[0]
    for step, to in enumerate(path[1:], start=1):
        if case.get("illegal_at") == step:
            with pytest.raises(ValueError, match="illegal order transition"):
                advance(state, to)
            return
        state = advance(state, to)
    assert (state in TERMINAL) == case["ends"]
    if "fills" in case:
        assert held_after(case["fills"]) == case["held"]
    if case.get("phantom"):
        stray = VenueView(
            base_total=Decimal(0), quote_free=Decimal(1000), orders=[phantom()], bid=Decimal(100)
        )
        nobody = LocalView(symbol=SYMBOL, managed=Decimal(0), flat=True)
        assert [str(each.kind) for each in findings(nobody, stray, Instrument(SYMBOL))] == case["findings"]


def held_after(quantities: list[str]) -> list[str]:
    """Book the parts of one entry and return what is held after each."""
    account, held = Book(Decimal(1000), {SYMBOL: Instrument(SYMBOL)}), []
    for number, text in enumerate(quantities, start=1):
        part = Fill(
            str(number), "t-1", SYMBOL, Side.BUY, Decimal(text), Decimal(100), Decimal(0), "USDT", NOW_MS
        )
        account.apply(part, AppliedTo(Purpose.ENTRY, "test", final=number == len(quantities)))
        held.append(f"{account.positions[SYMBOL].quantity.normalize():f}")
    return held


def phantom() -> VenueOrder:
    """Return an order that carries the bot's sign and that no record knows."""
    return order("8", client_order_id("of another database", 1))


def order(order_id: str, client_id: str, *, stop: list[str] | None = None) -> VenueOrder:
    quantity, trigger = stop or ("0.1", None)
    return VenueOrder(
        order_id=order_id,
        client_id=client_id,
        symbol=SYMBOL,
        side=Side.SELL,
        stop=stop is not None,
        open=True,
        quantity=Decimal(quantity),
        filled=Decimal(0),
        created_ms=NOW_MS,
        trigger=None if trigger is None else Decimal(trigger),
    )


def resting_stop(quantity: Decimal, trigger: Decimal) -> DesiredStop:
    return DesiredStop(quantity, trigger, trigger, "stop_loss")


@pytest.mark.parametrize("case", cases("reconciliation_cases.json"))
@pytest.mark.reconciliation
def test_reconciliation_cases(case: Case) -> None:
    intents, orders, known = [], [], set()
    if case.get("resting"):
        quantity, trigger = map(Decimal, case["resting"])
        key = f"{SYMBOL}|sell|sl|1"
        intents.append(
            Intent(
                key=key,
                symbol=SYMBOL,
                side=Side.SELL,
                purpose=Purpose.STOP_LOSS,
                reason="stop_loss",
                trace_id="-",
                created_ms=NOW_MS,
                type=OrderType.STOP_LIMIT,
                quantity=quantity,
                trigger=trigger,
                limit=trigger,
                sent_ms=NOW_MS,
                order_id="stop-1",
            )
        )
        orders.append(order("stop-1", client_order_id(key, 1), stop=case["resting"]))
        known.add("stop-1")
    if case.get("foreign"):
        orders.append(order("7", "somebody"))
    if case.get("phantom"):
        orders.append(phantom())
    stop = case.get("stop")
    local = LocalView(
        symbol=SYMBOL,
        managed=Decimal(case["managed"]),
        flat=Decimal(case["managed"]) == 0,
        intents=intents,
        known=frozenset(known),
        stop=None if stop is None else resting_stop(*map(Decimal, stop)),
        quote_needed=Decimal(case.get("quote_needed", "0")),
    )
    venue = VenueView(
        base_total=Decimal(case["base_total"]),
        quote_free=Decimal(case.get("quote_free", "1000")),
        orders=orders,
        bid=Decimal(100),
    )
    assert [str(each.kind) for each in findings(local, venue, Instrument(SYMBOL))] == case["findings"]
