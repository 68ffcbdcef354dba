"""What the control plane does to the exchange, over HTTP and with its token only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import attrs
import pytest
from litestar import Litestar

from cab_core.data.generator import START_MS, generate
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Side
from cab_exchange_sim.control import PREFIX, Control, control_router
from cab_exchange_sim.engine import Exchange, OrderRequest, StopRequest
from cab_exchange_sim.faults import Faults
from cab_exchange_sim.market_clock import MarketClock

TOKEN = "only-for-tests"
OPENED_MS = START_MS + 3_600_000
MINUTE_MS = 60_000


@attrs.define
class Plane:
    control: Control
    url: str
    session: aiohttp.ClientSession
    left: list[bool]

    async def ask(self, method: str, path: str, data: object = None) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.url}{path}", json=data) as answer:
            return answer.status, await answer.json() if answer.content_length else None

    async def done(self, method: str, path: str, data: object = None) -> Any:
        status, answer = await self.ask(method, path, data)
        assert status < 300, answer
        return answer


@pytest.fixture
async def plane(serve: Any) -> AsyncIterator[Plane]:
    exchange = Exchange(
        {"BTC/USDT": generate("BTC/USDT", 3, 1)},
        instruments={"BTC/USDT": Instrument("BTC/USDT", price_tick=Decimal("0.1"))},
        balances={"main": {"USDT": Decimal(1000), "BTC": Decimal(1)}},
        start_ms=OPENED_MS,
    )
    clock = MarketClock(OPENED_MS, 0)
    left: list[bool] = []
    control = Control(
        exchange, clock, Faults(clock.now_ms), lambda: {"rate_limited": 3}, lambda: left.append(True)
    )
    app = Litestar([control_router(control, TOKEN)], openapi_config=None)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with serve(app) as port, aiohttp.ClientSession(headers=headers) as session:
        yield Plane(control, f"http://127.0.0.1:{port}{PREFIX}", session, left)


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
async def test_nothing_answers_without_the_token(plane: Plane, given: dict[str, str]) -> None:
    paths = ["/clock", "/conditions", "/balances", "/orders", "/ledger", "/counters", "/faults"]
    async with aiohttp.ClientSession(headers=given) as stranger:
        for path in [*paths, "/pairs/BTC_USDT"]:
            async with stranger.get(plane.url + path) as answer:
                assert answer.status == 401, path
        async with stranger.post(plane.url + "/quit") as answer:
            assert answer.status == 401
    assert plane.left == []


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        control_router(Control(None, None, None), "")  # type: ignore[arg-type]  # never gets to use them


async def test_the_clock_jumps_and_the_market_follows(plane: Plane) -> None:
    assert (await plane.done("GET", "/clock"))["now_ms"] == OPENED_MS
    assert (await plane.done("POST", "/clock", {"by_ms": 5000}))["now_ms"] == OPENED_MS + 5000
    moved = await plane.done("POST", "/clock", {"to_ms": OPENED_MS + 60_000, "rate": 0})
    assert (moved["now_ms"], moved["rate"]) == (OPENED_MS + 60_000, 0)
    assert plane.control.exchange.now_ms == OPENED_MS + 60_000


async def test_the_clock_runs_at_a_rate(plane: Plane) -> None:
    await plane.done("POST", "/clock", {"rate": 10_000})
    async with asyncio.timeout(10):
        await plane.control.clock.sleep_until(OPENED_MS + 2000)
    assert (await plane.done("GET", "/clock"))["now_ms"] >= OPENED_MS + 2000


async def test_a_jump_wakes_who_sleeps_until_then(plane: Plane) -> None:
    sleeper = asyncio.create_task(plane.control.clock.sleep_until(OPENED_MS + 60_000))
    await plane.done("POST", "/clock", {"by_ms": 59_999})
    assert not sleeper.done()
    await plane.done("POST", "/clock", {"by_ms": 1})
    async with asyncio.timeout(10):
        await sleeper


@pytest.mark.parametrize(
    ("path", "data", "named"),
    [
        ("/clock", {"to_ms": OPENED_MS - 1}, "back"),
        ("/clock", {"rate": -1}, "back"),
        ("/clock", {"by_ms": "soon"}, "soon"),
        ("/clock", {"hour": 1}, "hour"),
        ("/conditions", {"maintenence": True}, "maintenence"),
        ("/pairs/BTC_USDT", {"conditions": {"trade_status": "closed"}}, "trade_status"),
        ("/pairs/BTC_USDT", {"rules": {"amount_step": "many"}}, "amount_step"),
        ("/pairs/BTC_USDT", {"weather": {}}, "weather"),
        ("/balances", {"currency": "USDT", "delta": "much"}, "much"),
        ("/orders", {"pair": "BTC_USDT"}, "side"),
        ("/faults", {"stage": "before_accept", "kind": "explode"}, "explode"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(
    plane: Plane, path: str, data: object, named: str
) -> None:
    status, answer = await plane.ask("POST", path, data)
    assert status == 400
    assert named in str(answer)


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("DELETE", "/orders/1", None),
        ("DELETE", "/stops/1", None),
        ("DELETE", "/faults/9", None),
        ("POST", "/balances", {"account": "nobody", "currency": "USDT", "delta": "1"}),
    ],
)
async def test_what_is_not_there_is_not_found(plane: Plane, method: str, path: str, data: object) -> None:
    assert (await plane.ask(method, path, data))[0] == 404


async def test_conditions_of_the_exchange_change_one_by_one(plane: Plane) -> None:
    await plane.done("POST", "/conditions", {"maintenance": True})
    changed = await plane.done("POST", "/conditions", {"clock_skew_ms": 90_000})
    assert (changed["maintenance"], changed["clock_skew_ms"]) == (True, 90_000)
    told = await plane.done("GET", "/clock")
    assert told["server_ms"] - told["now_ms"] == 90_000


async def test_rules_and_conditions_of_a_pair_change(plane: Plane) -> None:
    wanted = {
        "rules": {"amount_step": "0.001", "min_notional": "10"},
        "conditions": {
            "trade_status": "sellable",
            "trade_delay_ms": 5000,
            "delisting_ms": OPENED_MS + 1,
            "candles": {"late_ms": 60_000, "missing_ms": [OPENED_MS]},
            "book": {"bids": [], "asks": [["101.5", "2"]], "ts_ms": OPENED_MS},
        },
    }
    seen = await plane.done("POST", "/pairs/BTC_USDT", wanted)
    assert seen["rules"]["amount_step"] == "0.001"
    market = plane.control.exchange.market("BTC_USDT")
    assert (market.instrument.min_notional, market.instrument.price_tick) == (10, Decimal("0.1"))
    conditions = market.conditions
    assert (conditions.trade_status, conditions.trade_delay_ms) == ("sellable", 5000)
    assert (conditions.candles.missing_ms, conditions.candles.late_ms) == ({OPENED_MS}, 60_000)
    assert conditions.book is not None
    assert conditions.book.asks == ((Decimal("101.5"), Decimal(2)),)
    healed = await plane.done("POST", "/pairs/BTC_USDT", {"conditions": {"book": None}})
    assert healed["conditions"]["book"] is None
    assert healed["conditions"]["trade_status"] == "sellable"


async def test_nothing_of_a_wrong_change_is_done(plane: Plane) -> None:
    status, _ = await plane.ask(
        "POST", "/pairs/BTC_USDT", {"conditions": {"trade_delay_ms": 5, "trade_status": "closed"}}
    )
    assert status == 400
    assert plane.control.exchange.pair_conditions("BTC_USDT").trade_delay_ms == 0


async def test_deposits_and_withdrawals(plane: Plane) -> None:
    after = await plane.done("POST", "/balances", {"currency": "USDT", "delta": "-400.5"})
    assert after["accounts"]["main"]["USDT"]["available"] == "599.5"
    status, refused = await plane.ask("POST", "/balances", {"currency": "USDT", "delta": "-600"})
    assert (status, refused["label"]) == (400, "BALANCE_NOT_ENOUGH")
    assert (await plane.done("GET", "/balances"))["accounts"]["main"]["USDT"]["available"] == "599.5"


async def test_phantom_orders_carry_any_text_and_stand_in_the_ledger(plane: Plane) -> None:
    for text in ("t-c2345", "web", ""):
        wanted = {"pair": "BTC_USDT", "side": "sell", "type": "market", "amount": "0.01", "text": text}
        made = await plane.done("POST", "/orders", wanted | {"tif": "ioc"})
        assert (made["text"], made["source"], made["status"]) == (text, "phantom", "closed")
    entries = (await plane.done("GET", "/ledger"))["entries"]
    assert [entry.get("text", "") for entry in entries if entry["kind"] == "order"] == ["t-c2345", "web", ""]
    newer = await plane.done("GET", f"/ledger?since={entries[-2]['number']}")
    assert newer["entries"] == entries[-1:]
    assert newer["count"] == len(entries)


async def test_orders_and_stops_are_cancelled_by_hand(plane: Plane) -> None:
    exchange = plane.control.exchange
    half = (exchange.market("BTC_USDT").last(exchange.now_ms) / 2).quantize(Decimal("0.1"))
    order = exchange.place(
        "main",
        OrderRequest(pair="BTC_USDT", side=Side.BUY, type="limit", amount=Decimal("0.01"), price=half),
    )
    stop = exchange.place_stop(
        "main",
        StopRequest(
            pair="BTC_USDT",
            trigger=half,
            rule="<=",
            ttl_s=600,
            side=Side.SELL,
            amount=Decimal("0.01"),
            price=half,
        ),
    )
    listed = await plane.done("GET", "/orders")
    assert [row["order_id"] for row in listed["orders"]] == [order.order_id]
    assert [row["stop_id"] for row in listed["stops"]] == [stop.stop_id]
    assert (await plane.done("DELETE", f"/orders/{order.order_id}"))["status"] == "cancelled"
    assert (await plane.done("DELETE", f"/stops/{stop.stop_id}"))["status"] == "canceled"
    assert exchange.open_now("main") == []
    assert exchange.waiting_stops("main") == []
    status, refused = await plane.ask("DELETE", f"/orders/{order.order_id}")
    assert (status, refused["label"]) == (400, "ORDER_CANCELLED")


async def test_faults_are_planned_listed_and_cleared(plane: Plane) -> None:
    rule = {"stage": "after_accept", "kind": "cut", "method": "POST", "nth": 1}
    assert await plane.done("POST", "/faults", rule) == {"rule": 1}
    assert await plane.done("POST", "/faults", rule | {"kind": "null"}) == {"rule": 2}
    assert (await plane.done("GET", "/faults"))["rules"]["1"] == rule
    await plane.done("DELETE", "/faults/1")
    assert list((await plane.done("GET", "/faults"))["rules"]) == ["2"]
    await plane.done("DELETE", "/faults")
    assert (await plane.done("GET", "/faults"))["rules"] == {}


async def test_counters_and_the_end(plane: Plane) -> None:
    assert await plane.done("GET", "/counters") == {"rate_limited": 3}
    await plane.done("POST", "/quit")
    assert plane.left == [True]
    assert plane.control.faults.stopped
