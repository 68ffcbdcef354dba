"""Reports over the database of a real paper run of nine days, on a clock set by hand."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from cab_core.app.alerting.pump import Pump
from cab_core.app.reporting.reporter import Reporter
from cab_core.app.reporting.text import WIDTH
from cab_core.cli import invoke
from cab_core.clock import SystemClock
from cab_core.data.files import write_candles
from cab_core.data.generator import START_MS, generate
from cab_core.domain.alerts import Alert
from cab_core.plugins.answers import check_nothing
from cab_core.plugins.guard import HangGuard
from cab_core.plugins.isolation import Caller
from cab_core.settings import SETTINGS, load_settings
from cab_core.storage import Store, visit
from cab_core.storage.journal import head_text

OPTIONS = ("MODE=paper", "EXCHANGE=gateio", "SYMBOLS=BTC/USDT")
MINUTE, DAY = 60_000, 86_400_000
MONDAY = START_MS + 7 * DAY  # the run begins on a Monday


@attrs.define
class HandClock(SystemClock):
    ms: int = 0

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """The database of a run, and what ``cab perf`` says of a busy day and of the first week."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for row in SETTINGS:
            patch.delenv(row.name, raising=False)
        values = {
            "MODE": "paper",
            "EXCHANGE": "gateio",
            "STRATEGY_SET": "ema_atr",
            "SYMBOLS": "BTC/USDT",
            "TREND_UNKNOWN_POLICY": "allow",
            "INSTANCE_LOCK_PATH": str(folder / "lock"),
            "LOG_LEVEL": "ERROR",
        }
        for name, value in values.items():
            patch.setenv(name, value)
        write_candles(folder / "market" / "BTC-USDT.csv.gz", generate("BTC/USDT", 9, 11))
        assert invoke(["run", "--market", "file:market", "--speed", "max", "--json"]) == 0
        days = [_perf(f"2024-01-0{number}") for number in range(2, 8)]
        busy = next(day for day in days if day["round_trips"])
        yield folder / "data" / "trader.sqlite3", busy, _perf("2024-01-01", "2024-01-07")


def _perf(begin: str, end: str = "") -> dict[str, Any]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        options = ["--period", "custom", "--from", begin, "--to", end or begin]
        assert invoke(["perf", "--json", *options]) == 0
    told: dict[str, Any] = json.loads(out.getvalue())
    return told


@asynccontextmanager
async def _started(path: Path, now_ms: int) -> AsyncIterator[tuple[Reporter, HandClock, list[Alert]]]:
    """A reporter of a run that has just started."""
    clock, got = HandClock(now_ms), list[Alert]()

    async def notify(alert: Alert) -> None:
        got.append(alert)

    store = await Store.open(path)
    caller = Caller("notifier:a", notify, check_nothing, 1.0, HangGuard())
    pump = Pump.of(clock, [caller], store, "aaaaaa")
    await pump.outbox.restore(now_ms)
    settings = load_settings(os.environ, path.parent, OPTIONS, None).settings
    try:
        yield Reporter(pump, store, settings), clock, got
    finally:
        await store.close()


async def _look(reporter: Reporter) -> None:
    await reporter.look()
    await reporter.pump.look()
    await reporter.pump.settled()


@pytest.fixture
def path(traded: tuple[Path, Any, Any], tmp_path: Path) -> Path:
    copy = tmp_path / "trader.sqlite3"
    shutil.copy(traded[0], copy)
    return copy


def _tables(text: str) -> list[str]:
    return text.splitlines()[:-1]  # the last line is the journal's head


async def test_the_daily_report_comes_at_five_past_midnight_and_once(
    path: Path, traded: tuple[Path, dict[str, Any], Any]
) -> None:
    day = traded[1]
    midnight = day["to_ms"]
    async with _started(path, midnight - 12 * 60 * MINUTE) as (reporter, clock, got):
        await _look(reporter)
        clock.ms = midnight + 5 * MINUTE - 1
        await _look(reporter)
        assert got == []
        for minutes in (5, 5, 6, 60, 1439):
            clock.ms = midnight + minutes * MINUTE
            await _look(reporter)
    (alert,) = got
    assert (alert.kind, alert.severity) == ("report.daily", "info")
    lines = alert.text.splitlines()
    assert lines[0] == f"Daily report {datetime.fromtimestamp(day['from_ms'] / 1000, UTC):%Y-%m-%d} (UTC)"
    assert f"Realized     {Decimal(day['realized']):+.2f}" in lines
    assert f"Trips        {day['round_trips']} ({day['wins']} won, {day['losses']} lost)" in lines
    assert f"Fills        {day['fills']}, turnover {Decimal(day['turnover']):.2f}" in lines
    assert lines[-1] == f"Journal {visit(path, head_text)[:-48]}", "number and 16 digits of the hash"
    assert len(alert.text) <= 3_500
    assert max(len(line) for line in _tables(alert.text)) <= WIDTH


async def test_the_weekly_report_tells_each_day_and_compares(
    path: Path, traded: tuple[Path, Any, dict[str, Any]]
) -> None:
    async with _started(path, MONDAY - DAY) as (reporter, clock, got):
        await _look(reporter)
        for minutes in (9, 10, 11):
            clock.ms = MONDAY + minutes * MINUTE
            await _look(reporter)
    week = traded[2]
    assert [alert.kind for alert in got] == ["report.daily", "report.weekly"]
    lines = got[1].text.splitlines()
    assert lines[0] == "Weekly report 2024-01-01 to 2024-01-07"
    days = [line.split() for line in lines if line[:3] in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]
    assert [day[1] for day in days] == ["01", "02", "03", "04", "05", "06", "07"]
    assert sum(int(day[2]) for day in days) == week["round_trips"] > 0
    assert f"{'Realized':<12}{Decimal(week['realized']):>+13.2f}{'0.00':>15}" in lines
    assert f"{'Win rate':<12}{float(week['win_rate']):>11.0f} %{'-':>15}" in lines
    assert len(got[1].text) <= 3_500
    assert max(len(line) for line in _tables(got[1].text)) <= WIDTH


async def test_what_was_missed_is_sent_once_at_the_next_start(path: Path) -> None:
    async with _started(path, MONDAY - 4 * DAY + 60 * MINUTE) as (reporter, _, got):
        await _look(reporter)
        assert got == [], "what was due before the first start is no report"
    for _ in range(2):
        async with _started(path, MONDAY + DAY + 60 * MINUTE) as (reporter, _, again):
            await _look(reporter)
            got += again
    assert [alert.kind for alert in got] == ["report.daily", "report.weekly"]
    assert got[0].text.splitlines()[0] == "Daily report 2024-01-08 (UTC)"
    assert got[0].text.endswith("4 earlier reports were missed while the bot was down")
    assert "missed" not in got[1].text


async def test_a_report_is_not_lost_between_its_mark_and_its_notifier(path: Path) -> None:
    async with _started(path, MONDAY + 60 * MINUTE) as (reporter, clock, got):
        await _look(reporter)
        clock.ms = MONDAY + DAY + 5 * MINUTE
        await reporter.look()  # in the outbox, and the process ends here
        assert got == []
    async with _started(path, MONDAY + DAY + 10 * MINUTE) as (reporter, _, after):
        await _look(reporter)
    assert [alert.kind for alert in after] == ["report.daily"]


async def test_a_bot_that_never_saved_anything_reports_nothing(tmp_path: Path) -> None:
    async with _started(tmp_path / "new.sqlite3", MONDAY) as (reporter, clock, got):
        await _look(reporter)
        clock.ms = MONDAY + 8 * DAY
        await _look(reporter)
    assert got == []
