from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cab_core.domain.orders import TERMINAL, TRANSITIONS, Intent, OrderState, OrderType, Purpose, Side
from cab_core.storage import (
    Connection,
    Store,
    find_intent,
    intents_open,
    intents_since,
    journal_rows,
    plan_intent,
    set_intent_state,
    verify_journal,
)

pytestmark = pytest.mark.idempotency

_SHARED = [HealthCheck.function_scoped_fixture]


def _path_to(state: OrderState) -> list[OrderState]:
    paths = {OrderState.PLANNED: [OrderState.PLANNED]}
    while state not in paths:
        for known, path in list(paths.items()):
            for following in sorted(TRANSITIONS[known]):
                paths.setdefault(following, [*path, following])
    return paths[state]


async def _bring(store: Store, intent: Intent, state: OrderState) -> None:
    for step in _path_to(state)[1:]:
        await store.transact(
            partial(set_intent_state, key=intent.key, attempt=intent.attempt, to=step, ts_ms=5000)
        )


async def test_an_intent_comes_back_as_it_was_planned(store: Store, entry: Callable[..., Intent]) -> None:
    stop = entry(
        key="BTC/USDT|sell|sl|7|0",
        side=Side.SELL,
        purpose=Purpose.STOP_LOSS,
        type=OrderType.STOP_LIMIT,
        cost=None,
        quantity=Decimal("0.10"),
        trigger=Decimal("58000.0"),
        limit=Decimal("57900"),
    )
    for intent in (entry(), stop):
        assert await store.transact(partial(plan_intent, intent=intent, payload={"votes": [1, 2]}))
        stored = await store.read(partial(find_intent, client_id=intent.client_id))
        assert stored is not None
        assert stored.intent == intent
        assert str(stored.intent.cost) == str(intent.cost)
        assert (stored.state, stored.sent_ms, stored.payload) == (OrderState.PLANNED, None, {"votes": [1, 2]})
    assert await store.read(lambda c: find_intent(c, "t-cnone-1")) is None


@pytest.mark.catalogue(17)
@pytest.mark.parametrize("state", list(OrderState))
async def test_a_key_is_used_once(store: Store, entry: Callable[..., Intent], state: OrderState) -> None:
    await store.transact(lambda c: plan_intent(c, entry()))
    await _bring(store, entry(), state)
    before = await store.read(lambda c: list(journal_rows(c)))

    assert not await store.transact(lambda c: plan_intent(c, entry(reason="another")))
    assert await store.read(lambda c: list(journal_rows(c))) == before


@pytest.mark.catalogue(17)
@pytest.mark.parametrize("state", list(OrderState))
async def test_a_next_attempt_only_follows_a_failed_one(
    store: Store, entry: Callable[..., Intent], state: OrderState
) -> None:
    await store.transact(lambda c: plan_intent(c, entry()))
    await _bring(store, entry(), state)

    planned = await store.transact(lambda c: plan_intent(c, entry(attempt=2)))

    assert planned is (state in {OrderState.REJECTED, OrderState.ABANDONED})
    attempts = await store.read(lambda c: intents_since(c, 0))
    alive = [stored for stored in attempts if stored.state not in {OrderState.REJECTED, OrderState.ABANDONED}]
    assert len(alive) == 1


@settings(suppress_health_check=_SHARED, max_examples=60, deadline=None)
@given(wanted=st.lists(st.sampled_from(OrderState), max_size=6), ref=st.integers(0, 10**9))
async def test_only_legal_transitions_are_kept(
    store: Store, entry: Callable[..., Intent], wanted: list[OrderState], ref: int
) -> None:
    intent = entry(ref)
    if not await store.transact(lambda c: plan_intent(c, intent)):
        return  # hypothesis came to the same key twice
    state = OrderState.PLANNED
    for to in wanted:

        def move(conn: Connection, to: OrderState = to) -> None:
            set_intent_state(conn, intent.key, 1, to, ts_ms=5000)

        if to in TRANSITIONS[state]:
            await store.transact(move)
            state = to
        else:
            with pytest.raises(ValueError, match="illegal order transition"):
                await store.transact(move)

    stored = await store.read(lambda c: find_intent(c, intent.client_id))
    assert stored is not None
    assert stored.state is state
    opened = await store.read(intents_open)
    assert (intent.client_id in {each.intent.client_id for each in opened}) is (state not in TERMINAL)


async def test_each_step_is_journalled_with_its_facts(store: Store, entry: Callable[..., Intent]) -> None:
    def life(conn: Connection) -> None:
        plan_intent(conn, entry())
        set_intent_state(conn, entry().key, 1, OrderState.SENT, ts_ms=1005)
        set_intent_state(conn, entry().key, 1, OrderState.UNKNOWN, ts_ms=1010, message="timeout")
        set_intent_state(conn, entry().key, 1, OrderState.ACKED, ts_ms=1020, order_id="77")
        set_intent_state(conn, entry().key, 1, OrderState.DONE, ts_ms=1030)

    await store.transact(life)

    rows = await store.read(lambda c: list(journal_rows(c)))
    kinds = ["order.planned", "order.sent", "order.unknown", "order.acked", "order.done"]
    assert [row.kind for row in rows] == kinds
    assert {row.ref for row in rows} == {entry().client_id}
    assert {row.trace_id for row in rows} == {entry().trace_id}
    assert json.loads(rows[0].payload)["cost"] == "50.00"
    stored = await store.read(lambda c: find_intent(c, entry().client_id))
    assert stored is not None
    assert (stored.sent_ms, stored.order_id, stored.message) == (1005, "77", "timeout")
    assert await store.read(verify_journal) == []


async def test_an_unknown_attempt_is_a_defect(store: Store) -> None:
    with pytest.raises(KeyError, match="no intent x attempt 1"):
        await store.transact(lambda c: set_intent_state(c, "x", 1, OrderState.SENT, ts_ms=1))


async def test_open_intents_come_oldest_first(store: Store, entry: Callable[..., Intent]) -> None:
    for ref in (3, 1, 2):
        await store.transact(partial(plan_intent, intent=entry(ref)))

    opened = await store.read(intents_open)
    assert [stored.intent for stored in opened] == [entry(1), entry(2), entry(3)]
    recent = await store.read(lambda c: intents_since(c, 1002))
    assert [stored.intent for stored in recent] == [entry(2), entry(3)]
