"""What a plugin finds in the environment of a running bot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cab_core.data.files import write_candles
from cab_core.data.generator import generate

CANARY = "canary-58h2f9a1"

CURIOUS = '''
"""Looks around."""

import json
import os
from pathlib import Path

from cab_core.sdk import Signals, Strategy, decide, hookimpl, plugin

Path(__file__).with_suffix(".seen").write_text(json.dumps(dict(os.environ)))


@plugin
class Curious(Strategy):
    """Holds."""

    def warmup_bars(self):
        return 1

    @hookimpl
    def signals(self, bars):
        Path(__file__).with_suffix(".later").write_text(json.dumps(dict(os.environ)))
        return decide(len(bars), 1, (), "quiet")
'''


@pytest.mark.catalogue(104)
def test_a_plugin_finds_no_secret_in_the_environment(tmp_path: Path):
    strategy = tmp_path / "curious.py"
    strategy.write_text(CURIOUS)
    candles = tmp_path / "BTC-USDT_15m.csv.gz"
    write_candles(candles, generate("BTC/USDT", 1, 3))
    given = {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT",
        "STRATEGY_SET": str(strategy),
        "API_KEY": CANARY,
        "API_SECRET": CANARY,
        "API_TOKEN": f"{CANARY}-{CANARY}",
        "INSTANCE_LOCK_PATH": str(tmp_path / "lock"),
    }
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from cab_core.cli import main; main()",
            "run",
            "--market",
            f"file:{candles}",
            "--speed",
            "max",
            "--json",
        ],
        env={**os.environ, **given},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for seen in (strategy.with_suffix(".seen"), strategy.with_suffix(".later")):
        environment = json.loads(seen.read_text())
        assert environment["MODE"] == "paper"  # it is the environment of the run
        assert CANARY not in seen.read_text()
    assert CANARY not in run.stdout + run.stderr
