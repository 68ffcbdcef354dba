"""A venue that takes several fees of one trade: each is booked, stored and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from odd_venue import SYMBOL, D, Venue, account

from cab_core.app.history import rebuild
from cab_core.app.perf import report
from cab_core.app.verify import gather
from cab_core.app.verify.oracle import Oracle
from cab_core.domain.market import Instrument
from cab_core.domain.orders import Ack, Intent, Purpose, Side
from cab_core.settings import load_settings
from cab_core.storage import load_fills, open_sync

FURTHER = (("GT", D("0.00010")), ("POINT", D(1)), ("BTC", D("0.002")))


def charging(venue: Venue) -> Any:
    """Return a send whose only trade costs base, GT and points."""

    def answer(intent: Intent) -> Ack:
        ack = venue.fill(intent, "0.5")
        (trade,) = venue.trades[intent.client_id]
        charged = attrs.evolve(trade, fee=D("0.001"), fee_currency="BTC", further_fees=FURTHER)
        venue.trades[intent.client_id] = [charged]
        venue.held["BTC"] -= D("0.003")
        return ack

    return answer


@pytest.mark.catalogue(45)
async def test_the_fees_of_an_adopted_trade_are_priced_as_those_of_any_other(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        elsewhere = Intent("elsewhere", SYMBOL, Side.BUY, Purpose.ENTRY, "vote", "-", bot.clock.now_ms())
        bot.venue.fill(elsewhere, "0.5")
        (trade,) = bot.venue.trades[elsewhere.client_id]
        charged = attrs.evolve(trade, fee=D("0.0001"), fee_currency="GT")
        bot.venue.trades[elsewhere.client_id] = [charged]
        await bot.reconciler.run_once(SYMBOL, fix=True)
        assert bot.trader.book.ledger.held(SYMBOL) == (D("0.5"), D("50.01"))
        assert await bot.alerts("important") == []


@pytest.mark.catalogue(45)
async def test_every_fee_of_a_trade_outlives_a_restart(tmp_path: Path) -> None:
    async with account(tmp_path) as bot:
        venue = bot.venue
        venue.plan.append(charging(venue))
        venue.unpriced.add("POINT/USDT")
        await bot.buy("50")
        lot = bot.trader.book.ledger.held(SYMBOL)
        assert lot == (D("0.497"), D("50.01")), "base is gone, GT costs its price of 100, points have none"
        assert bot.trader.book.quote_free == D(9_950)
        (alert,) = await bot.alerts("important")
        assert "0.001 BTC and 0.0001 GT and 1 POINT and 0.002 BTC" in alert
        (told,) = [payload for topic, payload in bot.heard if topic == "trade.settled"]
        assert told["further_fees"] == ("0.00010 GT", "1 POINT", "0.002 BTC")
    async with account(tmp_path, venue) as again:
        assert again.trader.book.ledger.held(SYMBOL) == lot
        (fill,) = await again.store.read(load_fills)
        assert fill.further_fees == FURTHER
        assert str(fill.further_fees[0][1]) == "0.00010"
        assert (await again.reconciler.run_once(SYMBOL, fix=True)).clean
    with open_sync(tmp_path / "bot.sqlite3") as conn:
        evidence = gather(conn)
        oracle = Oracle()
        (event,) = evidence.of_kind("fill")
        oracle.follow(event)
        assert json.loads(json.dumps(event.facts["further_fees"])) == [[c, str(a)] for c, a in FURTHER]
        assert oracle.held(SYMBOL) == lot.quantity
        assert evidence.trades[0].further_fees == FURTHER
        rebuilt = rebuild(conn, Instrument(SYMBOL))
        assert rebuilt is not None
        assert rebuilt[0].ledger.held(SYMBOL).quantity == lot.quantity
        told = report(
            conn,
            load_settings({}, tmp_path, require_run=False).settings,
            "custom",
            "1970-01-01",
            "2100-01-01",
        )
        assert told is not None
        assert told["fees"] == {"BTC": D("0.003"), "GT": D("0.00010"), "POINT": D(1)}
