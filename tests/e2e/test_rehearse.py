"""``cab rehearse`` from start to verdict: real processes, real HTTP, a real database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest
from rehearsing import Rehearsal, alive, cab, ledger, start, until

from cab_core.app.rehearsal.plane import Plane
from cab_core.app.rehearsal.setting import KEY, SECRET
from cab_exchange_sim.keys import signature

SHORT = ("--days", "1", "--symbols", "BTC/USDT")
ALWAYS = {f"I{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 15, 16, 17, 21, 22, 24, 25, 26)}


def test_a_short_rehearsal_ends_clean_and_can_be_looked_at(tmp_path: Path) -> None:
    rehearsal = start(tmp_path, *SHORT, "--kills", "3", "--seed", "7")
    code, report, said = rehearsal.finished()
    assert (code, report["violations"], report["verdict"]) == (0, [], "clean"), said
    assert report["orders"] > 0
    assert report["fills"] > 0
    assert sum(report["faults"].values()) > 0
    assert report["kills"] == 3 <= report["restarts"]
    assert set(report["invariants_checked"]) == ALWAYS
    assert "trading" in said
    assert "quiet" in said
    entries = ledger(rehearsal.folder)
    ours = [entry for entry in entries if entry["kind"] in ("order", "stop") and entry["source"] != "phantom"]
    assert len(ours) == report["orders"]
    database = f"DB_PATH={rehearsal.folder / 'trader.sqlite3'}"
    again = cab(
        tmp_path / "home", "verify", "--ledger", str(rehearsal.folder / "ledger.json"), "--set", database
    )
    assert again.returncode == 0, again.stdout
    secrets = (KEY, SECRET, rehearsal.brief()["token"])
    logs = "".join(path.read_text() for path in rehearsal.folder.glob("*.log"))
    assert not any(secret in logs + said for secret in secrets)


def test_an_order_that_is_sent_twice_is_found(tmp_path: Path) -> None:
    rehearsal = start(tmp_path, *SHORT, "--kills", "0", "--faults", "none")
    text = asyncio.run(first_order(rehearsal))
    send_again(rehearsal, text)
    code, report, said = rehearsal.finished()
    assert (code, report["verdict"]) == (1, "violated"), said
    assert any(line.startswith("I1: ") and text in line for line in report["violations"])


async def first_order(rehearsal: Rehearsal) -> str:
    """Return the client id of the first order that the exchange accepts from the bot."""
    brief = rehearsal.brief()
    plane = Plane(brief["control_url"], brief["token"])
    try:
        for _ in range(3000):
            entries = (await plane.ask("GET", "/ledger"))["entries"]
            for entry in entries:
                if entry["kind"] == "order" and entry["text"].startswith("t-c"):
                    return str(entry["text"])
            await asyncio.sleep(0.02)
        raise AssertionError("the bot never traded")
    finally:
        await plane.close()


def send_again(rehearsal: Rehearsal, text: str) -> None:
    """Send a buy with the id of an order that exists, as a bot would that repeats what it is unsure of."""
    origin = rehearsal.brief()["control_url"].removesuffix("/__sim")
    path = "/api/v4/spot/orders"
    order = {"currency_pair": "BTC_USDT", "side": "buy", "type": "market", "amount": "50", "text": text}
    body = json.dumps({**order, "account": "spot", "time_in_force": "ioc"}).encode()
    clock = urllib.request.urlopen(f"{origin}/api/v4/spot/time")
    with clock:
        now_s = str(json.load(clock)["server_time"] // 1000)
    headers = {
        "KEY": KEY,
        "Timestamp": now_s,
        "SIGN": signature(SECRET, "POST", path, "", body, now_s),
        "Content-Type": "application/json",
    }
    with urllib.request.urlopen(urllib.request.Request(f"{origin}{path}", body, headers)) as answer:
        assert answer.status == 201


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_rehearsal_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    rehearsal = start(tmp_path, "--days", "20", "--kills", "0")
    rehearsal.brief()
    until(lambda: (rehearsal.folder / "trader.sqlite3").exists())
    processes = rehearsal.processes()
    assert len(processes) >= 5  # supervisor, exchange, relay, zygote, bot
    if number is signal.SIGINT:
        os.killpg(rehearsal.process.pid, number)  # as a terminal does
    else:
        rehearsal.process.kill()
    out, _ = rehearsal.process.communicate(timeout=60)
    assert (rehearsal.process.returncode, out) == (code, "")
    until(lambda: not any(alive(pid) for pid in processes), 30)


def test_candles_that_do_not_last_and_a_used_folder_are_refused(tmp_path: Path) -> None:
    made = tmp_path / "BTC-USDT_15m.csv.gz"
    assert (
        cab(
            tmp_path, "data", "generate", "--symbol", "BTC/USDT", "--days", "9", "--out", str(made)
        ).returncode
        == 0
    )
    asked = ("rehearse", "--headless", "--data", str(made))
    late = cab(tmp_path, *asked, "--from", "2024-01-08", "--days", "5", "--folder", str(tmp_path / "r"))
    assert late.returncode == 2
    assert "the candles last 1.9 days" in late.stderr
    used = cab(tmp_path, *asked, "--folder", str(tmp_path))
    assert (used.returncode, "is not empty" in used.stderr) == (2, True)
    strange = cab(tmp_path, *asked, "--symbols", "BTC/USDT,XRP/USDT", "--folder", str(tmp_path / "s"))
    assert (strange.returncode, "2 symbols for 1 files" in strange.stderr) == (2, True)
    assert not (tmp_path / "s").exists()
