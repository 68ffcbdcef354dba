"""One bot seen and commanded from all sides: page, API, command line, chat and metrics tell the same."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from people import ADMIN, GROUP, People, Server, buttons

CAB = str(Path(sysconfig.get_path("scripts")) / "cab")
TOKEN = "a-token-for-all-surfaces-1"
PATIENCE_S = 60


class Bot:
    """A bot in real time whose past is a finished recording: nothing moves while it is looked at."""

    def __init__(self, folder: Path, people: People) -> None:
        self.folder, self.people = folder, people
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = clean | {
            "MODE": "paper",
            "EXCHANGE": "gateio",
            "SYMBOLS": "BTC/USDT",
            "STRATEGY_SET": "ema_cross,supertrend,donchian_breakout",
            "TREND_REQUIRE_UP": "false",
            "TREND_UNKNOWN_POLICY": "allow",
            "VOLUME_FILTER_ENABLED": "false",
            "DB_PATH": str(folder / "trader.sqlite3"),
            "INSTANCE_LOCK_PATH": str(folder / "lock"),
            "API_TOKEN": TOKEN,
            "PORT": "0",
            "API_RATE_PER_MIN": "1000",
            "TELEGRAM_BOT_TOKEN": people.token,
            "TELEGRAM_CHAT_ID": str(GROUP),
            "TELEGRAM_ALLOWED_USERS": str(ADMIN),
            "TELEGRAM_ADMINS": str(ADMIN),
            "TELEGRAM_API_URL": people.url,
            "NO_PROXY": "127.0.0.1",
        }
        self.market = ("run", "--market", "file:BTC-USDT_15m.csv.gz", "--json")
        self.cab("data", "generate", "--days", "12", "--seed", "6", "--out", "BTC-USDT_15m.csv.gz")
        self.cab(*self.market, "--speed", "max")
        self.decided_ms = json.loads(self.cab("show", "decisions", "--limit", "1", "--json"))["items"][0][
            "candle_ts_ms"
        ]
        self.cab("data", "generate", "--days", "13", "--seed", "6", "--out", "BTC-USDT_15m.csv.gz", "--force")
        self.process = subprocess.Popen(
            [CAB, *self.market, "--speed", "1"],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.client = httpx.Client(base_url=self._url(), trust_env=False, timeout=20)

    def _url(self) -> str:
        ends = time.monotonic() + PATIENCE_S
        while not (self.folder / "lock.api").exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < ends
            time.sleep(0.05)
        url: str = json.loads((self.folder / "lock.api").read_text())["url"]
        return url

    def cab(self, *args: str, code: int = 0) -> str:
        done = subprocess.run(
            [CAB, *args],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def api(self, path: str) -> Any:
        answer = self.client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def at_rest(self) -> dict[str, Any]:
        """Return the status once the first candle of this start is decided: the next one is minutes away."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            told: dict[str, Any] = self.api("/api/v1/status")
            if told["symbols"][0]["last_decision"]["candle_ts_ms"] > self.decided_ms:
                return told | {"now_ms": 0}
            assert time.monotonic() < ends, told
            time.sleep(0.5)

    def state(self) -> str:
        (symbol,) = self.api("/api/v1/status")["symbols"]
        state: str = symbol["state"]
        return state


