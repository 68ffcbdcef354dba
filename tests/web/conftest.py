"""Fixtures: a bot on a recorded market, and one browser for all tests of a module."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from page_bot import ADMIN, Bot, end, start

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot that trades a recorded market, about an hour of it per second."""
    running = start(tmp_path_factory.mktemp("bot"), "4000")
    yield running
    end(running)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with playwright.sync_playwright() as started:
        # A container's root may not use the sandbox; the pages under test are our own.
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def sessions(browser: Any) -> Callable[[str, str], Any]:
    """Log in with a token, once, and return the browser's state."""
    known: dict[str, Any] = {}

    def state(url: str, token: str) -> Any:
        if url + token not in known:
            context = browser.new_context()
            tab = context.new_page()
            tab.goto(f"{url}/login")
            tab.fill("[name=token]", token)
            tab.click("form button")
            tab.wait_for_url(f"{url}/")
            known[url + token] = context.storage_state()
            context.close()
        return known[url + token]

    return state


@pytest.fixture
def visit(browser: Any, bot: Bot, sessions: Callable[[str, str], Any]) -> Iterator[Callable[..., Any]]:
    """Open a tab of somebody who is logged in: ``visit(token=..., width=390)``.

    Whatever a tab writes into its console or asks of another host fails the test; ``allow`` names pieces of
    messages that are expected.
    """
    contexts: list[Any] = []
    complaints: list[str] = []
    allowed: list[str] = []

    def open_tab(token: str = ADMIN, width: int = 1440, at: str = bot.url, **more: Any) -> Any:
        allowed.extend(more.pop("allow", ()))
        state = sessions(at, token)
        context = browser.new_context(
            storage_state=state, viewport={"width": width, "height": 900}, base_url=at, **more
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(15_000)
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda asked: None if asked.url.startswith(at) else complaints.append(asked.url))
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert [each for each in complaints if not any(piece in each for piece in allowed)] == []
