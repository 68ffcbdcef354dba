from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke

EXITS = {"stop_loss", "take_profit_1", "breakeven", "trailing_stop", "take_profit_2", "signal_sell"}
REGIMES = {"risk_on", "risk_small", "neutral", "risk_off"}


pytestmark = pytest.mark.usefixtures("folder")


def demo(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert invoke(["demo", "--headless", "--json", *options]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_demo_shows_everything_at_least_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = demo(capsys)
    assert told["exits_by_reason"].keys() >= EXITS
    assert told["demo"]["regime_minutes"].keys() == REGIMES
    blocked = told["blocked_by_reason"]
    assert {"risk_loss_streak", "risk_daily_loss"} <= blocked.keys()  # critical rules that halt
    assert "risk_cooldown" in blocked  # a soft rule that delays
    assert {"regime_neutral", "regime_risk_off"} <= blocked.keys()
    assert len([plugin for plugin in told["plugins"] if plugin["id"].startswith("strategy:")]) == 9
    assert len([plugin for plugin in told["plugins"] if plugin["id"].startswith("risk:")]) == 6


def test_a_soft_rule_and_the_regime_shrink_entries(tmp_path: Path) -> None:
    from cab_core.app.demo import DAYS, SEED, run_demo

    finished = run_demo(SEED, DAYS, tmp_path / "out").finished
    costs = {order.intent.cost for order in finished.result.orders if order.intent.cost is not None}
    assert {1000, 500, 250} <= {int(cost) for cost in costs}  # whole, by regime, by correlation


def test_the_same_seed_gives_the_same_report_wherever_it_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    first = demo(capsys, "--days", "12")
    monkeypatch.setenv("STRATEGY_SET", "ema_cross")
    monkeypatch.setenv("FIXED_AMOUNT", "17")
    (folder / "cab.toml").write_text("stop_loss_pct = 4\n")
    second = demo(capsys, "--days", "12", "--out", str(folder / "elsewhere"))
    assert second["report_sha256"] == first["report_sha256"]
    assert second["decisions_sha256"] == first["decisions_sha256"]
    other = demo(capsys, "--days", "12", "--seed", "2")
    assert other["report_sha256"] != first["report_sha256"]


def test_the_demo_runs_with_a_broken_configuration(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "cab.toml").write_text("this is no toml")
    assert demo(capsys, "--days", "12")["trades"] > 0


@pytest.mark.parametrize("on_the_path", [True, False])
def test_the_next_commands_work_as_they_are_printed(folder: Path, *, on_the_path: bool) -> None:
    (folder / ".venv").symlink_to(sys.prefix)
    path = f"{sys.prefix}/bin:/usr/bin:/bin" if on_the_path else "/usr/bin:/bin"

    def shell(line: str) -> str:
        done = subprocess.run(
            line, shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    text = shell("cab demo --headless" if on_the_path else ".venv/bin/cab demo --headless")
    assert f"report: {Path('cab-demo/report-38.html')}" in text
    assert (folder / "cab-demo/report-38.html").stat().st_size > 10_000
    lines = [line.strip().split("  ")[0] for line in text.partition("next:\n")[2].splitlines()]
    program = "cab" if on_the_path else ".venv/bin/cab"
    assert [line.rpartition(" ")[0] for line in lines][1:] == [f"{program} new strategy", f"{program} config"]
    assert "buy" in shell(lines[0])
    assert "next:" in shell(lines[1])
    assert "next:" in shell(lines[2])


def test_the_first_candle_of_the_demo_knows_a_past(capsys: pytest.CaptureFixture[str]) -> None:
    told = demo(capsys, "--days", "10")
    assert not {"not_enough_bars", "trend_insufficient_history"} & told["blocked_by_reason"].keys()
    assert invoke(["why", "--at", "2024-01-01T00:15", "--symbol", "BTC/USDT", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["run_id"], len(first["strategies"])) == (told["run_id"], 9)
    assert "not_enough_bars" not in {each["reason"] for each in first["strategies"]}


def test_bad_values_are_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert invoke(["demo", "--headless", "--days", "3"]) == 2
    assert invoke(["demo", "--speed", "fast"]) == 2
    (folder / "file").write_text("")
    assert invoke(["demo", "--headless", "--out", "file"]) == 2
    assert invoke(["demo", "--headless", "--out", "file/below"]) == 1
    assert "error[CAB-E" in capsys.readouterr().err


def test_a_terminal_shows_the_month_passing_by(folder: Path) -> None:
    leader, follower = pty.openpty()
    program = "from cab_core.cli import main; main()"
    command = [sys.executable, "-c", program, "demo", "--days", "10", "--speed", "2000000", "--linger", "0"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        command, stderr=follower, stdout=subprocess.PIPE, stdin=follower, env=environment, text=True
    )
    os.close(follower)
    shown = b""
    while chunk := _read(leader):
        shown += chunk
    out = process.communicate()[0]
    assert process.returncode == 0
    assert "cab why" in out
    view = shown.decode(errors="replace")
    assert "regime" in view
    assert "equity" in view
    assert "▁" in view or "█" in view


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end was closed
        return b""
