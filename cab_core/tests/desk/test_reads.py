"""What the desks tell: the same from memory as from the database, and the same as ``cab perf``."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from operators_office import BTC, ETH, Office

from cab_core.app.desk.desk import Filter
from cab_core.app.desk.live import LiveDesk
from cab_core.app.perf import report
from cab_core.cli import invoke
from cab_core.errors import NotFoundError, NotRunningError, UsageError
from cab_core.storage import visit


@attrs.frozen
class Ended:
    """A run of two symbols that ended with a position open."""

    office: Office
    live: LiveDesk


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    office = Office.made(tmp_path_factory.mktemp("ended"), BTC, ETH, bars=96 * 2 + 2)
    running = asyncio.run(office.run())
    assert isinstance(running.desk, LiveDesk)
    return Ended(office, running.desk)


async def test_memory_and_database_tell_the_same(ended: Ended) -> None:
    live, cold = await ended.live.status(), await ended.office.cold.status()
    assert live.account == cold.account
    assert live.account is not None
    assert live.account.equity == live.account.baseline + live.account.realized + live.account.unrealized
    for name in ("halts", "limits", "regime", "unfinished_orders", "now_ms", "mode", "market", "exchange"):
        assert getattr(live, name) == getattr(cold, name), name
    for one, other in zip(live.symbols, cold.symbols, strict=True):
        assert (one.bid, one.last_decision, one.position) == (other.bid, other.last_decision, other.position)
    held = await ended.live.positions()
    assert held
    assert held == await ended.office.cold.positions()
    for question in ("signals", "risk", "regime", "equity"):
        assert await getattr(ended.live, question)() == await getattr(ended.office.cold, question)(), question
    for question in ("orders", "fills", "trades", "decisions", "audit"):
        answers = [
            await getattr(desk, question)(Filter(limit=500)) for desk in (ended.live, ended.office.cold)
        ]
        assert answers[0] == answers[1], question
    assert await ended.live.latest_trace(ETH) == await ended.office.cold.latest_trace(ETH)


async def test_profit_is_that_of_cab_perf(
    ended: Ended, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await ended.live.pnl("month")
    settings = ended.office.settings
    monkeypatch.setenv("DB_PATH", str(settings.db_path))
    code = await asyncio.to_thread(invoke, ["perf", "--period", "month", "--json"])
    assert code == 0
    printed = json.loads(capsys.readouterr().out)
    assert {key: str(value) for key, value in printed.items() if isinstance(value, str | int)} == {
        key: f"{value:f}" if isinstance(value, Decimal) else str(value)
        for key, value in told.items()
        if isinstance(value, str | int | Decimal)
    }
    parts = [await ended.live.pnl("month", symbol) for symbol in (BTC, ETH)]
    for figure in ("realized", "fills", "turnover", "round_trips", "wins", "unrealized"):
        assert parts[0][figure] + parts[1][figure] == told[figure], figure
    assert told["fills"] > 20
    account = (await ended.live.status()).account
    assert account is not None
    assert (account.equity, account.realized) == (told["equity"], told["realized"])


async def test_the_past_is_followed_row_by_row_to_the_same_end(tmp_path: Path) -> None:
    office = Office.made(tmp_path, BTC, ETH, bars=96)
    seen: list[int] = []

    async def looking(desk: LiveDesk, _: object) -> None:
        while len(seen) < 12 or seen[-1] == seen[0]:  # the market ends some time
            try:
                seen.append((await desk.pnl("month"))["fills"])
            except NotRunningError:
                continue

    running = await office.run(looking)
    assert isinstance(running.desk, LiveDesk)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    fresh = visit(office.settings.db_path, lambda conn: report(conn, office.settings, "month"))
    assert await running.desk.pnl("month") == fresh


async def test_lists_are_filtered_and_say_what_they_do_not_know(ended: Ended) -> None:
    desk = ended.live
    fills, _ = await desk.fills(Filter(limit=500))
    assert all(fill.trace_id for fill in fills)
    for wanted in (Filter(limit=500, symbol=ETH), Filter(limit=500, action="sell"), Filter(text="SIGNAL_s")):
        found, _ = await desk.fills(wanted)
        assert 0 < len(found) < len(fills)
        assert set(found) < set(fills)
    one = fills[3]
    orders, _ = await desk.orders(Filter(trace_id=one.trace_id))
    assert one.client_id in {order.client_id for order in orders}
    span = Filter(limit=500, since_ms=fills[5].ts_ms, until_ms=fills[0].ts_ms)
    assert {fill.ts_ms for fill in (await desk.fills(span))[0]} <= {fill.ts_ms for fill in fills[1:6]}
    trades, _ = await desk.trades(Filter(strategy="clockwork"))
    assert trades
    assert (await desk.trades(Filter(strategy="no_such")))[0] == []
    assert sum(trade.pnl for trade in trades) == (await desk.pnl("month"))["realized"]
    buys, _ = await desk.decisions(Filter(limit=500, action="buy", symbol=BTC))
    assert {decision.order_key is not None for decision in buys} == {True}
    for wrong in (Filter(level="error"), Filter(limit=0), Filter(after="%%"), Filter(after="W10")):
        with pytest.raises(UsageError):
            await desk.decisions(wrong)


async def test_a_chart_shows_fills_signals_and_protective_prices(ended: Ended) -> None:
    for desk in (ended.live, ended.office.cold):
        view = await desk.candles(BTC, 50)
        assert len(view.ts_ms) == len(view.close) == 50
        kinds = {marker.kind for marker in view.markers}
        assert kinds == {"buy", "sell", "signal:clockwork"}
        assert all(marker.trace_id for marker in view.markers)
        still_open = {line.name for line in view.lines if line.to_ms is None}
        assert {"stop_loss", "take_profit_1", "take_profit_2"} <= still_open
        assert [line for line in view.lines if line.to_ms is not None]
    live, cold = await ended.live.candles(BTC, 50), await ended.office.cold.candles(BTC, 50)
    assert (live.markers, live.lines, live.close) == (cold.markers, cold.lines, cold.close)
    assert max(live.high) > max(live.close)  # the session has whole candles


async def test_the_curve_is_thinned_and_keeps_its_end(ended: Ended) -> None:
    whole = await ended.live.equity()
    thin = await ended.live.equity(points=10)
    assert 5 < len(thin) <= 10 < len(whole)
    assert thin[-1] == whole[-1]
    assert set(thin) < set(whole)


async def test_what_is_not_there_is_named(ended: Ended, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="BTC/USD"):
        await ended.live.status("BTC/USD")
    with pytest.raises(NotFoundError, match="no cycle"):
        await ended.live.trace("0" * 16)
    with pytest.raises(NotFoundError):
        await ended.live.run_report("abc")
    (tmp_path / "empty").mkdir()
    nothing = Office.made(tmp_path / "empty", BTC, bars=96).cold
    with pytest.raises(NotRunningError):
        await nothing.status()
    assert (await nothing.health()).components["db"].ok is False
    assert (await nothing.logs(Filter()))[0] == []


async def test_health_names_every_part_and_settings_their_source(ended: Ended) -> None:
    health = await ended.live.health()
    parts = {"db", "broker", "eventbus", "market_data", "regime", "risk", "ai", "dms", "telegram"}
    assert parts <= set(health.components)
    assert (await ended.office.cold.ready()).ready is False
    rows = {row.name: row for row in await ended.live.config()}
    assert (rows["SYMBOLS"].value, rows["SYMBOLS"].source) == ("BTC/USDT,ETH/USDT", "--set")
    assert rows["STOP_LOSS_PCT"].source == "code default"
    (clockwork,) = {(row.strategy, row.warmup_bars) for row in (await ended.live.signals()).rows}
    assert clockwork == ("clockwork", 3)
    lines, _ = await ended.live.logs(Filter(limit=500, symbol=BTC, level="info"))
    assert any("bought" in line.message for line in lines)
    assert {line.level for line in lines} <= {"info", "warning", "error", "critical"}
