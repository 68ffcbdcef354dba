"""What a command may load. Start-up time and memory follow from it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from repository import run_python

HEAVY = {
    "aiosqlite", "alembic", "asyncpg", "cattrs", "ccxt", "dynaconf", "httpx", "jinja2", "litestar", "numpy",
    "pandas", "plotly", "rich", "rich_click", "sqlalchemy", "stevedore", "structlog", "talib", "telegram",
}  # fmt: skip

#: Never loaded by anything that runs without an exchange.
LIVE_ONLY = {"ccxt", "litestar", "telegram", "pandas"}

PROBE = """
import json, sys
from cab_core.cli.main import dispatch
code = dispatch(json.loads(sys.argv[1]))
tops = {name.partition('.')[0] for name in sys.modules}
print('\\nLOADED', json.dumps([code, sorted(tops)]))
"""


def loaded_by(cwd: Path, *args: str) -> set[str]:
    """Run a command in a child; return the top-level packages that were imported."""
    environment = {**os.environ, "INSTANCE_LOCK_PATH": str(cwd / "lock")}
    _, printed = run_python("-c", PROBE, json.dumps(args), cwd=cwd, env=environment)
    line = next((line for line in printed.splitlines() if line.startswith("LOADED ")), None)
    assert line, printed
    code, names = json.loads(line.removeprefix("LOADED "))
    assert code == 0, printed
    return set(names)


def plugins_among(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("cab_") and name not in {"cab_core", "cab_plugins"}}


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_the_root_command_loads_nothing_heavy(tmp_path: Path, flag: str) -> None:
    loaded = loaded_by(tmp_path, flag)
    assert not loaded & HEAVY
    assert not plugins_among(loaded)


def test_listing_plugins_imports_none_of_them(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, "plugins", "list", "--json")
    assert not plugins_among(loaded)
    assert not loaded & (LIVE_ONLY | {"sqlalchemy", "numpy", "talib"})


def test_a_backtest_loads_no_exchange(tmp_path: Path) -> None:
    candles = tmp_path / "BTC-USDT_15m.csv.gz"
    made = ("data", "generate", "--symbol", "BTC/USDT", "--days", "3", "--seed", "1", "--out", str(candles))
    loaded_by(tmp_path, *made)
    loaded = loaded_by(tmp_path, "backtest", "--data", str(candles), "--strategies", "ema_cross", "--json")
    assert "cab_strategy_ema_cross" in loaded, "the probe looks at the wrong process"
    assert not loaded & LIVE_ONLY


def test_a_paper_run_loads_no_exchange(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MODE=paper\nEXCHANGE=gateio\nSYMBOLS=BTC/USDT\n", encoding="utf-8")
    candles = tmp_path / "BTC-USDT_15m.csv.gz"
    made = ("data", "generate", "--symbol", "BTC/USDT", "--days", "3", "--seed", "1", "--out", str(candles))
    loaded_by(tmp_path, *made)
    loaded = loaded_by(tmp_path, "run", "--market", f"file:{candles}", "--speed", "max", "--json")
    assert "cab_broker_paper" in loaded, "the probe looks at the wrong process"
    assert not loaded & LIVE_ONLY
