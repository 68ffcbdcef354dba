"""What only the other side shows: the database against an open account and against an exchange's ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any

import attrs
import pytest

from cab_core.app.verify import (
    Evidence,
    Result,
    Status,
    check_evidence,
    check_exchange,
    check_ledger,
    gather,
    merged,
    violated,
)
from cab_core.domain.orders import Ack, Intent, OrderType, Purpose, Side
from cab_core.sdk import Broker
from cab_core.storage import open_sync
from cab_exchange_sim.engine.ledger import Entry

BTC = "BTC/USDT"
Meddle = Callable[[Broker], Awaitable[None]]


def names(results: list[Result]) -> set[str]:
    return {result.name for result in violated(results)}


def looked_at(bench: Any, meddle: Meddle | None = None, **how: Any) -> tuple[Evidence, list[Result]]:
    """Trade, meddle with the account behind the bot's back, and compare."""

    async def trade() -> tuple[Evidence, list[Result]]:
        made = bench(bars=60)
        async with made.opened() as outcome:
            await outcome.session.orchestrator.run()
            broker = outcome.session.broker
            if meddle is not None:
                await meddle(broker)
            with open_sync(made.database) as conn:
                evidence = gather(conn)
            return evidence, await check_exchange(evidence, broker, **how)

    return asyncio.run(trade())


def by_hand(side: Side, size: str, **more: Any) -> Intent:
    amount = {"cost" if side is Side.BUY else "quantity": Decimal(size)}
    return Intent(f"hand|{side}", BTC, side, Purpose.MANUAL, "hand", "-", 0, **amount, **more)


async def an_order_nobody_planned(broker: Broker) -> None:
    assert isinstance(await broker.submit(by_hand(Side.BUY, "50")), Ack)


async def everything_is_sold(broker: Broker) -> None:
    free = (await broker.balances())["BTC"].free.quantize(Decimal("0.000001"), ROUND_DOWN)
    assert isinstance(await broker.submit(by_hand(Side.SELL, str(free))), Ack)


def test_an_untouched_account_agrees(bench: Any) -> None:
    evidence, results = looked_at(bench, stops_expected=False)
    assert evidence.positions.keys() == {BTC}
    assert {result.name for result in results if result.status is Status.OK} == {
        "I1",
        "I2",
        "I3",
        "I4",
        "I5",
        "I7",
    }
    everything = merged(check_evidence(evidence), results)
    assert [result.name for result in everything] == [f"I{n}" for n in range(1, 27)]
    assert {result.name: result.status for result in everything}["I4"] is Status.OK


@pytest.mark.catalogue(39)
def test_an_order_with_our_prefix_that_no_record_knows_is_named(bench: Any) -> None:
    async def and_rests(broker: Broker) -> None:
        low = Decimal(10_000)  # far below any price of the market, which has ended by now
        stop = by_hand(Side.SELL, "0.0005", type=OrderType.STOP_LIMIT, trigger=low, limit=low)
        assert isinstance(await broker.submit(stop), Ack)

    _, results = looked_at(bench, and_rests, stops_expected=False)
    assert names(results) == {"I2"}


@pytest.mark.catalogue(46)
def test_base_sold_by_hand_is_named(bench: Any) -> None:
    _, results = looked_at(bench, everything_is_sold, stops_expected=False)
    assert "I4" in names(results)


@pytest.mark.catalogue(47)
def test_more_base_than_the_position_is_nobodys_business(bench: Any) -> None:
    _, results = looked_at(bench, an_order_nobody_planned, stops_expected=False)
    assert "I4" not in names(results)


def test_a_position_without_its_stop_is_named(bench: Any) -> None:
    _, results = looked_at(bench, stops_expected=True)
    assert names(results) == {"I11"}


@pytest.fixture
def evidence(bench: Any) -> Evidence:
    return looked_at(bench, stops_expected=False)[0]


def ledger_of(evidence: Evidence) -> list[dict[str, Any]]:
    """Return the ledger of an exchange at which all happened as recorded."""
    entries: list[Entry] = []
    for row in sorted(evidence.intents, key=lambda row: row["created_ms"]):
        shared = {"ms": row["sent_ms"], "pair": row["symbol"].replace("/", "_"), "order_id": row["order_id"]}
        entries.append(
            Entry(number=1, kind="order", text=row["client_id"], source="api", side=row["side"], **shared)
        )
        entries += [
            Entry(
                number=1,
                kind="fill",
                side=trade.side,
                trade_id=trade.trade_id,
                quantity=trade.quantity,
                price=trade.price,
                fee=trade.fee,
                fee_currency=trade.fee_currency,
                **shared,
            )
            for trade in evidence.trades
            if trade.client_id == row["client_id"]
        ]
    return [attrs.evolve(entry, number=n).as_json() for n, entry in enumerate(entries, 1)]


def test_a_true_ledger_agrees(evidence: Evidence) -> None:
    results = check_ledger(evidence, ledger_of(evidence))
    assert {result.status for result in results} == {Status.OK}
    assert {result.name for result in results} == {"I1", "I2", "I3", "I5", "I7", "I13"}


def accepted_twice(ledger: list[dict[str, Any]]) -> None:
    ledger.append(next(e for e in ledger if e["kind"] == "order") | {"order_id": "other"})


def accepted_unseen(ledger: list[dict[str, Any]]) -> None:
    ledger.append(ledger[0] | {"order_id": "other", "text": "t-caaaaaaaaaaaaaaaa-1"})


def filled_once_more(ledger: list[dict[str, Any]]) -> None:
    fill = next(e for e in ledger if e["kind"] == "fill" and e["side"] == "buy")
    ledger.append(fill | {"trade_id": "late"})


def sold_more(ledger: list[dict[str, Any]]) -> None:
    fill = next(e for e in ledger if e["kind"] == "fill" and e["side"] == "sell")
    fill["quantity"] = "5"


def never_accepted(ledger: list[dict[str, Any]]) -> None:
    gone = ledger[0]["order_id"]
    ledger[:] = [entry for entry in ledger if entry["order_id"] != gone]


BENT: dict[Callable[[list[dict[str, Any]]], None], set[str]] = {
    accepted_twice: {"I1"},
    accepted_unseen: {"I2"},
    filled_once_more: {"I3", "I13"},
    sold_more: {"I3", "I5", "I13"},
    never_accepted: {"I3", "I5", "I7", "I13"},
}


@pytest.mark.parametrize("bend", BENT, ids=lambda bend: bend.__name__)
def test_a_ledger_that_tells_otherwise_is_named(evidence: Evidence, bend: Any) -> None:
    ledger = ledger_of(evidence)
    bend(ledger)
    assert names(check_ledger(evidence, ledger)) == BENT[bend]


@pytest.mark.catalogue(38)
def test_foreign_and_phantom_orders_are_left_out(evidence: Evidence) -> None:
    ledger = ledger_of(evidence)
    first = ledger[0]
    ledger += [
        first | {"order_id": "f", "text": "t-somebody"},
        first | {"order_id": "p", "text": "t-caaaaaaaaaaaaaaaa-7", "source": "phantom"},
    ]
    assert not names(check_ledger(evidence, ledger))
