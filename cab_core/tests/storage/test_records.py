from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import attrs
import pytest

from cab_core.domain.orders import Fill, Intent
from cab_core.ports import Changes, Cycle
from cab_core.storage import (
    AccountRow,
    Connection,
    Counter,
    EquityPoint,
    PaperState,
    RegimeRow,
    Store,
    TraceRow,
    bind_account,
    find_trace,
    get_trace,
    intents_open,
    journal_rows,
    last_candles,
    last_equity,
    load_account,
    load_counters,
    load_fills,
    load_positions,
    load_regime,
    load_state,
    load_traces,
    plan_intent,
    save_account,
    save_equity,
    save_fill,
    save_position,
    save_regime,
    save_trace,
    set_counter,
    update_trace,
    verify_journal,
)
from cab_core.storage.records import Records
from cab_core.storage.reports import deepest_drawdown

pytestmark = pytest.mark.settlement

DAY_MS = 86_400_000


def _trace(candle: int, symbol: str = "BTC/USDT") -> TraceRow:
    return TraceRow(
        trace_id=f"{symbol}{candle}",
        symbol=symbol,
        candle_ts_ms=candle,
        close=Decimal("61240.10"),
        action="hold",
        reason="all_hold",
        payload={"votes": {"ema_cross": [0.5, "hold"]}},
    )


ACCOUNT = AccountRow(
    baseline=Decimal(10000),
    peak=Decimal("10250.50"),
    peak_since_ms=0,
    quote_free=Decimal("9950.00"),
    book={"lots": {"BTC/USDT": [["0.1", "50"]]}},
    updated_ms=3000,
)


@pytest.mark.catalogue(8, 42)
async def test_a_fill_is_applied_once(store: Store, fill: Callable[..., Fill]) -> None:
    assert await store.transact(lambda c: save_fill(c, "paper", fill()))
    before = await store.read(lambda c: list(journal_rows(c)))

    assert not await store.transact(lambda c: save_fill(c, "paper", fill()))

    assert await store.read(lambda c: list(journal_rows(c))) == before
    assert await store.read(load_fills) == [fill()]


@pytest.mark.catalogue(45)
async def test_every_fee_of_a_trade_is_kept_digit_by_digit(store: Store, fill: Callable[..., Fill]) -> None:
    charged = fill(further_fees=(("GT", Decimal("0.00010")), ("POINT", Decimal(1))))
    await store.transact(lambda c: save_fill(c, "gateio", charged))

    (kept,) = await store.read(load_fills)
    (row,) = await store.read(lambda c: list(journal_rows(c)))

    assert kept == charged
    assert str(kept.further_fees[0][1]) == "0.00010"
    assert json.loads(row.payload)["further_fees"] == [["GT", "0.00010"], ["POINT", "1"]]


async def test_trade_ids_are_unique_per_exchange_and_symbol_only(
    store: Store, fill: Callable[..., Fill]
) -> None:
    assert await store.transact(lambda c: save_fill(c, "paper", fill()))
    assert await store.transact(lambda c: save_fill(c, "gateio", fill()))
    assert await store.transact(lambda c: save_fill(c, "paper", fill(symbol="ETH/USDT")))


async def test_fills_come_in_the_order_lots_are_consumed(store: Store, fill: Callable[..., Fill]) -> None:
    late, early, tie = fill("a", ts_ms=9), fill("c", ts_ms=5), fill("b", ts_ms=5, client_id="other")
    for one in (late, early, tie):
        await store.transact(partial(save_fill, exchange="paper", fill=one))

    assert await store.read(load_fills) == [tie, early, late]
    assert await store.read(lambda c: load_fills(c, since_ms=6)) == [late]
    assert await store.read(lambda c: load_fills(c, client_id="other")) == [tie]
    assert await store.read(lambda c: load_fills(c, symbol="ETH/USDT")) == []


