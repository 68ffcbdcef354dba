from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from cab_core import cli
from cab_core.storage import (
    AccountRow,
    Connection,
    Counter,
    EquityPoint,
    Halt,
    Store,
    active_halts,
    journal_rows,
    load_halts,
    open_sync,
    peak_reset_due,
    release_halt,
    releases,
    save_account,
    save_equity,
    save_halt,
    set_counter,
    verify_journal,
)

pytestmark = pytest.mark.risk

DRAWDOWN = Halt("max_drawdown", 1000, None, "max_drawdown")
DAILY = Halt("daily_loss", 1500, 86_400_000, "daily_loss")
ACCOUNT = AccountRow(
    baseline=Decimal(10000),
    peak=Decimal(12000),
    peak_since_ms=0,
    quote_free=Decimal(9000),
    book={},
    updated_ms=900,
)


def _halted(conn: Connection) -> None:
    save_account(conn, ACCOUNT)
    save_equity(conn, EquityPoint(900, Decimal(10700), Decimal(12000), Decimal("10.83")))
    save_halt(conn, DRAWDOWN)
    save_halt(conn, DAILY)


async def test_a_halt_ends_by_time_or_by_hand(store: Store) -> None:
    await store.transact(_halted)
    assert not await store.transact(lambda c: save_halt(c, DRAWDOWN))
    halts = await store.read(load_halts)

    assert halts == [DRAWDOWN, DAILY]
    assert active_halts(halts, 86_399_999) == [DRAWDOWN, DAILY]
    assert active_halts(halts, 86_400_000) == [DRAWDOWN]
    assert releases(halts, 86_400_000) == {"daily_loss": 86_400_000}

    released = await store.transact(lambda c: release_halt(c, "daily_loss", by="alice", ts_ms=2000))
    assert [release.halt for release in released] == [DAILY]
    halts = await store.read(load_halts)
    assert active_halts(halts, 2000) == [DRAWDOWN]
    assert releases(halts, 3000) == {"daily_loss": 2000}
    assert halts[1] == attrs.evolve(DAILY, cleared_by="alice", released_ms=2000)
    assert await store.transact(lambda c: release_halt(c, "daily_loss", by="bob", ts_ms=2500)) == []


async def test_a_halt_survives_a_restart(path: Path) -> None:
    store = await Store.open(path)
    await store.transact(_halted)
    await store.close()

    store = await Store.open(path)
    assert active_halts(await store.read(load_halts), 10**13) == [DRAWDOWN]
    await store.close()


async def test_releasing_the_drawdown_asks_once_for_a_new_peak(store: Store) -> None:
    await store.transact(_halted)
    assert await store.read(peak_reset_due) is None

    (release,) = await store.transact(lambda c: release_halt(c, "max_drawdown", by="alice", ts_ms=2000))
    assert (release.peak, release.equity) == (True, Decimal(10700))
    assert await store.read(peak_reset_due) == 2000

    reset = attrs.evolve(ACCOUNT, peak=Decimal(10700), peak_since_ms=2000)
    await store.transact(lambda c: save_account(c, reset))
    assert await store.read(peak_reset_due) is None


async def test_releasing_another_rule_keeps_the_peak(store: Store) -> None:
    await store.transact(_halted)
    await store.transact(lambda c: release_halt(c, "daily_loss", by="alice", ts_ms=2000))
    assert await store.read(peak_reset_due) is None


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder whose database is ``data/trader.sqlite3``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DB_PATH", raising=False)
    return tmp_path


async def _instance(path: Path) -> Store:
    store = await Store.open(path)
    await store.transact(_halted)
    return store


async def test_status_shows_what_holds_entries_back(
    here: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await _instance(path)
    await store.close()

    assert cli.invoke(["risk", "status", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["entries_allowed"] is False
    assert [halt["rule"] for halt in report["halts"]] == ["max_drawdown"]  # the daily one ended in 1970
    assert report["released_ms"] == {"daily_loss": 86_400_000}
    limits = {limit["rule"]: limit for limit in report["limits"]}
    assert limits["max_drawdown"]["value"] == "10.83"
    assert limits["max_drawdown"]["limit"] == "10.0"
    assert limits["max_drawdown"]["used_pct"] == pytest.approx(108.3)
    assert limits["daily_loss"]["value"] is None

    assert cli.invoke(["risk", "status"]) == 0
    text = capsys.readouterr().out
    assert "entries: HALTED" in text
    assert "max_drawdown: max_drawdown, since 1970-01-01 00:00 UTC, until released by hand" in text


async def test_status_measures_the_day_against_the_limit_of_the_settings(
    here: Path, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time
    from datetime import UTC, datetime

    now = datetime(2025, 3, 4, 12, tzinfo=UTC)
    monkeypatch.setattr(time, "time_ns", lambda: int(now.timestamp() * 1e9))
    store = await Store.open(path)
    row = Counter("2025-03-04", "account", "daily_loss", Decimal("40.00"), 5, "-")
    await store.transact(lambda c: set_counter(c, row))
    await store.transact(lambda c: set_counter(c, attrs.evolve(row, date="2025-03-03", value=Decimal(99))))
    await store.close()

    assert cli.invoke(["risk", "status", "--json", "--set", "RISK_DAILY_LOSS_LIMIT_QUOTE=80"]) == 0
    report = json.loads(capsys.readouterr().out)
    (limit,) = (limit for limit in report["limits"] if limit["rule"] == "daily_loss")
    assert (limit["value"], limit["limit"], limit["used_pct"]) == ("40.00", "80", 50.0)
    assert [counter["date"] for counter in report["counters"]] == ["2025-03-04"]


async def test_a_reset_reaches_the_running_instance(
    here: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await _instance(path)

    assert cli.invoke(["risk", "reset", "max_drawdown", "--by", "alice", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["by"] == "alice"
    assert [(one["rule"], one["peak_reset"], one["equity"]) for one in report["released"]] == [
        ("max_drawdown", True, "10700")
    ]

    assert active_halts(await store.read(load_halts), 10**13) == []
    assert await store.read(peak_reset_due) == report["released"][0]["released_ms"]
    await store.transact(lambda c: save_account(c, ACCOUNT))  # the instance goes on writing
    rows = await store.read(lambda c: list(journal_rows(c)))
    (row,) = (row for row in rows if row.kind == "halt.released")
    assert json.loads(row.payload) == {"by": "alice", "equity": "10700", "peak_reset": True, "since_ms": 1000}
    assert await store.read(verify_journal) == []
    await store.close()


async def test_a_reset_without_a_halt_says_so(
    here: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await (await Store.open(path)).close()
    assert cli.invoke(["risk", "reset"]) == 0
    assert "no halt is active" in capsys.readouterr().out
    with open_sync(path) as conn:
        assert list(journal_rows(conn)) == []


async def test_an_unknown_rule_suggests_the_nearest(
    here: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await (await _instance(path)).close()
    assert cli.invoke(["risk", "reset", "max_drawdwn"]) == 4
    assert "did you mean max_drawdown?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "reset"])
def test_without_a_database_nothing_is_made(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert cli.invoke(["risk", command, "--json"]) == 5
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["exit_code"] == 5
    assert "cab run" in error["fix"]
    assert list(here.iterdir()) == []
