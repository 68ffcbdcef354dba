"""The cycle of a paper session, seen from outside: what it orders, what it refuses, what it remembers."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from cab_core.domain.orders import OrderState, Purpose
from cab_core.storage import (
    intents_open,
    intents_since,
    load_fills,
    load_positions,
    load_traces,
    verify_journal,
    visit,
)


def entries(outcome) -> list[Decimal]:
    return [
        order.intent.cost
        for order in outcome.orders
        if order.intent.purpose is Purpose.ENTRY and order.intent.cost is not None
    ]


@pytest.mark.catalogue(18)
@pytest.mark.idempotency
async def test_no_duplicate_orders(bench):
    """Evaluating a candle again, even at the same time, makes no second order."""
    desk = bench(bars=20)
    async with desk.opened() as outcome:
        session = outcome.session
        await session.orchestrator.run()
        made = len(outcome.orders)
        bought = next(cycle for cycle in outcome.cycles if cycle.action == "buy")
        balances = await session.broker.balances()
        for _ in range(3):
            await session.orchestrator.exits.look(
                "BTC/USDT", await session.orchestrator.prices.look("BTC/USDT")
            )
        await session.orchestrator.execution.recover()
        assert len(outcome.orders) == made
        assert await session.broker.balances() == balances
    keys = [(i.intent.key, i.intent.attempt) for i in visit(desk.database, lambda c: intents_since(c, 0))]
    assert len(keys) == len(set(keys)) == made
    again = await desk.run()  # the candles are evaluated already
    assert (again.orders, again.cycles) == ([], [])
    assert bought.order_key in {key for key, _ in keys}


@pytest.mark.catalogue(1, 3, 6, 13, 18)
@pytest.mark.idempotency
async def test_idempotency_after_restart(bench, dying):
    """Whatever commit the process dies at, the next start makes every order once and loses no money."""
    through = await bench(bars=14).run()
    for commit_no in range(1, 23):
        for after in (False, True):
            desk, death = dying(commit_no, after=after, bars=14)
            with pytest.raises(death):
                await desk.run()
            rest = await attrs.evolve(desk, crash=None).run()
            check_once(desk, through, rest)


def check_once(bench, through, rest):
    stored = visit(bench.database, lambda conn: intents_since(conn, 0))
    assert visit(bench.database, intents_open) == []
    done = [i.intent.key for i in stored if i.state is OrderState.DONE]
    assert len(done) == len(set(done))
    wanted = [order.intent.key for order in through.orders]
    given_up = {i.intent.key for i in stored if i.state is OrderState.ABANDONED} - set(done)
    assert all("|entry|" in key for key in given_up)
    if not given_up:
        assert sorted(done) == sorted(wanted)
        book, replayed = rest.session.trader.book, through.session.trader.book
        assert (book.equity(), book.realized, book.peak) == (
            replayed.equity(),
            replayed.realized,
            replayed.peak,
        )
    fills = visit(bench.database, load_fills)
    assert len({fill.client_id for fill in fills}) == len(fills) == len(done)
    assert len(visit(bench.database, load_traces)) == bench.bars
    assert visit(bench.database, verify_journal) == []


@pytest.mark.catalogue(3)
@pytest.mark.idempotency
async def test_an_entry_cut_off_before_the_venue_took_it_is_given_up(dying):
    """Its price is gone; the money stays and later entries are made."""
    given_up = 0
    for commit_no in range(1, 5):
        desk, death = dying(commit_no, after=True, bars=14)
        with pytest.raises(death):
            await desk.run()
        left = visit(desk.database, intents_open)
        if not left or left[0].intent.purpose is not Purpose.ENTRY:
            continue
        rest = await attrs.evolve(desk, crash=None).run()
        states = {i.intent.key: i.state for i in visit(desk.database, lambda c: intents_since(c, 0))}
        if states[left[0].intent.key] is OrderState.ABANDONED:
            given_up += 1
            assert left[0].intent.key not in {order.intent.key for order in rest.orders}
            assert rest.orders
    assert given_up == 2  # once planned, once sent


@pytest.mark.regime
async def test_neutral_mode_blocks_entry_allows_exit(bench, macro):
    neutral = macro((0, "dxy", 0.0), (0, "btc_dominance", 0.0), (10, "dxy", 0.36), (10, "btc_dominance", 0.7))
    outcome = await bench(bars=32, timeline=neutral).run()
    assert outcome.reasons().count("regime_neutral") == 2
    assert [order.intent.purpose for order in outcome.orders] == [
        Purpose.ENTRY,
        Purpose.SIGNAL_SELL,
        Purpose.ENTRY,
        Purpose.SIGNAL_SELL,  # neutral by now: the exit is made all the same
    ]
    assert outcome.session.trader.book.positions == {}


@pytest.mark.regime
async def test_risk_small_reduces_position_50pct(bench, macro):
    small = macro((0, "dxy", 0.0), (10, "dxy", 0.35))
    outcome = await bench(bars=32, overrides=("FIXED_AMOUNT=80",), timeline=small).run()
    assert entries(outcome) == [Decimal(80), Decimal(80), Decimal(40), Decimal(40)]
    bought = [cycle.trace for cycle in outcome.cycles if cycle.action == "buy"]
    assert [trace["regime"]["multiplier"] for trace in bought] == ["1", "1", "0.5", "0.5"]


@pytest.mark.regime
async def test_risk_off_blocks_all_entries(bench, macro):
    off = macro((0, "dxy", 1.0), (0, "btc_dominance", 1.0))
    symbols = ("BTC/USDT", "ETH/USDT")
    outcome = await bench(symbols=symbols, bars=32, timeline=off).run()
    assert outcome.orders == []
    wanted = [cycle for cycle in outcome.cycles if cycle.candle_ts_ms // 900_000 % 8 == 0]
    assert len(wanted) > 2 * len(symbols)
    assert {cycle.reason for cycle in wanted} == {"regime_risk_off"}


@pytest.mark.risk
async def test_spread_blocks_entry_not_exit(bench):
    """A position bought at a narrow spread is sold at a wide one, and nothing new is bought."""
    narrow = bench(bars=18)
    first = await narrow.run()
    assert first.session.trader.book.positions.keys() == {"BTC/USDT"}
    wide = ("PAPER_SPREAD_PCT=1",)
    second = await attrs.evolve(narrow, bars=40, overrides=wide).run()
    assert [order.intent.purpose for order in second.orders] == [Purpose.SIGNAL_SELL]
    assert second.reasons().count("risk_spread_cap") == 2
    blocked = [payload for topic, payload in second.events if topic == "risk.blocked"]
    assert {payload["rule"] for payload in blocked} == {"spread_cap"}


async def test_a_position_is_protected_as_soon_as_it_is_on_record(bench):
    desk = bench(bars=2)
    outcome = await desk.run()
    stored = visit(desk.database, load_positions)["BTC/USDT"]
    assert stored["protection"]["stop"]
    book = outcome.session.trader.book
    protection = book.positions["BTC/USDT"].protection
    assert protection is not None
    assert Decimal(stored["protection"]["stop"]) == protection.stop


@pytest.mark.catalogue(61)
async def test_a_fill_that_slipped_beyond_the_cap_is_warned_of(bench):
    """The fill stands as it is; the operator is told, entries and exits alike."""
    overrides = ("PAPER_SLIPPAGE_PCT=1.5", "RISK_MAX_SLIPPAGE_PCT=1")
    slipped = await bench(bars=14, overrides=overrides).run()
    warnings = [e for topic, e in slipped.events if topic == "risk.warning" and e["rule"] == "slippage"]
    assert len(warnings) == len(slipped.orders) > 1
    assert all(1.4 < warning["value"] < 1.6 and warning["threshold"] == 1 for warning in warnings)
    within = await bench(bars=14, overrides=("PAPER_SLIPPAGE_PCT=0.9",)).run()
    assert len(within.orders) == len(slipped.orders)
    assert not [e for topic, e in within.events if topic == "risk.warning" and e["rule"] == "slippage"]
