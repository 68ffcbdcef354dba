"""Bots as processes of their own, for the pages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs

from cab_core.settings import SETTINGS

ADMIN = "page-test-token-0123456789abcdef0123456789"
STRATEGIES = "ema_atr,ema_cross,rsi_momentum,bollinger_bands,donchian_breakout,supertrend,stochastic_adx"


@attrs.frozen
class Bot:
    """A running bot: its pages' address, a viewer's token, and the folder it works in."""

    url: str
    viewer: str
    process: subprocess.Popen[bytes]
    folder: Path


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a bot in ``folder``, without the settings of whoever runs the tests."""
    known = {row.name for row in SETTINGS}
    return {
        **{name: value for name, value in os.environ.items() if name not in known},
        "DB_PATH": str(folder / "bot.db"),
        "INSTANCE_LOCK_PATH": str(folder / "bot.lock"),
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT,ETH/USDT",
        "STRATEGY_SET": STRATEGIES,
        "STRATEGY_MODE": "vote",
        "API_TOKEN": ADMIN,
        "API_RATE_PER_MIN": "6000",
        "LOG_LEVEL": "WARNING",
        "PORT": "0",
        **settings,
    }


def cab(*arguments: str) -> list[str]:
    """Return the command line of a ``cab`` command."""
    return [sys.executable, "-c", "from cab_core.cli import main; main()", *arguments]


def start(folder: Path, speed: str, **settings: str) -> Bot:
    """Start a bot on the sample market; it is ready when it publishes its address."""
    given = environment(folder, **settings)
    made = subprocess.run(
        cab("token", "new", "watcher"), env=given, cwd=folder, capture_output=True, text=True, check=True
    )
    viewer = re.search(r"cab_\S+", made.stdout)
    assert viewer is not None, made.stdout
    with (folder / "bot.log").open("w") as written:
        command = cab("run", "--market", "sample:38", "--speed", speed)
        process = subprocess.Popen(command, env=given, cwd=folder, stderr=written, stdout=subprocess.DEVNULL)
    endpoint, until = folder / "bot.lock.api", time.monotonic() + 60
    while not endpoint.exists():
        assert process.poll() is None, (folder / "bot.log").read_text()
        assert time.monotonic() < until, "the bot published no address"
        time.sleep(0.05)
    return Bot(json.loads(endpoint.read_text())["url"], viewer[0], process, folder)


def end(bot: Bot) -> None:
    """Stop a bot."""
    bot.process.send_signal(signal.SIGTERM)
    bot.process.wait(30)