@pytest.fixture(scope="module")
def bot(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    made = Bot(tmp_path_factory.mktemp("surfaces"), server.people("every surface"))
    yield made
    made.client.close()
    made.process.terminate()
    _, err = made.process.communicate(timeout=PATIENCE_S)
    assert made.process.returncode == 0, err


def page_text(bot: Bot, path: str = "/") -> str:
    bot.client.cookies.clear()
    logged_in = bot.client.post("/login", data={"token": TOKEN})
    assert logged_in.status_code in (200, 303), logged_in.text
    return html.unescape(re.sub(r"<[^>]+>", " ", bot.client.get(path).text))


async def said(bot: Bot, text: str) -> str:
    before = len(bot.people.calls())
    bot.people.write(text)
    calls = await bot.people.until(lambda calls: len(calls) > before)
    return str(calls[-1]["text"])


async def test_all_surfaces_tell_the_same_numbers(bot: Bot) -> None:
    told = bot.at_rest()
    account = told["account"]
    shown = json.loads(bot.cab("status", "--json")) | {"now_ms": 0}
    assert shown == told
    trades = bot.api("/api/v1/trades?limit=500")["items"]
    assert len(trades) > 3
    assert json.loads(bot.cab("show", "trades", "--limit", "500", "--json"))["items"] == trades
    month = json.loads(bot.cab("perf", "--period", "month", "--json"))
    assert Decimal(month["equity"]) == Decimal(account["equity"])
    exact = bot.client.get("/metrics", headers={"accept": "text/plain"}).text
    measured = dict(re.findall(r"^(crypto_\w+)(?:\{[^}]*\})? (\S+)$", exact, re.MULTILINE))
    assert float(measured["crypto_equity_quote"]) == pytest.approx(float(account["equity"]))
    assert float(measured["crypto_pnl_realized_total"]) == pytest.approx(float(account["realized"]))
    equity = f"{Decimal(account['equity']):,.2f}"
    assert equity in page_text(bot)
    assert equity in await said(bot, "/balance")


async def test_all_surfaces_command_and_are_audited(bot: Bot) -> None:
    assert bot.state() == "running"

    paused = bot.client.post("/orchestrator/pause", headers={"authorization": f"Bearer {TOKEN}"})
    assert (paused.status_code, bot.state()) == (200, "paused")
    assert "paused" in bot.cab("status")
    assert "paused" in await said(bot, "/status")
    bot.cab("resume", "--reason", "from the shell")
    assert bot.state() == "running"

    assert "paused" not in page_text(bot).lower()
    csrf = bot.client.get("/api/v1/session").json()["csrf"]
    headers = {"x-csrf-token": csrf, "idempotency-key": "from-the-page-1"}
    body = {"symbol": None, "rule": None, "reason": "from the page"}
    pressed = bot.client.post("/api/v1/commands/pause", json=body, headers=headers)
    assert (pressed.status_code, bot.state()) == (200, "paused"), pressed.text
    assert "paused" in page_text(bot).lower()
    bot.client.cookies.clear()
    bot.cab("resume")

    before = len(bot.people.calls())
    bot.people.write("/pause")
    calls = await bot.people.until(lambda calls: any("Pause" in buttons(call) for call in calls[before:]))
    (offered,) = (buttons(call)["Pause"] for call in calls[before:] if "Pause" in buttons(call))
    bot.people.press(offered)
    await bot.people.until(lambda calls: "paused" in calls[-1].get("text", ""), "editMessageText")
    assert bot.state() == "paused"
    bot.cab("resume")
    bot.cab("pause", "--reason", "from the shell")
    assert bot.state() == "paused"

    listed = json.loads(bot.cab("audit", "list", "--json"))
    rows = listed["entries"]
    done = [(row["surface"], row["action"].rpartition(".")[2]) for row in rows]
    pauses = {(surface, "pause") for surface in ("api", "web", "telegram", "cli")}
    assert pauses | {("cli", "resume")} <= set(done)
    assert all(row["trace_id"] and row["actor"] for row in rows)
    bot.cab("audit", "verify")


def test_a_remote_command_line_sees_the_same(bot: Bot) -> None:
    bot.environment["CAB_TOKEN"] = TOKEN
    url = str(bot.client.base_url).rstrip("/")
    remote = json.loads(bot.cab("show", "fills", "--remote", url, "--json"))
    assert remote == json.loads(bot.cab("show", "fills", "--json"))
    bot.environment["CAB_TOKEN"] = "not-the-token-of-anybody"
    refused = subprocess.run(
        [CAB, "status", "--remote", url, "--json"],
        cwd=bot.folder,
        env=bot.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert refused.returncode != 0
    assert "not-the-token" not in refused.stderr
