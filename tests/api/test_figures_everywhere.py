"""An account in bitcoin: every surface shows its small amounts with their digits and their sign."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from served import ServedBot, overrides

from cab_core.api.web import web_router
from cab_core.app.alerting.wording import line
from cab_core.app.reporting.text import daily
from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.domain.bars import Bars
from cab_core.settings import SETTINGS, load_settings
from cab_notifier_telegram import account_texts, market_texts

#: The pages are built in this process, where a warning of their framework would be an error.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated inferred style")

SYMBOL = "ETH/BTC"
IN_BITCOIN = {
    "SYMBOLS": SYMBOL,
    "PAPER_INITIAL_QUOTE": "0.1",
    "PAPER_MIN_NOTIONAL": "0.0001",
    "PAPER_COST_STEP": "0.00000001",
    "PAPER_PRICE_TICK": "0.000001",
    "FIXED_AMOUNT": "0.002",
    "RISK_DAILY_LOSS_LIMIT_QUOTE": "0.05",
    "RISK_MAX_TURNOVER_5M_QUOTE": "1",
    "STRATEGY_MODE": "first",
    "VOLUME_FILTER_ENABLED": "false",
}
#: A gain that was rounded away, and digits that nobody can read.
SIGNED_NOTHING = re.compile(r"[+-]0(\.0+)?(?![\d.])(?! (of|base))")
TOO_LONG = re.compile(r"\d\.\d{13,}")


def in_bitcoin(bars: Bars) -> Bars:
    """Return candles of ether in dollars as if they were in bitcoin."""
    prices = [(column / 40_000).round(6) for column in (bars.open, bars.high, bars.low, bars.close)]
    return Bars.of(bars.ts_ms, *prices, bars.volume)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder, the present one, whose bot has traded ten days, and which has a backtest of them."""
    folder = tmp_path_factory.mktemp("bitcoin")
    write_candles(folder / "market" / "ETH-BTC.csv", in_bitcoin(generate("ETH/USDT", 10, 11)))
    with pytest.MonkeyPatch.context() as patch:
        for row in SETTINGS:
            patch.delenv(row.name, raising=False)
        patch.setenv("NO_COLOR", "1")
        patch.chdir(folder)
        sets = [part for each in overrides(folder, **IN_BITCOIN) for part in ("--set", each)]
        assert invoke(["run", "--market", "file:market", "--speed", "max", "--json", *sets]) == 0
        backtest = ["--data", "market/ETH-BTC.csv", "--report", "report.html", "--json"]
        assert invoke(["backtest", *backtest, *sets]) == 0
        (folder / ".env").write_text("\n".join(overrides(folder, **IN_BITCOIN)))
        yield folder


@pytest.fixture(scope="module")
def bot(folder: Path) -> Iterator[ServedBot]:
    settings = load_settings({}, folder, overrides(folder, **IN_BITCOIN)).settings
    served = ServedBot(settings, f"file:{folder / 'market'}", pages=[web_router()])
    served.start()
    yield served
    served.stop()


def check(text: str) -> None:
    """Refuse a text with a figure that a person cannot read."""
    words = html.unescape(re.sub(r"<[^>]*>", " ", text))
    for pattern in (SIGNED_NOTHING, TOO_LONG):
        found = pattern.search(words)
        assert found is None, words[max(0, found.start() - 60) : found.end() + 20] if found else ""


CHAT = {"status": "status", "pnl": "pnl?period=month", "risk": "risk"}

COMMANDS = [
    ["backtest", "--data", "market/ETH-BTC.csv"],
    ["perf", "--period", "custom", "--from", "2020-01-01"],
    ["status"],
    ["risk", "status"],
    ["orders", "list"],
    ["why", "--last"],
    *(["show", what] for what in ("positions", "orders", "fills", "trades", "decisions", "limits", "equity")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_shows_small_amounts(folder: Path, capsys: Any, command: list[str]) -> None:
    assert invoke(command) in (0, 5)
    text = capsys.readouterr().out
    assert text
    check(text)


def test_what_was_gained_is_seen_on_the_terminal(folder: Path, capsys: Any) -> None:
    assert invoke(["backtest", "--data", "market/ETH-BTC.csv"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"Final equity +0\.\d{8} from 0\.10000000", text)
    assert re.search(r"Average win, loss +\+0\.000\d{5}, -0\.000\d{5}", text)


def test_the_report_shows_small_amounts(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    shown = re.sub(r"(?s)<(script|style)[ >].*?</\1>", "", text)
    check(shown)
    assert "from 0.10000000" in shown
    assert re.search(r"[+-]0\.0000\d{4}", shown)


PAGES = ["/", "/risk", "/regime", "/signals", f"/chart/{SYMBOL}", "/runs", "/status"]
PAGES += [f"/trades?tab={tab}" for tab in ("positions", "trips", "orders", "fills")]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_small_amounts(bot: ServedBot, path: str) -> None:
    with bot.client("admin") as client:
        answer = client.get(path)
    assert answer.status_code == 200
    check(re.sub(r"(?s)<(script|style)[ >].*?</\1>", "", answer.text))


def test_the_chat_and_the_alerts_show_small_amounts(bot: ServedBot) -> None:
    with bot.client("admin") as client:
        asked = {name: client.get(f"/api/v1/{path}").json() for name, path in CHAT.items()}
        last = client.get("/api/v1/trades", params={"limit": 1}).json()["items"][0]
        trace = client.get(f"/api/v1/traces/{last['trace_id']}").json()
    told = [
        account_texts.status(asked["status"]),
        account_texts.balance(asked["status"]),
        account_texts.pnl(asked["pnl"]),
        account_texts.today(asked["pnl"]),
        account_texts.limits(asked["risk"], asked["status"]["now_ms"], "BTC"),
        market_texts.why(trace),
        line("position.closed", {"symbol": SYMBOL, "pnl": Decimal(last["pnl"]), "reason": "stop_loss"}),
        daily(asked["pnl"]),
    ]
    for text in told:
        check(text)
    assert all(re.search(r"0\.\d{8}\b", text) for text in told)


def test_json_stays_exact(folder: Path, capsys: Any) -> None:
    assert invoke(["show", "trades", "--json"]) in (0, 5)
    gains = [row["pnl"] for row in json.loads(capsys.readouterr().out)["items"]]
    assert any(len(gain.partition(".")[2]) > 12 for gain in gains)
