"""Which prices a session on a venue believes, and what it does while it can believe none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from live_bench import MINUTE, START_MS, LiveBench

from cab_core.domain.orders import Purpose

Bench = Callable[..., LiveBench]


def show(live: LiveBench, bid: str, minutes: float, seconds: float) -> None:
    """Let the order book say this from then on, for so long."""
    levels = {"bids": [[bid, "50"]] if bid else [], "asks": [["100001", "50"]]}
    until_ms = START_MS + round(minutes * MINUTE + seconds * 1000)
    more = {"since": minutes, "until_ms": until_ms, "times": None, "fields": levels}
    live.fault("edit", after=True, method="GET", path="/order_book", **more)


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("mode", ["live", "paper"])
@pytest.mark.parametrize("bid", ["0.1", "100000", "0", "-5", ""], ids=lambda bid: bid or "none")
async def test_one_odd_look_sells_nothing_marks_nothing_and_halts_nothing(
    bench: Bench, bid: str, mode: str
) -> None:
    """Not at a look for exits, and not at the decision on a candle, which values all that is held."""
    live = bench(EXITS_EXCHANGE_STOP="false", EXITS_INTERVAL_SEC="20")
    show(live, bid, 5, 19)
    show(live, bid, 15, 19)
    await live.run(20, mode, buys=[-1], sells=[])
    book = live.session.trader.book
    assert len(book.positions) == 1
    assert book.peak < 10_001
    assert book.marks["BTC/USDT"] > 99
    assert not live.session.trader.halts.by_rule
    assert live.alerts == []


@pytest.mark.catalogue(53)
async def test_a_fast_fall_sells_at_the_stop_without_a_stop_at_the_exchange(bench: Bench) -> None:
    """Each look is farther from the one before than an honest price seems to be."""
    live = bench(EXITS_INTERVAL_SEC="5")
    for look, bid in enumerate(range(88, 60, -2)):
        show(live, str(bid), 5 + look / 12, 5)
    await live.run(7, "paper", buys=[-1])
    (sold,) = live.orders(Purpose.STOP_LOSS)
    assert sold["state"] == "done"
    assert sold["created_ms"] - (START_MS + 5 * MINUTE) <= 15_000
    assert not live.session.trader.book.positions


@pytest.mark.catalogue(53)
@pytest.mark.parametrize("mode", ["live", "paper"])
async def test_without_a_bid_the_last_traded_price_is_judged_after_a_minute(bench: Bench, mode: str) -> None:
    live = bench([(100, 100, 90, 90)], EXITS_EXCHANGE_STOP="false", EXITS_INTERVAL_SEC="5")
    show(live, "", 1, 7 * 60)
    await live.run(12, mode, buys=[-1])
    sold = live.orders(Purpose.STOP_LOSS)[0]
    (alert,) = [alert for alert in live.alerts if alert["kind"] == "price_unknown"]
    assert alert["severity"] == "critical"
    assert 55_000 <= alert["ts_ms"] - (START_MS + MINUTE) <= 65_000  # a minute after the last bid was seen
    assert sold["created_ms"] >= alert["ts_ms"]
    assert next(note.facts["by"] for note in live.evidence.of_kind("price.source")) == "last"
    assert not live.session.trader.book.positions


@pytest.mark.parametrize("mode", ["live", "paper"])
async def test_a_sell_signal_waits_for_no_trend_and_no_price(bench: Bench, mode: str) -> None:
    """Higher timeframes never apply to a sale, and a market order needs no price of ours."""
    live = bench(EXITS_EXCHANGE_STOP="false", EXITS_INTERVAL_SEC="60")
    until_ms = START_MS + 64 * MINUTE
    for path in ("/candlesticks.*interval=(1h|4h|1d)", *(("/order_book",) if mode == "live" else ())):
        live.fault("page_503", method="GET", path=path, since=55, until_ms=until_ms, times=None)
    await live.run(66, mode, buys=[-1], sells=[3])
    (sold,) = live.orders(Purpose.SIGNAL_SELL)
    assert sold["state"] == "done"
    assert sold["created_ms"] - (START_MS + 60 * MINUTE) <= 60_000
    assert not live.session.trader.book.positions
