"""The dashboard of a bot that has not traded: every empty place says what will fill it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from page_bot import Bot, end, start


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    # So slow that the first candle is not decided about before the end of the tests.
    running = start(tmp_path_factory.mktemp("idle"), "0.01", AUTOSTART="false")
    yield running
    end(running)


def test_empty_places_say_what_will_fill_them(visit: Callable[..., Any]) -> None:
    tab = visit()
    tab.goto("/")
    assert "idle" in tab.inner_text("#band .chips")
    assert "cab new strategy" in tab.inner_text("#first")
    assert "Each closed candle" in tab.inner_text("#decisions")
    assert "evaluated candles are needed" in tab.inner_text("#equity")
    for path, text in {
        "/signals": "first closed candle",
        "/trades?tab=positions": "opens one",
        "/trades?tab=trips": "stands here with its profit",
        "/trades?tab=orders": "before it is sent",
        "/trades?tab=fills": "with its fee",
        "/audit?q=nobody": "Nothing fits nobody",
        "/runs": "cab backtest",
        "/regime": "REGIME_DXY_URL",
        "/risk": "Buys that a filter",
    }.items():
        tab.goto(path)
        assert text in tab.inner_text("main"), path


def test_without_a_source_the_gauge_is_grey_and_says_that_nothing_is_asked(visit: Callable[..., Any]) -> None:
    tab = visit()
    for path in ("/", "/regime"):
        tab.goto(path)
        assert tab.inner_text(".regime-name") == "no source: always risk on", path
        fills = tab.eval_on_selector_all(".gauge rect", "each => each.map(e => getComputedStyle(e).fill)")
        grey = tab.eval_on_selector(".regime-name", "each => getComputedStyle(each).color")
        assert fills == [grey] * 4, path
        red, green, blue = map(int, re.findall(r"\d+", grey)[:3])
        assert max(red, green, blue) - min(red, green, blue) < 40, grey
        assert tab.locator(".gauge rect.on, .gauge .needle").count() == 0, path
        assert "+1.00" not in tab.inner_text("main"), path
        assert "score" not in (tab.get_attribute(".gauge", "aria-label") or ""), path


def test_a_symbol_is_started_from_the_page(visit: Callable[..., Any]) -> None:
    tab = visit()
    tab.goto("/")
    tab.click("button[data-command=start][data-symbol='BTC/USDT']")
    tab.click("#ask-yes")
    tab.wait_for_selector(".symbol.running")
