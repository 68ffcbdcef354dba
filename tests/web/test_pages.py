"""The dashboard in a real browser, over a bot that trades: every page, and what one does there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from page_bot import Bot, cab, environment

Visit = Callable[..., Any]

PAGES = (
    "/",
    "/chart/BTC/USDT?bars=192&signals=ema_cross",
    "/signals",
    "/risk",
    "/regime",
    "/trades?tab=positions",
    "/trades?tab=trips",
    "/trades?tab=orders",
    "/trades?tab=fills",
    "/trace/latest",
    "/audit",
    "/logs",
    "/runs",
    "/plugins",
    "/config",
    "/status",
    "/about",
)

#: Bytes of one page with its style, scripts and icon.
MOST_BYTES = 300_000


def go(tab: Any, path: str) -> None:
    """Open a page; ``/trace/latest`` by the first link to one."""
    if path != "/trace/latest":
        tab.goto(path)
        return
    tab.goto("/")
    tab.click("a.why")
    tab.wait_for_url("**/trace/*")


def violations(tab: Any) -> list[str]:
    """Return what axe finds against the accessibility of a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(tab).response["violations"]
    return [f"{tab.url} {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_is_sound(visit: Visit, width: int, scheme: str) -> None:
    tab = visit(width=width, color_scheme=scheme)
    tab.goto("/")
    tab.wait_for_selector("a.why")
    sizes: dict[str, int] = {}
    tab.on("response", lambda got: sizes.update({tab.url: sizes.get(tab.url, 0) + _length(got)}))
    for path in PAGES:
        go(tab, path)
        assert tab.evaluate("document.documentElement.scrollWidth") == width, path
        assert tab.inner_text("#band .mode") == "PAPER"
        assert tab.title().endswith("· PAPER · cab")
        assert violations(tab) == []
    assert max(sizes.values()) <= MOST_BYTES


def _length(got: Any) -> int:
    return int(got.headers.get("content-length", 0))


def test_live_parts_follow_the_bot_without_a_reload(visit: Visit) -> None:
    tab = visit()
    tab.goto("/")
    tab.evaluate("window.stayed = true")
    for _ in range(2):
        before = tab.inner_text("#band .now time")
        tab.wait_for_function(
            "shown => document.querySelector('#band .now time').textContent !== shown", arg=before
        )
    assert tab.evaluate("window.stayed")


def test_a_lost_connection_is_told_and_comes_back(visit: Visit) -> None:
    tab = visit(allow=("ERR_INTERNET_DISCONNECTED", "Failed to load resource"))
    tab.goto("/")
    tab.context.set_offline(True)
    tab.wait_for_selector("#lost:not([hidden])")
    assert "No connection" in tab.inner_text("#lost")
    tab.context.set_offline(False)
    tab.wait_for_selector("#lost", state="hidden")


def test_pausing_is_confirmed_carried_out_and_audited(visit: Visit) -> None:
    tab = visit()
    tab.goto("/")
    tab.click(".symbol button[data-command=pause][data-symbol='ETH/USDT']")
    tab.wait_for_selector("#ask[open]")
    assert "ETH/USDT" in tab.inner_text("#ask-title")
    tab.fill("#ask-reason", "lunch <b>break</b>")
    tab.click("#ask-yes")
    tab.wait_for_selector(".symbol.paused")
    assert "paused: ETH/USDT" in tab.inner_text("#band .chips")
    tab.goto("/audit")
    row = tab.inner_text("#rows tbody tr")
    assert "pause" in row
    assert "ETH/USDT" in row
    assert "lunch <b>break</b>" in tab.inner_text("#rows")  # as text, not as markup
    tab.goto("/")
    tab.click("button[data-command=resume][data-symbol='ETH/USDT']")
    tab.click("#ask-yes")
    tab.wait_for_selector(".symbol.paused", state="detached")


def test_a_viewer_sees_everything_and_can_press_nothing(visit: Visit, bot: Bot) -> None:
    tab = visit(token=bot.viewer, allow=("403",))
    tab.goto("/")
    # One look at all of them: between two looks the page may have been refreshed.
    buttons = tab.eval_on_selector_all("button.command", "all => all.map(one => [one.disabled, one.title])")
    assert buttons
    assert all(disabled for disabled, _ in buttons)
    assert "needs the role operator" in buttons[0][1]
    assert "You are viewer" in tab.inner_text("#symbols")
    assert tab.goto("/config").status == 403
    assert "role operator" in tab.inner_text("main")


def test_the_report_of_a_backtest_draws_its_charts(visit: Visit, bot: Bot) -> None:
    for command in (
        cab("data", "generate", "--days", "20", "--out", "BTC-USDT_15m.csv.gz"),
        cab("backtest", "--data", "BTC-USDT_15m.csv.gz", "--report", "past.html", "--set=SYMBOLS=BTC/USDT"),
    ):
        subprocess.run(command, env=environment(bot.folder), cwd=bot.folder, check=True, capture_output=True)
    tab = visit()
    tab.goto("/runs")
    tab.click("#rows a[href^='/runs/']")
    tab.wait_for_selector(".js-plotly-plot svg.main-svg")
    assert tab.locator(".js-plotly-plot svg.main-svg").count() >= 2


def test_charts_are_walked_by_keyboard_and_lead_to_the_trace(visit: Visit) -> None:
    tab = visit()
    tab.goto("/chart/BTC/USDT?bars=96")
    tab.wait_for_selector("figure.candles")
    tab.focus("figure.candles")
    tab.keyboard.press("ArrowLeft")
    assert re.search(r"UTC\s+open [\d,.]+\s+high", tab.inner_text("figure.candles .readout"))
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/trace/*")
    names = [each.split(" ")[0].lower() for each in tab.locator(".stepper h2").all_inner_texts()]
    assert names == ["votes", "trend", "volume", "aggregate", "regime", "risk", "size", "order", "exits"]
    tab.go_back()
    tab.wait_for_url("**/chart/BTC/USDT?bars=96")


def test_signals_are_switched_on_in_the_address(visit: Visit) -> None:
    tab = visit()
    tab.goto("/chart/BTC/USDT?bars=300")
    assert tab.locator("circle.signal").count() == 0
    tab.check("#signal-ema_atr")
    tab.wait_for_url("**/chart/BTC/USDT?bars=300&signals=ema_atr")
    tab.wait_for_selector("circle.signal", state="attached")


def test_without_javascript_the_pages_show_their_data(visit: Visit) -> None:
    tab = visit(java_script_enabled=False)
    tab.goto("/")
    assert "Equity" in tab.inner_text("#figures")
    assert tab.locator("#decisions tbody tr").count() > 1
    tab.goto("/chart/BTC/USDT")
    assert tab.locator("path.body").count() == 2
    tab.click("summary")
    assert tab.locator("#as-table tbody tr").count() > 20


def test_keys_open_help_pages_and_themes(visit: Visit) -> None:
    tab = visit(color_scheme="light")
    tab.goto("/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("?")
    tab.wait_for_selector("#keys[open]")
    tab.keyboard.press("Escape")
    tab.keyboard.press("d")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    tab.keyboard.press("g")
    tab.wait_for_timeout(2_000)  # a slow hand
    tab.keyboard.press("r")
    tab.wait_for_url("**/risk")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"


def test_nobody_gets_in_without_a_token(browser: Any, bot: Bot) -> None:
    context = browser.new_context(base_url=bot.url)
    tab = context.new_page()
    tab.goto("/risk")
    assert tab.url == f"{bot.url}/login"
    tab.fill("[name=token]", "wrong")
    tab.click("form button")
    assert "wrong or revoked" in tab.inner_text("main")
    assert violations(tab) == []
    context.close()


def test_what_is_missing_has_a_page(visit: Visit) -> None:
    tab = visit(allow=("404", "400"))
    assert tab.goto("/chart/DOGE/USDT").status == 404
    assert "DOGE/USDT" in tab.inner_text("main")
    assert tab.goto("/trace/0123456789abcdef").status == 404
    assert tab.goto("/chart/BTC/USDT?bars=7").status == 400
    for path in ("/nowhere", "/trades/nowhere", "/api/v1/nowhere"):
        answer = tab.goto(path)
        assert (answer.status, answer.headers["content-type"].split(";")[0]) == (404, "text/html"), path
        assert "404" in tab.inner_text("main")
        told = tab.request.get(path, headers={"accept": "application/json"})
        assert (told.status, told.json()["code"]) == (404, "not_found")


def test_stopping_needs_the_symbol_typed_and_start_lifts_it(visit: Visit) -> None:
    tab = visit()
    tab.goto("/")
    tab.click(".symbol button[data-command=stop][data-symbol='ETH/USDT']")
    tab.click("#ask-yes")
    assert tab.inner_text("#ask-problem") == "That is not ETH/USDT."
    tab.fill("#ask-word", "eth/usdt")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".symbol.stopped")
    assert tab.locator(".symbol.running").count() == 1
    tab.click(".symbol button[data-command=start][data-symbol='ETH/USDT']")
    tab.click("#ask-yes")
    tab.wait_for_selector(".symbols:not(:has(.symbol.stopped))")
    assert tab.locator(".symbol.running").count() == 2


def test_a_position_is_closed_by_its_button_with_the_symbol_typed(visit: Visit) -> None:
    tab = visit(allow=("409",))
    tab.goto("/")
    toast = ""
    while "sold" not in toast:  # the bot may sell it by itself while somebody types
        button = tab.wait_for_selector(".symbol button[data-command=close]", timeout=60_000)
        symbol = button.get_attribute("data-symbol")
        button.click()
        tab.click("#ask-yes")
        assert tab.inner_text("#ask-problem") == f"That is not {symbol}."
        tab.fill("#ask-word", symbol.lower())
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#toast:not(:empty), #ask-problem:has-text('holds no position')")
        toast = tab.inner_text("#toast")
        if tab.is_visible("#ask-no"):
            tab.click("#ask-no")
    assert toast.startswith(f"{symbol} sold")
    rows = tab.request.get("/api/v1/audit?limit=50").json()["items"]
    closes = [row for row in rows if (row["action"], row["outcome"]) == ("desk.close", "ok")]
    assert tab.goto(f"/trace/{closes[0]['trace_id']}").status == 200
    assert "closed by hand by " in tab.inner_text(".verdict")
    assert tab.locator(".stepper li").count() == 2  # its order and the exits: nobody voted
