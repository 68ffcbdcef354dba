"""The report in a real browser: offline, without a message in the console, usable by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cab_core.cycle.results import RunResult
from cab_core.report import RunFacts, write_report

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        # A container's root may not use the sandbox; the page under test is our own.
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=["light", "dark"])
def opened(
    request: pytest.FixtureRequest, browser: Any, run: RunResult, facts: RunFacts, tmp_path: Path
) -> Iterator[Any]:
    """The page of the run; whatever it logs or asks for fails the test."""
    write_report(tmp_path / "r.html", run, facts)
    context = browser.new_context(color_scheme=request.param, viewport={"width": 390, "height": 844})
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda asked: complaints.append(asked.url) if asked.url.startswith("http") else None)
    tab.goto((tmp_path / "r.html").as_uri())
    tab.wait_for_selector("#candles .cartesianlayer")
    tab.wait_for_selector("#curve .cartesianlayer")
    yield tab
    context.close()
    assert complaints == []


def test_nothing_is_wider_than_a_phone(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.wait_for_timeout(300)
    assert opened.evaluate("document.documentElement.scrollWidth") == 1280


def test_no_button_sends_the_chart_away(opened: Any) -> None:
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.wait_for_selector("#curve .modebar-btn", state="attached")
    titles = opened.eval_on_selector_all(".modebar-btn", "all => all.map(b => b.dataset.title)")
    assert titles
    assert [title for title in titles if "loud" in title or "hare" in title or "dit" in title] == []


def test_a_row_shows_its_trade_at_full_resolution(opened: Any, run: RunResult) -> None:
    opened.click("#ledger tbody tr:nth-child(3) button")
    assert run.trades[2].trace_id in opened.inner_text("#detail")
    assert "15m candles" in opened.inner_text("#shown")
    opened.click("#later")
    assert run.trades[2].trace_id not in opened.inner_text("#detail")


def test_the_table_filters_and_sorts(opened: Any, run: RunResult) -> None:
    gains = [trade for trade in run.trades if trade.pnl > 0]
    opened.select_option("#result", "1")
    assert opened.inner_text("#count").startswith(f"{len(gains)} of {len(run.trades)} trades")
    opened.click("[data-key=pnl]")
    opened.click("[data-key=pnl]")
    best = max(gains, key=lambda trade: trade.pnl)
    assert best.trace_id in opened.inner_text("#ledger tbody tr:not([hidden])")
    opened.fill("#search", best.trace_id)
    assert opened.inner_text("#count").startswith("1 of")


def test_the_theme_can_be_switched(opened: Any) -> None:
    before = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.click("#theme")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") != before
    opened.click("[data-curves=own]")
    assert opened.get_attribute("[data-curves=own]", "aria-pressed") == "true"
