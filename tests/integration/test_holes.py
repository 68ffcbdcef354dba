"""Candles that are missing: nothing fills where there is none, in either shell, whatever happens meanwhile.

Clockwork buys at the close of candles 0 and 8 and sells at the close of candles 4 and 12.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from cab_core.app.config import judge_of, panels_of
from cab_core.cycle.backtest import Backtest, Finished
from cab_core.data.generator import START_MS, generate
from cab_core.domain.money import to_decimal
from cab_core.domain.timeframes import TF_MS
from cab_core.storage import intents_open, load_fills, verify_journal, visit

BTC, ETH = "BTC/USDT", "ETH/USDT"


def replayed(desk: Any) -> Finished:
    config, plugins = desk.parts()
    return Backtest(
        config=config, series=desk.series(), panels=panels_of(plugins), judge=judge_of(plugins)
    ).execute()


def sales(book: Any) -> list[tuple[Any, ...]]:
    return [(t.symbol, x.ts_ms, x.reason, x.price, x.quantity) for t in book.trades for x in t.exits]


def money(book: Any) -> list[tuple[Any, ...]]:
    return [(symbol, reason, price, quantity) for symbol, _, reason, price, quantity in sales(book)]


def open_of(symbol: str, candle: int) -> Decimal:
    bid: Decimal = to_decimal(generate(symbol, 4, 11).open[candle]) * Decimal("0.9999")
    return bid * Decimal("0.9995")


async def test_a_sale_decided_before_a_hole_is_made_where_the_market_opens_again(bench: Any) -> None:
    desk = bench(bars=16, gone={BTC: (13, 14)})
    outcome, finished = await desk.run(), replayed(desk)
    book = outcome.session.trader.book
    symbol, ts_ms, reason, price, _ = sales(book)[-1]
    assert (symbol, ts_ms, reason) == (BTC, START_MS + 16 * TF_MS - 1, "signal_sell_gap")
    assert price == open_of(BTC, 15)
    assert sales(book) == sales(finished.trader.book)
    assert book.equity() == finished.result.final_equity
    ordinary = replayed(bench(bars=16))
    assert ordinary.result.exits_by_reason == {"signal_sell": 2}


async def test_a_buy_decided_before_a_hole_lapses(bench: Any) -> None:
    desk = bench(bars=20, gone={BTC: (9,)})
    outcome, finished = await desk.run(), replayed(desk)
    (lapsed,) = [cycle for cycle in outcome.cycles if cycle.reason == "stale_data"]
    assert lapsed.candle_ts_ms == START_MS + 8 * TF_MS
    assert not [o for o in outcome.orders if o.intent.key.endswith(f"|{lapsed.candle_ts_ms}")]
    assert finished.result.blocked == {"stale_data": 1}
    assert outcome.session.trader.book.equity() == finished.result.final_equity


async def test_the_end_of_a_file_is_a_hole(bench: Any) -> None:
    bought = bench(bars=9)
    outcome, finished = await bought.run(), replayed(bought)
    assert outcome.cycles[-1].reason == "stale_data"
    assert outcome.session.trader.book.positions == {} == finished.trader.book.positions
    sold = bench(bars=13)
    outcome, finished = await sold.run(), replayed(sold)
    for book in (outcome.session.trader.book, finished.trader.book):
        close = to_decimal(generate(BTC, 4, 11).close[12])
        assert book.marks[BTC] == close * Decimal("0.9999")
        assert book.positions[BTC].exits == []
    assert outcome.session.trader.book.equity() == finished.result.final_equity


@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_dies_in_a_hole_sells_once(dying: Any, bench: Any, after: bool) -> None:
    """Two symbols with holes of their own: whatever commit it dies at, the next start goes on the same."""
    how = {"bars": 18, "symbols": (BTC, ETH), "gone": {BTC: (13, 14), ETH: (5, 14, 15)}}
    through = replayed(bench(**how))
    assert through.result.exits_by_reason.keys() == {"signal_sell", "signal_sell_gap"}
    alike = 0
    for commit_no in range(1, 200):
        desk, death = dying(commit_no, after=after, **how)
        try:
            await desk.run()
        except death:
            pass
        else:
            break
        book = (await attrs.evolve(desk, crash=None).run()).session.trader.book
        fills = visit(desk.database, load_fills)
        assert len({fill.client_id for fill in fills}) == len(fills)
        assert visit(desk.database, intents_open) == []
        assert visit(desk.database, verify_journal) == []
        if len(book.trades) == len(through.trader.book.trades):  # else an entry was cut off, and given up
            alike += 1
            assert money(book) == money(through.trader.book)
            assert book.equity() == through.result.final_equity
    assert alike >= 10
