"""What a person at a terminal is left with: the way in, above the panel and in it."""

from __future__ import annotations

import re
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from run_desk import desk_of
from terminals import OnTerminal

_PROGRAM = "from cab_core.cli import main; main()"
_LINK = re.compile(r"dashboard (http://[\d.:]+/login\?code=[\w-]{43})  \(logs in once")


def links(shown: list[str]) -> list[str]:
    """Return the links above the panel; those that the terminal has wrapped are copied as one line."""
    top = next(n for n, row in enumerate(shown) if row.startswith("╭"))
    return _LINK.findall("".join(row.ljust(1) for row in shown[:top]))


@pytest.mark.parametrize("columns", [80, 50])
def test_the_login_link_stays_on_the_screen_and_works(tmp_path: Path, columns: int) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=2)
    command = [sys.executable, "-c", _PROGRAM, "run", "--market", "sample", "--speed", "60"]
    run = OnTerminal.start(command, tmp_path, desk.environment(LOG_LEVEL="INFO"), columns)
    try:
        run.watch(lambda rows: sum("last decisions of" in row for row in rows) == 1)
        drawn: set[str] = set()

        def drawn_over(rows: list[str]) -> bool:
            drawn.add("\n".join(rows))
            return len(drawn) > 3

        shown = run.watch(drawn_over)
        (link,) = links(shown)
        inside = "".join(row.strip("│ ") for row in shown if row.startswith("│"))
        assert link in inside
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        assert "BTC/USDT" in browser.open(link, timeout=30).read().decode()
    finally:
        left = run.end()
    assert links(left) == [link]
    assert sum(row.startswith("╭") for row in left) == 1, "\n".join(left)
    assert any("stopped by Ctrl-C" in row for row in left)


def test_the_link_of_the_demo_outlives_its_panel(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("BTC/USDT",), days=2)
    command = [sys.executable, "-c", _PROGRAM, "demo", "--days", "10", "--no-browser", "--linger", "0"]
    demo = OnTerminal.start(command, tmp_path, desk.environment(), columns=60, rows=120)
    try:
        demo.watch(lambda rows: any(row.startswith("next:") for row in rows))
    finally:
        left = demo.end()
    assert _LINK.search("".join(row.ljust(1) for row in left)), "\n".join(left)
