"""Nothing that stops entries stops an exit: each blocker against each kind of exit."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from itertools import cycle, product

import pytest
from live_bench import FLAT, PAIR, START_MS, D, LiveBench

from cab_core.cycle.supervise import State
from cab_core.domain.money import floor_step
from cab_core.domain.orders import Purpose, Side, client_order_id
from cab_core.domain.risk import Halt
from cab_core.domain.timeframes import TF_MS
from cab_core.ports import Changes
from cab_exchange_sim.engine.values import OrderRequest

Bench = Callable[..., LiveBench]
Block = Callable[[LiveBench], Awaitable[str]]

#: What the watchers of a run say through the one way that reaches entries: which of them says it makes no
#: difference to that way, so each meets one kind of exit.
WATCHERS = ("safe_mode", "dms_down", "auto_paused", "clock_skew", "disk_full")

#: Two quiet candles after a position has ended, on the second of which a buy is tried.
EXITS = {
    "signal": ([FLAT, FLAT], (Purpose.SIGNAL_SELL,)),
    "stop": ([(100, 100, 93, 93), FLAT], (Purpose.STOP_LOSS,)),
    "targets": ([(100, 107, 100, 107), FLAT], (Purpose.TAKE_PROFIT_1, Purpose.TAKE_PROFIT_2)),
    "trail": ([(100, 104.5, 100, 104.5), (104.5, 104.5, 99, 99)], (Purpose.TAKE_PROFIT_1, Purpose.TRAIL)),
}


async def pause(live: LiveBench) -> str:
    live.session.orchestrator.supervisor.set_state("BTC/USDT", State.PAUSED, "by hand", "0" * 16)
    return "paused"


async def risk_off(live: LiveBench) -> str:
    for name in ("dxy", "dominance"):
        (live.folder / f"{name}.json").write_text(json.dumps({"change_pct": 9}))
    return "regime_risk_off"


async def halt(live: LiveBench) -> str:
    trader, tripped = live.session.trader, Halt("max_drawdown", live.venue.exchange.now_ms)
    trader.halts = trader.halts.trip(tripped)
    await live.session.orchestrator.records.storage.commit(
        Changes(ts_ms=tripped.since_ms, trace_id="0" * 16, halts=(tripped,))
    )
    return "risk_max_drawdown"


async def mismatch(live: LiveBench) -> str:
    text = client_order_id("of another database", 1)
    stray = OrderRequest(
        pair=PAIR, side=Side.BUY, type="limit", amount=D("0.1"), price=D(50), tif="gtc", text=text
    )
    live.venue.call(lambda: live.venue.exchange.phantom("main", stray))
    return "reconcile_mismatch"


def watcher(reason: str) -> Block:
    async def block(live: LiveBench) -> str:
        before = live.session.orchestrator.decider.no_entry
        live.session.orchestrator.decider.no_entry = lambda symbol: before(symbol) or reason
        return reason

    block.__name__ = reason
    return block


BLOCKERS = (pause, risk_off, halt, mismatch)
CASES = [*product(BLOCKERS, EXITS), *zip(map(watcher, WATCHERS), cycle(EXITS), strict=False)]


@pytest.mark.parametrize(("block", "exits"), CASES, ids=lambda case: getattr(case, "__name__", case))
async def test_exits_are_made_while_entries_are_blocked(bench: Bench, block: Block, exits: str) -> None:
    candles, purposes = EXITS[exits]
    # A mismatch is found by reconciling; nothing else here needs it, or a look more often than a minute.
    seconds = {"EXITS_INTERVAL_SEC": "60", "RECONCILE_INTERVAL_SEC": "60" if block is mismatch else "900"}
    live = bench(candles, EXITS_EXCHANGE_STOP="false", REGIME_INTERVAL_SEC="60", **seconds)
    for name in ("dxy", "dominance"):
        (live.folder / f"{name}.json").write_text(json.dumps({"change_pct": 0}))
    live.settings |= {
        "REGIME_DXY_URL": f"file://{live.folder}/dxy.json",
        "REGIME_DXY_KIND": "change",
        "REGIME_BTC_DOM_URL": f"file://{live.folder}/dominance.json",
        "REGIME_BTC_DOM_KIND": "change",
    }
    if block is mismatch:
        live.fault("page_503", method="DELETE", path="/spot/orders/", times=None)
    said: list[str] = []

    async def blocked() -> None:
        said.append(await block(live))

    live.at(1, blocked, in_bot=True)
    sells = [0] if exits == "signal" else []
    await live.run(36, buys=[-1, 1], sells=sells)
    assert live.held == 0
    assert live.sold() == floor_step(live.bought(), D("0.0001"))
    assert {order["purpose"] for order in live.orders(*purposes, state="done")} == {*map(str, purposes)}
    assert reason_at(live, 1) == said[0]
    live.assert_sound()


def reason_at(live: LiveBench, candle: int) -> str:
    return live.reasons[START_MS + candle * TF_MS]


@pytest.mark.parametrize("flatten", ["true", "false"])
async def test_a_halt_sells_the_position_at_the_venue_only_if_told_to(bench: Bench, flatten: str) -> None:
    live = bench(
        [FLAT, (100, 100, 97, 97), (97, 97, 97, 97)],
        RISK_EMERGENCY_FLATTEN=flatten,
        RISK_DAILY_LOSS_LIMIT_QUOTE="1",
    )
    await live.run(40, buys=[-1])
    sold = live.orders(Purpose.EMERGENCY, state="done")
    told = [alert for alert in live.alerts if alert["rule"] or "halted the account" in alert["text"]]
    assert [order["reason"] for order in sold] == ["emergency_flatten"] * (flatten == "true")
    assert any("whole position is sold" in alert["text"] for alert in told) == (flatten == "true")
    assert (live.held == 0) == (flatten == "true")
    live.assert_sound()