@pytest.mark.catalogue(10)
async def test_fill_position_and_account_are_one_transaction(store: Store, fill: Callable[..., Fill]) -> None:
    def settle(conn: Connection) -> None:
        save_fill(conn, "paper", fill())
        save_position(conn, "BTC/USDT", {"quantity": "0.00080838"}, 2000)
        save_account(conn, ACCOUNT)
        if failing:
            raise RuntimeError("killed here")

    failing = True
    with pytest.raises(RuntimeError, match="killed here"):
        await store.transact(settle)
    assert await store.read(lambda c: (load_fills(c), load_positions(c), load_account(c))) == ([], {}, None)

    failing = False
    await store.transact(settle)
    fills, positions, account = await store.read(
        lambda c: (load_fills(c), load_positions(c), load_account(c))
    )
    assert (len(fills), positions, account) == (1, {"BTC/USDT": {"quantity": "0.00080838"}}, ACCOUNT)
    assert await store.read(verify_journal) == []


async def test_a_closed_position_is_gone(store: Store) -> None:
    await store.transact(lambda c: save_position(c, "BTC/USDT", {"stage": 0}, 1))
    await store.transact(lambda c: save_position(c, "BTC/USDT", {"stage": 1}, 2))
    assert await store.read(load_positions) == {"BTC/USDT": {"stage": 1}}

    await store.transact(lambda c: save_position(c, "BTC/USDT", None, 3))
    assert await store.read(load_positions) == {}
    assert len(await store.read(lambda c: list(journal_rows(c)))) == 3


async def test_the_equity_curve(store: Store) -> None:
    points = [EquityPoint(n, Decimal(100 - n), Decimal(100), Decimal(n)) for n in (1, 2, 3)]
    assert await store.read(last_equity) is None
    for point in (*points, points[1]):
        await store.transact(partial(save_equity, point=point))

    assert await store.read(lambda c: deepest_drawdown(c, 0, 3)) == Decimal(2)
    assert await store.read(lambda c: deepest_drawdown(c, 3, 9)) == Decimal(3)
    assert await store.read(lambda c: deepest_drawdown(c, 4, 9)) is None
    assert await store.read(last_equity) == points[2]


@pytest.mark.catalogue(18, 66)
async def test_a_candle_is_evaluated_once(store: Store) -> None:
    assert await store.transact(lambda c: save_trace(c, _trace(900), 5))
    again = TraceRow(
        trace_id="other",
        symbol="BTC/USDT",
        candle_ts_ms=900,
        close=None,
        action="buy",
        reason="vote:5-2",
        payload={},
    )
    assert not await store.transact(lambda c: save_trace(c, again, 6))
    assert await store.transact(lambda c: save_trace(c, _trace(900, "ETH/USDT"), 6))

    assert await store.read(lambda c: get_trace(c, "BTC/USDT900")) == _trace(900)
    assert await store.read(lambda c: get_trace(c, "other")) is None


@pytest.mark.catalogue(18)
async def test_an_order_of_a_candle_that_was_decided_is_not_planned(
    store: Store, entry: Callable[..., Intent]
) -> None:
    records = Records(store, "paper")
    decided = Cycle(
        trace_id="first", symbol="BTC/USDT", candle_ts_ms=900, close=None, action="hold", reason="no_signal",
        order_key=None, trace={},
    )  # fmt: skip
    assert await records.commit(Changes(ts_ms=5, trace_id="0" * 16, cycle=decided))
    again = attrs.evolve(decided, trace_id="second", action="buy", order_key=entry().key)
    assert not await records.commit(
        Changes(ts_ms=6, trace_id="0" * 16, cycle=again, planned=((entry(), {}),))
    )
    assert await store.read(intents_open) == []


