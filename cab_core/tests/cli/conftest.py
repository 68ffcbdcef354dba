from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cab_core.cli import invoke
from cab_core.settings import SETTINGS

#: Trades often, so that a few weeks of a made-up market show everything.
IDEA = '''
"""A strategy as a single file."""

import numpy as np

from cab_core.sdk import Action, Signals, Strategy, When, decide, hookimpl, indicators, option, plugin


@plugin
class Swing(Strategy):
    """Buys above the average, sells below it."""

    bars: int = option(12, ge=2, le=200, help="bars of the average")

    def warmup_bars(self):
        return self.bars

    @hookimpl
    def signals(self, bars):
        mean = indicators.sma(bars.close, self.bars)
        table = [
            When(bars.close > mean * 1.002, Action.BUY, "above", bars.close / mean - 1),
            When(bars.close < mean * 0.998, Action.SELL, "below", mean / bars.close - 1),
        ]
        return decide(len(bars), self.warmup_bars(), table, "near", {"mean": mean})
'''

Cab = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty working folder; nothing is set but where the lock is."""
    monkeypatch.chdir(tmp_path)
    for row in SETTINGS:
        monkeypatch.delenv(row.name, raising=False)
    monkeypatch.setenv("INSTANCE_LOCK_PATH", str(tmp_path / "lock"))
    return tmp_path


@pytest.fixture
def desk(folder: Path) -> Path:
    """A folder with a market of 40 days, ``BTC-USDT.csv.gz``, and a strategy, ``swing.py``."""
    (folder / "swing.py").write_text(IDEA)
    assert invoke(["data", "generate", "--out", "BTC-USDT.csv.gz", "--days", "40", "--seed", "5"]) == 0
    return folder


@pytest.fixture
def cab(capsys: pytest.CaptureFixture[str]) -> Cab:
    """Run a command with ``--json`` and return its document."""

    def call(*args: str) -> dict[str, Any]:
        capsys.readouterr()
        code = invoke([*args, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document

    return call


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run a command with ``--json``; return its exit code and its document, of stderr where it is refused."""

    def call(*args: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = invoke([*args, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out or err)

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command that fails; return its exit code and what it said on stderr."""

    def call(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = invoke(args)
        out, err = capsys.readouterr()
        assert code != 0
        assert out == ""
        return code, err

    return call
