"""Whole processes as a user starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engine import NINE
from benchmarks.measure import Figure, Process, run_process

CAB = str(Path(sys.executable).with_name("cab"))
_TICKS = os.sysconf("SC_CLK_TCK")


def backtests(rounds: int, data: Path, folder: Path) -> list[Figure]:
    """Time ``cab backtest`` over one year with nine strategies, without and with a report."""
    command = [CAB, "backtest", "--data", str(data), "--strategies", NINE, "--mode", "vote", "--json"]
    plain = [run_process(command, folder) for _ in range(rounds)]
    reported = [run_process([*command, "--report", "report.html"], folder) for _ in range(rounds)]
    return [
        *_process("cab backtest, one year, nine strategies", plain, 0.9, 130.0),
        *_process("  with report", reported, 2.0, 130.0),
    ]


def instant(rounds: int, folder: Path) -> list[Figure]:
    """Time ``cab --version`` and ``cab --help``."""
    figures = []
    for flag in ("--version", "--help"):
        done = [run_process([CAB, flag], folder) for _ in range(rounds)]
        figures += _process(f"cab {flag}", done, 0.15, 30.0)
    return figures


def paper(folder: Path) -> dict[str, str]:
    """Return the settings of a bot that trades three symbols on paper with nine strategies."""
    return {
        "MODE": "paper",
        "EXCHANGE": "gateio",
        "SYMBOLS": "BTC/USDT,ETH/USDT,SOL/USDT",
        "STRATEGY_SET": NINE,
        "STRATEGY_MODE": "vote",
        "DB_PATH": str(folder / "bot.sqlite3"),
        "INSTANCE_LOCK_PATH": str(folder / "bot.lock"),
    }


@contextmanager
def running(folder: Path, settings: Mapping[str, str], *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``cab run`` on the sample market, in a folder of its own, until the block ends."""
    folder.mkdir()
    command = [CAB, "run", "--market", "sample", *options]
    with (folder / "log").open("w") as log:
        bot = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            yield bot
        finally:
            bot.send_signal(signal.SIGTERM)
            bot.wait(30)


def idle(folder: Path, seconds: float = 20.0) -> list[Figure]:
    """Watch ``cab run`` on three symbols at real speed: nothing happens until a candle closes."""
    folder = folder / "idle"
    with running(folder, paper(folder), "--speed", "1") as bot:
        time.sleep(8.0)
        used = core_share(bot.pid, seconds)
        rss = rss_mib(bot.pid)
    return [
        Figure("cab run, paper, three symbols, idle: share of a core", [100 * used], "%", 1.0),
        Figure("  memory", [rss], "MiB", 110.0),
    ]


def _process(name: str, done: list[Process], cpu_s: float, rss_mib: float) -> list[Figure]:
    return [
        Figure(name, [p.cpu_s for p in done], "CPU s", cpu_s),
        Figure("  memory", [p.rss_mib for p in done], "MiB", rss_mib),
    ]


def core_share(pid: int, seconds: float) -> float:
    """Watch a process for so long and return the share of one core that it used."""
    before = _ticks(pid)
    time.sleep(seconds)
    return (_ticks(pid) - before) / _TICKS / seconds


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