async def test_traces_are_found_by_symbol_and_time(store: Store) -> None:
    for candle in (900, 1800, 2700):
        await store.transact(partial(save_trace, trace=_trace(candle), ts_ms=1))
    await store.transact(lambda c: save_trace(c, _trace(3600, "ETH/USDT"), 1))

    def found(conn: Connection) -> list[TraceRow | None]:
        return [
            find_trace(conn),
            find_trace(conn, "BTC/USDT"),
            find_trace(conn, "BTC/USDT", 2699),
            find_trace(conn, "BTC/USDT", 899),
            find_trace(conn, "XRP/USDT"),
        ]

    eth = _trace(3600, "ETH/USDT")
    assert await store.read(found) == [eth, _trace(2700), _trace(1800), None, None]
    assert await store.read(last_candles) == {"BTC/USDT": 2700, "ETH/USDT": 3600}
    some = await store.read(lambda c: load_traces(c, symbol="BTC/USDT", since_ms=1800, until_ms=2700))
    assert some == [_trace(1800)]


async def test_the_outcome_of_a_delayed_entry_replaces_the_first(store: Store) -> None:
    await store.transact(lambda c: save_trace(c, _trace(900), 5))
    change = partial(
        update_trace, action="buy", reason="filled", order_key="k", payload={"retries": 2}, ts_ms=9
    )
    await store.transact(lambda c: change(c, "BTC/USDT900"))
    with pytest.raises(KeyError, match="no trace x"):
        await store.transact(lambda c: change(c, "x"))

    trace = await store.read(lambda c: get_trace(c, "BTC/USDT900"))
    assert trace is not None
    assert (trace.action, trace.reason, trace.order_key, trace.payload) == (
        "buy",
        "filled",
        "k",
        {"retries": 2},
    )


async def test_the_regime_is_the_previous_state_after_a_restart(store: Store) -> None:
    def row(state: str, ts_ms: int) -> RegimeRow:
        return RegimeRow(state=state, score=0.4, since_ms=1, updated_ms=ts_ms, payload={"dxy": 0.6})

    assert await store.read(load_regime) is None
    for state, ts_ms in (("risk_small", 1), ("risk_small", 2), ("neutral", 3)):
        await store.transact(partial(save_regime, row=row(state, ts_ms)))

    assert await store.read(load_regime) == row("neutral", 3)
    assert [entry.ts_ms for entry in await store.read(lambda c: list(journal_rows(c)))] == [1, 3]


async def test_the_paper_venue_remembers(store: Store) -> None:
    memory = PaperState(store)
    assert await memory.load() == {}
    await memory.save({"balances": "{}", "orders": "[1]"})
    await memory.save({"orders": "[2]"})
    assert await memory.load() == {"balances": "{}", "orders": "[2]"}


async def test_the_newest_value_of_a_counter_is_kept_by_day_scope_and_rule(store: Store) -> None:
    for date, value in (("2025-01-01", "10.50"), ("2025-01-01", "10.00"), ("2025-01-02", "1")):
        counter = Counter(date, "account", "daily_loss", Decimal(value), 1, "-")
        await store.transact(partial(set_counter, counter=counter))
    values = [counter.value for counter in await store.read(lambda c: load_counters(c, "2025-01-01"))]
    assert values == [Decimal("10.00"), Decimal(1)]


async def test_a_start_finds_everything(store: Store, entry: Callable[..., Intent]) -> None:
    empty = await store.read(load_state)
    assert (empty.epoch, empty.account_name, empty.account, empty.regime) == (store.epoch, None, None, None)

    def run(conn: Connection) -> None:
        bind_account(conn, "paper")
        plan_intent(conn, entry())
        save_position(conn, "BTC/USDT", {"stage": 0}, 1)
        save_account(conn, ACCOUNT)
        save_trace(conn, _trace(900), 1)

    await store.transact(run)
    state = await store.read(load_state)

    assert state.account_name == "paper"
    assert state.account == ACCOUNT
    assert state.positions == {"BTC/USDT": {"stage": 0}}
    assert [stored.intent for stored in state.open_intents] == [entry()]
    assert state.last_candles == {"BTC/USDT": 900}
    assert (state.halts, state.counters, state.peak_reset_ms) == ([], [], None)
