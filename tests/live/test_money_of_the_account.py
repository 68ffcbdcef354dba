"""Money that comes into the account or leaves it, and orders that its owner makes, while the bot runs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from live_bench import LiveBench

from cab_core.domain.orders import Side

pytestmark = pytest.mark.reconciliation

Bench = Callable[..., LiveBench]
D = Decimal

#: Candles in which the price falls by two percent and stays there.
SINKING = [(100.0, 100.0, 98.0, 98.0)] + [(98.0, 98.0, 98.0, 98.0)] * 3


def moved(bench: LiveBench) -> list[Any]:
    return [event.facts["moved"] for event in bench.evidence.of_kind("cash.adjusted")]


def told(bench: LiveBench, part: str) -> list[str]:
    return [alert["text"] for alert in bench.alerts if part in alert["text"]]


@pytest.mark.catalogue(174)
@pytest.mark.parametrize("amount", ["-6000", "20000"])
async def test_the_book_follows_a_withdrawal_and_a_deposit_and_keeps_the_drawdown(
    bench: Bench, amount: str
) -> None:
    live = bench(candles=SINKING)
    live.settings["FIXED_AMOUNT"] = "3000"
    drawdowns: list[Decimal] = []

    def look() -> None:
        book = live.session.trader.book
        drawdowns.append(100 * (book.peak - book.equity()) / book.peak)

    live.at(17, look, in_bot=True)
    live.at(17.5, lambda: live.venue.exchange.adjust("main", "USDT", D(amount)))
    live.at(24, look, in_bot=True)
    await live.run(25, buys=[-1])
    book = live.session.trader.book
    there = live.venue.exchange.accounts.of("main", "USDT")
    assert abs(book.quote_free - (there.available + there.locked)) < D("0.5")
    assert len(moved(live)) == 1
    assert abs(D(moved(live)[0]) - D(amount)) < 1
    assert len(told(live, "came into" if D(amount) > 0 else "left the account")) == 1
    assert drawdowns[0] > D("0.5")
    assert abs(drawdowns[1] - drawdowns[0]) < D("0.000001")
    assert not live.session.trader.halts.active(live.session.venue.clock.now_ms())
    live.assert_sound()


@pytest.mark.catalogue(174)
async def test_where_the_settings_say_what_is_the_bots_the_rest_is_the_owners(bench: Bench) -> None:
    live = bench()
    live.settings["EQUITY_BASELINE_QUOTE"] = "1000"
    live.at(2, lambda: live.venue.exchange.adjust("main", "USDT", D(-6000)))  # 4000 are left
    await live.run(8)
    assert moved(live) == []
    live.at(10, lambda: live.venue.exchange.adjust("main", "USDT", D(-3600)))  # 400 are left of 1000
    await live.run(18)
    assert moved(live) == ["-600"]
    assert live.session.trader.book.equity() == D(400)


@pytest.mark.catalogue(46)
async def test_what_the_owner_sells_of_the_bots_coins_is_no_deposit(bench: Bench) -> None:
    live = bench()
    live.settings["FIXED_AMOUNT"] = "3000"
    live.at(3, lambda: live.by_hand(Side.SELL, "15"))
    await live.run(12, buys=[-1])
    assert live.held == live.bought() - D(15)
    assert len(told(live, "external sell of 15")) == 1
    # At the estimated price, the fee unknown: what remains of a difference is that fee.
    assert sum((abs(D(each)) for each in moved(live)), D(0)) < D(5)
    assert abs(live.session.trader.book.equity() - 10_000) < D(15)
    live.assert_sound()


@pytest.mark.catalogue(47)
async def test_what_the_owner_buys_beside_the_bot_is_the_owners_and_its_price_is_gone(bench: Bench) -> None:
    live = bench()
    live.at(3, lambda: live.by_hand(Side.BUY, "2000"))
    await live.run(12, buys=[-1])
    assert live.held == live.bought()
    assert len(moved(live)) == 1
    assert abs(D(moved(live)[0]) + 2000) < 1
    assert len(told(live, "left the account")) == 1
    live.assert_guarded()
    assert live.sold() == 0
