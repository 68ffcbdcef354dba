"""``cab demo`` on its dashboard: the link, the candles, and the same report as without it."""

from __future__ import annotations

import http.cookiejar
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from page_bot import cab, environment

SHORT = ("demo", "--days", "10", "--no-browser")


def begin(folder: Path, *options: str) -> tuple[subprocess.Popen[str], str, Any]:
    """Start a demo; return it with the address of its pages and a client that its link has logged in."""
    process = subprocess.Popen(
        cab(*SHORT, *options),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    found = re.search(r"dashboard (http\S+)/login\?code=(\S+)", process.stderr.readline())
    assert found is not None
    client = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    assert client.open(f"{found[1]}/login?code={found[2]}").url == f"{found[1]}/"
    return process, found[1], client


def shown(client: Any, url: str, text: str, within_s: float = 60) -> None:
    """Wait until a page shows a text."""
    until = time.monotonic() + within_s
    while text not in client.open(url).read().decode():
        assert time.monotonic() < until, f"{url} does not show {text!r}"
        time.sleep(0.5)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return what a process prints up to a line with ``text``."""
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if text in line:
            break
    return told


def test_the_demo_is_watched_and_ends_in_the_same_report(tmp_path: Path) -> None:
    process, url, client = begin(tmp_path, "--speed", "10000000", "--linger", "60")
    shown(client, f"{url}/chart/BTC/USDT", "data-candles")
    told = read_until(process, "cab config init")
    shown(client, f"{url}/", "the recording has ended")
    shown(client, f"{url}/", "Read the report")
    shown(client, f"{url}/runs", "open</a>")
    process.send_signal(signal.SIGINT)  # enough of lingering
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    quick = subprocess.run(
        cab(*SHORT, "--headless"), cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
    )
    report = re.compile(r"sha256 (\w+)")
    assert report.findall(told + out) == report.findall(quick.stdout) != []


def test_ctrl_c_writes_the_report_of_the_part_that_was_played(tmp_path: Path) -> None:
    process, url, client = begin(tmp_path, "--speed", "100000", "--linger", "0")
    overview = client.open(f"{url}/").read().decode()
    assert "cab demo" not in overview  # who sees this page is in it
    assert "PAPER" in overview
    shown(client, f"{url}/chart/BTC/USDT", "data-candles")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "report: " in out
    assert (tmp_path / "cab-demo" / "report-38.html").stat().st_size > 10_000
