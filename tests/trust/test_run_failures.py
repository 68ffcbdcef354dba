"""Plugins that hang or raise are named by every shell: replay, run, demo, status, health and ``why``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.trust.commands import CAB, HERE, cab
from tests.trust.installed import install

from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.plugins.kinds import Kind

BROKEN = HERE / "broken.py"
MUTE = """
    from cab_core.sdk import Notifier, hookimpl, plugin

    @plugin
    class Plugin(Notifier):
        "Tells nobody."

        @hookimpl
        async def notify(self, alert):
            raise LookupError("nobody to tell")
"""
SILENT = """
    from cab_core.sdk import MacroSource, hookimpl, plugin

    @plugin
    class Plugin(MacroSource):
        "Reads nothing."

        @hookimpl
        async def read(self, http):
            return (await http.get_json())["absent"]
"""
FORBIDS = """
    from cab_core.sdk import RiskRule, hookimpl, plugin

    @plugin
    class Plugin(RiskRule):
        "Raises."

        @hookimpl
        def check(self, entry, book):
            raise ZeroDivisionError("no equity")
"""


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("candles") / "BTC-USDT_15m.csv.gz"
    write_candles(file, generate("BTC/USDT", 8, 7))
    return file


def settings(*more: str) -> list[str]:
    """Return settings of a paper run as options of a command."""
    given = ("SYMBOLS=BTC/USDT", "MODE=paper", "EXCHANGE=paper", "DB_PATH=bot.db", *more)
    return [word for each in given for word in ("--set", each)]


@pytest.mark.parametrize(
    ("given", "plugin"),
    [
        ((f"STRATEGY_SET={BROKEN}:Hangs",), "strategy:hangs"),
        (("STRATEGY_SET=ema_cross", f"RISK_RULE_FILES={BROKEN}:Stalls"), "risk:stalls"),
    ],
)
def test_what_hangs_is_given_up_and_named(
    given: tuple[str, ...], plugin: str, candles: Path, tmp_path: Path
) -> None:
    bold = ("VOLUME_FILTER_ENABLED=false", "TREND_UNKNOWN_POLICY=allow")
    options = [word for each in (*given, *bold) for word in ("--set", each)]
    said = cab(tmp_path, "backtest", "--data", str(candles), "--json", *options)
    told = json.loads(said.out)
    assert (said.code, told["trades"]) == (1, 0)
    (failure,) = told["plugin_failures"]
    assert (failure["plugin"], failure["message"]) == (plugin, "PluginTimeout")
    assert (failure["quarantined"], "broken.py:" in failure["place"]) == (True, True)
    assert f"{plugin} failed" in told["alarms"][0]


def test_a_run_names_whatever_raises(candles: Path, tmp_path: Path) -> None:
    packages = tmp_path / "site"
    install(packages, Kind.MACRO, "silent", SILENT)
    install(packages, Kind.NOTIFIER, "mute", MUTE)
    install(packages, Kind.RISK, "forbids", FORBIDS)
    (tmp_path / "silent.json").write_text("{}")
    given = settings(
        "STRATEGY_SET=ema_cross",
        "VOLUME_FILTER_ENABLED=false",
        "TREND_UNKNOWN_POLICY=allow",
        "NOTIFIER_SET=mute",
        f"macro_sources.silent.url=file://{tmp_path}/silent.json",
    )
    run = ("run", "--market", f"file:{candles}", "--speed", "max", "--no-api", "--json")
    said = cab(tmp_path, *run, *given, packages=packages)
    told = json.loads(said.out)
    found = {each["plugin"]: each for each in told["plugin_failures"]}
    assert said.code == 1
    assert found.keys() == {"macro:silent", "risk:forbids", "notifier:mute"}
    assert all(each["failures"] == each["calls"] > 0 for each in found.values())
    assert found["macro:silent"]["message"] == "KeyError: 'absent'"
    assert found["risk:forbids"]["message"] == "ZeroDivisionError: no equity"
    assert found["notifier:mute"]["message"] == "LookupError: nobody to tell"
    # A notifier changes no result, so it is named, but the result may be believed.
    assert {alarm.split()[0] for alarm in told["alarms"]} == {"macro:silent", "risk:forbids"}


def test_a_demo_with_a_broken_rule_does_not_end_well(tmp_path: Path) -> None:
    packages = install(tmp_path / "site", Kind.RISK, "forbids", FORBIDS)
    said = cab(tmp_path, "demo", "--headless", "--days", "10", packages=packages)
    assert said.code == 1
    assert "! do not believe this result: risk:forbids failed in every call; the first time: Zero" in said.out
    (report,) = (tmp_path / "cab-demo").glob("report-*.html")
    assert "risk:forbids failed" in report.read_text()


def test_why_of_a_backtest_shows_its_doubts(candles: Path, tmp_path: Path) -> None:
    cheat = f"{HERE / 'cheats.py'}:Shifts"
    assert cab(tmp_path, "backtest", "--data", str(candles), "--strategies", cheat).code == 1
    why = cab(tmp_path, "why", "--at", "2024-01-05")
    assert "! do not believe this run: look_ahead: shifts, BTC/USDT 20" in why.out, why.err
    asked = json.loads(cab(tmp_path, "why", "--at", "2024-01-05", "--json").out)
    assert asked["alarms"][0].startswith("look_ahead: shifts")


@contextmanager
def running(folder: Path, packages: Path, *args: str) -> Iterator[None]:
    """Let a bot run meanwhile."""
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    with (folder / "run.log").open("wb") as log:
        bot = subprocess.Popen([*CAB, "run", *args], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            bot.send_signal(signal.SIGTERM)
            bot.wait(30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_status_and_health_of_a_running_bot_name_them(candles: Path, tmp_path: Path) -> None:
    packages = install(tmp_path / "site", Kind.NOTIFIER, "mute", MUTE)
    given = settings(f"STRATEGY_SET={BROKEN}:Raises", "NOTIFIER_SET=mute", f"PORT={free_port()}")
    with running(tmp_path, packages, "--market", f"file:{candles}", "--speed", "2000", *given):
        told: list[Any] = []
        until = time.monotonic() + 60
        while len(told) < 2 and time.monotonic() < until:
            time.sleep(0.5)
            said = cab(tmp_path, "status", "--json", *given, packages=packages)
            told = json.loads(said.out)["troubles"] if said.code == 0 else []
        shown = cab(tmp_path, "status", *given, packages=packages).out
        health = cab(tmp_path, "health", "--json", *given, packages=packages)
    assert len(told) == 2, (tmp_path / "run.log").read_text()
    assert "! strategy:raises failed on BTC/USDT in every call; the first time: KeyError: 'price' at" in shown
    assert "! notifier:mute failed in every call; the first time: LookupError: nobody to tell at" in shown
    parts = json.loads(health.out)["components"]
    assert health.code == 1
    assert "strategy:raises failed on BTC/USDT in every call" in parts["plugins"]["detail"]
    assert "notifier:mute failed in every call" in parts["notifiers"]["detail"]
