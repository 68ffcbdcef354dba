"""What keeps a bot from starting is told by every command that is asked, all of it together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cab_core.cli import invoke
from cab_core.data.files import write_candles
from cab_core.data.generator import generate
from cab_core.settings import SETTINGS

CANDLES = "BTC-USDT.csv"
FITTING = {"MODE": "paper", "EXCHANGE": "gateio", "SYMBOLS": "BTC/USDT", "LOG_LEVEL": "WARNING", "PORT": "0"}

SETTING = ({"STOP_LOSS_PCT": "0"}, "must be a number > 0 and < 100")
STRATEGY = ({"STRATEGY_SET": "nope,ema_atr"}, "'nope' is not installed")
OPTIONS = ({"EMA_SHORT": "30", "EMA_LONG": "20"}, "ema_short = 30 must be less than ema_long = 20")
EXCHANGE = ({"EXCHANGE": "foo"}, "'foo' is not installed")
STORED = ({"SYMBOLS": "BTC/USDC"}, "counted in USDT")

#: Each command with what it does not need, so does not tell.
COMMANDS = {
    "config check": (),
    "doctor": (),
    "run": (),
    f"run --market file:BTC/USDC={CANDLES} --speed max": (),
    "rehearse --days 1 --headless": (EXCHANGE, STORED),  # it has an exchange and a database of its own
    f"backtest --data {CANDLES}": (EXCHANGE, STORED),
    "reconcile": (STRATEGY, OPTIONS, EXCHANGE),  # an account is compared though no strategy loads
}


@pytest.fixture(autouse=True)
def traded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a paper account that has traded a day."""
    monkeypatch.chdir(tmp_path)
    for row in SETTINGS:
        monkeypatch.delenv(row.name, raising=False)
    for name, value in {**FITTING, "INSTANCE_LOCK_PATH": str(tmp_path / "lock")}.items():
        monkeypatch.setenv(name, value)
    write_candles(tmp_path / CANDLES, generate("BTC/USDT", 1, 11))
    assert invoke(["run", "--market", f"file:{CANDLES}", "--speed", "max"]) == 0
    return tmp_path


def test_what_fits_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["config", "check"]) == 0
    assert "settings are valid" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "wrong", [(STRATEGY, OPTIONS, EXCHANGE, STORED), (SETTING, STRATEGY, OPTIONS, EXCHANGE)]
)
def test_all_that_is_wrong_is_told_together(
    wrong: tuple[tuple[dict[str, str], str], ...],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for change, _ in wrong:
        for name, value in change.items():
            monkeypatch.setenv(name, value)
    code = invoke(command.split())
    told = "".join(capsys.readouterr())
    assert code == (1 if command == "doctor" else 78), told
    missing = [text for change, text in wrong if (change, text) not in COMMANDS[command] and text not in told]
    assert not missing, told
